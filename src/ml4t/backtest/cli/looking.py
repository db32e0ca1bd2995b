"""Looking: what sources hold, as a page, and the commands that answer until they are ended."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ml4t.backtest.cli.exploring.starting import explore
from ml4t.backtest.cli.output import print_page
from ml4t.backtest.cli.serving.mcp_server import serve
from ml4t.backtest.cli.serving.run_tools import RunTools
from ml4t.backtest.cli.serving.served import Served
from ml4t.backtest.results.page.profiling import report_profile
from ml4t.backtest.runfile import catalog_of

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
