"""Columns: which ones each role has, under which names and of which types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple, NoReturn

from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import only_if, quote
from ml4t.backtest.errors import DataError, did_you_mean

NUMBER_TYPES = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL",
            "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")  # fmt: skip
# Types whose values say themselves of which type they are, and compare by that type first: in
# DuckDB a VARIANT of 9.5 is above one of 10, where the one is a DOUBLE and the other an INTEGER.
_SELF_TYPED = re.compile(r"VARIANT\b|UNION\(")
# What DuckDB calls the type of a frame's column without any value.
UNTYPED = '"NULL"'
_IDS = ("asset_id", "new_asset_id")
# What names no asset: it could not be written in a condition, or told from another.
_NO_IDS = ("STRUCT", "MAP", "UNION", "BLOB", "BIT", "BOOLEAN", "DATE", "TIME", "INTERVAL")
_TEXTS = ("VARCHAR", "ENUM")
_RESERVED = {"t", "sid"}


# What tells the rows of prices apart; every other column of ``signals`` and ``market`` is a value.
KEYS = ("timestamp", "asset_id")


def without_keys(kinds: Mapping[str, str]) -> dict[str, str]:
    """Return the columns of a view that are values, with types."""
    return {name: kind for name, kind in kinds.items() if name not in KEYS}


def as_read(item: str, kind: str) -> str:
    """Return how a column is selected for Python: numbers and flags as double."""
    return f"{item}::double" if is_numeric(kind) else item


def as_filled(item: str, kind: str) -> str:
    """Return the same with NaN for NULL: of NULLs DuckDB makes masked arrays, which load slowly."""
    read = as_read(item, kind)
    return f"coalesce({read}, 'nan'::double)" if is_numeric(kind) else read


_CAST = "cast it before you register the source"


def is_numeric(kind: str) -> bool:
    """Say whether a DuckDB type is a number, or a flag that reads as 0 or 1."""
    return kind.startswith((*NUMBER_TYPES, "BOOLEAN")) and not kind.endswith("]")


class Item(NamedTuple):
    """How a column is read, and its DuckDB type; None: that is for DuckDB to say."""

    sql: str
    kind: str | None


def canonical_columns(
    source: Source, found: Mapping[str, str], texts: Mapping[str, str]
) -> dict[str, Item]:
    """Check that a source has its key columns with usable types; return each as it is read.

    Parameters
    ----------
    source : Source
    found : mapping
        Its own columns, with types.
    texts : mapping
        How those of them are read that are times and text.

    Raises
    ------
    DataError
        A column is missing (with the nearest name) or has a type that cannot serve.
    """
    by_lower = _by_our_names(source, found)
    clock = (source.available_at or "").lower()
    for name in (*source.spec.required, *([clock] if clock else [])):
        if name not in by_lower:
            raise DataError(
                source.name, "columns", f"has no column '{name}'{did_you_mean(name, found)}"
            )
    for name in (*source.spec.times, clock):
        if by_lower.get(name) in texts:
            continue
        kind = found[by_lower[name]] if name in by_lower else "DATE"
        is_open = name in source.spec.open_times and kind == UNTYPED
        if not kind.startswith(("DATE", "TIMESTAMP")) and not is_open:
            how = _CAST
            if kind.startswith(NUMBER_TYPES):
                how = (
                    "say date_format='%Y%m%d' of whole numbers such as 20240131; seconds or "
                    'milliseconds since 1970 are read by SQL that you register: "select * replace '
                    f'(to_timestamp({quote(name)}) ...)", or epoch_ms(); or {how}'
                )
            _refuse_type(source, name, kind, f"it must be a DATE or TIMESTAMP, {how}")
    is_told = "currency" in source.spec.optional
    if source.spec.is_money and "currency" in by_lower and not is_told:
        raise DataError(
            source.name, "currency", "has a column 'currency', and nothing would be converted: "
            "prices and amounts are in the currency that source 'assets' gives for the asset; give "
            "it there, with a source 'fx', and leave the column out",
        )  # fmt: skip
    ours = {*source.spec.required, *source.spec.optional}
    items: dict[str, Item] = {}
    for lower, given in by_lower.items():
        name = "available_at" if lower == clock else lower
        if name == lower and lower not in ours:
            name = given  # the user's own spelling
        if name in items:
            raise DataError(
                source.name,
                "columns",
                f"would have two columns '{name}'; rename the one that is not '{given}'",
            )
        if given in texts:
            items[name] = Item(f"{texts[given]} as {quote(name)}", None)
        else:
            items[name] = _select_item(source, name, given, found[given])
    clash = sorted(n for n in items if n.lower() in _RESERVED or n.startswith("__"))
    if clash:
        raise DataError(
            source.name,
            "columns",
            f"has a column '{clash[0]}', a name kept by the engine; rename it",
        )
    return items


def _by_our_names(source: Source, found: Mapping[str, str]) -> dict[str, str]:
    """Return the columns by our names, or by their own in lower case."""
    ours = {given: name for name, given in source.columns.items()}
    by_lower: dict[str, str] = {}
    for given in found:
        name = ours.get(given, given.lower())
        if name in by_lower:
            other = given if given.lower() == name else by_lower[name]
            raise DataError(
                source.name, "columns", f"has a column '{other}' beside '{source.columns[name]}', "
                f"which is to be '{name}'; leave one of them out",
            )  # fmt: skip
        by_lower[name] = given
    return by_lower


def require_one_type(source: str, name: str, kind: str) -> None:
    """Refuse a column whose values have types of their own.

    Raises
    ------
    DataError
    """
    if _SELF_TYPED.search(kind) and not kind.startswith("ENUM"):
        raise DataError(
            source, "types", f"has column '{name}' of type {kind}, whose values have types of "
            "their own and compare by those first; cast it, such as by the SQL text: select * "
            f"replace ({quote(name)}::double as {quote(name)}) from ...",
        )  # fmt: skip


def _select_item(source: Source, name: str, given: str, kind: str) -> Item:
    """Return how a raw column is read under its canonical name and type."""
    spec = source.spec
    require_one_type(source.name, given, kind)
    is_double = name in spec.doubles
    is_numeric = is_double or name in spec.numbers
    if is_numeric and (not kind.startswith((*NUMBER_TYPES, UNTYPED)) or kind.endswith("]")):
        _refuse_type(source, name, kind, f"{spec.nouns.get(name, 'it')} must be a number, {_CAST}")
    if name in spec.flags and kind not in ("BOOLEAN", UNTYPED):
        _refuse_type(source, name, kind, "it must be a BOOLEAN")
    if name in _IDS and (kind.endswith("]") or kind.startswith(_NO_IDS)):
        _refuse_type(source, name, kind, "an asset's id must be a text or a number")
    if name in spec.dates and kind != "DATE":
        # A frame's days are midnights; a time of day is no day, and is refused as a missing one.
        item = quote(given)
        day = only_if(f"{item} = date_trunc('day', {item})", f"{item}::date")
        return Item(f"{day} as {quote(name)}", "DATE")
    if name in spec.days:
        if not kind.startswith(("DATE", "TIMESTAMP", UNTYPED)):
            _refuse_type(source, name, kind, f"it must be a DATE, {_CAST}")
        return Item(f"{quote(given)}::date as {quote(name)}", "DATE")
    if is_double:
        return Item(f"{quote(given)}::double as {quote(name)}", "DOUBLE")
    if spec.has_signals and kind in ("DOUBLE", "FLOAT") and not is_numeric:
        # Missing is missing: DuckDB holds a NaN above every number, so that it would pass vix > 30.
        # Neither nullif(x, 'nan') nor isnan(x): pyarrow and polars leave NaN out of a file's
        # statistics, by which DuckDB takes both to be false without a look at x.
        item = quote(given)
        valued = only_if(f"isfinite({item}) or isinf({item})", item)
        return Item(f"{valued} as {quote(name)}", kind)
    if kind == "TIMESTAMPTZ_NS":
        # DuckDB 2.0 can do little with it; microseconds are what a time with a zone has elsewhere.
        return Item(f"{quote(given)}::timestamptz as {quote(name)}", "TIMESTAMP WITH TIME ZONE")
    if kind == UNTYPED and name in spec.open_times:
        return Item(f"{quote(given)}::date as {quote(name)}", "DATE")
    if kind == UNTYPED and name in spec.texts and name in spec.optional:
        return Item(f"{quote(given)}::varchar as {quote(name)}", "VARCHAR")
    if name in spec.texts and not kind.startswith(_TEXTS):
        _refuse_type(source, name, kind, "it must be text")
    if kind.startswith("ENUM") and (name in _IDS or spec.enums_as_text):
        # An ENUM sorts by its categories: ties would break by their order, not by name.
        return Item(f"{quote(given)}::varchar as {quote(name)}", "VARCHAR")
    sql = quote(given) if name == given else f"{quote(given)} as {quote(name)}"
    return Item(sql, None if kind == UNTYPED else kind)


def _refuse_type(source: Source, name: str, kind: str, must: str) -> NoReturn:
    given = source.columns.get(name)
    shown = f"'{name}'" if given is None else f"'{given}' (for {name})"
    raise DataError(source.name, "types", f"has column {shown} of type {kind}; {must}")
