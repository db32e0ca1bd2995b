"""Names: the columns that an expression may name, and what it names that is none of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from ml4t.backtest.errors import ExpressionError, did_you_mean


class Names(NamedTuple):
    """Columns an expression may name.

    Attributes
    ----------
    signals, market : collection of str
        Columns per (timestamp, asset_id), and per timestamp.
    extra : collection of str
        Names that exist at this place only, such as ``score`` in a weight.
    """

    signals: Collection[str]
    market: Collection[str]
    extra: Collection[str] = ()


def resolved(text: str, columns: Iterable[tuple[str, str]], names: Names) -> set[str]:
    """Return the ``signals`` columns among those that an expression names.

    Parameters
    ----------
    columns : iterable of (str, str)
        Table, empty where none is named, and name.

    Raises
    ------
    ExpressionError
        There is no such table or column, or both tables have it.
    """
    signals = {name.lower(): name for name in names.signals}
    market = {name.lower(): name for name in names.market}
    extra = {name.lower() for name in names.extra}
    tables: Mapping[str, Mapping[str, str]] = {"signals": signals, "market": market}
    used = set()
    for spelled_table, spelled in columns:
        name, table = spelled.lower(), spelled_table.lower()
        if table and table not in tables:
            raise ExpressionError(
                text, f"names table '{spelled_table}'; only signals and market can be named here"
            )
        if table:
            known: Collection[str] = set(tables[table]) | (extra if table == "signals" else set())
        else:
            known = {*signals, *market, *extra}
        if name not in known:
            raise ExpressionError(
                text, f"names unknown column '{spelled}'{_hint(spelled, table, known, tables)}"
            )
        if not table and name in signals and name in market and name != "timestamp":
            raise ExpressionError(
                text, f"names '{spelled}', which is in both signals and market; "
                f"write signals.{spelled} or market.{spelled}",
            )  # fmt: skip
        if name in signals and table != "market":
            used.add(signals[name])
    return used


def _hint(
    spelled: str, table: str, known: Collection[str], tables: Mapping[str, Mapping[str, str]]
) -> str:
    """Say where an unknown column is, or what is near; names that begin with __ are ours."""
    for other, columns in tables.items():
        if spelled.lower() in columns and other != table:
            return f"; it is a column of {other}"
    return did_you_mean(spelled, (one for one in known if not one.startswith("__")))
