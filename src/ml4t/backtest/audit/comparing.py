"""Comparing: what two catalogs, and two runs over them, say of the bars up to a cut.

Numbers are equal that differ by less than `SAME_NUMBER` of the larger one, or `SAME_IN_COLUMN` of
the largest in the column: windows of DuckDB add up in an order that depends on how many rows
there are, those of later bars included, so that the last digits of a trailing mean do too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from ml4t.backtest.audit.unlike import (
    KEYS_OF_VIEWS,
    Hashes,
    part_hashes,
    unlike_parts,
    view_columns,
)
from ml4t.backtest.core.tolerances import SAME_IN_COLUMN, SAME_NUMBER
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.cut.cut_bar import CutBar
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sql_files import (
    Sql,
    all_of,
    columns,
    literal,
    quote,
    render,
    rows_of,
    table_of,
)
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.results.run_store.difference import COMPARED, ROW_NUMBERS
from ml4t.backtest.results.store import open_store

# What an order asked for; what came of it later is in `fills`.
_ASKED = ("created_at", "order_type", "time_in_force", "tag")
# What a trade says once it is closed.
_TIMES = {**COMPARED, "trades": "exit_timestamp"}
_SIDES = ("whole", "cut")
# Columns that are held at once.
_TOGETHER = 16


class Found(NamedTuple):
    """Something that differs at a bar up to a cut.

    Attributes
    ----------
    place : str
        ``signals``, ``market`` or a table of the run.
    column : str
        That differs in the first row; empty where one alone has such a row.
    n_rows : int
        Rows that differ.
    bar : str
        The first.
    asset_id : str or None
        At that bar.
    whole, cut : str or None
        The value with all data, and with what was known.
    source : str or None
        That has the column; None in a table of the run.
    """

    place: str
    column: str
    n_rows: int
    bar: str
    asset_id: str | None
    whole: str | None
    cut: str | None
    source: str | None = None


def compare_views(whole: Prepared, of_whole: Hashes, cut: Prepared, bar: CutBar) -> Iterator[Found]:
    """Yield the columns of the views of two catalogs that differ up to a bar.

    One that was not there yet, such as of a category that came later, counts as NULL.

    Parameters
    ----------
    of_whole : mapping
        As `part_hashes` returns it for the bar.
    """
    (of_cut,) = part_hashes(cut, [bar])
    for view, keys in KEYS_OF_VIEWS.items():
        unlike = unlike_parts(whole, of_whole, of_cut, view)
        # Together: each read of a view makes all its joins anew.
        for some in batched(unlike):
            database = open_store()
            for side, each in zip(_SIDES, (whole, cut), strict=True):
                items = items_of(whole, each, view, some)
                cells = rows_of(view, items, where=bar.keeps("timestamp"))
                database.register(side, each.database.sql(cells).to_arrow_table())
            for name in some:
                rows = [rows_of(side, columns([*keys, name])) for side in _SIDES]
                for found in different_rows(database, view, keys, rows):
                    yield found._replace(source=whole.source_of(name))


def items_of(whole: Prepared, prepared: Prepared, view: str, names: Sequence[str]) -> str:
    """Return keys and columns of a view of one catalog, NULL for what another has alone."""
    kinds, own = view_columns(whole, view), view_columns(prepared, view)
    return ", ".join(
        quote(name) if name in own else f"null::{kinds[name]} as {quote(name)}"
        for name in (*KEYS_OF_VIEWS[view], *names)
    )


def batched(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield as many columns at a time as are read together."""
    for first in range(0, len(names), _TOGETHER):
        yield names[first : first + _TOGETHER]


class ComparedRun:
    """A run beside which others are put: its tables, in a database of their own.

    Parameters
    ----------
    run : BacktestResult
    """

    def __init__(self, run: BacktestResult) -> None:
        self._database = open_store(run.timezone)
        self._take(run, _SIDES[0])
        kinds = {table: self._database.schema(rows_of(f"{table}_of_whole")) for table in _TIMES}
        self._names = {
            table: [name for name in each if name not in ("run_id", *ROW_NUMBERS)]
            for table, each in kinds.items()
        }

    def differences(self, cut: BacktestResult, bar: CutBar) -> Iterator[Found]:
        """Yield the tables of another run of which rows up to a bar differ."""
        self._take(cut, _SIDES[1])
        rows = {table: self._rows(table, bar) for table in _TIMES}
        hashes = [
            render(
                "audit/row_hash",
                label=literal(table), columns=columns(self._compared(table)), rows=f"({each})",
            )
            for table, sides in rows.items() for each in sides
        ]  # fmt: skip
        # Pairing rows takes the most time of an audit, and as a rule there is nothing to find.
        seen = Counter(self._database.rows(all_of(hashes)))
        for (table, *_), n_sides in seen.items():
            if n_sides < len(_SIDES) and table in rows:
                yield from different_rows(self._database, table, self._keys(table), rows.pop(table))

    def _take(self, run: BacktestResult, side: str) -> None:
        """Take the tables of a run as the loop kept them, where nothing has asked for them."""
        for table in _TIMES:
            target = f"{table}_of_{side}"
            run.run_tables.hand_over(table, self._database, partial(table_of, target))

    def _rows(self, table: str, bar: CutBar) -> list[Sql]:
        """Return the queries of what both runs say in a table up to a bar."""
        names, known = self._compared(table), f"{quote(_TIMES[table])} <= {bar.sql}"
        if table == "orders":
            known = f"fills.timestamp <= {bar.sql}"
            return [_orders_of(side, names, known) for side in _SIDES]
        return [rows_of(f"{table}_of_{side}", columns(names), where=known) for side in _SIDES]

    def _compared(self, table: str) -> list[str]:
        return list(_ASKED) if table == "orders" else self._names[table]

    def _keys(self, table: str) -> list[str]:
        is_of_asset = table != "orders" and "asset_id" in self._names[table]
        return [_TIMES[table], *["asset_id"] * is_of_asset]


def different_rows(
    database: Database, place: str, keys: Sequence[str], rows: Sequence[Sql]
) -> Iterator[Found]:
    """Yield what differs between the rows of two queries, if anything does."""
    kinds = database.schema(rows[0])
    differing = [
        f"when {differs_sql(name, kind, rows[0])} then {literal(name)}"
        for name, kind in kinds.items() if name not in keys
    ]  # fmt: skip
    query = render(
        "audit/paired_rows",
        whole=f"({rows[0]})", cut=f"({rows[1]})", keys=columns(keys), sorted=columns(kinds),
        joined=" and ".join(
            f"whole.{quote(key)} is not distinct from cut.{quote(key)}" for key in (*keys, "__k")
        ),
        columns=", ".join(
            f"{side}.{quote(name)} as {quote(f'{side} {name}')}"
            for side in _SIDES for name in (*kinds, "__k")
        ),
        in_order=", ".join(
            f"coalesce(whole.{quote(key)}, cut.{quote(key)})" for key in (*keys, "__k")
        ),
        first_column=f"case {' '.join(differing)} end" if differing else "null",
    )  # fmt: skip
    # Of a leak nearly every row may differ: counted there, and not fetched.
    for first in database.records(query):
        yield _told(place, keys, first)


def differs_sql(name: str, kind: str, whole: Sql) -> str:
    """Return the condition under which the values of a column count as different."""
    one, other = f"whole.{quote(name)}", f"cut.{quote(name)}"
    if kind not in ("DOUBLE", "FLOAT"):
        return f"{one} is distinct from {other}"
    gap = f"abs({one} - {other})"
    # NaN and infinite numbers are above all others: anything would be near to them.
    finite = f"isfinite({quote(name)})"
    largest = rows_of(f"({whole})", f"max(abs({quote(name)}))", where=finite)
    near = f"{gap} <= {SAME_NUMBER} * greatest(abs({one}), abs({other}))"
    is_same = f"({near} or {gap} <= {SAME_IN_COLUMN} * coalesce(({largest}), 0))"
    is_same = f"(isfinite({one}) and isfinite({other}) and {is_same})"
    return f"({one} is distinct from {other} and not coalesce({is_same}, false))"


def _told(place: str, keys: Sequence[str], first: Mapping[str, Any]) -> Found:
    side = _SIDES[first["whole __k"] is None]
    bar = str(first[f"{side} {keys[0]}"])
    column, told = "", [bar, None]
    if first["whole __k"] is None:
        told.reverse()
    elif first["cut __k"] is not None:
        column = first["__column"]
        told = [_text(first[f"{side} {column}"]) for side in _SIDES]
    return Found(
        place=place, column=column, n_rows=first["__n_rows"], bar=bar,
        asset_id=_text(first[f"{side} asset_id"]) if "asset_id" in keys else None,
        whole=told[0], cut=told[1],
    )  # fmt: skip


def _orders_of(side: str, names: Sequence[str], known: str) -> Sql:
    return render(
        "audit/filled_orders", columns=columns(names, "orders"), known=known,
        orders=f"orders_of_{side}", fills=f"fills_of_{side}",
    )  # fmt: skip


def _text(value: object) -> str | None:
    return None if value is None else str(value)
