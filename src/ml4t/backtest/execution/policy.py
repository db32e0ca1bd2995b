"""Execution policy: at which price of which bar orders fill, and in which sizes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from ml4t.backtest.core.fractions import DELISTING, PART, require_fraction
from ml4t.backtest.core.orders import parse_choice
from ml4t.backtest.core.tolerances import WHOLE
from ml4t.backtest.errors import (
    ConfigError,
    require_flags,
    require_within,
)
from ml4t.backtest.execution.timing import FillTiming, NextOpen


class SizedAt(StrEnum):
    """Where target weights become shares: at the fill's own price, or at the deciding close."""

    FILL = "fill"
    DECISION = "decision"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionPolicy:
    """How orders become fills.

    Attributes
    ----------
    timing : FillTiming
        When market orders and target weights fill.
    sized_at : SizedAt
        Target weights become shares with the equity and the price at the fill, or with those of
        the deciding close.
    whole_shares : bool
        Quantities are whole, or multiples of the ``lot_size`` of the ``assets`` source.
    participation : float or None
        At most this share of a bar's volume, up to 1, trades per asset; None: no bound.
    reentry : bool
        Whether an asset that a rule closed inside a bar, or leaves at the next open, can be
        ordered at that bar's close.
    rounds_change : bool
        Whole shares are those of the order, not of the position that it aims at.
    whole_tolerance : float
        A quantity that is short of a whole number by less than this counts as whole.
    within_range : bool
        Slippage and impact take no price outside the bar's range.
    """

    timing: FillTiming = field(default_factory=NextOpen)
    sized_at: SizedAt = SizedAt.FILL
    whole_shares: bool = False
    participation: float | None = None
    reentry: bool = True
    rounds_change: bool = False
    whole_tolerance: float = WHOLE
    within_range: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.timing, FillTiming):
            raise ConfigError(
                "timing must be one of NextOpen(), ThisClose(), NextClose() or VolumeWeighted(), "
                f"was {self.timing!r}"
            )
        object.__setattr__(self, "sized_at", parse_choice(SizedAt, "sized_at", self.sized_at))
        require_flags(self, "whole_shares", "reentry", "rounds_change", "within_range")
        if self.participation is not None:
            require_fraction("participation", self.participation, PART)
        require_within("whole_tolerance", self.whole_tolerance, below=0.01)

    @property
    def description(self) -> str:
        """The policy in force as one line, for the summary."""
        words = [self.timing.description]
        if self.sized_at is SizedAt.DECISION:
            words.append("target weights are sized at the deciding close")
        if self.whole_shares:
            words.append("whole shares")
        if self.participation is not None:
            words.append(f"at most {self.participation:.2%} of a bar's volume")
        return "; ".join(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionPolicy:
    """What corporate actions and the end of a membership do.

    Attributes
    ----------
    reinvest_dividends : bool
        Buy shares for a dividend at the close of the bar at which it is paid, without costs.
    delisting_return : float
        Where a delisting names no terms: ``last close * (1 + delisting_return)`` is paid; 0 pays
        the last close; from -1 to below 5. Shumway (1997) measured -0.3 for delistings for cause.
    exit_on_membership_end : bool
        Sell at the next open what is no member of the universe any more; else hold it.
    dividends_move_levels : bool
        A dividend is taken off on its ex-date from stops and targets of rules, which speak of
        profit and loss, and from resting buy limits and sell stops, as FINRA rule 5330 has it;
        resting sell limits and buy stops stay. A price to be touched is as a limit. Else every
        price stays.
    """

    reinvest_dividends: bool = False
    delisting_return: float = 0.0
    exit_on_membership_end: bool = False
    dividends_move_levels: bool = True

    def __post_init__(self) -> None:
        require_flags(self, "reinvest_dividends", "exit_on_membership_end", "dividends_move_levels")
        require_fraction("delisting_return", self.delisting_return, DELISTING)
