"""The portfolio limits: what each makes of the weights that the strategy wants.

A limit maps wanted weights to allowed weights. The two that watch the equity (drawdown and daily
loss) also fire and resume: that is a state, `Watch`, which the loop keeps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from reference_types import Asset

Weights = dict[Asset, float]
HALT, REDUCE, LIQUIDATE = "halt", "reduce", "liquidate"


@dataclass
class Wish:
    """What a limit sees: the wanted weights, and the account at this close."""

    weights: Weights  # wanted, of everything held or wanted
    current: Weights  # value / equity at the mark
    ranks: Mapping[Asset, int]  # 1 is the best
    groups: Mapping[Asset, str | None]
    returns: Sequence[float]  # unlevered: equity return / gross weight before it, oldest first
    untouched: set[Asset] = field(default_factory=set)  # no order at all: increases halted


class Limit:
    @property
    def name(self) -> str:
        return type(self).__name__

    def edit(self, wish: Wish) -> Weights:
        raise NotImplementedError


def scaled(weights: Weights, factor: float) -> Weights:
    return {asset: weight * factor for asset, weight in weights.items()}


def gross(weights: Weights) -> float:
    return math.fsum(abs(weight) for weight in weights.values())


@dataclass(frozen=True)
class MaxPositions(Limit):
    n: int

    def edit(self, wish: Wish) -> Weights:
        def place(asset: Asset) -> tuple[bool, float, Asset]:
            is_new = wish.current.get(asset, 0.0) == 0
            return (is_new, wish.ranks.get(asset, math.inf), asset)

        named = sorted((asset for asset, w in wish.weights.items() if w != 0), key=place)
        return {**wish.weights, **dict.fromkeys(named[self.n :], 0.0)}


@dataclass(frozen=True)
class MaxWeight(Limit):
    fraction: float

    def edit(self, wish: Wish) -> Weights:
        return {
            asset: max(-self.fraction, min(self.fraction, weight))
            for asset, weight in wish.weights.items()
        }


@dataclass(frozen=True)
class MaxGroupWeight(Limit):
    fraction: float

    def edit(self, wish: Wish) -> Weights:
        result = dict(wish.weights)
        for group in {wish.groups.get(asset) for asset in wish.weights}:
            members = {a: w for a, w in wish.weights.items() if wish.groups.get(a) == group}
            if gross(members) > self.fraction:
                result.update(scaled(members, self.fraction / gross(members)))
        return result


@dataclass(frozen=True)
class MaxGrossExposure(Limit):
    fraction: float

    def edit(self, wish: Wish) -> Weights:
        total = gross(wish.weights)
        return (
            wish.weights if total <= self.fraction else scaled(wish.weights, self.fraction / total)
        )


@dataclass(frozen=True)
class MaxNetExposure(Limit):
    fraction: float

    def edit(self, wish: Wish) -> Weights:
        net = math.fsum(wish.weights.values())
        if abs(net) <= self.fraction:
            return wish.weights
        heavy = {a: w for a, w in wish.weights.items() if w * net > 0}
        light = {a: w for a, w in wish.weights.items() if w * net < 0}
        factor = (gross(light) + self.fraction) / gross(heavy)
        return {**wish.weights, **scaled(heavy, factor)}


@dataclass(frozen=True)
class MaxTurnover(Limit):
    fraction: float

    def edit(self, wish: Wish) -> Weights:
        change = {a: w - wish.current.get(a, 0.0) for a, w in wish.weights.items()}
        turnover = gross(change)
        if turnover <= self.fraction:
            return wish.weights
        part = self.fraction / turnover
        return {a: wish.current.get(a, 0.0) + part * change[a] for a in wish.weights}


@dataclass(frozen=True)
class VolatilityTarget(Limit):
    annual: float
    window: int = 63
    periods_per_year: float = 252
    max_scale: float = 1.0

    def edit(self, wish: Wish) -> Weights:
        returns = wish.returns[-self.window :]
        if len(returns) < self.window:
            return wish.weights
        mean = math.fsum(returns) / len(returns)
        variance = math.fsum((r - mean) ** 2 for r in returns) / (len(returns) - 1)
        realized = math.sqrt(variance * self.periods_per_year)
        factor = self.max_scale
        if realized > 0:
            factor = min(factor, self.annual / realized)
        return scaled(wish.weights, factor)


@dataclass(frozen=True)
class MaxVaR(Limit):
    fraction: float
    confidence: float = 0.95
    window: int = 252

    def edit(self, wish: Wish) -> Weights:
        risk = value_at_risk(self, wish)
        total = gross(wish.weights)
        if risk is None or risk <= 0 or total * risk <= self.fraction:
            return wish.weights
        return scaled(wish.weights, self.fraction / (total * risk))


def value_at_risk(limit: MaxVaR, wish: Wish) -> float | None:
    """Return what an exposure of 1 loses in a bar at that confidence; None: not known yet."""
    returns = sorted(wish.returns[-limit.window :])
    if len(returns) < limit.window:
        return None
    at = (1 - limit.confidence) * (len(returns) - 1)  # linear between order statistics
    low = math.floor(at)
    high = min(low + 1, len(returns) - 1)
    return -(returns[low] + (at - low) * (returns[high] - returns[low]))


# -------------------------------------------------------------- the two that watch the equity


@dataclass(frozen=True)
class MaxDrawdown(Limit):
    fraction: float
    action: str = HALT
    scale: float = 0.5
    resume_after: int | None = None


@dataclass(frozen=True)
class MaxDailyLoss(Limit):
    fraction: float
    action: str = HALT
    scale: float = 0.5


@dataclass
class Watch:
    """The state of one MaxDrawdown or MaxDailyLoss."""

    limit: MaxDrawdown | MaxDailyLoss
    reference: float  # the peak, or the last equity of the previous session
    fired_t: int | None = None  # in force since

    @property
    def in_force(self) -> bool:
        return self.fired_t is not None

    def observe(
        self, t: int, equity: float, previous: float | None, is_new_session: bool
    ) -> list[str]:
        """Return what happens at this close: "resume", the action, both in this order, or nothing.

        `previous` is the recorded equity of the bar before, None at the first.
        """
        events: list[str] = []
        limit = self.limit
        if isinstance(limit, MaxDrawdown):
            if self.fired_t is not None:
                is_early = limit.resume_after is None or t < self.fired_t + limit.resume_after
                if is_early or equity <= 0:
                    return events
                events.append("resume")
                self.fired_t, self.reference = None, equity
            self.reference = max(self.reference, equity)
        elif is_new_session:
            if self.in_force:
                events.append("resume")
            self.fired_t = None
            if previous is not None:
                self.reference = previous
        # An account that had no equity left has lost all.
        loss = 1 - equity / self.reference if self.reference > 0 else 1.0
        if not self.in_force and loss >= limit.fraction:
            self.fired_t = t
            events.append(limit.action)
        return events

    def edit(self, wish: Wish) -> Weights:
        if not self.in_force:
            return wish.weights
        if self.limit.action == LIQUIDATE:
            return dict.fromkeys(wish.weights, 0.0)
        if self.limit.action == REDUCE:
            return scaled(wish.weights, self.limit.scale)
        result = {}
        for asset, weight in wish.weights.items():
            current = wish.current.get(asset, 0.0)
            if weight * current < 0:
                result[asset] = 0.0
            elif abs(weight) > abs(current):
                result[asset] = current
                if current != 0:
                    wish.untouched.add(asset)
            else:
                result[asset] = weight
        return result


def sessions_of(dates: Sequence[date]) -> list[int]:
    """Return for each bar the number of its session, a calendar date."""
    numbers: list[int] = []
    for t, day in enumerate(dates):
        is_new = t == 0 or day != dates[t - 1]
        numbers.append((numbers[-1] if numbers else -1) + is_new)
    return numbers
