"""Waiting: what had been decided and not yet filled after a bar, in two runs.

A decision is in no other table before something comes of it, at a bar that is not compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isclose, isnan
from typing import NamedTuple

from ml4t.backtest.audit.comparing import Found
from ml4t.backtest.core.orders import Waiting
from ml4t.backtest.core.tolerances import SAME_NUMBER

PLACE = "waiting"


class Waited(NamedTuple):
    """One order that waits, as it can be compared; no number of a run is in it."""

    asset_id: str
    kind: str
    tag: str
    order_type: str
    created_t: int
    time_in_force: str
    quantity: float
    limit: float
    stop: float
    weight: float


def waited(waiting: Sequence[Waiting], t: int, asset_ids: Sequence[object]) -> list[Waited]:
    """Return what waits after a bar, in an order of its own.

    Without single orders that were decided before: whether those of a session have ended with it,
    and with them what is attached to them, is not known in sources that were cut.
    """
    found = [
        Waited(
            asset_id=str(asset_ids[one.sid]), kind=one.kind, tag=one.tag,
            order_type=one.order_type, created_t=one.created_t,
            time_in_force=str(one.time_in_force), quantity=one.quantity,
            limit=_number(one.limit), stop=_number(one.stop), weight=one.weight,
        )
        for one in waiting
        if one.created_t == t or one.kind != "order"
    ]  # fmt: skip
    return sorted(found, key=lambda one: [*map(str, one)])


def compare_waiting(whole: Sequence[Waited], other: Sequence[Waited], bar: str) -> Iterator[Found]:
    """Yield what waits in one of two runs after a bar and not, or otherwise, in the other."""
    pairs = list(zip(whole, other, strict=False))
    found = [
        (one.asset_id, name, str(mine), str(theirs))
        for one, two in pairs
        for name, mine, theirs in zip(Waited._fields, one, two, strict=True)
        if not _is_same(mine, theirs)
    ]  # fmt: skip
    n_more = abs(len(whole) - len(other))
    if found:
        asset_id, column, mine, theirs = found[0]
        n_rows = len({one[0] for one in found}) + n_more
        yield Found(PLACE, column, n_rows, bar, asset_id, mine, theirs)
    elif n_more:
        rest = [*whole[len(pairs) :], *other[len(pairs) :]]
        yield Found(PLACE, "", n_more, bar, rest[0].asset_id, str(len(whole)), str(len(other)))


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _is_same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return isclose(one, other, rel_tol=SAME_NUMBER) or (isnan(one) and isnan(other))
    return one == other
