"""Staging: events become columns, once, at the end of a run.

Until then nothing is copied. `staged` joins what the events of a table hold; `Reading` turns the
numbers of bars and assets into what they stand for, so that no statement has to look them up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.axes import Axes
from ml4t.backtest.core.terms import Instruments
from ml4t.backtest.results.run_facts import as_json
from ml4t.backtest.results.table import ROW, Column, Kind, Means, Table

Array = NDArray[Any]
Staged = dict[str, dict[str, Array]]
# NumPy's name for the resolution of the bars' own type; a DATE is a midnight until it is written.
_UNITS = {"TIMESTAMP_S": "s", "TIMESTAMP_MS": "ms", "TIMESTAMP_NS": "ns"}


def staged(table: Table, events: Sequence[Any]) -> dict[str, Array]:
    """Return the columns that events of a table hold, and the number of each row."""
    if table.gathered is not None:
        events = table.gathered(events)
    sizes = [1] * len(events)
    if table.counted is not None:
        counted = [getattr(event, table.counted) for event in events]
        sizes = [len(one) if isinstance(one, np.ndarray) else 1 for one in counted]
    columns: dict[str, Array] = {ROW: np.arange(sum(sizes))}
    for column in table.held:
        if column.of == ROW:
            columns[column.name] = columns[ROW]
        else:
            values = [getattr(event, column.of) for event in events]
            join = _joined_objects if column.kind.held is object else _joined_numbers
            columns[column.name] = join(values, sizes, column.kind)
    return columns


def _joined_numbers(values: Sequence[Any], sizes: Sequence[int], kind: Kind) -> Array:
    """Join vectors; a value that is none is repeated for every row of its event."""
    vectors = [isinstance(value, np.ndarray) for value in values]
    if values and all(vectors):
        return np.concatenate(values).astype(kind.held, copy=False)
    flat = [
        kind.missing if value is None or is_vector else value
        for value, is_vector in zip(values, vectors, strict=True)
    ]
    column: Array = np.repeat(np.array(flat, dtype=kind.held), sizes)
    if any(vectors):
        start = 0
        for value, is_vector, size in zip(values, vectors, sizes, strict=True):
            if is_vector:
                column[start : start + size] = value
            start += size
    return column


def _joined_objects(values: Sequence[Any], sizes: Sequence[int], kind: Kind) -> Array:
    """Join tuples; a value that is none is repeated for every row of its event."""
    if kind.means is Means.JSON:
        values = [as_json(value) for value in values]
    if len(values) == 1 and isinstance(values[0], np.ndarray):
        return values[0]
    flat: list[Any] = []
    for value, size in zip(values, sizes, strict=True):
        if isinstance(value, tuple):
            flat.extend(value)
        else:
            flat.extend([value] * size)
    column = np.empty(len(flat), dtype=object)
    column[:] = flat
    return column


class Reading:
    """Says what the numbers in staged columns stand for.

    Parameters
    ----------
    axes : Axes
    terms : Instruments
    """

    def __init__(self, axes: Axes, terms: Instruments) -> None:
        self._axes = axes
        unit = _UNITS.get(axes.timestamp_type, "us")
        ticks = axes.timestamps.astype(f"datetime64[{'ns' if unit == 'ns' else 'us'}]")
        # What -1 finds is the last entry: none.
        self._times = np.append(ticks.astype(f"datetime64[{unit}]"), np.datetime64("NaT"))
        sessions = axes.sessions.astype("datetime64[D]").astype("datetime64[s]")
        self._sessions = np.append(sessions, np.datetime64("NaT"))
        self._assets = np.append(axes.asset_ids, [None])
        self._multipliers = np.append(terms.multiplier, np.nan)
        self._reads: dict[Means, Callable[[Array], Array]] = {
            Means.BAR: lambda entries: self._times[entries],
            Means.SESSION: lambda entries: self._sessions[entries],
            Means.ASSET: lambda entries: self._assets[entries],
            Means.MULTIPLIER: lambda entries: self._multipliers[entries],
            Means.MOMENT: _moments,
            Means.FINITE: lambda entries: np.where(np.isfinite(entries), entries, np.nan),
            Means.NUMBER_OR_NONE: lambda entries: np.ma.masked_equal(entries, -1),
        }

    def read(self, table: Table, columns: dict[str, Array]) -> dict[str, Array]:
        """Return a table's staged columns with what their entries stand for."""
        found = dict(columns)
        for column in table.held:
            reads = self._reads.get(column.kind.means)
            if reads is not None:
                found[column.name] = reads(columns[column.name])
        return found

    def type_of(self, column: Column) -> str:
        """Return a column's type in DuckDB."""
        means = column.kind.means
        if means is Means.BAR:
            return self._axes.timestamp_type
        return self._axes.asset_type if means is Means.ASSET else column.kind.types[0]


def _moments(entries: Array) -> Array:
    def plain(moment: datetime) -> datetime:
        return moment.astimezone(UTC).replace(tzinfo=None)

    return np.array([plain(moment) for moment in entries], dtype="datetime64[us]")
