"""LimitEngine: applies the limits of one run, and tells the journal what they changed.

One bar: `at_close` records the account and asks the limits that watch it; then, as the strategy
decides, `edit_targets` edits a rebalance and `allow` each discrete order. Where orders fill at the
close itself, `record` is called once more after them. What the limits do to the whole account at a
close is in `account_watch`, what they see in `limit_view`, what the journal is told in `limit_log`.

A discrete order trades one asset: all others keep the weight that they have, or that earlier
orders of the same close are about to give them. Orders that rest from earlier bars do not count.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ml4t.backtest.core.batch import Floats, Ints, Selection
from ml4t.backtest.core.journal import AccountAtClose, Journal
from ml4t.backtest.core.sids import union
from ml4t.backtest.core.stretch import Stretch, total
from ml4t.backtest.core.terms import Instruments
from ml4t.backtest.core.tolerances import ALL_OR_NONE, UNEDITED
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.risk.limits.account_state import AccountState
from ml4t.backtest.risk.limits.account_watch import AccountWatch
from ml4t.backtest.risk.limits.limit import UNRANKED, Cut, Limit, Wish
from ml4t.backtest.risk.limits.log import LimitLog
from ml4t.backtest.risk.limits.view import NO_FEATURES, Holdings, LimitView
from ml4t.backtest.risk.rule_engine.rule_tree import Whole

# The name of decisions that no limit in particular made.
DESK = "limits"


class LimitEngine:
    """One run's limits and what they remember.

    Parameters
    ----------
    limits : sequence of Limit
        Applied in this order, each to what the one before it left.
    portfolio : Holdings
        Read at every decision.
    journal : Journal
        Told of every weight that a limit changed, and of every act on the account.
    instruments : Instruments
        Multipliers, lot sizes and groups.
    sessions : int array
        Calendar date of each bar of the run, as a number.
    names : sequence of str, optional
        What decisions call the limits; each limit's own name by default.
    whole : callable, optional
        ``whole(sids, quantity)`` cuts quantities toward zero to whole lots, those of the
        instruments by default.

    Attributes
    ----------
    account : AccountState
    untouched : int array
        Held assets that the targets edited last must not trade at all: a limit denied the change,
        and a weight of what they are worth now would still trade the drift until the next open.
    denied_by : str
        Limit that cut the order of the last call of `allow`; empty where none did.

    Raises
    ------
    ConfigError
        A limit names a group that ``assets`` does not have.
    """

    def __init__(
        self,
        limits: Sequence[Limit],
        portfolio: Holdings,
        journal: Journal,
        instruments: Instruments,
        sessions: Ints,
        names: Sequence[str] | None = None,
        whole: Whole | None = None,
    ) -> None:
        self._view = LimitView(limits, portfolio, instruments)
        names = [limit.name for limit in limits] if names is None else names
        self._log = LimitLog(limits, names, journal)
        runs = [limit.start() for limit in limits]
        self._watch = AccountWatch(runs, self._log)
        self._has_limits = bool(runs)
        self._editing = [(i, run) for i, run in enumerate(runs) if type(run).edit is not Limit.edit]
        self._portfolio, self._instruments = portfolio, instruments
        self._whole = self._to_lots if whole is None else whole
        # Weights that the orders of bar `_intended_t` are about to give, by sid.
        self._intended: dict[int, float] = {}
        self._intended_t = -1
        self.account = AccountState(sessions)
        self.untouched: Ints = np.empty(0, dtype=np.int64)
        self.denied_by = ""

    # -- the close --------------------------------------------------------------------

    def at_close(
        self, t: int, equity: float, gross: float, features: Mapping[str, Floats] = NO_FEATURES
    ) -> list[Cut]:
        """Record the account and ask the limits that watch it; to be called at every bar.

        Parameters
        ----------
        equity, gross : float
            Account currency, positions at their marks; `gross` is the sum of the absolute values.
        features : mapping of str to float array, by sid
            The batch's; needed where a limit names any.

        Returns
        -------
        list of Cut
            What to sell and cover at the next open, in the limits' order; empty where nothing is
            held. A liquidation is named at every close until its limit resumes.
        """
        if not self._has_limits:
            return []
        self._log.t, self._view.features = t, features
        self.account.record(t, equity, gross)
        cuts = self._watch.at_close(self.account)
        return cuts if len(self._portfolio.held) else []

    @property
    def must_see_every_bar(self) -> bool:
        """Whether some limit has to be asked at every close."""
        return self._watch.must_see_every_close

    @property
    def watches(self) -> bool:
        """Whether any limit watches the account."""
        return self._watch.watches

    def quiet_bars(self, stretch: Stretch) -> int:
        """Return how many bars pass before the first at which a limit acts on the account."""
        if not self.watches:
            return stretch.n_bars
        if self._watch.liquidates and len(stretch.held):
            return 0
        return self._watch.quiet_closes(self.account, self._portfolio.cash + total(stretch.value))

    def know(self, features: Mapping[str, Floats]) -> None:
        """Take what is known at a close at which limits were not asked, to decide with it."""
        self._view.features = features

    def pass_over(self, closes: AccountAtClose) -> None:
        """Record the account at bars at which no limit acts on it."""
        if self._has_limits:
            value = closes.value
            equity = closes.cash + total(value)
            self.account.record_over(equity, total(np.abs(value)))
            self._watch.pass_over(equity)

    @property
    def braking(self) -> str:
        """Name of a limit that forbids to increase any position now, empty where none does."""
        return self._watch.braking

    def record(self, t: int, equity: float, gross: float) -> None:
        """Record bar `t` again, after orders that filled at its close: nothing is asked."""
        if self._has_limits:
            self.account.record(t, equity, gross)

    # -- decisions --------------------------------------------------------------------

    def edit_targets(self, t: int, selection: Selection) -> Selection:
        """Return the selection with the weights that the limits leave.

        Returns
        -------
        Selection
            The very same object where nothing changed. Held assets that were not selected and
            that a limit holds on to follow after the selected ones, with a score of NaN.

        Raises
        ------
        ConfigError
            A weight is not finite, or a limit answers with what are no weights.
        """
        if not self._has_limits:
            return selection
        _require_finite(selection)
        self._log.t, equity = t, self._view.equity(t)
        self.untouched = self.untouched[:0]
        if equity <= 0:
            return self._without_equity(selection, equity)
        sids = union(self._portfolio.held, selection.sids)
        place = np.searchsorted(sids, selection.sids)
        wanted, rank = np.zeros(len(sids)), np.full(len(sids), UNRANKED)
        wanted[place], rank[place] = selection.weights, np.arange(len(place))
        current = self._view.weights(sids, equity)
        wish = self._view.wish(
            sids=sids, current=current, wanted=wanted, rank=rank,
            is_fixed=np.zeros(len(sids), dtype=bool), account=self.account,
        )  # fmt: skip
        left = self._apply(wish, current, is_order=False)
        self._intended_t, self._intended = t, dict(zip(sids.tolist(), left.tolist(), strict=True))
        if left is wanted:
            return selection
        is_kept = left != 0
        self.untouched = sids[is_kept & (left != wanted) & (left == current)]
        is_kept[place] = False
        return Selection(
            sids=np.concatenate([selection.sids, sids[is_kept]]),
            scores=np.concatenate([selection.scores, np.full(is_kept.sum(), np.nan)]),
            weights=np.concatenate([left[place], left[is_kept]]),
        )

    def allow(self, t: int, sid: int, quantity: float, price: float) -> float:
        """Return how much of a discrete order the limits leave, 0.0 where they deny it.

        The order is cut until the limits accept the asset's weight after it, all other weights
        being what they are; a cut order is rounded down to the lot. It is never made larger.
        `denied_by` then names the last limit that cut it.

        Parameters
        ----------
        quantity : float
            Shares, positive buys, negative sells.
        price : float
            Last close, per share.
        """
        self.denied_by = ""
        if not self._has_limits or quantity == 0:
            return quantity
        self._log.t, equity = t, self._view.equity(t)
        if equity <= 0:
            return self._closing_part(sid, quantity, equity)
        step = quantity * price * float(self._instruments.multiplier[sid]) / equity
        if not math.isfinite(step):
            self.denied_by = DESK
            self._log.tell(DESK, sid, "deny", math.nan, "no price to weigh the order by", {})
            return 0.0
        if self._intended_t != t:
            self._intended_t, self._intended = t, {}
        intended = self._intended
        sids = union(self._portfolio.held, np.array([sid, *intended], dtype=np.int64))
        current = self._view.weights(sids, equity)
        before = current.copy()
        before[np.searchsorted(sids, list(intended))] = list(intended.values())
        k = int(np.searchsorted(sids, sid))
        wanted = before.copy()
        wanted[k] += step
        rank = np.full(len(sids), UNRANKED)
        wish = self._view.wish(
            sids=sids, current=current, wanted=wanted, rank=rank,
            is_fixed=sids != sid, account=self.account,
        )  # fmt: skip
        left = self._apply(wish, before, is_order=True)
        allowed = quantity
        if left[k] != wanted[k]:
            allowed = self._whole_lots(sid, quantity, float((left[k] - before[k]) / step))
        weight = float(before[k] + step * (allowed / quantity))
        # What rounding leaves of a position that is closed is no position.
        intended[sid] = weight if abs(weight) > UNEDITED else 0.0
        return allowed

    def activity(self) -> list[tuple[str, int, int]]:
        """Return per limit its name, how often it was asked and how often it acted.

        It is asked at each decision, and at each close where it watches the account.
        """
        return self._log.activity()

    # -- inside -----------------------------------------------------------------------

    def _apply(self, wish: Wish, before: Floats, *, is_order: bool) -> Floats:
        """Ask each limit in turn; `before` holds the weights where nothing is let through."""
        log = self._log
        for i, run in self._editing:
            log.n_asked[i] += 1
            wanted = wish.wanted
            # A limit that edits in place would leave no decision behind.
            wanted.flags.writeable = False
            left = run.edit(wish)
            if left is wanted:
                continue
            _require_weights(log.names[i], left, wanted)
            if is_order:
                # One order: never beyond what it asked, never back beyond where it began.
                low, high = np.minimum(before, wanted), np.maximum(before, wanted)
                left = np.where(wish.is_fixed, wanted, np.clip(left, low, high))
            changed = np.flatnonzero(np.abs(left - wanted) > UNEDITED)
            if not len(changed):
                continue
            log.n_fired[i] += 1
            self.denied_by = log.names[i]
            for k in changed.tolist():
                level = float(left[k])
                is_denied = level == before[k] or (level == 0 and not is_order)
                seen = {"wanted": float(wanted[k]), "current": float(wish.current[k])}
                log.decide(i, int(wish.sids[k]), "deny" if is_denied else "edit", level, seen)
            wish = replace(wish, wanted=left)
        return wish.wanted

    def _without_equity(self, selection: Selection, equity: float) -> Selection:
        """Take every weight away: a share of no equity is nothing, a share of less is reversed."""
        if not selection.weights.any():
            return selection
        for sid, weight in zip(selection.sids.tolist(), selection.weights.tolist(), strict=True):
            if weight != 0:
                seen = {"wanted": weight, "equity": equity}
                self._log.tell(DESK, sid, "deny", 0.0, "no equity", seen)
        return replace(selection, weights=np.zeros(len(selection.sids)))

    def _closing_part(self, sid: int, quantity: float, equity: float) -> float:
        """Return the part of an order that closes what is held: all that is let through then."""
        live = float(self._portfolio.quantity[sid])
        allowed = (
            math.copysign(min(abs(quantity), abs(live)), quantity) if live * quantity < 0 else 0.0
        )
        if allowed != quantity:
            self.denied_by = DESK
            action = "edit" if allowed else "deny"
            self._log.tell(DESK, sid, action, math.nan, "no equity", {"equity": equity})
        return allowed

    def _whole_lots(self, sid: int, quantity: float, share: float) -> float:
        """Return a share of an order, from none to all, rounded toward zero to the lot."""
        if share <= ALL_OR_NONE:
            return 0.0
        if share >= 1 - ALL_OR_NONE:
            return quantity
        return float(self._whole(np.array([sid]), np.array([quantity * share]))[0])

    def _to_lots(self, sids: Ints, quantity: Floats) -> Floats:
        lots = self._instruments.lot_size[sids]
        safe = np.where(lots > 0, lots, 1.0)
        steps = np.trunc(quantity / safe * (1 + ALL_OR_NONE))
        return np.where(lots > 0, steps * safe, quantity)


def _require_finite(selection: Selection) -> None:
    is_bad = ~np.isfinite(selection.weights)
    if is_bad.any():
        k = int(is_bad.argmax())
        weight, sid = selection.weights[k], selection.sids[k]
        raise ConfigError(f"a target weight must be finite, was {weight} for sid {sid}")


def _require_weights(name: str, left: Floats, wanted: Floats) -> None:
    if left.shape != wanted.shape or not np.isfinite(left).all():
        raise ConfigError(f"limit {name} must return {len(wanted)} finite weights, was {left!r}")
