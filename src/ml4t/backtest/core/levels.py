"""Levels: what the rules hand to the broker, and what the broker reports back."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.batch import Floats, Ints
from ml4t.backtest.core.orders import parse_choice
from ml4t.backtest.core.stretch import LastRows
from ml4t.backtest.errors import require_flags


class LevelBase(StrEnum):
    """The price from which stops and targets of a position count."""

    FILL = "fill"
    QUOTE = "quote"
    DECISION_CLOSE = "decision_close"


class TrailStart(StrEnum):
    """Where the water mark of a position starts."""

    FILL = "fill"
    ENTRY_CLOSE = "entry_close"
    DECISION_CLOSE = "decision_close"


class TrailBy(StrEnum):
    """What moves a water mark: a bar's high (short: low), or its close."""

    EXTREME = "extreme"
    CLOSE = "close"


class Trigger(StrEnum):
    """What a touched level does: fill inside the bar, or leave at the next open."""

    LEVEL = "level"
    NEXT_OPEN = "next_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelPolicy:
    """How protective levels are based, when they are live, and what a touch does.

    Attributes
    ----------
    base : LevelBase
        The average fill price, the price before slippage, or the close of the deciding bar.
    trail_start, trail_by
        Where the water mark starts and what moves it, after each bar's check.
    trigger : Trigger
    stop_from_entry, trail_from_entry : bool
        Stops and targets (trailing stops) act on the entry bar already.
    in_rule_order : bool
        Of several levels touched in one bar the rule named first acts: stops, then targets, then
        trails. Else the stop, which is the worse one.
    open_first : bool
        A bar that opens beyond a target fills it there, whatever its range touched later.
    slips : bool
        Slippage and impact move the price of a stop; without it a level fills at its price.
    trail_replaces_stop : bool
        Where a trailing rule gives a level, those of the fixed stops do not count.
    target_first : bool
        Of a stop and a target touched in one bar the target acts, the better of the two, unless
        the bar opened beyond the stop.
    before_orders : bool
        Levels act in all of a bar before what waits for its open fills, as if the orders of the
        open came last; what they closed is not bought back, and what is opened there has levels
        from the next bar on.
    """

    base: LevelBase = LevelBase.FILL
    trail_start: TrailStart = TrailStart.FILL
    trail_by: TrailBy = TrailBy.EXTREME
    trigger: Trigger = Trigger.LEVEL
    stop_from_entry: bool = True
    trail_from_entry: bool = True
    in_rule_order: bool = False
    open_first: bool = True
    slips: bool = True
    trail_replaces_stop: bool = False
    target_first: bool = False
    before_orders: bool = False

    def __post_init__(self) -> None:
        kinds: dict[str, type[StrEnum]] = {
            "base": LevelBase, "trail_start": TrailStart, "trail_by": TrailBy, "trigger": Trigger,
        }  # fmt: skip
        for name, kind in kinds.items():
            object.__setattr__(self, name, parse_choice(kind, name, getattr(self, name)))
        require_flags(
            self, "stop_from_entry", "trail_from_entry", "in_rule_order", "open_first", "slips",
            "trail_replaces_stop", "target_first", "before_orders",
        )  # fmt: skip


class Levels(NamedTuple):
    """Protective levels of some held assets; NaN where there is none.

    Attributes
    ----------
    set_t : int, or int array
        Bar at whose close they were decided.
    stop, target : float array
        Prices, as long as `sids`.
    stop_rule, target_rule : int array
        Index of the rule that gave each level, -1 where there is none.
    target_part : float array or None
        Share of the position's peak quantity that its target closes; None: all of all.
    trail : float array or None
        Trailing stops, apart from `stop` where the policy is `in_rule_order`; None: none, or they
        are in `stop`.
    trail_rule : int array or None
    """

    set_t: int | Ints
    sids: Ints
    stop: Floats
    target: Floats
    stop_rule: Ints
    target_rule: Ints
    target_part: Floats | None = None
    trail: Floats | None = None
    trail_rule: Ints | None = None

    def at(self, last: LastRows) -> Levels:
        """Return, of levels of a stretch, those of each position at a row of its own.

        A stretch has arrays ``[bars, positions]``, or vectors of what is the same at every bar; its
        `set_t` is the first bar.
        """
        part, trail, trail_rule = self.target_part, self.trail, self.trail_rule
        return Levels(
            set_t=self.set_t + last.rows,
            sids=self.sids[last.places],
            stop=last.of(self.stop),
            target=last.of(self.target),
            stop_rule=last.of(self.stop_rule),
            target_rule=last.of(self.target_rule),
            target_part=None if part is None else last.of(part),
            trail=None if trail is None else last.of(trail),
            trail_rule=None if trail_rule is None else last.of(trail_rule),
        )


class Touched(NamedTuple):
    """Levels that were touched inside a bar and closed their position, or a part of it.

    `is_done` is false where the bar's volume left a part of a target for later.
    """

    sids: Ints
    is_stop: NDArray[np.bool_]
    rule: Ints
    level: Floats
    is_done: NDArray[np.bool_]
