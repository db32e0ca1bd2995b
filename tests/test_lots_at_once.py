"""Lots booked by arrays are those booked fill by fill, to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ml4t.backtest.core.batch import Ints
from ml4t.backtest.core.orders import Fills
from ml4t.backtest.core.trades import Trade, Trades
from ml4t.backtest.portfolio import positions
from ml4t.backtest.portfolio.lot_book import FIRST_PLACES
from ml4t.backtest.portfolio.portfolio import Portfolio

N_ASSETS, N_STEPS = 30, 120


class Kept:
    """A journal that keeps trades in order, of all and of each asset."""

    def __init__(self) -> None:
        self.trades: dict[int, list[tuple[Any, ...]]] = {}
        self.rows: list[tuple[Any, ...]] = []

    def new_ids(self, n: int) -> Ints:
        raise NotImplementedError

    def record(self, event: object) -> None:
        if isinstance(event, Trade):
            self.trades.setdefault(event.sid, []).append(tuple(event))
            self.rows.append(tuple(event))
        elif isinstance(event, Trades):
            of_each = (np.array(getattr(event, name)) for name in Trade._fields)
            columns = [np.broadcast_to(one, len(event.sid)).tolist() for one in of_each]
            for row in zip(*columns, strict=True):
                self.trades.setdefault(row[0], []).append(row)
                self.rows.append(row)


def played(seed: int) -> tuple[Kept, Portfolio]:
    """Open, add to, trim, close and turn over many positions, with actions in between."""
    random, journal = np.random.default_rng(seed), Kept()
    multiplier = np.where(np.arange(N_ASSETS) % 5, 1.0, 50.0)
    portfolio = Portfolio(N_ASSETS, 1e6, journal, multiplier=multiplier)
    for t in range(N_STEPS):
        sids = np.sort(random.permutation(N_ASSETS)[: random.integers(1, N_ASSETS)])
        live = portfolio.quantity[sids]
        share = random.choice([-1.0, -0.3, -1.7, 0.4, 0.6], len(sids))
        quantity = np.where(live == 0, random.normal(0, 100, len(sids)), live * share)
        n = len(sids)
        portfolio.apply(
            Fills(
                t=t, ids=np.arange(n), sids=sids, quantity=quantity,
                price=random.uniform(9, 11, n), commission=random.uniform(0, 1, n),
                slippage=random.uniform(0, 1, n), impact=random.uniform(0, 1, n),
                reason="rebalance", levies=random.uniform(0, 1, (2, n)) if t % 3 else None,
            )
        )  # fmt: skip
        if random.random() < 0.3 and len(portfolio.held):
            sid, other = random.choice(portfolio.held), int(random.integers(N_ASSETS))
            portfolio.split(sid, 1.5)
            portfolio.entitle(sid, 0.1)
            short = portfolio.held[portfolio.quantity[portfolio.held] < 0]
            portfolio.charge_borrow(t, short, np.full(len(short), 0.2))
            if other != sid:
                portfolio.rename(t, sid, other)
    return journal, portfolio


@pytest.mark.parametrize("seed", range(4))
def test_many_fills_at_once_are_those_fills_one_by_one(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(positions, "FEW", 0)
    at_once, many = played(seed)
    monkeypatch.setattr(positions, "FEW", N_ASSETS)
    one_by_one, each = played(seed)
    n_trades = sum(map(len, at_once.trades.values()))
    assert n_trades > 10 * N_STEPS
    assert at_once.trades == one_by_one.trades
    # As texts: what is open has an exit price of NaN.
    assert many.open_trades()
    assert repr(many.open_trades()) == repr(each.open_trades())
    for name in ("quantity", "mark", "water_mark", "peak_quantity", "entry_t", "held"):
        np.testing.assert_array_equal(getattr(many, name), getattr(each, name), name)
    for name in ("entry_price", "dividends"):
        np.testing.assert_array_equal(
            getattr(many, name)(many.held), getattr(each, name)(each.held), name
        )
    assert many.has_shorts == each.has_shorts


def test_the_book_has_room_for_more_lots_than_it_began_with() -> None:
    journal = Kept()
    portfolio, n = Portfolio(N_ASSETS, 1e6, journal), FIRST_PLACES // N_ASSETS + 3
    nothing, sids = np.zeros(N_ASSETS), np.arange(N_ASSETS)
    for t in range(n):
        portfolio.apply(
            Fills(
                t=t, ids=sids, sids=sids, quantity=nothing + t + 1, price=nothing + 10 + t,
                commission=nothing, slippage=nothing, impact=nothing, reason="rebalance",
            )
        )  # fmt: skip
    lots = [(one.sid, one.entry_t, one.quantity) for one in portfolio.open_trades()]
    assert lots == [(sid, t, t + 1.0) for sid in range(N_ASSETS) for t in range(n)]


SIZES = (1, 2, 6, 3, 4, 5)  # of moments: up to `FEW` fills, and more


def closed(*, at_once: bool) -> tuple[list[float], list[tuple[Any, ...]]]:
    """Close all positions in six moments; return the cash that each left, and the trades."""
    journal, portfolio = played(1)
    journal.rows.clear()
    random, sids = np.random.default_rng(9), np.sort(portfolio.held)[: sum(SIZES)]
    assert len(sids) == sum(SIZES)
    price, starts = random.uniform(9, 11, len(sids)), np.cumsum((0, *SIZES[:-1]))
    ts = np.repeat(np.arange(len(SIZES)) + N_STEPS, SIZES)

    def fills(t: int | Ints, some: slice) -> Fills:
        quantity = -portfolio.quantity[sids[some]]
        nothing = np.zeros(len(quantity))
        return Fills(
            t=t, ids=np.arange(len(quantity)), sids=sids[some], quantity=quantity,
            price=price[some], commission=price[some] / 7, slippage=nothing, impact=nothing,
            reason="StopLoss",
        )  # fmt: skip

    if at_once:
        return portfolio.close_over(fills(ts, slice(None)), starts.tolist()), journal.rows
    cash = []
    for t, start, size in zip(np.unique(ts).tolist(), starts.tolist(), SIZES, strict=True):
        portfolio.apply(fills(t, slice(start, start + size)))
        cash.append(portfolio.cash)
    return cash, journal.rows


def test_positions_closed_in_several_bars_at_once_are_those_closed_bar_by_bar() -> None:
    cash, rows = closed(at_once=True)
    assert (cash, rows) == closed(at_once=False)
    assert len(rows) > sum(SIZES)  # some have several lots
