"""The command line: `demo`, `run`, `explain_run`, `inspect`, `query`, `summary`, `preset`.

Results go to stdout, progress and errors to stderr. Exit codes: 0 done, 1 an error of the
package, of the user's SQL or of the file system, 2 a command line that cannot be read.
`runfile` documents the TOML file of `run`, `explain_run` and `inspect`.
"""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from typer.core import TyperGroup

from ml4t.backtest.config import BacktestConfig
from ml4t.backtest.data.database import EngineError, Relation
from ml4t.backtest.demo import FOLDER, run_demo
from ml4t.backtest.engine import Progress as Report
from ml4t.backtest.errors import BacktestError, ResultError
from ml4t.backtest.presets import PRESETS
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.results.summary import basis_lines, facts_lines, run_facts, summary_rows
from ml4t.backtest.runfile import catalog_of, engine_of
from ml4t.backtest.runfile_tables import settings_text

SHOWN_ROWS = 100
PIPE_WIDTH = 160


class _Commands(TyperGroup):
    """Turn errors that a user can mend into one message and exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (BacktestError, EngineError) as error:
            message = str(error)
        except OSError as error:
            if error.errno == errno.EPIPE:  # `| head` closed our stdout: no one to tell
                raise
            message = str(error)
        typer.echo(f"error: {message}", err=True)
        raise typer.Exit(1)


app = typer.Typer(
    name="ml4t-backtest",
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Backtests over Parquet, with results you can query in SQL.",
)

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="What to run.")]
RunFile = Annotated[Path, typer.Argument(metavar="RUN.duckdb", help="A saved run.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for data and result.")] = FOLDER,
    as_json: AsJson = False,
) -> None:
    """Make a 500-asset market, run a top-25 rotation on it, and query the result."""
    with _progress() as report:
        done = run_demo(out, progress=report)
    answers = {title: done.result.sql(query) for title, query in done.questions.items()}
    if as_json:
        queries = [
            {"title": title, "sql": done.questions[title], **_rows_json(answer)}
            for title, answer in answers.items()
        ]
        _print_json({**_run_json(done.result, done.saved_to), "queries": queries})
        return
    _print_run(done.result, done.saved_to)
    console = _console()
    for title, answer in answers.items():
        console.print(f"\n[bold]{escape(title)}[/]")
        console.print(done.questions[title], style="dim", markup=False, highlight=False)
        _print_rows(answer)


@app.command()
def run(
    config: ConfigFile,
    out: Annotated[
        Path | None, typer.Option(help="Save to a .duckdb file, or as Parquet to a folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run what a TOML file describes."""
    engine = engine_of(config)
    with _progress() as report:
        result = engine.run(report)
    saved_to = None if out is None else result.save(out)
    if as_json:
        _print_json(_run_json(result, saved_to))
    else:
        _print_run(result, saved_to)


@app.command("explain")
def explain_run(
    config: ConfigFile,
    plan: Annotated[bool, typer.Option("--plan", help="With DuckDB's plan of each.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the SQL of a run, statement by statement, as a script for a fresh DuckDB."""
    statements = engine_of(config).explain(plan=plan)
    if as_json:
        _print_json({"statements": [asdict(statement) for statement in statements]})
    else:
        typer.echo(str(statements))


@app.command()
def inspect(
    config: ConfigFile,
    sql: Annotated[str, typer.Option(help="Over prices, features, ..., signals and market.")],
    as_json: AsJson = False,
) -> None:
    """Query the sources of a TOML file, and what a run would see of them, before any run."""
    _answer(catalog_of(config).sql(sql), as_json=as_json)


@app.command()
def query(
    run_file: RunFile,
    sql: Annotated[str, typer.Option(help="Over trades, equity, fills, ...")],
    as_json: AsJson = False,
) -> None:
    """Query the tables of a saved run."""
    _answer(BacktestResult.open(run_file).sql(sql), as_json=as_json)


@app.command()
def summary(run_file: RunFile, as_json: AsJson = False) -> None:
    """Show the metrics of a saved run."""
    result = BacktestResult.open(run_file)
    if as_json:
        _print_json(_run_json(result, run_file))
    else:
        _print_run(result, None)


@app.command()
def preset(
    name: Annotated[str | None, typer.Argument(help="Left out: list the presets.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print every setting of a preset, as the tables of a run file."""
    if name is None:
        shown = {one: (make.__doc__ or "").splitlines()[0] for one, make in PRESETS.items()}
        text = "\n".join(f"{one:<12}{line.removeprefix('Return ')}" for one, line in shown.items())
        document: Mapping[str, object] = shown
    else:
        config = BacktestConfig.preset(name)
        text, document = settings_text(config), config.to_dict()
    if as_json:
        _print_json(document)
    else:
        typer.echo(text)


def main() -> None:
    """Run the command line."""
    app()


# -- output ---------------------------------------------------------------------------


def _console() -> Console:
    # A pipe has no width of its own; rich would fold tables at 80 columns.
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)


@contextmanager
def _progress() -> Iterator[Report]:
    """Show a bar on stderr while a run goes on, where stderr is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("bars"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    shown = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with shown:
        task = shown.add_task("bars", total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


def _answer(relation: Relation | None, *, as_json: bool) -> None:
    if relation is None:  # what a statement without a result gives
        raise ResultError("the statement returned no rows; --sql takes a query")
    if as_json:
        _print_json(_rows_json(relation))
    else:
        _print_rows(relation)


def _print_run(result: BacktestResult, saved_to: Path | None) -> None:
    console = _console()
    table = Table(title="Run", box=box.SIMPLE, show_header=False, title_style="bold")
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for label, text in summary_rows(result):
        table.add_row(escape(label), escape(text))
    console.print(table)
    _print_rows(result.exits)
    # Not through tables: what a run was made of, and a path, must survive copy and paste unfolded.
    typer.echo("\n".join([*basis_lines(result), *facts_lines(run_facts(result))]))
    if saved_to is not None:
        typer.echo(f"saved to {saved_to}")


def _print_rows(relation: Relation) -> None:
    """Print the first rows as a table, and say so when there are more."""
    columns = list(relation.columns)
    # A limit over an ordered query keeps its order: DuckDB makes one Top N of the two.
    rows = relation.limit(SHOWN_ROWS + 1).fetchall()
    table = Table(box=box.SIMPLE)
    cells = []
    for name, values in zip(columns, _columns(rows[:SHOWN_ROWS], len(columns)), strict=True):
        is_number = any(isinstance(value, int | float | Decimal) for value in values)
        table.add_column(escape(name), justify="right" if is_number else "left", overflow="fold")
        decimals = _decimals(values)
        cells.append([escape(_text(value, decimals)) for value in values])
    for texts in zip(*cells, strict=True):
        table.add_row(*texts)
    _console().print(table)
    if len(rows) > SHOWN_ROWS:
        typer.echo(f"the first {SHOWN_ROWS} rows; --json prints all")


def _columns(rows: list[tuple[Any, ...]], n: int) -> list[list[Any]]:
    return [[row[i] for row in rows] for i in range(n)]


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


def _print_json(document: Mapping[str, object]) -> None:
    typer.echo(json.dumps(_plain(document), indent=2, allow_nan=False))


def _run_json(result: BacktestResult, saved_to: Path | None) -> dict[str, object]:
    exits = result.exits
    names = list(exits.columns)
    return {
        "saved_to": saved_to,
        "metrics": dict(result),
        **run_facts(result),
        "exits": [dict(zip(names, row, strict=True)) for row in exits.fetchall()],
    }


def _rows_json(relation: Relation) -> dict[str, object]:
    return {"columns": list(relation.columns), "rows": relation.fetchall()}


def _plain(value: object) -> object:
    """Return a value as JSON knows it: times as ISO 8601, NaN and infinity as null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float):
        return value if isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return value.total_seconds() if isinstance(value, timedelta) else str(value)


if __name__ == "__main__":
    main()
