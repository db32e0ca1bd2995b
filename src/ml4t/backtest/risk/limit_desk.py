"""LimitDesk: applies the limits of one run, and tells the journal what they changed.

One bar: `at_close` records the account and asks the limits that watch it; then, as the strategy
decides, `edit_targets` edits a rebalance and `allow` each discrete order. Where orders fill at the
close itself, `record` is called once more after them.

A discrete order trades one asset: all others keep the weight that they have, or that earlier
orders of the same close are about to give them. Orders that rest from earlier bars do not count.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Protocol

import numpy as np

from ml4t.backtest.core.batch import Bools, Floats, Ints, Selection
from ml4t.backtest.core.journal import Decision, Journal
from ml4t.backtest.core.terms import Instruments
from ml4t.backtest.errors import ConfigError, did_you_mean
from ml4t.backtest.risk.account_state import AccountState
from ml4t.backtest.risk.limit import UNRANKED, Cut, Limit, LimitAction, LimitKind, Wish

# The name of decisions that no limit in particular made.
DESK = "limits"
# Shares of an order nearer to none or all than this are rounding.
SMALLEST_SHARE = 1e-9
# A weight that moved by less than this is rounding, not an edit.
SMALLEST_CHANGE = 1e-12
Whole = Callable[[Ints, Floats], Floats]
NO_FEATURES: Mapping[str, Floats] = MappingProxyType({})


class Holdings(Protocol):
    """What the desk reads of a portfolio; arrays are indexed by `sid`."""

    cash: float
    held: Ints
    quantity: Floats
    mark: Floats


class LimitDesk:
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
        _require_groups(limits, instruments)
        self._names = [limit.name for limit in limits] if names is None else list(names)
        self._reasons = [limit.reason for limit in limits]
        self._runs = [limit.start() for limit in limits]
        self._watches = [type(run).at_close is not Limit.at_close for run in self._runs]
        self._edits = [type(run).edit is not Limit.edit for run in self._runs]
        self._groups = list(dict.fromkeys(name for limit in limits for name in limit.groups))
        self._feature_names = list(dict.fromkeys(n for limit in limits for n in limit.features))
        self._portfolio, self._journal, self._instruments = portfolio, journal, instruments
        self._whole = self._to_lots if whole is None else whole
        self._features = NO_FEATURES
        self._n_asked, self._n_fired = [0] * len(limits), [0] * len(limits)
        # Weights that the orders of bar `_intended_t` are about to give, by sid.
        self._intended: dict[int, float] = {}
        self._intended_t = -1
        self._t = -1
        self._liquidating: set[int] = set()
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
        if not self._runs:
            return []
        self._t, self._features = t, features
        self.account.record(t, equity, gross)
        cuts = []
        for i, run in enumerate(self._runs):
            if not self._watches[i]:
                continue
            self._n_asked[i] += 1
            for action in run.at_close(self.account):
                cuts += self._act(i, action)
            if i in self._liquidating:
                cuts.append(Cut(self._names[i], 0.0))
        return cuts if len(self._portfolio.held) else []

    @property
    def braking(self) -> str:
        """Name of a limit that forbids to increase any position now, empty where none does."""
        names = (name for name, run in zip(self._names, self._runs, strict=True) if run.is_braking)
        return next(names, "")

    def record(self, t: int, equity: float, gross: float) -> None:
        """Record bar `t` again, after orders that filled at its close: nothing is asked."""
        if self._runs:
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
        if not self._runs:
            return selection
        _require_finite(selection)
        self._t, equity = t, self._equity()
        self.untouched = self.untouched[:0]
        if equity <= 0:
            return self._without_equity(selection, equity)
        sids = np.union1d(self._portfolio.held, selection.sids)
        place = np.searchsorted(sids, selection.sids)
        wanted, rank = np.zeros(len(sids)), np.full(len(sids), UNRANKED)
        wanted[place], rank[place] = selection.weights, np.arange(len(place))
        current = self._weights(sids, equity)
        wish = self._wish(sids, current, wanted, rank, np.zeros(len(sids), dtype=bool))
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
        if not self._runs or quantity == 0:
            return quantity
        self._t, equity = t, self._equity()
        if equity <= 0:
            return self._closing_part(sid, quantity, equity)
        step = quantity * price * float(self._instruments.multiplier[sid]) / equity
        if not math.isfinite(step):
            self.denied_by = DESK
            self._tell(DESK, sid, "deny", math.nan, "no price to weigh the order by", {})
            return 0.0
        if self._intended_t != t:
            self._intended_t, self._intended = t, {}
        intended = self._intended
        sids = np.union1d(self._portfolio.held, [sid, *intended]).astype(np.int64)
        current = self._weights(sids, equity)
        before = current.copy()
        before[np.searchsorted(sids, list(intended))] = list(intended.values())
        k = int(np.searchsorted(sids, sid))
        wanted = before.copy()
        wanted[k] += step
        rank = np.full(len(sids), UNRANKED)
        wish = self._wish(sids, current, wanted, rank, sids != sid)
        left = self._apply(wish, before, is_order=True)
        allowed = quantity
        if left[k] != wanted[k]:
            allowed = self._whole_lots(sid, quantity, float((left[k] - before[k]) / step))
        weight = float(before[k] + step * (allowed / quantity))
        # What rounding leaves of a position that is closed is no position.
        intended[sid] = weight if abs(weight) > SMALLEST_CHANGE else 0.0
        return allowed

    def activity(self) -> list[tuple[str, int, int]]:
        """Return per limit its name, how often it was asked and how often it acted.

        It is asked at each decision, and at each close where it watches the account.
        """
        return list(zip(self._names, self._n_asked, self._n_fired, strict=True))

    # -- inside -----------------------------------------------------------------------

    def _act(self, i: int, action: LimitAction) -> list[Cut]:
        """Tell the journal of an act on the account; return what it cuts once."""
        is_cut = action.kind in (LimitKind.REDUCE, LimitKind.LIQUIDATE)
        level = action.factor if is_cut else math.nan
        self._decide(i, -1, action.kind.value, level, action.seen)
        if action.kind is LimitKind.RESUME:
            self._liquidating.discard(i)
            return []
        self._n_fired[i] += 1
        if action.kind is LimitKind.LIQUIDATE:
            self._liquidating.add(i)
        is_once = action.kind is LimitKind.REDUCE
        return [Cut(self._names[i], action.factor)] if is_once else []

    def _apply(self, wish: Wish, before: Floats, *, is_order: bool) -> Floats:
        """Ask each limit in turn; `before` holds the weights where nothing is let through."""
        for i, run in enumerate(self._runs):
            if not self._edits[i]:
                continue
            self._n_asked[i] += 1
            wanted = wish.wanted
            # A limit that edits in place would leave no decision behind.
            wanted.flags.writeable = False
            left = run.edit(wish)
            if left is wanted:
                continue
            _require_weights(self._names[i], left, wanted)
            if is_order:
                # One order: never beyond what it asked, never back beyond where it began.
                low, high = np.minimum(before, wanted), np.maximum(before, wanted)
                left = np.where(wish.is_fixed, wanted, np.clip(left, low, high))
            changed = np.flatnonzero(np.abs(left - wanted) > SMALLEST_CHANGE)
            if not len(changed):
                continue
            self._n_fired[i] += 1
            self.denied_by = self._names[i]
            for k in changed.tolist():
                level = float(left[k])
                is_denied = level == before[k] or (level == 0 and not is_order)
                seen = {"wanted": float(wanted[k]), "current": float(wish.current[k])}
                self._decide(i, int(wish.sids[k]), "deny" if is_denied else "edit", level, seen)
            wish = replace(wish, wanted=left)
        return wish.wanted

    def _without_equity(self, selection: Selection, equity: float) -> Selection:
        """Take every weight away: a share of no equity is nothing, a share of less is reversed."""
        if not selection.weights.any():
            return selection
        for sid, weight in zip(selection.sids.tolist(), selection.weights.tolist(), strict=True):
            if weight != 0:
                seen = {"wanted": weight, "equity": equity}
                self._tell(DESK, sid, "deny", 0.0, "no equity", seen)
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
            self._tell(DESK, sid, action, math.nan, "no equity", {"equity": equity})
        return allowed

    def _whole_lots(self, sid: int, quantity: float, share: float) -> float:
        """Return a share of an order, from none to all, rounded toward zero to the lot."""
        if share <= SMALLEST_SHARE:
            return 0.0
        if share >= 1 - SMALLEST_SHARE:
            return quantity
        return float(self._whole(np.array([sid]), np.array([quantity * share]))[0])

    def _to_lots(self, sids: Ints, quantity: Floats) -> Floats:
        lots = self._instruments.lot_size[sids]
        safe = np.where(lots > 0, lots, 1.0)
        steps = np.trunc(quantity / safe * (1 + SMALLEST_SHARE))
        return np.where(lots > 0, steps * safe, quantity)

    def _equity(self) -> float:
        held = self._portfolio.held
        value = self._portfolio.quantity[held] * self._portfolio.mark[held]
        equity = self._portfolio.cash + float((value * self._instruments.multiplier[held]).sum())
        assert math.isfinite(equity), f"equity at bar {self._t} was {equity}"
        return equity

    def _weights(self, sids: Ints, equity: float) -> Floats:
        quantity = self._portfolio.quantity[sids]
        # What is not held has no mark.
        mark = np.where(quantity == 0, 0.0, self._portfolio.mark[sids])
        weights: Floats = quantity * mark * self._instruments.multiplier[sids] / equity
        return weights

    def _wish(
        self, sids: Ints, current: Floats, wanted: Floats, rank: Ints, is_fixed: Bools
    ) -> Wish:
        return Wish(
            sids=sids,
            current=current,
            wanted=wanted,
            rank=rank,
            is_fixed=is_fixed,
            account=self.account,
            groups={name: self._instruments.groups[name][sids] for name in self._groups},
            features={name: self._features[name][sids] for name in self._feature_names},
        )

    def _decide(
        self, i: int, sid: int, action: str, level: float, seen: Mapping[str, float]
    ) -> None:
        self._tell(self._names[i], sid, action, level, self._reasons[i], seen)

    def _tell(
        self, rule: str, sid: int, action: str, level: float, reason: str,
        seen: Mapping[str, float],
    ) -> None:  # fmt: skip
        self._journal.decision(
            Decision(
                t=self._t, sid=sid, rule=rule, action=action, level=level, reason=reason,
                features=seen,
            )
        )  # fmt: skip


def _require_groups(limits: Sequence[Limit], instruments: Instruments) -> None:
    for limit in limits:
        for name in limit.groups:
            if name not in instruments.groups:
                raise ConfigError(
                    f"limit {limit!r} needs a column '{name}' of source 'assets'"
                    f"{did_you_mean(name, instruments.groups)}"
                )


def _require_finite(selection: Selection) -> None:
    is_bad = ~np.isfinite(selection.weights)
    if is_bad.any():
        k = int(is_bad.argmax())
        weight, sid = selection.weights[k], selection.sids[k]
        raise ConfigError(f"a target weight must be finite, was {weight} for sid {sid}")


def _require_weights(name: str, left: Floats, wanted: Floats) -> None:
    if left.shape != wanted.shape or not np.isfinite(left).all():
        raise ConfigError(f"limit {name} must return {len(wanted)} finite weights, was {left!r}")
