"""Piece: some bars and assets of the sources of a catalog, and which of its sources are left out.

Rows have times of their own. Each belongs to a slot: that of bar i is what is later than the bar
before it and not later than itself; behind the last bar there is one more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.cut.cut_bar import CutBar
from ml4t.backtest.data.sql_files import literal, one_of, read


class Grid(NamedTuple):
    """The bars and assets of which pieces are taken.

    Attributes
    ----------
    bars : tuple of str
        In time order, each as DuckDB writes it.
    assets : tuple of str
        As text, sorted.
    kind : str
        The type of the bars.
    is_day : bool
        Each bar stands for its day.
    """

    bars: tuple[str, ...]
    assets: tuple[str, ...]
    kind: str
    is_day: bool

    @property
    def slots(self) -> tuple[int, ...]:
        """All of them, in time order."""
        return tuple(range(len(self.bars) + 1))

    def bar(self, t: int) -> CutBar:
        """Return a bar by its number, as one at which sources are cut."""
        return CutBar(t, self.bars[t], self.kind, self.is_day)


class Piece(NamedTuple):
    """What is taken of a grid.

    Attributes
    ----------
    slots : tuple of int
        In time order.
    assets : tuple of str
        As text, sorted.
    without : frozenset of str
        Sources that are left out.
    lacks : frozenset of tuple of str
        Columns that are, each with its source.
    """

    slots: tuple[int, ...]
    assets: tuple[str, ...]
    without: frozenset[str] = frozenset()
    lacks: frozenset[tuple[str, str]] = frozenset()

    def keeps(self, grid: Grid, time: str, asset_id: str) -> str | None:
        """Return the condition that a row is of it; None: all are.

        Parameters
        ----------
        time, asset_id : str
            Expressions; empty: a row has none, and is of any.
        """
        found = []
        if time and self.slots != grid.slots:
            spans = [_within(grid, time, *span) for span in _spans(self.slots)]
            found.append(f"({' or '.join(spans) or 'false'})")
        if asset_id and self.assets != grid.assets:
            found.append(one_of(f"{asset_id}::varchar", map(literal, self.assets)))
        return " and ".join(found) or None


def grid_of(prepared: Prepared) -> Grid:
    """Return all bars and assets of a catalog."""
    bars = tuple(text for _, text in prepared.database.rows(read("audit/moments")))
    assets = prepared.database.rows(read("timeline/asset_ids"))
    return Grid(
        bars=bars,
        assets=tuple(sorted(name for (name,) in assets)),
        kind=prepared.timestamp_type,
        is_day=all(map(is_day, bars)),
    )


def is_day(bar: str) -> bool:
    """Say whether a bar, as DuckDB writes it, is a date or a midnight."""
    _, _, clock = bar.partition(" ")
    return not clock or (clock.startswith("00:00:00") and "." not in clock)


def _spans(slots: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of slots that follow each other."""
    first = last = slots[0] if slots else 0
    for slot in slots[1:]:
        if slot != last + 1:
            yield first, last
            first = slot
        last = slot
    if slots:
        yield first, last


def _within(grid: Grid, time: str, first: int, last: int) -> str:
    bounds = [f"{time} > {grid.bar(first - 1).sql}"] if first else []
    bounds += [f"{time} <= {grid.bar(last).sql}"] if last < len(grid.bars) else []
    return f"({' and '.join(bounds) or f'{time} is not null'})"
