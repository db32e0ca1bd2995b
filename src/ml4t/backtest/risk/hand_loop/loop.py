"""HandLoop: the rules in a loop written by hand, one event of one asset at a time.

At each event: what the asset's last event has left to do (`_catch_up`), levels that this event
has passed (`_passed`), then the rules at its close (`_see`, `_ask`), whose levels are those of the
next event. What is kept is one `Watch` per position held, one context for it, and the last event
of each asset: nothing grows with the length of a run.

A run asks all positions of a bar at once, by `RiskRule.answer`. A loop is owed one position's
`RiskRule.evaluate`, which a user may override and which may read the account's equity; its broker
may be anybody's, and tells of a fill late or never. So the formulas and `RiskDecision.merge` are
shared, and what is kept of a position between two events is the loop's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from ml4t.backtest.core.event import MarketEvent
from ml4t.backtest.core.tolerances import DUST
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.risk.hand_loop.state import (
    FeatureSource,
    HeldPosition,
    LoopAccount,
    LoopBroker,
    RecordedFill,
    best_price,
)
from ml4t.backtest.risk.rules.decision import RiskContext, RiskDecision
from ml4t.backtest.risk.rules.rule import RiskRule, told_apart


@dataclass(slots=True, kw_only=True)
class Watch:
    """What the rules remember of one position.

    Attributes
    ----------
    quantity : float
        Shares, signed, as last known.
    peak : float
        Largest quantity since it was opened, without sign.
    water_mark : float
        Best price since entry.
    opened_at : datetime or None
        Timestamp of the event that opened it, where known.
    entry : MarketEvent or None
        That event, as long as the rules were not asked at it.
    at_close : bool
        Whether it was opened at the close of that event, of which it has seen nothing then.
    event : MarketEvent or None
        The newest event at which the rules were asked.
    bars_held : int
    levels : RiskDecision
        Stop and target in force from the event after `event` on.
    before, stops : dict
        By rule: the stop that it gave before `event`, and at it.
    steps : dict
        By rule: how many parts it has closed.
    is_stale : bool
        Whether a fill has moved the position since the rules were asked at `event`.
    """

    quantity: float
    peak: float
    water_mark: float
    opened_at: datetime | None
    entry: MarketEvent | None
    at_close: bool = False
    event: MarketEvent | None = None
    bars_held: int = 0
    levels: RiskDecision = field(default_factory=RiskDecision)
    before: dict[int, float | None] = field(default_factory=dict)
    stops: dict[int, float | None] = field(default_factory=dict)
    steps: dict[int, int] = field(default_factory=dict)
    is_stale: bool = False

    def as_of(self, event: MarketEvent) -> tuple[float, int]:
        """Return water mark and bars held at the close of an event, seen before or next."""
        mark, bars_held = self.water_mark, self.bars_held
        if self.event is not None and self.event.timestamp >= event.timestamp:
            return mark, bars_held
        if self.entry is not None and self.entry.timestamp < event.timestamp and not self.at_close:
            mark, bars_held = best_price(mark, self.quantity, self.entry), bars_held + 1
        if self.at_close and self.is_entry(event):
            return mark, bars_held
        return best_price(mark, self.quantity, event), bars_held + 1

    def is_entry(self, event: MarketEvent) -> bool:
        """Whether the event is the one that opened it, at which no rule was asked yet."""
        return self.entry is not None and self.entry.timestamp == event.timestamp


class Leaving(NamedTuple):
    """An exit: the event that brought it, the rule, shares without sign, the level passed."""

    event: MarketEvent
    rule: str
    size: float
    stop: float | None = None
    limit: float | None = None


class HandLoop:
    """The state of one loop.

    Parameters
    ----------
    rules : sequence of RiskRule
        The manager's own list.
    """

    def __init__(self, rules: Sequence[RiskRule]) -> None:
        self._rules = rules
        self._watches: dict[object, Watch] = {}
        self._last: dict[object, MarketEvent] = {}
        self._contexts: dict[object, RiskContext] = {}
        self._conditions: set[str] = set()  # that some event has carried

    def check(
        self,
        event: MarketEvent,
        broker: LoopBroker,
        portfolio: LoopAccount | None,
        provider: FeatureSource | None,
    ) -> list[Any]:
        """Return the exits of one asset at the close of an event, none where asked before."""
        asset, last = event.asset_id, self._last.get(event.asset_id)
        if last is not None and event.timestamp < last.timestamp:
            raise ConfigError(
                f"events of {asset!r} must come in order of time: one at {event.timestamp} came "
                f"after {last.timestamp}; a new loop takes a new RiskManager"
            )
        if event.close != event.close:
            return []  # the asset has no bar
        watch = self._watch(event, broker.get_position(asset), last)
        self._last[asset] = event
        if watch is None or (watch.event is not None and watch.event.timestamp == event.timestamp):
            return []
        state = (broker, portfolio, provider)
        leaving = self._catch_up(watch, event, state)
        if leaving is None:
            # An exit that the event before brought is ahead of what this one has passed.
            leaving = self._passed(watch, event)
        wish = self._see(watch, event, state)
        leavings = [] if leaving is None else [leaving]
        if wish.should_exit and all(one.size < abs(watch.quantity) for one in leavings):
            leavings.append(Leaving(event, wish.exit_rule, abs(watch.quantity)))
        side = 1.0 if watch.quantity > 0 else -1.0
        return [
            broker.exit_order(
                asset, -side * one.size, decided_at=one.event.timestamp, tag=one.rule,
                stop=one.stop, limit=one.limit,
            )
            for one in leavings
        ]  # fmt: skip

    def record(self, fill: RecordedFill, event: MarketEvent, *, at_close: bool) -> None:
        """Take a fill: a position that it opened is watched from here on."""
        asset, watch = fill.asset_id, self._watches.get(fill.asset_id)
        self._contexts.pop(asset, None)
        before = 0.0 if watch is None else watch.quantity
        after = before + float(fill.quantity)
        if abs(after) <= DUST * abs(before):
            after = 0.0
        if watch is not None and before * after > 0:
            watch.quantity, watch.peak = after, max(watch.peak, abs(after))
            watch.is_stale = watch.event is not None and watch.event.timestamp == event.timestamp
        elif after:
            # A fill of one asset may be reported with the event of another.
            own = event if event.asset_id == asset else self._last.get(asset)
            self._watches[asset] = Watch(
                quantity=after, peak=abs(after), water_mark=float(fill.price),
                opened_at=event.timestamp, entry=own, at_close=at_close,
            )  # fmt: skip
        else:
            self._watches.pop(asset, None)

    def context(
        self,
        event: MarketEvent,
        broker: LoopBroker,
        portfolio: LoopAccount | None,
        provider: FeatureSource | None,
    ) -> RiskContext:
        """Return what the rules see of one asset at the close of an event.

        Built once per asset and timestamp, and again where the position has moved since.
        """
        asset = event.asset_id
        position = broker.get_position(asset)
        watch = self._watch(event, position, self._last.get(asset))
        mark, bars_held = (None, 0) if watch is None else watch.as_of(event)
        built = self._contexts.get(asset)
        if (
            built is not None
            and (built.timestamp, built.bars_held) == (event.timestamp, bars_held)
            and (built.quantity, built.entry_price) == (position.quantity, position.entry_price)
            and (mark is None or built.water_mark == mark)
        ):
            return built
        context = RiskContext.from_state(
            market_event=event, position=position, portfolio=portfolio,
            feature_provider=provider, water_mark=mark, bars_held=bars_held,
        )  # fmt: skip
        if position.quantity:
            self._contexts[asset] = context
        return context

    def clear(self, before_timestamp: datetime | None) -> None:
        """Forget the contexts, or those before a time; never what protects a position."""
        for asset, context in list(self._contexts.items()):
            at = context.timestamp
            if before_timestamp is None or at is None or at < before_timestamp:
                del self._contexts[asset]

    # -- inside -----------------------------------------------------------------------

    def _watch(
        self, event: MarketEvent, position: HeldPosition, last: MarketEvent | None
    ) -> Watch | None:
        """Return the watch of what is held now, None where nothing is."""
        asset, quantity = event.asset_id, float(position.quantity)
        if not quantity:
            self._watches.pop(asset, None)
            self._contexts.pop(asset, None)
            return None
        opened_at = getattr(position, "opened_at", None)
        watch = self._watches.get(asset)
        if (
            watch is None
            or watch.quantity * quantity <= 0
            or opened_at not in (None, watch.opened_at)
        ):
            # No fill told of it: it was flat at the last event, and opened in its bar.
            is_new = last is not None and opened_at in (None, last.timestamp)
            watch = self._watches[asset] = Watch(
                quantity=quantity, peak=0.0, water_mark=float(position.entry_price),
                opened_at=opened_at, entry=last if is_new else None,
            )  # fmt: skip
        watch.quantity, watch.peak = quantity, max(watch.peak, abs(quantity))
        return watch

    def _catch_up(self, watch: Watch, event: MarketEvent, state: State) -> Leaving | None:
        """Ask at the last event what could not be asked then; return an exit that it brings."""
        if watch.entry is not None and watch.entry.timestamp < event.timestamp:
            entry = watch.entry
            wish = self._see(watch, entry, state)
            if wish.should_exit:
                return Leaving(entry, wish.exit_rule, abs(watch.quantity))
        elif watch.is_stale and watch.event is not None:
            # Levels count from the new average price; an exit was asked for already.
            self._ask(watch, watch.event, state)
        watch.is_stale = False
        return None

    def _passed(self, watch: Watch, event: MarketEvent) -> Leaving | None:
        """Return what the level brings that this event has passed: of two the stop."""
        levels, side = watch.levels, 1.0 if watch.quantity > 0 else -1.0
        low, high = _or_close(event.low, event), _or_close(event.high, event)
        worst, best = (low, high) if side > 0 else (high, low)
        size = abs(watch.quantity)
        is_target = levels.target is not None and side * (best - levels.target) >= 0
        # An open beyond the target came before any stop.
        is_first = levels.target is not None and side * (event.open - levels.target) >= 0
        if levels.stop is not None and side * (worst - levels.stop) <= 0 and not is_first:
            return Leaving(event, levels.stop_rule, size, stop=levels.stop)
        if not is_target:
            return None
        if levels.target_part is not None:
            size = min(size, levels.target_part * watch.peak)
            rule = told_apart(self._rules).index(levels.target_rule)
            watch.steps[rule] = watch.steps.get(rule, 0) + 1
        return Leaving(event, levels.target_rule, size, limit=levels.target)

    def _see(self, watch: Watch, event: MarketEvent, state: State) -> RiskDecision:
        """Let the rules see the close of the next event; return what they want."""
        is_blind = watch.at_close and watch.is_entry(event)
        watch.water_mark, watch.bars_held = watch.as_of(event)
        watch.entry, watch.event, watch.before = None, event, watch.stops
        merged = self._ask(watch, event, state)
        # What was bought at the close is not sold at it.
        return replace(merged, should_exit=False) if is_blind else merged

    def _ask(self, watch: Watch, event: MarketEvent, state: State) -> RiskDecision:
        """Ask every rule at the close of an event, and keep what each said."""
        context = self.context(event, *state)
        self._require_conditions(context)
        decisions, watch.stops = [], {}
        for i, (rule, name) in enumerate(zip(self._rules, told_apart(self._rules), strict=True)):
            seen = replace(context, last_stop=watch.before.get(i), steps_done=watch.steps.get(i, 0))
            said = rule.evaluate(seen)
            watch.stops[i] = said.stop
            decisions.append(replace(said, exit_rule=name, stop_rule=name, target_rule=name))
        watch.levels = RiskDecision.merge(decisions)
        return watch.levels

    def _require_conditions(self, context: RiskContext) -> None:
        """Refuse SQL that nobody evaluates here: such a rule would never act."""
        for rule in self._rules:
            for text in (text for one in rule.walk() for text in one.conditions):
                if text in context.features:
                    self._conditions.add(text)
                elif text not in self._conditions:
                    raise ConfigError(
                        f"rule {rule.name} reads the SQL condition {text!r}, which only a run of "
                        "the engine evaluates; give it as a signal of that name, 1 or 0"
                    )


State = tuple[LoopBroker, LoopAccount | None, FeatureSource | None]


def _or_close(price: float, event: MarketEvent) -> float:
    return price if price == price else event.close
