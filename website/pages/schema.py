"""Results: every table and view of a run, from what the package declares of them."""

from __future__ import annotations

import re
import tempfile
from datetime import date, timedelta
from pathlib import Path

import duckdb

from ml4t.backtest import BacktestEngine, Catalog, TopN
from ml4t.backtest.results.report.views import VIEWS
from ml4t.backtest.results.tables import COLUMNS, TABLES
from website.links import table
from website.pages.sql_files import head_of

HEAD = """# Tables and views

Every table and view that a run leaves behind: in `result.sql(...)`, in a file of
`result.save(...)` that any DuckDB reads, and in a [store of runs](../runs.md). Tables stand in
the schema `main`, views in `report`. Timestamps and assets have the types that your prices have.
Amounts are in account currency, a cost is positive, a fraction is 0.01 for one percent, and what
has no meaning is NULL. The same words are in the files themselves: `select table_name,
column_name, comment from duckdb_columns()`.
"""
# What one row of a table is; its statement makes them, or the loop records them.
GRAINS = {
    "runs": "run",
    "orders": "order",
    "fills": "fill",
    "trades": "closed part of a lot, or lot that is still open",
    "positions": "bar and asset held at its close",
    "equity": "bar",
    "decisions": "rule or limit that acted",
    "selections": "decision bar and asset of its selection",
    "cash_flows": "flow of cash that is no fill",
    "currencies": "bar and currency, where assets are in several",
    "signals": "value that a feature provider computed",
    "evidence": "value known at a bar at which something was decided",
    "benchmark": "bar",
    "waiting": "order that waits for the bar after the last",
}


# A column that is no metric, in a view whose columns are.
ASIDE = {"has_annual_return": "whether the run is long enough to say what is annual"}


def results_page() -> str:
    """Return the page of all tables and views."""
    types = _types()
    parts = [HEAD, "## Tables\n", _list([(name, GRAINS[name], len(TABLES[name].columns) + 1)
                                         for name in TABLES], "one row per")]  # fmt: skip
    for name in TABLES:
        parts += [f"\n### {name}\n", f"One row per {GRAINS[name]}.\n"]
        rows = [
            (f"`{column}`", types["main", name][column].lower(), meaning)
            for column, meaning in COLUMNS[name].items()
        ]
        parts.append(table(("column", "type", "meaning, unit, sign"), rows))
    views = [(name, view.comment, len(types["report", name])) for name, view in VIEWS.items()]
    parts += ["\n## Views\n", _list(views, "shows", "report.")]
    for name, view in VIEWS.items():
        grain = head_of(f"report/{name}")["grain"]
        parts += [
            f"\n### report.{name}\n",
            f"{_sentence(view.comment)} Grain: {grain}. "
            f"[Its query](../../sql/report/{name}.sql).\n",
        ]
        rows = [
            (f"`{column}`", kind.lower(), _meaning(name, column))
            for column, kind in types["report", name].items()
        ]
        parts.append(table(("column", "type", "meaning, unit, sign"), rows))
    return "\n".join(parts) + "\n"


def _meaning(view: str, column: str) -> str:
    """Return what a column of a view means: as it says, or as what it reads says."""
    if column in VIEWS[view].columns:
        return VIEWS[view].columns[column]
    for other in VIEWS[view].reads:
        if found := _meaning(other, column):
            return found
    for name in re.findall(r"\bmain\.(\w+)", VIEWS[view].query):
        if column in COLUMNS.get(name, {}):
            return COLUMNS[name][column]
    return ASIDE.get(column, "")


def _list(entries: list[tuple[str, str, int]], head: str, schema: str = "") -> str:
    rows = [
        (f"[`{schema}{name}`](#{(schema + name).replace('.', '')})", text, str(n))
        for name, text, n in entries
    ]
    return table(("name", head, "columns"), rows)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _types() -> dict[tuple[str, str], dict[str, str]]:
    """Return the columns of all tables and views, with types, of a small run in a file."""
    days = [date(2024, 1, 1) + timedelta(days=i) for i in range(8)]
    prices = {
        "timestamp": days,
        "asset_id": ["A"] * 8,
        "open": [10.0 + i for i in range(8)],
        "close": [10.5 + i for i in range(8)],
    }
    catalog = Catalog(threads=1).register("prices", prices)
    result = BacktestEngine(catalog, TopN(1, by="close")).run()
    found: dict[tuple[str, str], dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.duckdb"
        result.save(path)
        with duckdb.connect(str(path), read_only=True) as reader:
            columns = reader.sql(
                "select schema_name, table_name, column_name, data_type from duckdb_columns() "
                "where not internal order by schema_name, table_name, column_index"
            ).fetchall()
    for schema, name, column, kind in columns:
        found.setdefault((schema, name), {})[column] = kind
    return found
