"""SQL: an index of the statements that the package runs, and a page per folder with their text."""

from __future__ import annotations

import re
from functools import cache

from website.links import ROOT, fenced, table

FOLDER = ROOT / "sql"
KEYS = ("grain", "reads", "params")
INTRODUCTION = """# SQL files

Every statement that makes or reads rows is a file under `sql/`, {n} of them, and ships with the
package. A run can hand them over in order, with its values filled in:
`catalog.explain(strategy)`, or `ml4t-backtest explain run.toml`. In a file `$name` is a value
that DuckDB binds, `:name` a place that is filled with an identifier, a list of columns or another
query.

What a user's query may read are the relations of the [results](results.md), and before a run the
[sources](../data.md) with `signals` (a row per timestamp and asset) and `market` (a row per
timestamp).
"""
# What the files of a folder do, in the order in which a run comes by.
STAGES = {
    "register": "sources become views with our names and types",
    "relations": "statements about any relation: view, table, count, sample",
    "checks": "one check each: the rows that a source must not have",
    "validate": "what sources must agree on, and what checks read",
    "terms": "terms of trading of assets",
    "calendar": "sessions, and the bars on which schedules in words decide",
    "timeline": "bars, assets and their numbers",
    "indicators": "indicators over prices and features",
    "signals": "what was known at each bar",
    "ranking": "the cross-section, ranked at all decision bars at once",
    "weights": "from scores to weights: the recipes",
    "selecting": "what a strategy asks for, per decision bar",
    "user_sql": "the order in which sums of a user's query add up",
    "batches": "one ordered stream, a batch per bar",
    "preview": "one decision, before any run",
    "benchmark": "what a benchmark and a risk-free rate made at the same bars",
    "results": "result tables of what the loop recorded",
    "report": "views over the result tables: metrics, drawdowns, trades explained",
    "summary": "what the printed summary reads",
    "removed": "what filters left out, and what it made since",
    "saved": "runs in files",
    "run_store": "a folder of runs, listed, compared and queried",
    "interchange": "frames for other packages",
    "demo": "the questions of the demo",
    "factor": "what a signal was worth, before any strategy",
    "event_study": "what followed an event",
    "profile": "what the sources hold",
    "page": "the figures of the page of a run",
    "profile_page": "the figures of the page of a profile",
    "trade_paths": "what a trade on its price is put together of, in the offline page",
}


def sql_pages() -> dict[str, str]:
    """Return the index, and the pages of the folders, by path on the site."""
    folders = sorted(
        (one.name for one in FOLDER.iterdir() if one.is_dir()),
        key=lambda name: (list(STAGES).index(name) if name in STAGES else len(STAGES), name),
    )
    index = [INTRODUCTION.format(n=len(list(FOLDER.rglob("*.sql"))))]
    pages: dict[str, str] = {}
    for folder in folders:
        names = sorted(f"{folder}/{path.stem}" for path in (FOLDER / folder).glob("*.sql"))
        index += [f"\n## {folder}\n"]
        index += [f"{STAGES[folder][0].upper()}{STAGES[folder][1:]}.\n"] if folder in STAGES else []
        index.append(_table_of(names))
        pages[f"sql/{folder}.md"] = _folder_page(folder, names)
    pages["reference/sql.md"] = "\n".join(index) + "\n"
    return pages


def _table_of(names: list[str]) -> str:
    rows = []
    for name in names:
        head = head_of(name)
        rows.append(
            (
                f"[`{name.partition('/')[2]}`](../../sql/{name}.sql)",
                *(_coded(head[key]) for key in KEYS),
            )
        )
    return table(("file", *KEYS), rows)


def _coded(text: str) -> str:
    """Mark places and names with a dot as code, which they are."""
    return re.sub(r"(?<![\w`])([:$][a-z_]+|[a-z_]+\.[a-z_]+)(?![\w`])", r"`\1`", text)


def _folder_page(folder: str, names: list[str]) -> str:
    parts = ["---\nsearch:\n  exclude: true\n---\n", f"# sql/{folder}\n"]
    for name in names:
        text = (FOLDER / f"{name}.sql").read_text(encoding="utf-8")
        stem = name.partition("/")[2]
        parts += [f"## {stem} {{ #{stem} }}\n", fenced(text, "sql"), ""]
    return "\n".join(parts)


@cache
def head_of(name: str) -> dict[str, str]:
    """Return grain, reads and params of a file under ``sql``, which may go on over lines."""
    found: dict[str, str] = {}
    key = ""
    for line in (FOLDER / f"{name}.sql").read_text(encoding="utf-8").splitlines():
        if not line.startswith("--"):
            break
        begun = re.match(r"-- (\w+): +(.*)", line)
        if begun and begun[1] in KEYS:
            key = begun[1]
            found[key] = begun[2]
        elif key and (more := re.match(r"-- {3,}(\S.*)", line)):
            found[key] += f" {more[1]}"
        else:
            break
    return found
