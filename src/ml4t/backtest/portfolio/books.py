"""Books: cash and positions, what they are worth, and how fills and closes move them.

What fills, splits and renames do to quantities and lots is in `positions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import isnan

import numpy as np

from ml4t.backtest.core.batch import Batch, Bools, Chunk, Floats, Ints
from ml4t.backtest.core.journal import AccountAtClose, CashFlow, Journal, value_of
from ml4t.backtest.core.levels import LevelPolicy
from ml4t.backtest.core.orders import Fills
from ml4t.backtest.core.sids import NO_SIDS
from ml4t.backtest.core.stretch import Stretch, carried
from ml4t.backtest.core.trades import Trade
from ml4t.backtest.portfolio.exchange import FX_REVALUATION, Exchange
from ml4t.backtest.portfolio.lots import Lots, lots_of
from ml4t.backtest.portfolio.positions import Moved, Positions
from ml4t.backtest.portfolio.variation import VariationMargin
from ml4t.backtest.portfolio.water_marks import Seen, WaterMarks


class Books:
    """What the account holds. Equity = cash + sum(quantity * mark * multiplier), at every bar.

    Work per bar grows with the positions held, not with the universe: every vector below
    is read at `held` only.

    Parameters
    ----------
    n_assets : int
    cash : float
        Account currency.
    journal : Journal
        Told of every trade, flow and close.
    multiplier : float array, by sid, optional
        Account currency per unit of price and quantity; 1 by default.
    policy : LevelPolicy, optional
        Where water marks start and what moves them.
    dividends_move_levels : bool
        Whether water marks fall by a dividend on its ex-date.
    is_margined : bool array, by sid, optional
        Contracts, whose notional is neither paid nor received; none by default.
    exchange : Exchange, optional
        Where assets have currencies of their own; `multiplier` then follows its rates.

    Attributes
    ----------
    cash : float
        Equity less what all positions are worth, notionals of contracts among them; what an
        account has in its books is `settled_cash`.
    held : int array
        Assets with a position, ascending.
    quantity : float array, by sid
        Shares, positive long, negative short.
    mark : float array, by sid
        Last known close (the fill price until the first close), as splits and dividends since
        have left it.
    water_mark : float array, by sid
        Best price since entry: of a long the highest, of a short the lowest.
    peak_quantity : float array, by sid
        Largest ``|quantity|`` since the position was opened from flat.
    entry_t : int array, by sid
        Bar at which the position was opened from flat.
    first_t : int array, by sid
        First bar of which the position has seen something: the entry bar, or the one after it
        where it was opened at a close.
    has_dividends : bool
        Whether any position was entitled to one yet.
    """

    def __init__(
        self,
        n_assets: int,
        cash: float,
        journal: Journal,
        *,
        multiplier: Floats | None = None,
        policy: LevelPolicy | None = None,
        dividends_move_levels: bool = True,
        is_margined: Bools | None = None,
        exchange: Exchange | None = None,
    ) -> None:
        self.cash = cash
        self.held: Ints = np.empty(0, dtype=np.int64)
        self.multiplier = np.ones(n_assets) if multiplier is None else multiplier
        self._has_multipliers = bool((self.multiplier != 1).any()) or exchange is not None
        self._positions = positions = Positions(n_assets, journal, self.multiplier, exchange)
        # The same arrays, not copies: all of them are written in place.
        self.quantity, self.mark = positions.quantity, positions.mark
        self.water_mark, self.peak_quantity = positions.water_mark, positions.peak_quantity
        self.entry_t, self.first_t = positions.entry_t, positions.first_t
        self._water_marks = WaterMarks(positions, LevelPolicy() if policy is None else policy)
        self._has_bases = False
        self.has_dividends = False
        self._moves_levels = dividends_move_levels
        self._variation = None if is_margined is None else VariationMargin(is_margined)
        self.exchange, self._journal = exchange, journal
        self._stale: Bools = np.empty(0, dtype=bool)
        self._is_marked = False
        self._n_fills = 0  # as the journal counts them

    # -- reading ----------------------------------------------------------------------

    @property
    def trails_from_fill(self) -> bool:
        """Whether a new position trails from its fill on, whatever its first close is."""
        return self._water_marks.start_at_fill

    @property
    def settled_cash(self) -> float:
        """Cash as it stands in the books: what contracts have made until their marks is paid."""
        if self._variation is None:
            return self.cash
        value = self._value(self.mark[self.held])
        return self.cash + float(value[self._variation.is_margined[self.held]].sum())

    @property
    def booked_cash(self) -> float:
        """Cash in the books: what contracts have made since the last close is not in it yet."""
        return self.cash if self._variation is None else self.cash + self._variation.carried

    @property
    def settles_daily(self) -> bool:
        """Whether there are contracts, so that every close moves cash."""
        return self._variation is not None

    def margined(self, sids: Ints) -> Bools:
        """Say which assets are contracts."""
        if self._variation is None:
            return np.zeros(len(sids), dtype=bool)
        return self._variation.is_margined[sids]

    @property
    def has_shorts(self) -> bool:
        """Whether any position is short."""
        return self._positions.n_short > 0

    def entry_price(self, sids: Ints) -> Floats:
        """Return the average fill price of the open lots, without commission."""
        average: Floats = self._positions.basis[sids] / self.quantity[sids]
        return average

    def entry_price_of(self, sid: int) -> float:
        """Return `entry_price` of one asset; NaN when flat."""
        quantity = self.quantity.item(sid)
        return self._positions.basis.item(sid) / quantity if quantity else float("nan")

    def base_price(self, sids: Ints) -> Floats:
        """Return the price from which stops and targets count, as the level policy says."""
        if not self._has_bases:
            return self.entry_price(sids)
        base = self._positions.base[sids]
        return np.where(np.isnan(base), self.entry_price(sids), base)

    def dividends(self, sids: Ints) -> Floats:
        """Return the dividends per share that the open lots were entitled to, in units of price.

        Of several lots the average; NaN when flat.
        """
        if self.exchange is not None:
            return np.array([self._positions.dividends_per_share(sid) for sid in sids.tolist()])
        units = self.quantity[sids] * self.multiplier[sids]
        per_share: Floats = self._positions.received[sids] / units
        return per_share

    def received_of(self, sid: int) -> float:
        """Return the dividends of the open lots of one asset, account currency."""
        return self._positions.received.item(sid)

    def level_shift(self, sids: Ints) -> Floats | None:
        """Return by how much dividends have lowered levels of held assets; None: by nothing."""
        return self.dividends(sids) if self.has_dividends and self._moves_levels else None

    def held_before(self, sid: int, t: int) -> float:
        """Return the shares of one asset, signed, of lots that were opened before bar `t`."""
        return sum(lot.quantity for lot in self._positions.lots_of(sid) if lot.t < t)

    def value_at(self, prices: Floats) -> Floats:
        """Return the signed value of each held position, at the mark where a price is missing."""
        held = self.held
        now = prices[held]
        return self._value(np.where(np.isnan(now), self.mark[held], now))

    def equity_at(self, prices: Floats) -> float:
        """Return cash plus positions at `prices`, at the mark where a price is missing."""
        value = self.quantity[self.held] * prices[self.held]
        if self._has_multipliers:
            value = value * self.multiplier[self.held]
        total = float(value.sum())
        if isnan(total):  # some price is missing
            total = float(self.value_at(prices).sum())
        return self.cash + total

    def open_trades(self) -> list[Trade]:
        """Return every open lot as a trade without an exit, its P&L at the mark."""
        return [one for sid in self.held.tolist() for one in self._positions.open_trades(sid)]

    def spent_on(self, sids: Ints, quantity: Floats, price: Floats, charge: Floats) -> float:
        """Return what fills would take from cash, below 0 where they bring some."""
        return float(self._spent(sids, quantity, price, charge).sum())

    # -- fills and closes -------------------------------------------------------------

    def apply(self, fills: Fills, seen: Seen = Seen.ALL, n_closing: int = 0) -> Moved:
        """Move cash and lots, and return what that did to positions.

        Parameters
        ----------
        seen : Seen
            What of this bar's range belongs to positions that these fills open.
        n_closing : int
            So many of the first fills reduce positions, before all others increase some.
        """
        assert isinstance(fills.t, int)
        spent = self._spent(fills.sids, fills.quantity, fills.price, fills.charge)
        if self._variation is not None:
            self._variation.note(fills.sids, spent - fills.charge)
        lots = self._lots(fills)
        if n_closing:
            self.cash -= float(spent[:n_closing].sum())
            self.cash -= float(spent[n_closing:].sum())
            moved = self._positions.change(lots, n_closing)
        else:
            self.cash -= float(spent.sum())
            moved = self._positions.fill(lots)
        self._n_fills += len(fills.sids)
        self._moved(moved.new, moved.gone)
        if self.exchange is not None:
            paid = self._paid_for(fills.sids, spent, fills.charge)
            self.exchange.spend(fills.sids, paid, self.booked_cash)
        if seen is not Seen.ALL and len(moved.opened):
            self._water_marks.note_partial(fills.t, moved.opened, seen)
        return moved

    def remark(self, closes: Floats) -> None:
        """Mark what is held at closes at which more may fill; water marks stay."""
        self._mark(closes)

    def mark_to_close(self, batch: Batch) -> None:
        """Mark at the close and move the water marks; no bar: the last mark, stale."""
        self._mark(batch.close)
        self._water_marks.move(batch, self.held)

    def record(self, batch: Batch) -> None:
        """Hand the account at the close to the journal."""
        if not self._is_marked:  # fills at this close came after the mark
            self._mark(batch.close)
        held, is_margined = self.held, None
        if self._variation is not None:
            is_margined = self._variation.is_margined[held]
            paid = self._variation.pay(batch.t, held, self._value(self.mark[held]), self._journal)
            if self.exchange is not None:
                cash = self.booked_cash - sum(amount for _, amount in paid)
                for sid, amount in paid:
                    cash += amount
                    self.exchange.receive(sid, amount, cash)
        if self.exchange is not None:
            self._journal.record(self.exchange.at_close(batch.t, self.settled_cash))
        self._journal.record(
            AccountAtClose(
                t=batch.t, cash=self.settled_cash, held=held, quantity=self.quantity[held],
                cost=self._cost(), mark=self.mark[held], stale=self._stale,
                multiplier=self._multiplier(), is_margined=is_margined,
            )
        )  # fmt: skip

    def exchange_at(self, t: int) -> None:
        """Take the rates that are known at the close of bar `t`.

        What contracts have made so far was settled at those before, and stays so.
        """
        exchange, held = self.exchange, self.held
        if exchange is None:
            return
        before = exchange.rate[held]
        gained = exchange.move(t)
        if self._variation is not None:
            change = exchange.rate[held] - before
            (at,) = (self._variation.is_margined[held] & (change != 0)).nonzero()
            settled = self._positions.revalue(t, held[at], change[at])
            self.cash -= float(settled.sum())
            self._variation.note(held[at], settled)
        if gained:
            self.receive(t, -1, FX_REVALUATION, gained)

    def rebase(self, sids: Ints, base: Floats | None, water_mark: Floats | None) -> None:
        """Set where levels of newly opened positions count from, and where trails start."""
        if base is not None:
            self._positions.base[sids] = base
            self._has_bases = True
        if water_mark is not None:
            self.water_mark[sids] = water_mark

    # -- bars at which nothing fills --------------------------------------------------

    def ahead(self, chunk: Chunk, row: int, n_bars: int) -> Stretch:
        """Return what these bars of a chunk would make of what is held; nothing is changed."""
        held, prices = self.held, chunk.prices
        close, high, low = (
            chunk.held(prices[name], row, n_bars, held) if name in prices else None
            for name in ("close", "high", "low")
        )
        assert close is not None
        stale = np.isnan(close)
        mark = carried(self.mark[held], close, ~stale)
        best = self._water_marks.over_bars(held, close, high, low)
        return Stretch(
            chunk=chunk, row=row, held=held, quantity=self.quantity[held], cost=self._cost(),
            multiplier=self._multiplier(), close=close, high=high, low=low, mark=mark,
            stale=stale, water_mark=best,
        )  # fmt: skip

    def close_over(self, fills: Fills, starts: Sequence[int]) -> list[float]:
        """Close positions whole, each at a bar of its own; return cash after each moment.

        Parameters
        ----------
        starts : sequence of int
            Places of the fills with which a moment begins.
        """
        spent = self._spent(fills.sids, fills.quantity, fills.price, fills.charge)
        cash = list[float]()
        for start, stop in pairwise([*starts, len(spent)]):
            self.cash -= float(spent[start:stop].sum())
            cash.append(self.cash)
        self._positions.close_over(self._lots(fills), starts)
        self._n_fills += len(spent)
        self._moved(NO_SIDS, fills.sids)
        return cash

    def pass_over(self, stretch: Stretch, n_bars: int, ends: Ints) -> None:
        """Mark what is left of a stretch at the close of one of its bars, the last of so many."""
        row, (at,) = n_bars - 1, (ends >= n_bars).nonzero()
        held = stretch.held[at]
        self.mark[held], self.water_mark[held] = stretch.mark[row, at], stretch.water_mark[row, at]
        self._stale, self._is_marked = stretch.stale[row, at], True

    # -- cash without a fill ----------------------------------------------------------

    def receive(
        self, t: int, sid: int, kind: str, amount: float, *, in_trades: bool = False
    ) -> None:
        """Move cash without a fill; positive = received; sid -1: the account's own."""
        self.cash += amount
        if self.exchange is not None and sid >= 0:
            self.exchange.receive(sid, amount, self.booked_cash)
        self._journal.record(CashFlow(t=t, sid=sid, kind=kind, amount=amount, in_trades=in_trades))

    def rate_of(self, sid: int) -> float:
        """Return what one unit of an asset's currency costs now."""
        return 1.0 if self.exchange is None else self.exchange.rate.item(sid)

    # -- inside -----------------------------------------------------------------------

    def _value(self, price: Floats) -> Floats:
        """Return the signed value of each held position at prices: of one bar, or of several."""
        return value_of(self.quantity[self.held], price, self._multiplier())

    def _lots(self, fills: Fills) -> Lots:
        """Return fills as lots, and take note of whether there are taxes and fees."""
        self._positions.has_levies |= fills.levies is not None
        return lots_of(fills, self._n_fills)

    def _spent(self, sids: Ints, quantity: Floats, price: Floats, charge: Floats) -> Floats:
        """Return what each fill takes from cash."""
        multiplier = self.multiplier[sids] if self._has_multipliers else None
        return value_of(quantity, price, multiplier) + charge

    def _paid_for(self, sids: Ints, spent: Floats, charge: Floats) -> Floats:
        """Return what fills take from cash in the books: of contracts only what is charged."""
        return np.where(self.margined(sids), charge, spent)

    def _cost(self) -> Floats:
        """Return what each held position has cost so far, account currency."""
        held = self.held
        cost: Floats = self._positions.basis[held]
        if self.exchange is not None:
            cost = self._positions.laid_out(held)
        elif self._has_multipliers:
            cost = cost * self.multiplier[held]
        cost = cost + self._positions.paid[held]
        return cost - self._positions.received[held] if self.has_dividends else cost

    def _multiplier(self) -> Floats | None:
        return self.multiplier[self.held] if self._has_multipliers else None

    def _moved(self, new: Ints, gone: Ints) -> None:
        """Take note of what is held now, without a look at what nothing happened to."""
        self._is_marked = False
        if not (len(new) or len(gone)):
            return
        held = self.held
        if len(gone):
            held = held[self.quantity[held] != 0]
        if len(new):
            held = np.concatenate((held, new))
            held.sort()
        held.setflags(write=False)
        self.held = held
        if self.exchange is not None:
            self.exchange.held = held

    def _mark(self, closes: Floats) -> None:
        held = self.held
        close = closes[held]
        self._stale = np.isnan(close)
        self.mark[held] = np.where(self._stale, self.mark[held], close)
        self._is_marked = True
