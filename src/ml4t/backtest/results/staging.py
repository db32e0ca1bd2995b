"""Staging: events become columns, once, at the end of a run.

Until then nothing is copied. `staged` joins what the events of a table hold; `Reading` turns the
numbers of bars and assets into what they stand for, so that no statement has to look them up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import chain, compress
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.axes import Axes
from ml4t.backtest.core.batch import Ints
from ml4t.backtest.core.terms import Instruments
from ml4t.backtest.results.run_facts import as_json
from ml4t.backtest.results.table import ADDED, ROW, Column, Kind, Means, Table

Array = NDArray[Any]
# NumPy's name for the resolution of the bars' own type; a DATE is a midnight until it is written.
_UNITS = {"TIMESTAMP_S": "s", "TIMESTAMP_MS": "ms", "TIMESTAMP_NS": "ns"}


def staged(table: Table, events: Sequence[Any], first_row: int = 0) -> dict[str, Array]:
    """Return the columns that events of a table hold, and the number of each row.

    What is added later is missing in all rows.
    """
    if table.gathered is not None:
        events = table.gathered(events)
    names = dict.fromkeys(one.of for one in table.held if one.of not in (ROW, ADDED))
    found = _attributes(events, [*names, *([table.counted] if table.counted else [])])
    counted = found[table.counted] if table.counted else ()
    sizes = np.ones(len(events), dtype=np.int64)
    sizes[: len(counted)] = [len(one) if isinstance(one, np.ndarray) else 1 for one in counted]
    n_rows = int(sizes.sum())
    columns: dict[str, Array] = {ROW: np.arange(first_row, first_row + n_rows)}
    joined: dict[tuple[str, type], Array] = {(ROW, int): columns[ROW]}
    for column in table.held:
        of, kind = column.of, column.kind
        if of == ADDED:
            columns[column.name] = np.full(n_rows, kind.missing, dtype=kind.held)
            continue
        if (of, kind.held) not in joined:  # a number of a bar is its time and its session
            join = _joined_objects if kind.held is object else _joined_numbers
            joined[of, kind.held] = join(found[of], sizes, kind)
        columns[column.name] = joined[of, kind.held]
    return _sorted(columns, table.order)


def _attributes(events: Sequence[Any], names: Sequence[str]) -> dict[str, Sequence[Any]]:
    """Return attributes of all events, name by name."""
    names = list(dict.fromkeys(names))
    if len(names) < 2:  # of one name an attrgetter returns no tuple
        return {name: [getattr(event, name) for event in events] for name in names}
    values = zip(*map(attrgetter(*names), events), strict=True)
    return dict(zip(names, values, strict=True)) if events else dict.fromkeys(names, ())


def _joined_numbers(values: Sequence[Any], sizes: Ints, kind: Kind) -> Array:
    """Join vectors; a value that is none is repeated for every row of its event."""
    kinds = set(map(type, values))
    vectors = {one for one in kinds if issubclass(one, np.ndarray)}
    if not vectors:
        return np.repeat(_as_vector(values, kind), sizes)
    if vectors == kinds:
        return np.concatenate(values).astype(kind.held, copy=False)
    is_vector = np.array([one in vectors for one in map(type, values)])
    of_vector = np.repeat(is_vector, sizes)
    column: Array = np.empty(len(of_vector), dtype=kind.held)
    column[of_vector] = np.concatenate(list(compress(values, is_vector)))
    others = list(compress(values, ~is_vector))
    column[~of_vector] = np.repeat(_as_vector(others, kind), sizes[~is_vector])
    return column


def _as_vector(values: Sequence[Any], kind: Kind) -> Array:
    """Return single values, what is None as what is missing."""
    if None in values:
        values = [kind.missing if one is None else one for one in values]
    return np.array(values, dtype=kind.held)


def _joined_objects(values: Sequence[Any], sizes: Ints, kind: Kind) -> Array:
    """Join tuples; a value that is none is repeated for every row of its event."""
    if kind.means is Means.JSON:
        values = [as_json(value) for value in values]
    if len(values) == 1 and isinstance(values[0], np.ndarray):
        return values[0]
    kinds = set(map(type, values))
    if tuple not in kinds:
        return np.repeat(_as_objects(values), sizes)
    repeated = (
        value if isinstance(value, tuple) else (value,) * size
        for value, size in zip(values, sizes.tolist(), strict=True)
    )
    return _as_objects(list(chain.from_iterable(repeated)))


def _as_objects(values: Sequence[Any]) -> Array:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _sorted(columns: dict[str, Array], keys: Sequence[str]) -> dict[str, Array]:
    """Sort rows by columns; those of equal keys stay as they were made."""
    if not keys:
        return columns
    order = np.lexsort([_places(columns[key]) for key in reversed(keys)])
    if (order[1:] > order[:-1]).all():
        return columns
    return {name: values[order] for name, values in columns.items()}


def _places(values: Array) -> Array:
    """Return numbers that sort as values do: lexsort takes no texts."""
    return np.unique(values, return_inverse=True)[1] if values.dtype == object else values


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
