"""The commands, one function each."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from ml4t.backtest.cli.caching import cache
from ml4t.backtest.cli.comparing import (
    SHOWN_OF_RUNS,
    comparison,
    difference_json,
    existing_store,
    metric_rows,
    opened_runs,
    ranked_runs,
    setting_rows,
)
from ml4t.backtest.cli.group import Commands
from ml4t.backtest.cli.keeping import finishing, opened_run, patient
from ml4t.backtest.cli.looking import (
    answer_mcp,
    audit_run,
    explore_runs,
    report_sources,
    verify_run,
)
from ml4t.backtest.cli.output import (
    answer,
    console,
    print_csv,
    print_json,
    print_page,
    print_rows,
    print_run,
    print_table,
    rows_json,
    run_json,
)
from ml4t.backtest.cli.shell import shell
from ml4t.backtest.cli.starter import guess_json, starter
from ml4t.backtest.config import BacktestConfig
from ml4t.backtest.data.sql_files import columns
from ml4t.backtest.demo import FOLDER, run_demo
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.presets import PRESETS
from ml4t.backtest.progress import progress_of
from ml4t.backtest.results.keeping.paths import is_store
from ml4t.backtest.results.page.comparing import report_runs
from ml4t.backtest.results.page.embedding import require_one_run
from ml4t.backtest.results.run_store.difference import Difference
from ml4t.backtest.results.run_store.store import RunStore
from ml4t.backtest.results.tables import TABLES
from ml4t.backtest.runfile import catalog_of, engine_of
from ml4t.backtest.runfile_tables import settings_text
from ml4t.backtest.version import own_version

SHOWN_OF_ORDERS = ("asset_id", "kind", "created_at", "quantity", "order_type", "limit_price",
                   "stop_price", "time_in_force", "target_weight", "reference_price",
                   "tag")  # fmt: skip

app = typer.Typer(
    name="ml4t-backtest",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Backtests over Parquet, with results you can query in SQL.",
)
export = typer.Typer(no_args_is_help=True, help="Write a saved run in another format.")
app.add_typer(export, name="export")
app.add_typer(cache, name="cache")

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="What to run.")]
RunFile = Annotated[Path, typer.Argument(metavar="RUN.duckdb", help="A saved run.")]
Start = Annotated[
    str | None, typer.Option(metavar="DATE", help="First day or time; that of the file by default.")
]
End = Annotated[
    str | None, typer.Option(metavar="DATE", help="Last day or time; that of the file by default.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"ml4t-backtest {own_version()}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Backtests over Parquet, with results you can query in SQL."""


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for data and result.")] = FOLDER,
    as_json: AsJson = False,
) -> None:
    """Make a 500-asset market, run a top-25 rotation on it, and query the result."""
    done = run_demo(out, progress=progress_of(True))
    answers = {title: done.result.sql(query) for title, query in done.questions.items()}
    if as_json:
        queries = [
            {"title": title, "sql": done.questions[title], **rows_json(answer)}
            for title, answer in answers.items()
        ]
        print_json("demo", {**run_json(done.result, done.saved_to), "queries": queries})
        return
    print_run(done.result, done.saved_to)
    for title, found in answers.items():
        console().print(f"\n[bold]{escape(title)}[/]")
        console().print(done.questions[title], style="dim", markup=False, highlight=False)
        print_rows(found)
    typer.echo(
        "Next:\n"
        f"  ml4t-backtest sql {done.saved_to}        # your own questions, in SQL\n"
        "  ml4t-backtest init PRICES FEATURES     # a run file over your own files\n"
        "  ml4t-backtest run run.toml             # and its run"
    )


@app.command()
def init(
    files: Annotated[list[Path], typer.Argument(help="Your files: prices, and any others.")],
    out: Annotated[Path, typer.Option(help="Where to write the run file.")] = Path("run.toml"),
    as_json: AsJson = False,
) -> None:
    """Write a run file from a look at your files."""
    if out.exists():
        raise ConfigError(f"'{out}' is there already; name another with --out, or remove it")
    text, guesses = starter(files, out)
    out.write_text(text, encoding="utf-8")
    if as_json:
        print_json("init", {"run_file": out, "sources": [guess_json(guess) for guess in guesses]})
        return
    for guess in guesses:
        typer.echo(f"{guess.path}: {guess.role}")
        for change in guess.changes:
            typer.echo(f"  {change}")
    typer.echo(f"wrote {out}; next: ml4t-backtest run {out}")


@app.command()
def run(
    config: ConfigFile,
    out: Annotated[
        Path | None, typer.Option(help="Save to a .duckdb file, or as Parquet to a folder.")
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="Add to this folder of runs; that of the file by default.")
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="In the store; may be repeated; before the file's.")
    ] = None,
    cache_in: Annotated[
        Path | None,
        typer.Option("--cache", help="Keep what is read in this folder; that of the file else."),
    ] = None,
    start: Start = None,
    end: End = None,
    as_json: AsJson = False,
) -> None:
    """Run what a TOML file describes."""
    engine = engine_of(config, cache=cache_in)
    place = engine.storing.store if store is None else store
    keeps = None if place is None else patient(place)
    result = engine.run(progress_of(True), start=start, end=end, store=keeps, tags=tag or None)
    saved_to = [] if keeps is None else [keeps.path / result.run_id]
    if out is not None:
        with finishing(out):
            saved_to.append(result.save(out))
    if as_json:
        print_json("run", run_json(result, *saved_to))
    else:
        print_run(result, *saved_to)


@app.command("explain")
def explain_run(
    config: ConfigFile,
    plan: Annotated[bool, typer.Option("--plan", help="With DuckDB's plan of each.")] = False,
    start: Start = None,
    end: End = None,
    as_json: AsJson = False,
) -> None:
    """Print the SQL of a run, statement by statement, as a script for a fresh DuckDB."""
    statements = engine_of(config).explain(start=start, end=end, plan=plan)
    if as_json:
        print_json("explain", {"statements": [asdict(statement) for statement in statements]})
    else:
        typer.echo(str(statements))


@app.command()
def inspect(
    config: ConfigFile,
    sql: Annotated[str, typer.Option(help="Over prices, features, ..., signals and market.")],
    as_json: AsJson = False,
) -> None:
    """Query the sources of a TOML file, and what a run would see of them, before any run."""
    answer(catalog_of(config).sql(sql), "inspect", as_json=as_json)


@app.command("preview")
def preview_bar(
    config: ConfigFile,
    at: Annotated[str, typer.Argument(metavar="DATE", help="The time of a bar.")],
    as_json: AsJson = False,
) -> None:
    """Show what the strategy of a TOML file would hold at a bar, and why not the rest."""
    engine = engine_of(config)
    start = engine.start.text if engine.start else None
    shown = engine.catalog.preview(engine.strategy, at, start=start)
    answer(shown, "preview", as_json=as_json)


@app.command()
def query(
    run_file: RunFile,
    sql: Annotated[str, typer.Option(help="Over trades, equity, fills, ...")],
    as_json: AsJson = False,
) -> None:
    """Query the tables of a saved run, or those of all runs of a store."""
    asked = RunStore(run_file) if is_store(run_file) else opened_run(run_file)
    answer(asked.sql(sql), "query", as_json=as_json)


@app.command("sql")
def sql_shell(run_file: RunFile, as_json: AsJson = False) -> None:
    """Type SQL over a saved run, or pipe it in; JSON is a document on a line per statement."""
    if shell(opened_run(run_file), as_json=as_json) and not sys.stdin.isatty():
        raise typer.Exit(1)


@app.command()
def summary(run_file: RunFile, as_json: AsJson = False) -> None:
    """Show the metrics of a saved run."""
    result = opened_run(run_file)
    if as_json:
        print_json("summary", run_json(result, run_file))
    else:
        print_run(result)


@app.command()
def orders(
    run_file: RunFile,
    as_json: AsJson = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print CSV, with a header and times in ISO 8601.")
    ] = False,
) -> None:
    """Show what a saved run would order at the bar after its last."""
    if as_json and as_csv:
        raise ConfigError("--json and --csv are two forms of one answer; keep one of them")
    waiting = opened_run(run_file).next_orders()
    if as_csv:
        print_csv(waiting)
    else:
        shown = waiting if as_json else waiting.project(columns(SHOWN_OF_ORDERS))
        answer(shown, "orders", as_json=as_json)


@app.command()
def report(
    run_files: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="One, or several to compare; or a store and ids."),
    ],
    out: Annotated[Path, typer.Option(help="The page.")] = Path("report.html"),
    with_sql: Annotated[
        bool, typer.Option("--with-sql", help="With the run as a database inside; 11 MB more.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write an offline page of a run, or of several beside each other."""
    first, *others = run_files
    if is_store(first):
        page = RunStore(first).report(out, *map(str, others), with_sql=with_sql)
    elif others:
        require_one_run(with_sql)
        page = report_runs(opened_runs(run_files), out)
    elif is_store(first.parent) and not first.exists():
        page = RunStore(first.parent).report(out, first.name, with_sql=with_sql)
    else:
        page = opened_run(first).report(out, with_sql=with_sql)
    print_page("report", page, as_json=as_json)


@app.command()
def compare(
    run_files: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Two or more, or a store and their ids.")
    ],
    as_json: AsJson = False,
) -> None:
    """Show saved runs side by side, and the settings in which they differ."""
    runs = opened_runs(run_files)
    if as_json:
        print_json("compare", comparison(runs))
        return
    print_table(["", *runs], list(metric_rows(runs)))
    settings = setting_rows(runs)
    if settings:
        print_table(["setting", *runs], list(settings))
    else:
        typer.echo("The settings are the same.")


@app.command()
def diff(
    run_files: Annotated[
        list[Path], typer.Argument(metavar="RUN RUN", help="Two, or a store and two ids.")
    ],
    table: Annotated[str | None, typer.Option(help="Print its rows, such as fills.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show which orders, fills, trades and bars of two runs differ, and from when on."""
    found = Difference(opened_runs(run_files))
    if as_json:
        print_json("diff", difference_json(found, table))
        return
    print_table(["setting", found.one, found.other], found.parameters)
    print_table(["table", f"only {found.one}", f"only {found.other}", "from"],
                found.tables.fetchall())  # fmt: skip
    typer.echo(f"{found!r}".strip("<>"))
    if table is not None:
        print_rows(getattr(found, table))


@app.command()
def runs(
    store: Annotated[Path, typer.Argument(metavar="STORE", help="A folder of runs.")],
    by: Annotated[str, typer.Option(help="Metric; the highest first.")] = "created_at",
    tag: Annotated[str | None, typer.Option(help="Those alone that have it.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the runs of a store."""
    found = ranked_runs(existing_store(store), by, tag)
    if as_json:
        print_json("runs", rows_json(found))
    else:
        shown = dict.fromkeys([*SHOWN_OF_RUNS, by, "problem"])
        print_rows(found.project(columns(shown)))


@export.command("csv")
def csv_command(
    run_file: RunFile,
    out: Annotated[Path, typer.Option(help="Folder, one file per table; made if missing.")],
    as_json: AsJson = False,
) -> None:
    """Write the tables of a saved run as CSV, with a header, times in ISO 8601."""
    folder = opened_run(run_file).to_csv(out)
    if as_json:
        files = {table: folder / f"{table}.csv" for table in TABLES}
        print_json("export-csv", {"folder": folder, "files": files})
    else:
        typer.echo(f"wrote {folder}")


@app.command()
def preset(
    name: Annotated[str | None, typer.Argument(help="Left out: list the presets.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print every setting of a preset, as the tables of a run file."""
    if name is not None:
        config = BacktestConfig.preset(name)
        if as_json:
            print_json("preset", {"preset": name, "settings": config.to_dict()})
        else:
            typer.echo(settings_text(config))
        return
    shown = {
        one: (make.__doc__ or "").splitlines()[0].removeprefix("Return ")
        for one, make in PRESETS.items()
    }
    if as_json:
        print_json("presets", {"presets": shown})
    else:
        typer.echo("\n".join(f"{one:<18}{line}" for one, line in shown.items()))


app.command("audit")(audit_run)
app.command("verify")(verify_run)
app.command("profile")(report_sources)
app.command("mcp")(answer_mcp)
app.command("explore")(explore_runs)


def main() -> None:
    """Run the command line."""
    app()
