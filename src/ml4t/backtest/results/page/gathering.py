"""Gathering: the rows of every figure, as far as a page holds them, packed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.data.database import Arrays, Database
from ml4t.backtest.data.sql_files import read, rows_of
from ml4t.backtest.results.interchange import Queried
from ml4t.backtest.results.page.figure import Channel, Figure, FigureKind, Format
from ml4t.backtest.results.page.packing import Packed

# What a page holds: points of a line, other rows, and closes for trades on their price.
KEPT_POINTS, KEPT_ROWS, KEPT_CLOSES = 12_000, 50_000, 120_000
# Beside the trades: what a trade on its price is put together of, each with its formats.
PATHS: dict[str, dict[str, Format]] = {
    "entries": {"decided_at": Format.TIME},
    "closes": {"asset_id": Format.TEXT, "timestamp": Format.TIME, "price": Format.PRICE},
    "decisions": {
        "asset_id": Format.TEXT, "timestamp": Format.TIME, "kind": Format.TEXT,
        "price": Format.PRICE, "note": Format.TEXT,
    },
    "selections": {
        "asset_id": Format.TEXT, "timestamp": Format.TIME, "rank": Format.COUNT,
        "score": Format.NUMBER,
    },
}  # fmt: skip
TIMES = ("timestamp", "decided_at")
WITH_ZONE = "TIMESTAMP WITH TIME ZONE"


@dataclass(frozen=True, slots=True)
class Gathered:
    """A figure with its rows.

    Attributes
    ----------
    columns : mapping of str to array
        Masked where they are NULL; those that the page holds.
    n_rows : int
        Of the query.
    note : str
        What the page leaves out; empty: nothing.
    """

    figure: Figure
    columns: Arrays
    n_rows: int
    note: str

    @property
    def n_kept(self) -> int:
        """Rows that the page holds."""
        return len(next(iter(self.columns.values()))) if self.columns else 0

    @property
    def drawn(self) -> tuple[str, ...]:
        """Columns on the channel y that show something: not all NULL, all 0 or one twice."""
        named = [one.column for one in self.figure.on(Channel.Y)]
        found: list[str] = []
        for name in named:
            values = np.ma.filled(self.columns[name].astype(np.float64), np.nan)
            is_zero = name != named[0] and not np.any(values[~np.isnan(values)])
            is_double = any(np.array_equal(values, self.columns[one], True) for one in found)
            if not (np.isnan(values).all() or is_zero or is_double):
                found.append(name)
        return tuple(found)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        has_y = bool(self.figure.on(Channel.Y))
        return not self.n_kept or (has_y and not self.drawn)

    def rows(self) -> list[tuple[Any, ...]]:
        """Return its rows as Python's values."""
        columns = [
            [
                None if gone else one
                for one, gone in zip(_plain(values), _missing(values), strict=True)
            ]
            for values in self.columns.values()
        ]
        return list(zip(*columns, strict=True))


def gather_figure(asked: Queried, figure: Figure, zone: str) -> Gathered:
    """Return a figure with what a page holds of its rows; times are the clock of a zone."""
    relation = asked.sql(figure.query)
    columns = relation.fetchnumpy()
    for name, kind in zip(relation.columns, relation.types, strict=True):
        if str(kind) == WITH_ZONE:
            columns[name] = wall_clock(columns[name], zone)
    n_rows = len(next(iter(columns.values())))
    kept = _kept(figure, columns, n_rows)
    if kept is None:
        return Gathered(figure, columns, n_rows, "")
    thinned = {name: values[kept] for name, values in columns.items()}
    what = (
        "the lowest and the highest of every stretch"
        if figure.kind in (FigureKind.LINES, FigureKind.AREA)
        else "those that made or lost most"
        if "pnl" in columns
        else "the first ones"
    )
    note = f"Shown are {len(kept):,} of {n_rows:,} rows, {what}; the query has all."
    return Gathered(figure, thinned, n_rows, note)


def pack_figure(one: Gathered, packed: Packed) -> dict[str, object]:
    """Pack the rows of a figure and return what is said of it."""
    figure = one.figure
    return {
        "name": figure.name,
        "title": figure.title,
        "kind": figure.kind.value,
        "hasLog": figure.has_log,
        "drawn": one.drawn,
        "nRows": one.n_rows,
        "columns": [
            {
                "name": encoding.column,
                "label": encoding.label,
                "format": encoding.format.value,
                "channel": encoding.channel.value,
                "data": packed.add(one.columns[encoding.column], encoding.format),
            }
            for encoding in figure.columns
        ],
    }


def pack_paths(database: Database, packed: Packed) -> tuple[dict[str, object], str]:
    """Pack what trades on their price are made of; return where, and what is left out."""
    found: dict[str, object] = {}
    note = ""
    is_zoned = database.schema(rows_of("equity"))["timestamp"] == WITH_ZONE
    for name, formats in PATHS.items():
        parameters = {"most": KEPT_CLOSES} if name == "closes" else None
        query = read(f"trade_paths/{name}")
        columns = database.numpy(query, parameters)
        if is_zoned:
            for column in set(TIMES) & set(columns):
                columns[column] = wall_clock(columns[column], database.timezone)
        found[name] = {
            column: packed.add(columns[column], format_) for column, format_ in formats.items()
        }
        if name == "closes" and len(columns["n_assets"]):
            n_kept, n_assets = len(set(columns["asset_id"])), int(columns["n_assets"][0])
            if n_kept < n_assets:
                note = (
                    f"The page holds the closes of {n_kept:,} of {n_assets:,} assets, those whose "
                    "trades made or lost most; the query has all."
                )
    return found, note


def wall_clock(values: NDArray[Any], zone: str) -> NDArray[Any]:
    """Return times in UTC as the clock of a zone, so that whoever reads them needs no zones."""
    plain = np.ma.getdata(values).astype("datetime64[us]")
    moments, places = np.unique(plain, return_inverse=True)
    here = ZoneInfo(zone)
    local = [
        np.datetime64("NaT")
        if np.isnat(moment)
        else moment.item().replace(tzinfo=UTC).astimezone(here).replace(tzinfo=None)
        for moment in moments
    ]
    clock = np.array(local, dtype="datetime64[us]")[places]
    return np.ma.array(clock, mask=np.ma.getmaskarray(values))


def _kept(figure: Figure, columns: Arrays, n_rows: int) -> NDArray[np.intp] | None:
    """Return the places of the rows that a page holds; None: all."""
    if figure.kind in (FigureKind.LINES, FigureKind.AREA):
        if n_rows <= KEPT_POINTS:
            return None
        return _extremes(np.ma.filled(columns[figure.on(Channel.Y)[0].column], np.nan))
    if n_rows <= KEPT_ROWS:
        return None
    if "pnl" not in columns:
        return np.arange(KEPT_ROWS)
    return np.sort(np.argsort(-np.abs(columns["pnl"]), kind="stable")[:KEPT_ROWS])


def _extremes(values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the places of the lowest and the highest of each stretch, and both ends."""
    edges = np.linspace(0, len(values), KEPT_POINTS // 2).astype(np.intp)
    places = {0, len(values) - 1}
    for start, end in pairwise(edges):
        stretch = values[start:end]
        if len(stretch) and not np.isnan(stretch).all():
            places |= {start + int(np.nanargmin(stretch)), start + int(np.nanargmax(stretch))}
    return np.array(sorted(places), dtype=np.intp)


def _missing(values: NDArray[Any]) -> NDArray[np.bool_]:
    plain = np.ma.getdata(values)
    gone: NDArray[np.bool_] = np.ma.getmaskarray(values)
    if plain.dtype.kind == "f":
        gone = gone | np.isnan(plain)
    return gone


def _plain(values: NDArray[Any]) -> list[Any]:
    plain = np.ma.getdata(values)
    if plain.dtype.kind == "M":
        return [one.replace("T", " ") for one in np.datetime_as_string(plain.astype("M8[s]"))]
    return list(plain.tolist())
