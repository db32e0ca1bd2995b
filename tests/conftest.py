"""Invariants that hold after every run that any test makes, and small helpers."""

from __future__ import annotations

from functools import wraps
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from document_blocks import document  # noqa: F401 - a fixture
from effort import EFFORT, examples, thinned
from leverage import check_leverage
from ml4t.backtest import BacktestEngine, BacktestResult, CashAccount, Catalog
from ml4t.backtest.data import database
from ml4t.backtest.data.stream.period import Period, bound_of, find_period
from ml4t.backtest.results.summary import facts_lines, run_facts
from scripts import run_script  # noqa: F401 - a fixture

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "each_value: see tests/effort.py")
    # What says no number of its own; by default hypothesis draws a hundred.
    settings.register_profile("suite", max_examples=examples(30))
    settings.load_profile("suite")
    if EFFORT == 1:
        connect, made = database._connect, count()

        def with_few_threads(given: dict[str, Any]) -> Any:
            # A sixth of the time of a small run goes into threads with nothing to do.
            few = {"threads": 1} if next(made) % 4 else {}
            return connect({**few, **given})

        database._connect = with_few_threads


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out combinations that only a test of more effort runs; pytest counts them."""
    # Who names one test by its parameters wants it run.
    if EFFORT == 1 and not any("[" in str(one) for one in config.args):
        items[:], waiting = thinned(items)
        config.hook.pytest_deselected(items=waiting)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what was left out for want of the market data, instead of dots alone."""
    skipped = [
        report
        for report in terminalreporter.stats.get("skipped", ())
        if isinstance(report.longrepr, tuple) and "next to this checkout" in report.longrepr[2]
    ]
    if skipped:
        terminalreporter.write_line(
            f"{len(skipped)} skipped: market data and documents are not at ../shared"
        )


def check_invariants(result: BacktestResult, account: object = None) -> None:
    """Assert what must hold of any run, read back from its tables."""
    account = CashAccount() if account is None else account
    # Not from the metrics: they take as long as the checks together.
    initial, final, gross, lowest = rows_of(
        result,
        """
        select (select sum(amount) from cash_flows where kind = 'deposit'),
            max_by(equity, timestamp), coalesce(max(gross_exposure), 0), min(cash)
        from equity
        """,
    )[0]
    scale = max(initial, abs(final), gross)
    check_equity(result, scale)
    check_cash(result, scale)
    check_trades(result, scale, final)
    check_orders(result)
    assert facts_lines(run_facts(result))  # whatever was set, a run can say what it was
    if isinstance(account, CashAccount):
        # Covering a short position at a loss may cost more than there is.
        if account.shortfall != "none" and not account.shorting:
            assert lowest >= -account.overdraft - 1e-9 * scale
        if not account.shorting:
            short = rows_of(result, "select count(*) from positions where quantity <= 0")
            assert short == [(0,)]


def rows_of(result: BacktestResult, query: str) -> list[tuple[Any, ...]]:
    """Return what a query of ours finds; `sql` guards against those of others, at a price."""
    return result._database.rows(query)


def check_equity(result: BacktestResult, scale: float) -> None:
    """Equity is cash plus positions, at every bar."""
    gap = rows_of(
        result,
        """
        select max(abs(equity.equity - equity.cash - coalesce(held.value, 0)))
        from equity left join (
            select timestamp, sum(value) as value from positions group by timestamp
        ) as held using (timestamp)
        """,
    )[0][0]
    assert gap <= 1e-9 * scale
    bad = rows_of(
        result,
        "select count(*) from positions where quantity = 0 or not isfinite(value) or price < 0",
    )
    assert bad == [(0,)]


def check_cash(result: BacktestResult, scale: float) -> None:
    """Cash moves by fills and flows alone, and a fill moves what its position is worth."""
    gap = rows_of(
        result,
        """
        with moved as (
            select timestamp, sum(-value - commission) as moved from fills group by timestamp
        ), flows as (
            select timestamp, sum(amount) as amount from cash_flows group by timestamp
        ), running as (
            select cash,
                sum(coalesce(moved, 0) + coalesce(amount, 0)) over (order by equity.timestamp)
                    as expected
            from equity left join moved using (timestamp) left join flows using (timestamp)
        )
        select max(abs(cash - expected)) from running
        """,
    )[0][0]
    assert gap <= 1e-9 * scale


def check_trades(result: BacktestResult, scale: float, final: float) -> None:
    """Trades and the flows outside of them are the final equity; their costs are the fills'.

    But for dividends that are due after the last bar: the trades have them, no cash has.
    """
    total, commission, slippage, impact, borrow, n_backwards = rows_of(
        result,
        """
        with lots as (
            select coalesce(sum(pnl), 0) as pnl, coalesce(sum(dividends), 0) as dividends,
                coalesce(sum(commission), 0) as commission,
                coalesce(sum(slippage), 0) as slippage, coalesce(sum(impact), 0) as impact,
                coalesce(sum(borrow), 0) as borrow,
                count(*) filter (where exit_timestamp < entry_timestamp) as n_backwards
            from trades
        ), paid as (
            select coalesce(sum(commission), 0) as commission,
                coalesce(sum(slippage), 0) as slippage, coalesce(sum(impact), 0) as impact
            from fills
        ), flows as (
            select coalesce(sum(amount) filter (where not in_trades), 0) as outside,
                coalesce(sum(amount) filter (where kind = 'dividend'), 0) as dividends,
                coalesce(sum(amount) filter (where kind = 'borrow'), 0) as borrow
            from cash_flows
        )
        select lots.pnl + flows.outside - lots.dividends + flows.dividends,
            lots.commission - paid.commission, lots.slippage - paid.slippage,
            lots.impact - paid.impact, lots.borrow + flows.borrow, lots.n_backwards
        from lots, paid, flows
        """,
    )[0]
    assert abs(total - final) <= 1e-8 * scale
    gaps = {"commission": commission, "slippage": slippage, "impact": impact, "borrow": borrow}
    assert {name: gap for name, gap in gaps.items() if not abs(gap) <= 1e-8 * scale} == {}
    assert n_backwards == 0


def check_dividends(result: BacktestResult, catalog: Catalog, period: Period) -> None:
    """Trades have earned what was held at the close before each ex-date; what is due is paid."""
    actions = catalog.actions(period)
    dividends = [action for action in actions if action.kind == "dividend"]
    if not dividends:
        return
    axes, multiplier = catalog.axes(period), catalog.instruments().multiplier
    number = {asset: sid for sid, asset in enumerate(axes.asset_ids)}
    bars = "(select timestamp, row_number() over (order by timestamp) - 1 as t from equity) as bars"
    held: dict[tuple[int, int], float] = {
        (t + 1, number[str(asset)]): quantity
        for t, asset, quantity in rows_of(
            result,
            f"select t, asset_id, quantity from positions join {bars} using (timestamp)",
        )
    }
    in_lieu = rows_of(
        result,
        f"""
        select t, asset_id, quantity from trades join {bars} on exit_timestamp = timestamp
        where exit_rule = 'cash in lieu'
        """,
    )
    cut = {(t, number[str(asset)]): 0.0 for t, asset, _ in in_lieu}
    for t, asset, quantity in in_lieu:
        cut[t, number[str(asset)]] += quantity
    earned = []
    for action in actions:
        key = action.t, action.sid
        if action.kind == "dividend":
            earned.append(held.get(key, 0.0) * action.value * multiplier[action.sid])
        elif action.kind == "split":
            held[key] = held.get(key, 0.0) * action.value - cut.pop(key, 0.0)
        elif action.kind == "rename":
            new = action.t, action.new_sid
            held[new] = held.get(new, 0.0) + held.pop(key, 0.0)
        else:
            held.pop(key, None)
    is_paid = [max(action.pay_t, action.t) < len(axes.timestamps) for action in dividends]
    paid = [amount for amount, arrives in zip(earned, is_paid, strict=True) if arrives]
    scale = 1e-8 * sum(map(abs, earned)) + 1e-6
    for table, expected in (
        ("select sum(dividends) from trades", earned),
        ("select sum(amount) from cash_flows where kind = 'dividend'", paid),
    ):
        assert abs((rows_of(result, table)[0][0] or 0) - sum(expected)) <= scale, table


def check_orders(result: BacktestResult) -> None:
    """Every order has one end, a reason unless it filled whole, and the fills that it says."""
    bad = rows_of(
        result,
        """
        with done as (
            select order_id, sum(quantity) as quantity from fills group by order_id
        )
        select count(*), (select count(*) - count(distinct order_id) from orders),
            (select count(*) from fills anti join orders using (order_id)),
            (
                select count(*) from fills join orders using (order_id)
                where (fills.quantity > 0 and price > limit_price * (1 + 1e-12))
                   or (fills.quantity < 0 and price < limit_price * (1 - 1e-12))
            )
        from orders left join done using (order_id)
        where abs(filled_quantity - coalesce(done.quantity, 0)) > 1e-9 * abs(filled_quantity)
           or (status in ('filled', 'partial')) <> (filled_quantity <> 0)
           or (status = 'filled' and abs(filled_quantity) <= 0.99 * abs(orders.quantity))
           or (reason = '' and (status <> 'filled'
               or abs(filled_quantity - orders.quantity) > 1e-9 * abs(orders.quantity)))
           or abs(filled_quantity) > abs(orders.quantity) * (1 + 1e-9)
           or filled_quantity * orders.quantity < 0
           or status not in ('filled', 'partial', 'cancelled', 'denied', 'rejected', 'expired')
        """,
    )[0]
    # Ends that do not fit, ids twice, fills without an order, fills worse than their limit.
    assert bad == (0, 0, 0, 0)


@pytest.fixture(autouse=True)
def _invariants(monkeypatch: pytest.MonkeyPatch) -> None:
    run = BacktestEngine.run

    @wraps(run)
    def checked(self: BacktestEngine, *args: Any, **kwargs: Any) -> BacktestResult:
        result = run(self, *args, **kwargs)
        check_invariants(result, self.config.account)
        sides = (bound_of(n, kwargs.get(n)) or getattr(self, n) for n in ("start", "end"))
        check_dividends(result, self.catalog, find_period(*sides, self.catalog.prepare()))
        check_leverage(self, result)
        return result

    monkeypatch.setattr(BacktestEngine, "run", checked)
