"""Lookup: the known rows of a features source by asset and time, answered in Python.

1. `read_known` has the catalog's own code (`asof.known_rows`) say what became known when.
2. A `Lookup` keeps it in arrays, sorted by asset and time; an answer is one bisection.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np

from ml4t.backtest.core.axes import EPOCH
from ml4t.backtest.core.values import Value
from ml4t.backtest.data.asof.views import Known, known_rows
from ml4t.backtest.data.database import Database, EngineError
from ml4t.backtest.data.sources.attaching import attach
from ml4t.backtest.data.sources.checks import require_passed, run_checks
from ml4t.backtest.data.sources.dates import time_texts
from ml4t.backtest.data.sources.schema import canonical_columns, is_numeric
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import quote, render, rows_of, schema_of, view_of
from ml4t.backtest.errors import ConfigError, DataError

EPOCH_UTC = EPOCH.replace(tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
NAME = "features"


class Clock:
    """Turns times into microseconds since 1970, as far as they fit a frame's own times.

    Parameters
    ----------
    has_zone : bool
        The frame's times have a zone; a time without one would be a guess.
    """

    def __init__(self, *, has_zone: bool) -> None:
        self._has_zone = has_zone
        # Many assets are asked for at one time: the last one is remembered.
        self._last: tuple[object, int] = (object(), 0)

    def tick(self, timestamp: object) -> int:
        """Return a time in microseconds; nanoseconds are cut off.

        Raises
        ------
        ConfigError
            It is no time, or one of the two has a zone.
        """
        last, tick = self._last
        if timestamp is last:
            return tick
        tick = self._ticks(timestamp)
        self._last = (timestamp, tick)
        return tick

    def _ticks(self, timestamp: object) -> int:
        if isinstance(timestamp, np.datetime64):
            timestamp = timestamp.astype("datetime64[us]").item()
        elif hasattr(timestamp, "to_pydatetime"):  # pandas: its own arithmetic is slow
            timestamp = timestamp.to_pydatetime(warn=False)
        if not isinstance(timestamp, date):
            raise ConfigError(f"timestamp must be a datetime or a date, was {timestamp!r}")
        if not isinstance(timestamp, datetime):
            return (timestamp - EPOCH.date()) // MICROSECOND
        if (timestamp.tzinfo is not None) != self._has_zone:
            theirs = "with" if self._has_zone else "without"
            raise ConfigError(
                f"timestamp {timestamp} and the features, whose times are {theirs} a zone, have "
                "no clock in common; give both a zone, or neither"
            )
        return (timestamp - (EPOCH_UTC if self._has_zone else EPOCH)) // MICROSECOND


class Lookup:
    """The known rows of one kind: the assets', or the market's.

    Parameters
    ----------
    known : Known
    kinds : dict of str to str
        Columns of ``known.relation``, with types.
    database : Database
    """

    def __init__(self, known: Known, kinds: dict[str, str], database: Database) -> None:
        # Nanoseconds are rounded up: what became known between two microseconds is not known at
        # the first of them.
        unit, per_tick = ("ns", 1_000) if kinds["available_at"] == "TIMESTAMP_NS" else ("us", 1)
        numbers = [name for name in known.columns if is_numeric(kinds[name])]
        items = [f"{quote(name)}::double as {quote(name)}" for name in numbers]
        query = render(
            "signals/lookup",
            known=known.relation,
            tick=f"epoch_{unit}(available_at)",
            columns=", ".join(items or ["null"]),
        )
        found = database.numpy(query)
        assets = found.pop("asset_id")
        ticks = -(-found.pop("tick").astype(np.int64) // per_tick)
        # Python reads one item of a view faster than one of an array.
        self._ticks = ticks.data
        changes = np.flatnonzero(assets[1:] != assets[:-1]) + 1
        edges = sorted({0, *changes.tolist(), len(assets)})
        self._spans = {assets[start]: (start, stop) for start, stop in pairwise(edges)}
        columns: dict[str, Sequence[Value]] = {
            name: found[name].astype(np.float64).data for name in numbers
        }
        columns |= _others(known, [name for name in known.columns if name not in numbers], database)
        self._columns = [(name, columns[name]) for name in known.columns]

    def at(self, key: str, tick: int) -> dict[str, Value] | None:
        """Return the newest known row of a key without what is missing; None: there is none."""
        span = self._spans.get(key)
        if span is None:
            return None
        row = bisect_right(self._ticks, tick, *span) - 1
        if row < span[0]:
            return None
        return {
            name: value
            for name, column in self._columns
            if (value := column[row]) is not None and value == value  # a NaN is not itself
        }


def read_known(given: object) -> tuple[Lookup | None, Lookup | None, Clock]:
    """Return what a features source knows per asset and market-wide, and its clock.

    Parameters
    ----------
    given
        As a catalog registers it; a column ``available_at`` is its clock.

    Raises
    ------
    DataError
        A key column is missing or has no usable type, or a row breaks a check of features.
    """
    database = Database()
    for schema in ("raw", "stage"):
        database.execute(schema_of(schema))
    source = Source(role="features", name=NAME, given=given)
    raw = attach(source, database).columns
    if "available_at" in raw:
        source = source._replace(available_at="available_at")
    texts, _ = time_texts(source, raw, database)
    items = ", ".join(one.sql for one in canonical_columns(source, raw, texts).values())
    database.execute(view_of(f"main.{NAME}", rows_of(f"raw.{NAME}", items)))
    kinds = database.schema(rows_of(f"main.{NAME}"))
    try:
        require_passed(run_checks(source, kinds, database), database)
        per_asset, market = known_rows(source, kinds, database)
        found = [
            None if known is None or not known.columns else Lookup(
                known, database.schema(rows_of(known.relation)), database
            )
            for known in (per_asset, market)
        ]  # fmt: skip
    except EngineError as error:
        first = str(error).splitlines()[0]
        raise DataError(NAME, "readable", f"could not be read: {first}") from error
    clock = kinds.get("available_at", kinds["timestamp"])
    return found[0], found[1], Clock(has_zone="ZONE" in clock)


def _others(known: Known, names: list[str], database: Database) -> dict[str, Sequence[Value]]:
    """Return columns that are no numbers, None where missing."""
    if not names:
        return {}
    items = ", ".join(map(quote, names))
    query = render("signals/lookup", known=known.relation, tick="null", columns=items)
    rows = database.rows(query)
    return {name: [row[i + 2] for row in rows] for i, name in enumerate(names)}
