"""What must hold of any run, read back from its tables.

Columns are read as they stand and added here: a query that joins and groups takes DuckDB longer to
plan than it takes to read the few rows of a test, and every run of the suite is checked.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from exchanged import rate_before
from ml4t.backtest import BacktestResult, CashAccount, Catalog
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.stream.period import Period
from ml4t.backtest.results.summary import facts_lines, run_facts

Columns = dict[str, Any]
COSTS = ("commission", "tax", "fee", "slippage", "impact")
ENDS = ("filled", "partial", "cancelled", "denied", "rejected", "expired")

READ = {
    "equity": """
        select timestamp, equity, cash, coalesce(gross_exposure, 0) as gross from equity
        order by timestamp
    """,
    "positions": "select timestamp, asset_id, quantity, price, value from positions",
    "fills": """
        select timestamp, asset_id, order_id, quantity, price, value, commission,
            coalesce(tax, 0) as tax, coalesce(fee, 0) as fee,
            coalesce(slippage, 0) as slippage, coalesce(impact, 0) as impact
        from fills
    """,
    "flows": "select timestamp, asset_id, amount, kind, in_trades from cash_flows",
    "trades": """
        select coalesce(pnl, 0) as pnl, coalesce(dividends, 0) as dividends,
            coalesce(commission, 0) as commission, coalesce(tax, 0) as tax,
            coalesce(fee, 0) as fee, coalesce(slippage, 0) as slippage,
            coalesce(impact, 0) as impact, coalesce(borrow, 0) as borrow,
            coalesce(exit_timestamp < entry_timestamp, false) as is_backwards
        from trades
    """,
    "orders": """
        select order_id, quantity, filled_quantity, limit_price, status, reason from orders
    """,
}


def check_invariants(result: BacktestResult, account: object = None) -> None:
    """Assert what must hold of any run."""
    account = CashAccount() if account is None else account
    read, scale = check_books(result)
    check_orders(read["orders"], read["fills"])
    assert facts_lines(run_facts(result))  # whatever was set, a run can say what it was
    if isinstance(account, CashAccount):
        # Covering a short position at a loss may cost more than there is.
        if account.shortfall != "none" and not account.shorting:
            # And a fee is charged whether there is cash or not.
            amount = read["flows"]["amount"][read["flows"]["kind"] == "cash"]
            floor = np.minimum(amount, 0.0).sum() - account.overdraft
            assert read["equity"]["cash"].min() >= floor - 1e-9 * scale
        if not account.shorting:
            assert (read["positions"]["quantity"] > 0).all()


def check_books(result: BacktestResult) -> tuple[dict[str, Columns], float]:
    """Assert that money adds up; return what was read for it, and the size of what adds up."""
    read = {name: tables_for(result, query).numpy(query) for name, query in READ.items()}
    equity, flows = read["equity"], read["flows"]
    # What is settled daily is worth nothing beside the cash that has been paid for it.
    settled = set(flows["asset_id"][flows["kind"] == "variation_margin"].tolist())
    for name in ("positions", "fills"):
        if settled:
            is_settled = np.array([one in settled for one in read[name]["asset_id"].tolist()])
            read[name]["value"] = np.where(is_settled, 0.0, read[name]["value"])
    final = equity["equity"][-1]
    initial = flows["amount"][flows["kind"] == "deposit"].sum()
    scale = float(max(initial, abs(final), equity["gross"].max()))
    check_equity(equity, read["positions"], scale)
    check_cash(equity, read["fills"], flows, scale)
    check_trades(read["trades"], read["fills"], flows, final, scale)
    return read, scale


def tables_for(result: BacktestResult, query: str) -> Database:
    """Return what answers a query of ours, with the tables that it reads and no others.

    `sql` guards against queries of others, at a price that every run would pay.
    """
    result._report.make(query)
    return result._tables


def by_bar(equity: Columns, rows: Columns, amounts: Any) -> Any:
    """Add amounts up at each bar, which every row has to be of."""
    bars = equity["timestamp"]
    at = np.searchsorted(bars, rows["timestamp"])
    assert (bars[np.minimum(at, len(bars) - 1)] == rows["timestamp"]).all(), "rows of no bar"
    return np.bincount(at, weights=amounts, minlength=len(bars))


def check_equity(equity: Columns, positions: Columns, scale: float) -> None:
    """Equity is cash plus positions, at every bar."""
    held = by_bar(equity, positions, positions["value"])
    gaps = np.abs(equity["equity"] - equity["cash"] - held)
    assert gaps.max() <= 1e-9 * scale, gaps
    assert np.isfinite(positions["value"]).all(), positions
    assert not ((positions["quantity"] == 0) | (positions["price"] < 0)).any(), positions


def check_cash(equity: Columns, fills: Columns, flows: Columns, scale: float) -> None:
    """Cash moves by fills and flows alone, and a fill moves what its position is worth."""
    charged = fills["commission"] + fills["tax"] + fills["fee"]
    moved = by_bar(equity, fills, -fills["value"] - charged)
    gaps = np.abs(equity["cash"] - np.cumsum(moved + by_bar(equity, flows, flows["amount"])))
    assert gaps.max() <= 1e-9 * scale, gaps


def check_trades(
    trades: Columns, fills: Columns, flows: Columns, final: float, scale: float
) -> None:
    """Trades and the flows outside of them are the final equity; their costs are the fills'.

    But for dividends that are due after the last bar: the trades have them, no cash has.
    """
    kind, amount = flows["kind"].astype(str), flows["amount"]
    paid = {
        "dividend": amount[np.isin(kind, ("dividend", "rights"))].sum(),
        # What holding cost; none of it is paid late in tests.
        "borrow": amount[np.isin(kind, ("borrow", "withholding", "cash", "funding"))].sum(),
    }
    outside = flows["amount"][~flows["in_trades"].astype(bool)].sum()
    due = trades["dividends"].sum() - paid["dividend"]
    gaps = {name: trades[name].sum() - fills[name].sum() for name in COSTS}
    gaps["borrow"] = trades["borrow"].sum() + paid["borrow"]
    gap = trades["pnl"].sum() + outside - due - final
    # What a return of capital was more than a cost is a gain, as dividends are, and due no more.
    returned = np.abs(amount[kind == "return_of_capital"]).sum()
    gaps["equity"] = max(abs(gap) - returned, 0.0)
    assert {name: gap for name, gap in gaps.items() if not abs(gap) <= 1e-8 * scale} == {}
    assert not trades["is_backwards"].any()


def check_orders(orders: Columns, fills: Columns) -> None:
    """Every order has one end, a reason unless it filled whole, and the fills that it says."""
    ids, first, n_of = np.unique(orders["order_id"], return_index=True, return_counts=True)
    assert (n_of == 1).all(), f"ids twice: {ids[n_of > 1]}"
    orders = {name: values[first] for name, values in orders.items()}
    at = np.searchsorted(ids, fills["order_id"])
    assert np.isin(fills["order_id"], ids).all(), "fills without an order"
    limit, quantity, price = orders["limit_price"][at], fills["quantity"], fills["price"]
    is_worse = ((quantity > 0) & (price > limit * (1 + 1e-12))) | (
        (quantity < 0) & (price < limit * (1 - 1e-12))
    )
    assert not is_worse.any(), f"fills worse than their limit: {fills['order_id'][is_worse]}"
    asked, filled = orders["quantity"], orders["filled_quantity"]
    status, reason = orders["status"], orders["reason"]
    is_filled = status == "filled"
    summed = np.bincount(at, weights=quantity, minlength=len(ids))
    ends_badly = (
        (np.abs(filled - summed) > 1e-9 * np.abs(filled))
        | ((is_filled | (status == "partial")) != (filled != 0))
        | (is_filled & (np.abs(filled) <= 0.99 * np.abs(asked)))
        | ((reason == "") & (~is_filled | (np.abs(filled - asked) > 1e-9 * np.abs(asked))))
        | (np.abs(filled) > np.abs(asked) * (1 + 1e-9))
        | (filled * asked < 0)
        | ~np.isin(status.astype(str), ENDS)
    )
    assert not ends_badly.any(), f"ends that do not fit: {ids[ends_badly]}"


def check_dividends(result: BacktestResult, catalog: Catalog, period: Period) -> None:
    """Trades have earned what was held at the close before each ex-date; what is due is paid."""
    actions = catalog.actions(period)
    dividends = [action for action in actions if action.kind == "dividend"]
    if not dividends:
        return

    def rows(query: str) -> list[tuple[Any, ...]]:
        return tables_for(result, query).rows(query)

    axes, multiplier = catalog.axes(period), catalog.instruments().multiplier
    rate = rate_before(rows, catalog, period)
    number = {asset: sid for sid, asset in enumerate(axes.asset_ids)}
    bars = "(select timestamp, row_number() over (order by timestamp) - 1 as t from equity) as bars"
    held: dict[tuple[int, int], float] = {
        (t + 1, number[str(asset)]): quantity
        for t, asset, quantity in rows(
            f"select t, asset_id, quantity from positions join {bars} using (timestamp)",
        )
    }
    in_lieu = rows(
        f"""
        select t, asset_id, quantity from trades join {bars} on exit_timestamp = timestamp
        where exit_rule = 'cash in lieu'
        """,
    )
    cut = {(t, number[str(asset)]): 0.0 for t, asset, _ in in_lieu}
    for t, asset, quantity in in_lieu:
        cut[t, number[str(asset)]] += quantity
    earned, others = [], []  # dividends; what else is part of what trades have received
    for action in actions:
        key, new = (action.t, action.sid), (action.t, action.new_sid)
        amount = held.get(key, 0.0) * action.value * multiplier[action.sid]
        amount *= rate(action.t, action.sid) if action.kind in ("dividend", "rights") else 1
        if action.kind == "dividend":
            earned.append(amount)
        elif action.kind == "rights":
            others.append(amount)
        elif action.kind == "split":
            held[key] = held.get(key, 0.0) * action.value - cut.pop(key, 0.0)
        elif action.kind == "spinoff":
            held[new] = held.get(new, 0.0) + held.get(key, 0.0) * action.value - cut.pop(new, 0.0)
        elif action.kind == "rename" or (action.kind == "merger" and action.share < 1):
            ratio = 1.0 if action.kind == "rename" else action.value
            held[new] = held.get(new, 0.0) + held.pop(key, 0.0) * ratio - cut.pop(new, 0.0)
        elif action.kind not in ("return_of_capital", "cash"):
            held.pop(key, None)
    is_paid = [max(action.pay_t, action.t) < len(axes.timestamps) for action in dividends]
    paid = [amount for amount, arrives in zip(earned, is_paid, strict=True) if arrives]
    scale = 1e-8 * sum(map(abs, earned)) + 1e-6
    for table, expected in (
        ("select sum(dividends) from trades", [*earned, *others]),
        ("select sum(amount) from cash_flows where kind = 'dividend'", paid),
    ):
        if any(action.kind == "return_of_capital" for action in actions) and "trades" in table:
            continue  # what was more than a cost is among them
        assert abs((rows(table)[0][0] or 0) - sum(expected)) <= scale, table
