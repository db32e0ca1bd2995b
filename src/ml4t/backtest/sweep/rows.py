"""Rows: the timestamps of a panel's rows, in any order, and how far their labels reach."""

from __future__ import annotations

from typing import Any

import numpy as np

from ml4t.backtest.core.batch import Ints
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.sweep.timeline import Timeline
from ml4t.backtest.sweep.times import Times, read_times

TIMESTAMP, LABEL_END = "timestamp", "label_end"


def times_of_rows(table: object, groups: Any) -> tuple[Times, Any]:
    """Return the timestamp of each row, and the end of its label where `groups` say so.

    Parameters
    ----------
    table : table or array
        Its column ``timestamp``, or its index, is taken where there are no `groups`.
    groups : array of dates or times, or a table with ``timestamp`` and ``label_end``; or None

    Raises
    ------
    ConfigError
        There are none, or not one per row.
    """
    names = _columns(groups)
    if groups is None:
        found, label_end = _in_table(table), None
    elif names is None:
        found, label_end = groups, None
    elif TIMESTAMP in names:
        found = groups[TIMESTAMP]
        label_end = groups[LABEL_END] if LABEL_END in names else None
    else:
        raise ConfigError(
            f"groups have the columns {', '.join(map(str, names))} and no 'timestamp'; name the "
            "times of the rows 'timestamp' and the ends of their labels 'label_end'"
        )
    times = read_times("timestamps of rows", found)
    n_rows = _length(table)
    if not len(times.ticks):
        raise ConfigError("there are no rows; folds are cut from the timestamps of rows")
    if n_rows is not None and n_rows != len(times.ticks):
        raise ConfigError(
            f"groups must have the timestamp of each row: {len(times.ticks):,} were given for "
            f"{n_rows:,} rows"
        )
    return times, label_end


def line_of_rows(times: Times) -> tuple[Timeline, Ints]:
    """Return the bars of some rows, each once and in order, and the bar of each row."""
    _, places, t = np.unique(times.ticks, return_index=True, return_inverse=True)
    bars = times.at(places)
    return Timeline(times=bars, sessions=bars.days), t


def reach_of(label_end: object, t: Ints, line: Timeline) -> Ints:
    """Return the last bar that each label reaches, which ends at the bar of its row or later.

    Raises
    ------
    ConfigError
        Label ends are not one per row, of another kind of time, or before their rows.
    """
    ends = read_times("label_end", label_end)
    if len(ends.ticks) != len(t):
        raise ConfigError(
            f"label_end must be one per row: {len(ends.ticks):,} were given for {len(t):,}"
        )
    if ("ZONE" in ends.kind) != ("ZONE" in line.times.kind):
        raise ConfigError(
            f"label_end is {ends.kind} and the timestamps are {line.times.kind}; give both with a "
            "zone, or both without"
        )
    per = max(ends.per_microsecond, line.times.per_microsecond)
    moments = ends.ticks * (per // ends.per_microsecond)
    bars = line.ticks * (per // line.times.per_microsecond)
    early = (moments < bars[t]).nonzero()[0]
    if len(early):
        at = int(early[0])
        raise ConfigError(
            f"label_end {ends.text(at)} at place {at:,} is before the row's own timestamp "
            f"{line.times.text(int(t[at]))}; a label ends at its bar or later"
        )
    return np.searchsorted(bars, moments, "right") - 1


def _in_table(table: Any) -> object:
    """Return the timestamps that a table has."""
    if TIMESTAMP in (_columns(table) or ()):
        return table[TIMESTAMP]
    index = getattr(table, "index", None)
    names = getattr(index, "names", None)
    if index is not None and names is not None:
        if TIMESTAMP in names:
            return index.get_level_values(TIMESTAMP)
        if str(getattr(index, "dtype", "")).startswith("datetime64"):
            return index
    raise ConfigError(
        "folds are cut from timestamps, and X has no column or index level 'timestamp'; give "
        "them one per row: split(X, groups=timestamps), cross_val_score(..., groups=timestamps)"
    )


def _columns(table: Any) -> list[Any] | None:
    """Return the names of a table's columns; None: it is none."""
    names = getattr(table, "column_names", None)  # of Arrow, whose `columns` are the columns
    names = getattr(table, "columns", None) if names is None else names
    if names is None and isinstance(table, dict):
        return list(table)
    return None if names is None else list(names)


def _length(table: Any) -> int | None:
    if table is None:
        return None
    if isinstance(table, dict):
        return len(next(iter(table.values()), ()))
    shape = getattr(table, "shape", None)
    return int(shape[0]) if shape else len(table)
