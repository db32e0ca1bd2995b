"""In files: what a source that is read in place is, and what only data in memory is.

A file or a query whose columns are assets is a wide frame, by the rule of those.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sources.adapted import Change
from ml4t.backtest.data.sources.naming import is_nameless
from ml4t.backtest.data.sources.schema import is_numeric
from ml4t.backtest.data.sources.shapes.said import Said, Shaped, first_of
from ml4t.backtest.data.sources.source import Source, scannable
from ml4t.backtest.data.sql_files import quote, rows_of
from ml4t.backtest.errors import ConfigError


def taken(given: Any, said: Said) -> Shaped:
    """Return a source as what can be attached: paths and SQL as they are, data shaped.

    Raises
    ------
    ConfigError
        It is nothing that can be registered, or an axis or a field is given of what has none.
    DataError
        The shape may be several things.
    """
    if isinstance(given, (str, Path, list, tuple)):
        said.require_axes_of_use()
        return Shaped(scannable(said.name, given))
    from ml4t.backtest.data.sources.shapes.shaping import shaped

    return shaped(given, said)


def unfolded(
    source: Source, raw: Mapping[str, str], said: Said, database: Database
) -> tuple[Source, tuple[Change, ...]] | None:
    """Return a source as the long table of its columns of assets; None: it has none.

    It is read whole, once. Of the file itself no more is known then: it may change.

    Parameters
    ----------
    source : Source
        Attached.
    raw : mapping
        Its columns, with types.
    said : Said
        Its shape.

    Raises
    ------
    ConfigError
        `field` is given of what has assets already.
    DataError
        Its columns may be assets, or values of one.
    """
    is_read = source.is_files or isinstance(source.given, str)
    if is_read and said.spec.name == "universe":
        return _members(source, raw, said, database)
    if not is_read or not (said.is_grid or said.fields is not None):
        return None
    times = [name for name in raw if said.is_called(name, "timestamp")]
    times = times or [name for name in raw if is_nameless(name)]
    has_assets = any(said.is_called(name, "asset_id") for name in raw)
    if has_assets or len(times) != 1 or not said.is_grid:
        if said.fields is not None:
            why = (
                "one is its assets; leave it out"
                if has_assets
                else "none is its times; say which: columns={'timestamp': '...'}, or leave it out"
            )
            raise ConfigError(
                f"field={said.fields!r} names the values of a wide frame, and source "
                f"{said.name!r} has columns {first_of(raw)}, of which {why}"
            )
        return None
    labels = [name for name in raw if name != times[0]]
    if said.fields is None:
        values = [label for label in labels if said.is_value(label)]
        are_numbers = all(is_numeric(raw[label]) for label in labels)
        if values or not are_numbers or len(labels) < 2 or not said.spec.makes_bars:
            return None
    from ml4t.backtest.data.sources.shapes.shaping import shaped

    table = database.sql(rows_of(f"raw.{quote(source.name)}")).to_arrow_table()
    names = dict(said.columns)
    if not said.is_called(times[0], "timestamp"):
        names["timestamp"] = times[0]
    made: Shaped = shaped(table, said._replace(columns=names, fields=said.fields or ("close",)))
    return _made(source, made, said)


def _members(
    source: Source, raw: Mapping[str, str], said: Said, database: Database
) -> tuple[Source, tuple[Change, ...]] | None:
    """Return a file of snapshots, or of 0 and 1, as intervals; None: it has them already."""
    if any(said.is_called(name, ours) for name in raw for ours in said.spec.times):
        if said.fields is not None:
            raise ConfigError(
                f"field= says which column of snapshots flags members, and source {said.name!r} "
                "has intervals; leave it out"
            )
        return None
    from ml4t.backtest.data.sources.shapes.shaping import shaped

    made = shaped(database.sql(rows_of(f"raw.{quote(source.name)}")).to_arrow_table(), said)
    if not made.changes:
        return None
    return _made(source, made, said)


def _made(source: Source, made: Shaped, said: Said) -> tuple[Source, tuple[Change, ...]]:
    written = said.written(made)
    source = source._replace(
        given=made.rows, columns=made.columns(source.columns),
        date_format=None if written else source.date_format,
    )  # fmt: skip
    return source, (*made.changes, *written)


def way_out(source: Source, raw: Mapping[str, str], said: Said) -> str:
    """Return the lines to write for a file that has times and no assets; empty for all else."""
    is_read = source.is_files or isinstance(source.given, str)
    called = [any(said.is_called(name, ours) for name in raw) for ours in ("timestamp", "asset_id")]
    if not is_read or not said.is_grid or called != [True, False]:
        return ""
    needed = [name for name in said.own_values if name in said.spec.required]
    one = (
        "asset_id='filename', or 'folder'" if source.is_files else "'AAPL' as asset_id in the query"
    )
    texts = [
        name
        for name, kind in raw.items()
        if kind == "VARCHAR" and not said.is_called(name, "timestamp")
    ]
    is_it = f"; if {texts[0]!r} is it: columns={{'asset_id': {texts[0]!r}}}" if texts else ""
    return (
        f"{is_it}; if it is of one asset, say of which: {one}; if its columns are assets, say "
        f"what of them: field={needed[0] if needed else 'score'!r}"
    )
