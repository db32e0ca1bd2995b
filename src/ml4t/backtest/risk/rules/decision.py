"""One position's risk decision and how several are merged; what a rule is shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ml4t.backtest.core.event import MarketEvent
from ml4t.backtest.core.values import Value
from ml4t.backtest.risk.hand_loop.state import (
    FeatureSource,
    HeldPosition,
    LoopAccount,
    best_price,
    features_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskContext:
    """What a rule sees of one position at a close.

    Attributes
    ----------
    quantity : float
        Shares, positive long, negative short.
    entry_price : float
        Price from which levels count: the average fill price of the open lots.
    water_mark : float
        Best price since entry: the highest high of a long, the lowest low of a short.
    close : float
    bars_held : int
        Bars of the run through which the position was held, whether or not the asset had a bar;
        the entry bar's included unless it was opened at its close.
    features : mapping of str to value
        As-of values; a missing value has no key. The SQL condition of a `SignalExit` is a key
        too: 1 where it is true.
    last_stop : float or None
        The stop that the asking rule gave before for this position.
    steps_done : int
        How many parts the asking rule has closed before.
    asset_id : object
    timestamp : datetime or None
        Of the event; None where the context was made without one.
    equity : float
        Of the account, account currency; NaN where it was not told.
    """

    quantity: float
    entry_price: float
    water_mark: float
    close: float
    bars_held: int
    features: Mapping[str, Value] = field(default_factory=dict)
    last_stop: float | None = None
    steps_done: int = 0
    asset_id: object = None
    timestamp: datetime | None = None
    equity: float = float("nan")

    @classmethod
    def from_state(
        cls,
        *,
        market_event: MarketEvent,
        position: HeldPosition,
        portfolio: LoopAccount | None = None,
        feature_provider: FeatureSource | None = None,
        water_mark: float | None = None,
        bars_held: int = 0,
    ) -> RiskContext:
        """Put together what rules see of one position at the close of an event.

        A feature is looked up in the event's signals, then with the provider, then in the event's
        context, then among the provider's market features: the first that has a value counts, so
        that rules see what the strategy saw.

        Parameters
        ----------
        market_event : MarketEvent
        position : HeldPosition
            With `quantity` and `entry_price`.
        portfolio : LoopAccount, optional
            With `equity`, account currency.
        feature_provider : FeatureSource, optional
        water_mark : float, optional
            Best price since entry; by default the better of the entry price and the event's high
            (of a short: low), or its close where it has none.
        bars_held : int
        """
        quantity, entry_price = float(position.quantity), float(position.entry_price)
        if water_mark is None:
            water_mark = best_price(entry_price, quantity, market_event)
        return cls(
            quantity=quantity,
            entry_price=entry_price,
            water_mark=water_mark,
            close=market_event.close,
            bars_held=bars_held,
            features=features_of(market_event, feature_provider),
            asset_id=market_event.asset_id,
            timestamp=market_event.timestamp,
            equity=float("nan") if portfolio is None else float(portfolio.equity),
        )

    @property
    def unrealized_pnl(self) -> float:
        """Account currency, before costs: ``quantity * (close - entry_price)``."""
        return self.quantity * (self.close - self.entry_price)


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskDecision:
    """What rules want for one position: leave, and levels for the next bar.

    Each of the three wishes carries its own priority and rule, so that a merge can settle
    them one by one. `target_part` is the share of the position's peak quantity that the target
    closes; None: all of it.
    """

    should_exit: bool = False
    reason: str = ""
    stop: float | None = None
    target: float | None = None
    target_part: float | None = None
    is_long: bool = True
    exit_priority: int = 0
    stop_priority: int = 0
    target_priority: int = 0
    exit_rule: str = ""
    stop_rule: str = ""
    target_rule: str = ""

    @staticmethod
    def merge(decisions: Iterable[RiskDecision]) -> RiskDecision:
        """Settle several rules' wishes for one position.

        The higher priority wins. At equal priority an exit beats a level, of two stops (two
        targets) the tighter wins, and a tie goes to the rule named first. For a long the
        tighter stop is the higher one, the tighter target the lower one.

        Returns
        -------
        RiskDecision
            An exit stands only where no level of a higher priority was given.
        """
        best = RiskDecision()
        for one in decisions:
            sign = 1.0 if one.is_long else -1.0
            changes: dict[str, object] = {"is_long": one.is_long}
            if one.should_exit and (not best.should_exit or one.exit_priority > best.exit_priority):
                changes |= {
                    "should_exit": True,
                    "reason": one.reason,
                    "exit_priority": one.exit_priority,
                    "exit_rule": one.exit_rule,
                }
            if one.stop is not None and _wins(
                one.stop_priority, sign * one.stop, best.stop_priority,
                None if best.stop is None else sign * best.stop,
            ):  # fmt: skip
                changes |= {
                    "stop": one.stop,
                    "stop_priority": one.stop_priority,
                    "stop_rule": one.stop_rule,
                }
            if one.target is not None and _wins(
                one.target_priority, -sign * one.target, best.target_priority,
                None if best.target is None else -sign * best.target,
            ):  # fmt: skip
                changes |= {
                    "target": one.target,
                    "target_part": one.target_part,
                    "target_priority": one.target_priority,
                    "target_rule": one.target_rule,
                }
            best = _replace(best, changes)
        levels = [
            priority
            for level, priority in (
                (best.stop, best.stop_priority),
                (best.target, best.target_priority),
            )
            if level is not None
        ]
        if best.should_exit and levels and max(levels) > best.exit_priority:
            return _replace(best, {"should_exit": False, "reason": "", "exit_rule": ""})
        return best


def _wins(priority: int, tightness: float, held: int, held_tightness: float | None) -> bool:
    if held_tightness is None or priority > held:
        return True
    return priority == held and tightness > held_tightness


def _replace(decision: RiskDecision, changes: Mapping[str, object]) -> RiskDecision:
    fields = {name: getattr(decision, name) for name in RiskDecision.__slots__}
    return RiskDecision(**{**fields, **changes})
