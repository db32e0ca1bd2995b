"""Embedding: a run and DuckDB for browsers in its page, so that a reader can ask it.

The engine comes from a package of its own, built from the one on npm, as it is larger than all the
rest: ``make wasm``.
"""

from __future__ import annotations

import gzip
import tempfile
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.packages import package
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.results.keeping.saving import save_file
from ml4t.backtest.results.report.view import SCHEMA
from ml4t.backtest.results.report.views import VIEWS
from ml4t.backtest.results.tables import TABLES

ASKING_SCRIPTS = ("js/engine.js", "js/asking.js")
HEADING = "SQL"
FIRST_QUERY = """\
select
    exit_rule,
    count(*) as n_trades,
    sum(pnl) as pnl
from trades
group by exit_rule
order by pnl desc"""


@dataclass(frozen=True, slots=True)
class Embedded:
    """What a page holds beside its figures.

    Attributes
    ----------
    blocks : mapping of str to bytes
        Files by the id of their place, compressed by gzip.
    scripts : tuple of str
        Scripts of others, which run before `ASKING_SCRIPTS`.
    licences : str
        Of all of them.
    """

    blocks: Mapping[str, bytes]
    scripts: tuple[str, ...]
    licences: str

    @property
    def html(self) -> str:
        """The blocks as elements that no browser runs or shows."""
        return "\n".join(
            f'<script type="text/plain" id="{name}">{b64encode(content).decode()}</script>'
            for name, content in self.blocks.items()
        )


def embedded(database: Database) -> Embedded:
    """Return a run and the engine that reads it.

    Raises
    ------
    ConfigError
        The package of the engine is not installed.
    """
    engine = package("ml4t_duckdb_wasm", extra="page-sql")
    with tempfile.TemporaryDirectory(prefix="ml4t-backtest-") as folder:
        path = Path(folder) / "run.duckdb"
        save_file(database, path)
        run = gzip.compress(path.read_bytes(), 6, mtime=0)
    try:
        arrow, client, worker, wasm = (
            engine.compressed(name)
            for name in ("arrow.js", "client.js", "worker.js", "engine.wasm")
        )
    except FileNotFoundError as error:
        raise ConfigError(
            f"the package of the engine has no engine in it, and was not built: {error.filename} "
            "is missing; install 'ml4t-backtest-duckdb[page-sql]', or build it with: make wasm"
        ) from error
    return Embedded(
        blocks={"worker": worker, "engine": wasm, "run": run},
        scripts=(gzip.decompress(arrow).decode(), _module(gzip.decompress(client).decode())),
        licences=engine.licences(),
    )


def require_one_run(with_sql: bool) -> None:
    """Refuse a database in a page of several runs."""
    if with_sql:
        raise ConfigError(
            "a page with SQL has one run inside; write one page per run, or leave SQL out of a "
            "page of several"
        )


def asking_html() -> str:
    """Return the last section, in which any query is asked."""
    tables = ", ".join(f"<code>{name}</code>" for name in TABLES)
    views = ", ".join(f"<code>{SCHEMA}.{name}</code>" for name in VIEWS)
    return (
        f'<p class="how">The run is in this page as a database, read-only, and no query leaves it. '
        f"Extensions are not in it: JSON, Parquet and time zones are read in DuckDB itself. "
        f"Tables: {tables}. Views: {views}.</p>"
        f'<div class="asking" id="ask" data-query="{escape(FIRST_QUERY, quote=True)}"></div>'
    )


def _module(text: str) -> str:
    """Return a module of CommonJS as a script that gives what it exports to the page."""
    return (
        "(() => { const module = { exports: {} }; const exports = module.exports; "
        f"const require = () => Arrow;\n{text}\npage.client = module.exports; }})();"
    )
