"""Text items: SQL that makes values of the texts of a file, or of its path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ml4t.backtest.data.sql_files import literal, unless


def unless_one_of(item: str, texts: Iterable[str]) -> str:
    """Return NULL where an item is one of some texts, else the item."""
    return unless(f"{item} in ({', '.join(map(literal, texts))})", item)


def decimal_of(item: str) -> str:
    """Return a text with its decimal comma as a point."""
    return f"replace({item}, ',', '.')"


def file_stem(item: str, endings: Iterable[str]) -> str:
    """Return the name of a file at a path without its ending, and what it is packed by."""
    known = "|".join(ending.replace(".", "\\.") for ending in endings)
    pattern = f"([^/\\\\]+?)({known})?(\\.gz|\\.zst)?$"
    return f"regexp_extract({item}, {literal(pattern)}, 1, 'i')"


def json_text(name: str) -> str:
    """Return the text of a name's value in a column ``json``; NULL where it is null, or not there.

    By a pointer, whose own letters are escaped: a name may hold a dot or a quote.
    """
    pointer = "/" + name.replace("~", "~0").replace("/", "~1")
    return f"json_extract_string(json, {literal(pointer)})"


def text_or_null(item: str) -> str:
    """Return a text of a file, NULL where it is empty.

    Not the bare column: DuckDB 2.0.1 reads a column of CSV that a query only casts as of that type,
    and fails where try_cast would say NULL.
    """
    return f"nullif({item}, '')"


def text_cells(items: Mapping[str, str]) -> str:
    """Return the list of a row's texts, each beside the name of its column."""
    cells = (f"{{'column_name': {literal(name)}, 'text': {item}}}" for name, item in items.items())
    return f"[{', '.join(cells)}]"


def number_counts(item: str, given: str) -> str:
    """Return how many texts of a column are numbers, and of which form.

    By a cast, and a look for the digits' marks: DuckDB would also read 1_000.
    """
    is_number = f"(try_cast({item} as double) is not null and not contains({item}, '_'))"
    marks = " or ".join(f"contains({item}, '{mark}')" for mark in (".", "e", "E", "n", "N"))
    counts = {
        "n_texts": f"count({item})",
        "n_missing": f"count({given}) - count({item})",
        "n_numbers": f"count_if({is_number})",
        "n_fractions": f"count_if({is_number} and ({marks}))",
        "n_points": f"count_if({is_number} and contains({item}, '.'))",
        "n_padded": f"count_if({is_number} and starts_with({item}, '0') and length({item}) > 1 "
        f"and not ({marks}))",
        "n_large": f"count_if({is_number} and abs(try_cast({item} as double)) >= 9.2e18)",
    }
    return "{" + ", ".join(f"'{name}': {count}" for name, count in counts.items()) + "}"


def parsed_time(column: str, date_format: str, *, has_time: bool) -> str:
    """Return a column of text as the date, or the time, that a format says; quoted already."""
    item = f"strptime({column}::varchar, {literal(date_format)})"
    return item if has_time else f"{item}::date"
