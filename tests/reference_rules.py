"""The position rules: what each wants of one position at one close.

`side` is +1 for a long and -1 for a short. A stop is tighter, and a target farther, the larger
side * price is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from reference_types import Predicate, Signals


def known(signals: Signals, name: str) -> float | None:
    """Return the signal, or None where it is absent, None, NaN or infinite."""
    value = signals.get(name)
    return value if value is not None and math.isfinite(value) else None


def to_lot(quantity: float, lot: float) -> float:
    """Round toward zero to a multiple of the lot; the next multiple if it is 1e-9 away."""
    if lot == 0:
        return quantity
    n = quantity / lot
    if abs(n - round(n)) <= 1e-9:
        return round(n) * lot
    return math.trunc(n) * lot


@dataclass
class Memory:
    """What the rules remember of one position, by the rule's path: its place, its child's, ..."""

    stops: dict[tuple[int, ...], float] = field(default_factory=dict)
    steps_done: dict[tuple[int, ...], int] = field(default_factory=dict)
    sold: dict[tuple[int, ...], float] = field(default_factory=dict)  # of the step being done


@dataclass(frozen=True)
class View:
    """What a rule sees of a position."""

    side: int
    entry: float  # average entry price
    water_mark: float
    close: float
    bars_held: int
    peak: float  # largest |quantity| since the position was opened
    lot: float
    signals: Signals
    ratio: float  # of the splits since the signals were known
    splits: float  # shares that one share at the entry has become
    dividends: float  # per share since the entry; 0 where they move no levels
    memory: Memory
    path: tuple[int, ...]
    is_entry: bool  # asked as the position is opened

    @property
    def last_stop(self) -> float | None:
        """The last stop this same rule gave for this same position."""
        return self.memory.stops.get(self.path)

    @property
    def best_profit(self) -> float:
        return self.side * ((self.water_mark + self.dividends) / self.entry - 1)

    def price_at(self, profit: float) -> float:
        """The price at which price and dividends together are that much above the entry."""
        return self.entry + self.side * profit * self.entry - self.dividends

    def price_below_best(self, fraction: float) -> float:
        """The price at which it has lost that much of the best price with its dividends."""
        best = self.water_mark + self.dividends
        return best - self.side * fraction * best - self.dividends

    def volatility(self, key: str) -> float | None:
        value = known(self.signals, key)
        return None if value is None else value / self.ratio

    def never_looser(self, stop: float) -> float:
        if self.last_stop is None or self.side * stop > self.side * self.last_stop:
            return stop
        return self.last_stop

    def child(self, k: int) -> View:
        return replace(self, path=(*self.path, k))


@dataclass(frozen=True)
class Verdict:
    exit: bool = False
    stop: float | None = None
    target: float | None = None
    part: float | None = None  # of the peak quantity to sell at the target, None: all
    part_path: tuple[int, ...] = ()  # of the rule whose step that is


@dataclass(frozen=True, kw_only=True)
class Rule:
    priority: int = 100

    @property
    def name(self) -> str:
        return type(self).__name__

    def judge(self, view: View) -> Verdict:
        raise NotImplementedError


def evaluate(rule: Rule, view: View) -> Verdict:
    """Ask the rule, and remember the stop it gave."""
    if isinstance(rule, AllOf) and view.is_entry:
        return Verdict()  # it has no levels, and nothing leaves at its entry
    verdict = rule.judge(view)
    if verdict.stop is not None:
        view.memory.stops[view.path] = verdict.stop
    return verdict


@dataclass(frozen=True)
class StopLoss(Rule):
    fraction: float

    def judge(self, view: View) -> Verdict:
        return Verdict(stop=view.price_at(-self.fraction))


@dataclass(frozen=True)
class TakeProfit(Rule):
    fraction: float

    def judge(self, view: View) -> Verdict:
        return Verdict(target=view.price_at(self.fraction))


@dataclass(frozen=True)
class VolatilityScaledStopLoss(Rule):
    multiplier: float
    key: str = "atr"

    def judge(self, view: View) -> Verdict:
        volatility = view.volatility(self.key)
        if volatility is None:
            return Verdict(stop=view.last_stop)
        distance = view.side * self.multiplier * volatility
        return Verdict(stop=view.entry - distance - view.dividends)


@dataclass(frozen=True)
class VolatilityTrailingStop(Rule):
    multiplier: float
    key: str = "atr"

    def judge(self, view: View) -> Verdict:
        volatility = view.volatility(self.key)
        if volatility is None:
            return Verdict(stop=view.last_stop)
        stop = view.water_mark - view.side * self.multiplier * volatility
        return Verdict(stop=view.never_looser(stop))


@dataclass(frozen=True)
class TrailingStop(Rule):
    fraction: float | None = None  # exactly one of the two
    amount: float | None = None

    def judge(self, view: View) -> Verdict:
        if self.fraction is not None:
            stop = view.price_below_best(self.fraction)
        else:
            assert self.amount is not None
            stop = view.water_mark - view.side * self.amount / view.splits
        return Verdict(stop=view.never_looser(stop))


@dataclass(frozen=True)
class DynamicTrailingStop(Rule):
    initial: float
    schedule: Sequence[tuple[float, float]] = ()  # (profit, trail)

    def judge(self, view: View) -> Verdict:
        earned = [trail for profit, trail in self.schedule if profit <= view.best_profit]
        stop = view.price_below_best(min([self.initial, *earned]))
        return Verdict(stop=view.never_looser(stop))


@dataclass(frozen=True)
class BreakevenStop(Rule):
    trigger: float
    offset: float = 0.0

    def judge(self, view: View) -> Verdict:
        if view.best_profit < self.trigger:
            return Verdict(stop=view.last_stop)
        return Verdict(stop=view.never_looser(view.price_at(self.offset)))


@dataclass(frozen=True)
class TimeBasedExit(Rule):
    max_bars: int

    def judge(self, view: View) -> Verdict:
        return Verdict(exit=view.bars_held >= self.max_bars)


@dataclass(frozen=True)
class SignalExit(Rule):
    condition: Predicate

    def judge(self, view: View) -> Verdict:
        return Verdict(exit=self.condition(view.signals))


@dataclass(frozen=True)
class ScaledExit(Rule):
    steps: Sequence[tuple[float, float]]  # (profit, part of the peak quantity)

    def judge(self, view: View) -> Verdict:
        done = view.memory.steps_done.get(view.path, 0)
        sold = view.memory.sold.get(view.path, 0.0)
        for profit, part in self.steps[done:]:
            left = to_lot(part * view.peak, view.lot) - sold
            if left > 1e-9 * view.peak:
                view.memory.steps_done[view.path] = done
                view.memory.sold[view.path] = sold
                target = view.price_at(profit)
                return Verdict(target=target, part=part, part_path=view.path)
            done, sold = done + 1, 0.0  # less than one lot, or sold already
        return Verdict()


@dataclass(frozen=True)
class AnyOf(Rule):
    rules: Sequence[Rule]

    def judge(self, view: View) -> Verdict:
        verdicts = [evaluate(rule, view.child(k)) for k, rule in enumerate(self.rules)]
        stops = [verdict.stop for verdict in verdicts if verdict.stop is not None]
        stop = max(stops, key=lambda price: view.side * price) if stops else None
        nearest = Verdict()
        for verdict in verdicts:
            if verdict.target is not None and (
                nearest.target is None or view.side * verdict.target < view.side * nearest.target
            ):
                nearest = verdict
        is_exit = any(verdict.exit for verdict in verdicts)
        return Verdict(is_exit, stop, nearest.target, nearest.part, nearest.part_path)


@dataclass(frozen=True)
class AllOf(Rule):
    rules: Sequence[Rule]

    def judge(self, view: View) -> Verdict:
        close = view.side * view.close
        conditions = []
        for k, rule in enumerate(self.rules):
            verdict = evaluate(rule, view.child(k))
            is_stopped = verdict.stop is not None and close <= view.side * verdict.stop
            is_reached = verdict.target is not None and close >= view.side * verdict.target
            conditions.append(verdict.exit or is_stopped or is_reached)
        return Verdict(exit=all(conditions))
