"""Looking: what sources hold, as a page, and the commands that answer until they are ended."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ml4t.backtest.audit import verify
from ml4t.backtest.audit.audit_tables import AUDIT_TABLES
from ml4t.backtest.cli.exploring.starting import explore
from ml4t.backtest.cli.keeping import finishing
from ml4t.backtest.cli.output import print_json, print_page, print_rows, rows_json
from ml4t.backtest.cli.serving.mcp_server import serve
from ml4t.backtest.cli.serving.run_tools import RunTools
from ml4t.backtest.cli.serving.served import Served
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.results.page.profiling import report_profile
from ml4t.backtest.runfile import catalog_of, engine_of

ServedRuns = Annotated[
    Path, typer.Argument(metavar="RUN_OR_STORE", help="A saved run, or a folder of runs.")
]


def report_sources(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="Whose sources.")],
    out: Annotated[Path, typer.Option(help="The page.")] = Path("profile.html"),
    period: Annotated[str, typer.Option(help="month, quarter or year.")] = "year",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Write an offline page of what the columns of the sources hold, and when they were known."""
    page = report_profile(catalog_of(config).profile(period), out)
    print_page("profile", page, as_json=as_json)


def audit_run(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="What to run.")],
    cuts: Annotated[int, typer.Option(help="Bars at which the sources are cut.")] = 5,
    poison: Annotated[
        bool, typer.Option("--poison", help="Run over later rows that lie, too.")
    ] = False,
    delays: Annotated[
        bool, typer.Option("--delays", help="Run with each source known later, too.")
    ] = False,
    warm_up: Annotated[
        bool, typer.Option("--warm-up", help="Compare columns with less history, too.")
    ] = False,
    policies: Annotated[
        bool, typer.Option("--policies", help="Run under other policies of execution too.")
    ] = False,
    exhaustive: Annotated[
        bool, typer.Option("--exhaustive", help="Every bar is a cut for what SQL computes, too.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse a run of which anything smells.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the draw among bars.")] = 0,
    save: Annotated[
        Path | None, typer.Option(help="Save run, audit and certificate to a .duckdb file.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="With --save: a private key of Ed25519, as PEM; it signs.")
    ] = None,
    reproduce: Annotated[
        Path | None,
        typer.Option(help="Of what differs: write the least data, and a script, to this folder."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Run over everything and over what was known at some bars; say what differs, and exit with 1.

    What differs at a bar up to a cut was read from the future.
    """
    if key is not None and save is None:
        raise ConfigError(
            "--key signs what --save writes; give it a file to write, or leave it out"
        )
    found = engine_of(config).audit(
        cuts,
        poison=poison,
        delays=delays,
        warm_up=warm_up,
        policies=policies,
        exhaustive=exhaustive,
        strict=strict,
        seed=seed,
        progress=True,
    )
    if save is not None:
        with finishing(save):
            found.save(save, key)
    shown = {name: about for name, (about, _, is_long) in AUDIT_TABLES.items() if not is_long}
    least = found.reproduce(reproduce) if reproduce is not None and found.differs else None
    if as_json:
        tables = {name: rows_json(getattr(found, name)) for name in shown}
        facts = {"is_clean": found.is_clean, "saved_to": save}
        print_json("audit", {**facts, "reproducer": least and asdict(least), **tables})
    else:
        for name, text in shown.items():
            relation = getattr(found, name)
            if relation.limit(1).fetchall():
                typer.echo(f"{name}: {text}")
                print_rows(relation)
        typer.echo(found.title)
        if save is not None:
            typer.echo(f"saved to {save}")
        if reproduce is not None:
            typer.echo(least or "nothing differs, and nothing was written to reproduce it")
    if not found.is_clean:
        raise typer.Exit(1)


def verify_run(
    run_file: Annotated[
        Path, typer.Argument(metavar="RUN.duckdb", help="What audit --save wrote.")
    ],
    config: Annotated[
        Path | None, typer.Argument(metavar="RUN.toml", help="Repeat the audit of this run file.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="The public key, as PEM, that must have signed.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Hold a saved audit to its hashes and signature, and repeat it; exit with 1 if any fails."""
    engine = None if config is None else engine_of(config)
    found = verify(run_file, engine, key=key)
    if as_json:
        facts = {**asdict(found), "is_valid": found.is_valid}
        print_json("verify", facts)
    else:
        typer.echo(str(found))
    if not found.is_valid:
        raise typer.Exit(1)


def answer_mcp(
    served: ServedRuns,
    folder: Annotated[
        Path | None, typer.Option(help="Of run files that may be run and previewed.")
    ] = None,
) -> None:
    """Answer a client of the Model Context Protocol on stdin and stdout, read-only."""
    serve(RunTools(Served(served), folder))


def explore_runs(
    served: ServedRuns,
    folder: Annotated[
        Path | None, typer.Option(help="Of run files that may be previewed and queried.")
    ] = None,
    port: Annotated[int, typer.Option(help="Any that is free by default.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open it.")] = True,
) -> None:
    """Look at runs in a browser: charts, trades, previews and SQL; read-only, on this machine."""
    raise typer.Exit(explore(served, folder, port, opens_browser=browser))
