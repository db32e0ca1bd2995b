"""Leverage: what a margin account may hold, judged from the tables of a run and its bars.

Shares no code with the engine: every bar's fills are booked again, one after the other, and after
each that opens or adds the account must carry what it holds.
"""

from __future__ import annotations

import math
from typing import Any

from invariants import tables_for
from ml4t.backtest import BacktestEngine, BacktestResult, MarginAccount

# Quantity and price before costs, of what was bought (or sold short) in this bar.
Lots = list[tuple[float, float]]

FILLS = """
    select fills.timestamp, fills.asset_id, fills.quantity, fills.price,
        fills.commission + coalesce(fills.tax, 0) + coalesce(fills.fee, 0),
        (fills.slippage + fills.impact) / abs(fills.quantity), order_type, tag
    from fills join orders using (order_id) order by fill_id
"""


def check_leverage(engine: BacktestEngine, result: BacktestResult) -> int:
    """Assert it for every increase; return how many were judged.

    Left out are bars in which something held has no price of its own, and what dividends buy.
    """
    account = engine.config.account
    if not isinstance(account, MarginAccount) or account.shortfall == "none":
        return 0
    if any(one.t >= 0 for one in engine.catalog.margin_changes()):
        return 0  # of what a contract tied up at each bar the terms tell the last alone
    by_bar: dict[Any, list[Any]] = {}

    def read(query: str) -> list[tuple[Any, ...]]:
        return tables_for(result, query).rows(query)

    for row in read(FILLS):
        by_bar.setdefault(row[0], []).append(row[1:])
    held: dict[Any, dict[Any, float]] = {}
    cash = dict(read("select timestamp, cash from equity"))
    if read("select 1 from currencies limit 1"):
        return 0  # of what is in other currencies the reference loop asks it
    terms, ids = engine.catalog.instruments(), engine.catalog.axes().asset_ids.tolist()
    sids = {asset: sid for sid, asset in enumerate(ids)}
    query = "select timestamp, asset_id, quantity, value from positions"
    for time, asset, quantity, value in read(query):
        held.setdefault(time, {})[asset] = quantity
        if terms.instrument[sids[asset]]:  # as if its notional had been paid
            cash[time] -= value
    bars = _bars(engine)
    n_judged = 0
    for time, fills in by_bar.items():
        before = dict(held.get(time, {}))
        money = cash[time]
        for asset, quantity, price, charge, *_ in fills:
            before[asset] = before.get(asset, 0.0) - quantity
            money += quantity * price * terms.multiplier[sids[asset]] + charge
        opens = bars.get(time, {})
        if any(abs(q) > 1e-6 and asset not in opens for asset, q in before.items()):
            continue
        bar = _Bar(account, terms, sids, opens, before, money)
        for fill in fills:
            n_judged += bar.book(engine.config.execution.timing.column, *fill)
    return n_judged


def _bars(engine: BacktestEngine) -> dict[Any, dict[Any, tuple[float, float]]]:
    """Return open and close of every bar in which an asset could trade."""
    found: dict[Any, dict[Any, tuple[float, float]]] = {}
    read = engine.catalog.prepare().database.rows
    names = [row[0] for row in read("describe prices")]
    has_volume = "where volume is distinct from 0" if "volume" in names else ""
    first = "open" if "open" in names else "close"  # without opens all fills are of the close
    query = f"select timestamp, asset_id, {first}, close from prices {has_volume}"
    for time, asset, opens, close in read(query):
        if opens is not None:
            found.setdefault(time, {})[asset] = (opens, close)
    return found


class _Bar:
    """One bar's account, from what it held at the start of it."""

    def __init__(
        self, account: MarginAccount, terms: Any, sids: dict[Any, int],
        bars: dict[Any, tuple[float, float]], before: dict[Any, float], money: float,
    ) -> None:  # fmt: skip
        self.account, self.terms, self.sids, self.bars = account, terms, sids, bars
        self.held, self.money = before, money
        self.bought: dict[Any, Lots] = {}

    def book(
        self, column: str, asset: Any, quantity: float, price: float, charge: float,
        moved: float, kind: str, tag: str,
    ) -> bool:  # fmt: skip
        """Book one fill; say whether it was an increase, which is then judged."""
        unit = self.terms.multiplier[self.sids[asset]]
        base = price - math.copysign(moved / unit, quantity)
        live = self.held.get(asset, 0.0)
        self.money -= quantity * price * unit + charge
        after = live + quantity
        self.held[asset] = after
        opened = quantity if live * quantity >= 0 else 0.0
        if live * after < 0:
            self.bought[asset], opened = [], after
        is_dust = abs(opened) <= 1e-9 * abs(quantity)
        if is_dust or tag == "reinvestment":
            return False
        is_next = column != "open" and kind == "market"
        if (is_next and column != "close") or (kind == "market" and tag == "rebalance"):
            # Average prices are in no column that all runs have; increases of a rebalance are one
            # purchase in many fills.
            self.bought.setdefault(asset, []).append((opened, base))
            return False
        at_close = kind.endswith("_on_close") or (is_next and column == "close")
        equity, needed = self.money, 0.0
        for name, shares in self.held.items():
            worth = self._worth(name, shares, base if name == asset else None, at_close=at_close)
            equity += worth
            money = float(self.terms.contract_initial_margin[self.sids[name]])
            fraction = self._initial(name, is_short=shares < 0)
            needed += abs(worth) * fraction if math.isnan(money) else abs(shares) * money
        self.bought.setdefault(asset, []).append((opened, base))
        assert equity >= needed * (1 - 1e-8) - 1e-6, (asset, quantity, price, equity, needed)
        return True

    def _initial(self, name: Any, *, is_short: bool) -> float:
        """Return what a position needs: of its side, of its asset, of the account."""
        sid, account = self.sids[name], self.account
        known = [self.terms.initial_margin[sid]]
        if is_short:
            known = [self.terms.short_initial_margin[sid], *known, account.short_initial_margin]
        known = [one for one in known if one is not None and not math.isnan(one)]
        return float([*known, account.initial_margin][0])

    def _worth(self, name: Any, shares: float, base: float | None, *, at_close: bool) -> float:
        unit = self.terms.multiplier[self.sids[name]]
        if base is not None:
            return float(shares * base * unit)
        opens, close = self.bars.get(name, (0.0, 0.0))
        if at_close:
            return float(shares * close * unit)
        worth, left = 0.0, abs(shares)
        for quantity, paid in reversed(self.bought.get(name, [])):
            part = min(abs(quantity), left) if quantity * shares > 0 else 0.0
            worth += math.copysign(part, shares) * paid
            left -= part
        return float((worth + math.copysign(left, shares) * opens) * unit)
