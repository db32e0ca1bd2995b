"""Touch: where a resting order or level would fill inside one bar, and in which order.

Pure functions of one bar's prices. Three phases: what the open is beyond already, then stops,
then limits; within the last two the level nearest to the open first. Stops before limits is the
worse of what may have happened.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Phase(IntEnum):
    """When in the bar a price is met; the lower comes first."""

    OPEN = 0
    STOP = 1
    LIMIT = 2


class AssetBar(NamedTuple):
    """One asset's bar; NaN everywhere but `close` where it did not trade."""

    open: float
    high: float
    low: float
    close: float


class InBar(NamedTuple):
    """A bar as one order meets it.

    Attributes
    ----------
    is_entry : bool
        The order came alive by a fill at this bar's open, so that the open is past.
    met_inside : bool
        It was triggered inside this very bar, after the open.
    """

    bar: AssetBar
    is_entry: bool = False
    met_inside: bool = False


class EntryFill(NamedTuple):
    """An entry inside a bar, at a price, by a stop or else by a limit."""

    bar: AssetBar
    price: float
    by_stop: bool


class Touch(NamedTuple):
    """A fill that a bar makes possible: when in the bar, and at which price."""

    phase: Phase
    distance: float
    price: float


def touch_stop(bar: AssetBar, level: float, side: float, *, is_entry: bool) -> Touch | None:
    """Return where a stop fills: `side` +1 buys above the market, -1 sells below it.

    An open beyond the level fills at the open: at once, or, on the bar at whose open the
    position was entered (`is_entry`), as part of the range that was still ahead.
    """
    if side * (bar.open - level) >= 0:
        return Touch(Phase.STOP if is_entry else Phase.OPEN, 0.0, bar.open)
    extreme = bar.high if side > 0 else bar.low
    if side * (extreme - level) >= 0:
        return Touch(Phase.STOP, abs(level - bar.open), level)
    return None


def touch_limit(bar: AssetBar, level: float, side: float, *, is_entry: bool) -> Touch | None:
    """Return where a limit fills: `side` +1 buys below the market, -1 sells above it.

    An open beyond the level fills at the open, which is better than the level.
    """
    if side * (bar.open - level) <= 0:
        # Behind the stops: of what the open was beyond already, the worse comes first.
        return Touch(Phase.LIMIT, 0.0, bar.open) if is_entry else Touch(Phase.OPEN, 1.0, bar.open)
    extreme = bar.low if side > 0 else bar.high
    if side * (extreme - level) <= 0:
        return Touch(Phase.LIMIT, abs(level - bar.open), level)
    return None


def stop_after_entry(bar: AssetBar, level: float, side: float, entry_price: float) -> Touch | None:
    """Return where a stop fills that protects a position opened inside this bar.

    It counts as met whenever the bar's range did, the worse of what may have happened; where the
    entry's own price is beyond it already, that price is the market.
    """
    extreme = bar.high if side > 0 else bar.low
    if side * (extreme - level) < 0:
        return None
    price = max(level, entry_price) if side > 0 else min(level, entry_price)
    return Touch(Phase.STOP, abs(level - entry_price), price)


def limit_after_entry(
    bar: AssetBar, level: float, side: float, entry_price: float, *, by_stop: bool
) -> Touch | None:
    """Return where a limit fills that protects a position opened inside this bar.

    Only where that is certain: after a stop entry the move went on to the extreme; after a limit
    entry nothing but the close is known to have come later. Where the entry's own price is beyond
    it already, that price is the market: the level may be one that the bar never traded.
    """
    latest = (bar.low if side > 0 else bar.high) if by_stop else bar.close
    if side * (latest - level) > 0:
        return None
    price = min(level, entry_price) if side > 0 else max(level, entry_price)
    return Touch(Phase.LIMIT, abs(level - entry_price), price)
