"""Temporary tables: what one stage hands on to the next goes by the name that it returned."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from datetime import date, timedelta
from secrets import token_hex
from typing import Any

import pytest

from ml4t.backtest import BacktestEngine, Catalog, Ranking, SQLStrategy, Strategy, TopN
from ml4t.backtest.data.database import Database, TempTable
from ml4t.backtest.data.diagnostics.profile import PROFILE_TABLES
from ml4t.backtest.results.tables import TABLES
from ml4t.backtest.strategies import PercentSizer, Rule, SignalStrategy
from source_files import modules, sql_files, statement

# Relations of the user's, as the README names them: the result tables, and what a query ranks.
PUBLIC = {*TABLES, "ranked"}
N_BARS, ASSETS = 12, "ABCDE"
CELLS = [(t, i) for t in range(N_BARS) for i in range(len(ASSETS)) if (t, i) != (3, 2)]
# C's features of the third bar came the day after: an as-of join answers for it.
KNOWN = [(t, i, t + ((t, i) == (2, 2))) for t, i in CELLS]


def day(t: int) -> date:
    return date(2024, 1, 1) + timedelta(days=t)


def catalog() -> Catalog:
    made = Catalog().register(
        "prices",
        {
            "timestamp": [day(t) for t, _ in CELLS],
            "asset_id": [ASSETS[i] for _, i in CELLS],
            "open": [100.0 + i + t for t, i in CELLS],
            "close": [100.0 + i * (1 + t % 3) + t for t, i in CELLS],
        },
    )
    made.register(
        "features",
        {
            "timestamp": [day(t) for t, _, _ in KNOWN],
            "asset_id": [ASSETS[i] for _, i, _ in KNOWN],
            "available_at": [day(known) for _, _, known in KNOWN],
            "quality": [float((7 * i + 3 * t) % 11) for t, i, _ in KNOWN],
            "sector": ["odd" if i % 2 else "even" for _, i, _ in KNOWN],
        },
    )
    return made.register(
        "context",
        {"timestamp": [day(t) for t in range(N_BARS)], "vix": [20.0 + t for t in range(N_BARS)]},
    )


STRATEGIES: dict[str, Callable[[], Strategy]] = {
    "a ranking": lambda: TopN(2, by="quality", where="vix < 30", when="vix < 28", every=2),
    "a query over a ranking": lambda: SQLStrategy(
        "select timestamp, asset_id, ranked.weight * market.vix / 40 as weight "
        "from ranked join signals using (timestamp, asset_id) join market using (timestamp) "
        "where signals.quality > 1",
        ranking=Ranking(n=3, by="quality", within="sector"),
    ),
    "rules": lambda: SignalStrategy(
        entry_rules=[Rule.expression("sector = 'odd' and vix < 27"), Rule.signal_above("close", 1)],
        exit_rules=[Rule.signal_below("quality", 3)],
        position_sizer=PercentSizer(0.1),
    ),
}


def outcome(strategy: Strategy) -> list[Any]:
    """Everything that a strategy made, and what it would hold at a bar."""
    sources = catalog()
    result = BacktestEngine(sources, strategy).run()
    tables = [
        result.sql(f"select * exclude (run_id) from {name} order by all").fetchall()
        for name in ("selections", "fills", "equity")
    ]
    assert all(tables[1:])
    return [*tables, sources.preview(strategy, day(4)).fetchall()]


@pytest.mark.parametrize("name", STRATEGIES)
def test_whatever_temporary_tables_are_called_a_run_reads_what_was_made(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any file or module that knows a name of its own finds no such table."""
    plain = outcome(STRATEGIES[name]())
    make, salt, made = Database.make_table, token_hex(8), set[str]()

    def salted(self: Database, name: str, file: str, *given: Any, **places: str) -> TempTable:
        made.add(file)
        return make(self, f"{name}_{salt}", file, *given, **places)

    monkeypatch.setattr(Database, "make_table", salted)
    assert outcome(STRATEGIES[name]()) == plain
    assert {"signals/market_rows.sql", "ranking/bars.sql", "signals/exact.sql"} <= {
        f"{file}.sql" for file in made
    }


# Of the user's file, which SQLite reads.
SQLITES_OWN = {"sqlite_master"}


def test_a_file_of_sql_makes_and_reads_tables_by_places() -> None:
    files = {name: statement(text) for name, text in sql_files().items()}
    makes = {
        name: re.findall(r"\btemp(?:orary)? table (\S+)", file) for name, file in files.items()
    }
    assert {target for targets in makes.values() for target in targets} == {":target"}
    assert [name for name, text in files.items() if re.search(r"\btemp\.", text)] == []
    # What has no schema is made in the file itself, or is the user's.
    found = {}
    for name, text in files.items():
        inside = set(re.findall(r"\b(\w+)(?: \([^()]*\))? as (?:not )?(?:materialized )?\(", text))
        read = re.findall(r"(?<!distinct )\b(?:from|join|into)\s+(\w+)\b(?![.(\w])", text)
        # A page of a profile asks its tables, as its readers do.
        asked = set(PROFILE_TABLES) if name.startswith("profile_page/") else set()
        if name.startswith("portable/"):
            asked |= {"__prices", "timeline", "decisions"}  # steps of the one query that they make
        if strange := set(read) - inside - PUBLIC - SQLITES_OWN - asked:
            found[name] = strange
    assert found == {}


def calls_of(name: str) -> list[tuple[str, ast.Call]]:
    return [
        (module, node)
        for module, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and name == getattr(node.func, "attr", getattr(node.func, "id", None))
    ]


def test_a_temporary_table_is_made_and_named_in_one_place() -> None:
    """A second maker of a name would change the rows under whoever holds the first one's."""
    made = [ast.unparse(call.args[0]) for _, call in calls_of("make_table")]
    assert len(made) == len(set(made)) > 5
    # Beside `Database.make_table` nobody says that a text is the name of one.
    assert [module for module, _ in calls_of("TempTable")] == ["data.database"]


def test_every_file_that_makes_a_temporary_table_is_run_by_make_table() -> None:
    making = {
        name
        for name, text in sql_files().items()
        if re.search("temp (table|view)", statement(text))
    }
    files = {ast.literal_eval(call.args[1]) for _, call in calls_of("make_table")}
    assert making - {"relations/frame"} == files  # that one is for scripts alone
