"""Output: how the command line shows runs and rows, as tables or as one JSON document."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ml4t.backtest.data.database import Relation
from ml4t.backtest.errors import ResultError
from ml4t.backtest.results.certified import certificate_of
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.results.summary import run_facts, said_lines, summary_rows

SHOWN_ROWS = 100
PIPE_WIDTH = 160
# What a program may ask for by `--json`, with the version of each document; docs/for-programs.md
# says what is in them.
SCHEMAS = {
    "demo": 1, "init": 1, "run": 1, "explain": 1, "audit": 1, "verify": 1, "inspect": 1,
    "preview": 1, "query": 1, "sql": 1, "summary": 1, "orders": 1, "report": 1, "profile": 1,
    "compare": 1, "diff": 1, "runs": 1, "export-csv": 1, "cache-ls": 1, "cache-clear": 1,
    "preset": 1, "presets": 1, "error": 1,
}  # fmt: skip


def console() -> Console:
    """Return where tables go; a pipe has no width of its own, rich would fold at 80 columns."""
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)


def answer(relation: Relation | None, command: str, *, as_json: bool) -> None:
    """Print what a query of a command found.

    Raises
    ------
    ResultError
        The statement was no query.
    """
    if relation is None:  # what a statement without a result gives
        raise ResultError("the statement returned no rows; --sql takes a query")
    if as_json:
        print_json(command, rows_json(relation))
    else:
        print_rows(relation)


def print_run(result: BacktestResult, *saved_to: Path) -> None:
    """Print the summary of a run, and where it was saved."""
    table = Table(title="Run", box=box.SIMPLE, show_header=False, title_style="bold")
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for label, text in summary_rows(result):
        table.add_row(escape(label), escape(text))
    console().print(table)
    print_rows(result.exits)
    # Not through tables: what a run was made of, and a path, must survive copy and paste unfolded.
    typer.echo("\n".join(said_lines(result)))
    for path in saved_to:
        typer.echo(f"saved to {path}")


def print_rows(relation: Relation) -> None:
    """Print the first rows as a table, and say so when there are more."""
    # A limit over an ordered query keeps its order: DuckDB makes one Top N of the two.
    rows = relation.limit(SHOWN_ROWS + 1).fetchall()
    print_table(list(relation.columns), rows[:SHOWN_ROWS])
    if len(rows) > SHOWN_ROWS:
        typer.echo(f"the first {SHOWN_ROWS} rows; --json prints all")


def print_table(columns: list[str], rows: list[tuple[Any, ...]]) -> None:
    """Print rows as a table; numbers of a column have as many decimals as it needs."""
    table = Table(box=box.SIMPLE)
    cells = []
    for i, name in enumerate(columns):
        values = [row[i] for row in rows]
        is_number = any(isinstance(value, int | float | Decimal) for value in values)
        table.add_column(escape(name), justify="right" if is_number else "left", overflow="fold")
        decimals = _decimals(values)
        cells.append([escape(_text(value, decimals)) for value in values])
    for texts in zip(*cells, strict=True):
        table.add_row(*texts)
    console().print(table)


def print_json(command: str, document: Mapping[str, object], *, indent: int | None = 2) -> None:
    """Print the JSON document of a command; without an indent it is one line."""
    typer.echo(document_text({"schema": schema_name(command), **document}, indent=indent))


def print_page(command: str, page: Path, *, as_json: bool) -> None:
    """Print where a command has written a page."""
    size = page.stat().st_size
    if as_json:
        print_json(command, {"written_to": page, "bytes": size})
    else:
        typer.echo(f"wrote {page}, {size:,} bytes")


def schema_name(command: str) -> str:
    """Return what a document of a command calls itself.

    The number is another one when a key of the document goes, or means something else; a new key
    leaves it as it is.
    """
    return f"ml4t-backtest/{command}/{SCHEMAS[command]}"


def document_text(document: Mapping[str, object], *, indent: int | None = None) -> str:
    """Return a document as JSON."""
    return json.dumps(jsonable(document), indent=indent, allow_nan=False)


def print_csv(relation: Relation) -> None:
    """Print all rows as CSV, with a header; what is NULL is an empty field."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(relation.columns)
    writer.writerows([jsonable(value) for value in row] for row in relation.fetchall())


def run_json(result: BacktestResult, *saved_to: Path) -> dict[str, object]:
    """Return a run's metrics, facts and exits."""
    exits = result.exits
    names = list(exits.columns)
    return {
        "run_id": result.run_id,
        "saved_to": saved_to[-1] if saved_to else None,
        "metrics": dict(result),
        **run_facts(result),
        "certificate": certificate_of(result),
        "exits": [dict(zip(names, row, strict=True)) for row in exits.fetchall()],
    }


def rows_json(relation: Relation) -> dict[str, object]:
    """Return columns, what DuckDB calls their types, and rows."""
    return {
        "columns": list(relation.columns),
        "types": [str(kind) for kind in relation.types],
        "rows": relation.fetchall(),
    }


def _decimals(values: list[Any]) -> int:
    """Return how many decimals a column is shown with: 2 for money and the like, else 4."""
    floats = [value for value in values if isinstance(value, float) and isfinite(value)]
    is_large = any(abs(value) >= 100 for value in floats)
    return 2 if is_large or all(round(value, 2) == value for value in floats) else 4


def _text(value: object, decimals: int) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.{decimals}f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, datetime) and value.tzinfo is None and value.time() == time():
        return str(value.date())
    return str(value)


def jsonable(value: object) -> object:
    """Return a value as JSON knows it: times as ISO 8601, NaN and infinity as null."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(one) for one in value]
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float):
        return value if isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return value.total_seconds() if isinstance(value, timedelta) else str(value)
