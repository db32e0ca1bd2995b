"""Values: what the texts of a file are, decided by all of them.

A file of text says no types. A column is numbers where every text in it is one, flags where every
text is true or false, else text; dates stay text, which `dates` reads. What names something, such
as an asset, is text whatever it looks like. Numbers with words among them are refused: a word may
stand for a missing value, and only the user knows which.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sources.adapted import Change
from ml4t.backtest.data.sources.forms.scan import theirs
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sources.text_items import (
    decimal_of,
    number_counts,
    text_cells,
    text_or_null,
    unless_one_of,
)
from ml4t.backtest.data.sql_files import quote, render, rows_of
from ml4t.backtest.errors import DataError

# Of how many words the line to write offers all; of more none can be meant.
_MOST_WORDS = 3
# Numbers in which both signs are, or one of them twice: no doubt is left.
_EUROPEAN = re.compile(r" *[+-]?\d{1,3}(\.\d{3})+,\d+ *|.*\.\d{3}\.\d{3} *")
_AMERICAN = re.compile(r" *[+-]?\d{1,3}(,\d{3})+\.\d+ *|.*,\d{3},\d{3} *")
_EUROPEAN_SIGNS = "decimal_separator=',', thousands='.'"


@dataclass(frozen=True, slots=True)
class _Profile:
    """How many texts of a column there are, and how many are of each form.

    The second four are counted where there are texts that are no numbers.
    """

    n_texts: int
    n_missing: int
    n_numbers: int
    n_fractions: int
    n_points: int
    n_padded: int
    n_large: int
    n_flags: int = 0
    n_commas: int = 0
    n_decimals: int = 0
    n_grouped: int = 0


_NOTHING = _Profile(*[0] * 7)


def typed(
    source: Source,
    texts: str,
    columns: Sequence[str],
    database: Database,
    *,
    kept: Collection[str] = (),
    has_decimal_commas: bool = False,
) -> tuple[str, tuple[Change, ...]]:
    """Return the query of texts in their types, and what was changed on the way.

    Parameters
    ----------
    texts : str
        Query of which each column is VARCHAR.
    columns : sequence of str
        Its columns.
    kept : collection of str
        Those that are text because the file says so.
    has_decimal_commas : bool
        A comma may stand for the decimal point: it does not part the columns.

    Raises
    ------
    DataError
        A number has no plain form, or words are among numbers.
    """
    spec, null_values = source.spec, source.reading.null_values
    names = theirs(source, columns, ("asset_id", "new_asset_id"))
    words = theirs(source, columns, spec.texts) | {name.lower() for name in kept}
    numbers = theirs(source, columns, (*spec.doubles, *spec.numbers))
    times = theirs(source, columns, spec.times) | {(source.available_at or "").lower()}
    looked_at = [name for name in columns if name.lower() not in names]
    found = _profiles(source, texts, looked_at, times, database)
    commas: set[str] = set()
    if has_decimal_commas and any(one.n_decimals for one in found.values()):
        commas = {name for name, one in found.items() if one.n_commas}
    if commas:
        _require_no_points(source, found, commas, columns)
    items, changes = [], []
    for name in columns:
        item = quote(name)
        one = found.get(name, _NOTHING)
        if null_values and name in looked_at:
            item = unless_one_of(item, null_values)
        kind = "VARCHAR"
        if name in looked_at and name.lower() not in words:
            kind = _kind(source, name, one, texts, columns, database, is_time=name.lower() in times,
                         is_number=name.lower() in numbers, has_commas=name in commas)  # fmt: skip
        if name in commas and kind == "DOUBLE":
            item = decimal_of(item)
            changes.append(Change(f"{name}: commas read as decimal points", one.n_commas))
        if kind == "VARCHAR" and item == quote(name):
            item = text_or_null(item)
        items.append(f"{item}::{kind} as {quote(name)}")
        if one.n_missing:
            shown = ", ".join(map(repr, null_values))
            changes.append(Change(f"{name}: {shown} read as missing", one.n_missing))
    return rows_of(f"({texts})", ", ".join(items)), tuple(changes)


def _profiles(
    source: Source, texts: str, columns: Sequence[str], times: Collection[str], database: Database
) -> dict[str, _Profile]:
    if not columns:
        return {}
    null_values = source.reading.null_values
    items = [unless_one_of(quote(name), null_values) if null_values else quote(name)
             for name in columns]  # fmt: skip
    counts = [number_counts(item, quote(name)) for item, name in zip(items, columns, strict=True)]
    query = render("register/text_numbers", source=f"({texts})", counts=", ".join(counts))
    (row,) = database.rows(query)
    found = {
        # Of no rows DuckDB counts NULL of a kind.
        name: _Profile(**{what: n or 0 for what, n in one.items()})
        for name, one in zip(columns, row, strict=True)
    }
    words = {
        name: item for name, item in zip(columns, items, strict=True)
        if found[name].n_numbers < found[name].n_texts and name.lower() not in times
    }  # fmt: skip
    if words:
        query = render("register/text_profile", source=f"({texts})", cells=text_cells(words))
        for name, n_flags, n_commas, n_decimals, n_grouped in database.rows(query):
            found[name] = replace(
                found[name], n_flags=n_flags, n_commas=n_commas, n_decimals=n_decimals,
                n_grouped=n_grouped,
            )  # fmt: skip
    return found


def _kind(
    source: Source,
    name: str,
    one: _Profile,
    texts: str,
    columns: Sequence[str],
    database: Database,
    *,
    is_time: bool,
    is_number: bool,
    has_commas: bool,
) -> str:
    """Return the type in which the texts of a column stand."""
    n_numbers = one.n_numbers + (one.n_commas if has_commas else 0)
    if not one.n_texts:
        return "DATE" if is_time else "DOUBLE"
    if n_numbers == one.n_texts and not has_commas:
        if one.n_padded and not is_number:
            return "VARCHAR"  # 007 is a code
        return "DOUBLE" if one.n_fractions or one.n_large or one.n_padded else "BIGINT"
    if n_numbers == one.n_texts:
        return "DOUBLE"
    if one.n_flags == one.n_texts:
        return "BOOLEAN"
    # Codes such as 737A among numbers are text; a few words among numbers are another matter.
    if is_number or (2 * n_numbers > one.n_texts and not is_time):
        _refuse(source, name, one, texts, columns, database)
    return "VARCHAR"


def _refuse(
    source: Source,
    name: str,
    one: _Profile,
    texts: str,
    columns: Sequence[str],
    database: Database,
) -> NoReturn:
    """Refuse a column of numbers with texts that are none, and say what to write."""
    query = render("register/words", source=f"({texts})", item=quote(name))
    rows = [
        (word, n_rows)
        for word, n_rows in database.rows(query)
        if word not in source.reading.null_values
    ]
    words = [word for word, _ in rows]
    shown = ", ".join(map(repr, words[:_MOST_WORDS]))
    if one.n_grouped or one.n_commas:
        way_out = _signs(source, words, columns)
    elif len(words) <= _MOST_WORDS:
        known = [*source.reading.null_values, *words]
        way_out = f"if that means missing, say so: null_values={known}; else mend the file"
    else:
        way_out = "mend the file, or cast it in SQL that you register instead of the path"
    raise DataError(
        source.name, "types", f"has column '{name}' of numbers with {shown} among them; {way_out}",
        n_rows=one.n_texts - one.n_numbers,
        sample=[{name: word, "rows": n_rows} for word, n_rows in rows],
    )  # fmt: skip


def _signs(source: Source, words: Sequence[str], columns: Sequence[str]) -> str:
    """Say what to write where commas are in numbers."""
    if any(_EUROPEAN.fullmatch(word) for word in words):
        return f"read them by SQL: {_line(source, columns, _EUROPEAN_SIGNS)}"
    thousands = _line(source, columns, "thousands=','")
    if any(_AMERICAN.fullmatch(word) for word in words):
        return f"read them by SQL: {thousands}"
    return (
        f"if the comma parts thousands, read them by SQL: {thousands}; if it is the decimal sign, "
        "with decimal_separator=',' in its place"
    )


def _line(source: Source, columns: Sequence[str], signs: str) -> str:
    """Return the query that reads a file with other signs; what DuckDB would guess stays text."""
    kept = theirs(source, columns, ("asset_id", *source.spec.times))
    types = ", ".join(f"'{name}': 'VARCHAR'" for name in columns if name.lower() in kept)
    return f"\"select * from read_csv('{source.paths()[0]}', {signs}, types={{{types}}})\""


def _require_no_points(
    source: Source,
    found: Mapping[str, _Profile],
    commas: Collection[str],
    columns: Sequence[str],
) -> None:
    """Refuse a file in which both comma and point are in numbers: 1.234 may be either."""
    points = [name for name, one in found.items() if one.n_points]
    if points:
        raise DataError(
            source.name, "types", f"has decimal commas in column '{min(commas)}' and points in "
            f"numbers of '{points[0]}', which may part thousands; read them by SQL: "
            f"{_line(source, columns, _EUROPEAN_SIGNS)}",
        )  # fmt: skip
