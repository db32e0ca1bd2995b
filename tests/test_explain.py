"""Explain: the statements of a run, each of which runs again in a DuckDB that knows nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from typer.testing import CliRunner

from effort import share
from ml4t.backtest import (
    BacktestEngine,
    Catalog,
    ConfigError,
    Ranking,
    SQLStrategy,
    Strategy,
    TopN,
    recipes,
)
from ml4t.backtest.cli import app
from ml4t.backtest.data import PolarsDataFeed, database, explaining
from ml4t.backtest.data.explaining import Explanation, Transcript, written
from ml4t.backtest.running import run_once
from ml4t.backtest.strategies import PercentSizer, Rule, SignalStrategy

START = date(2024, 1, 1)
DAYS = [START + timedelta(days=t) for t in range(12)]
ASSETS = "ABCDE"
CELLS = [(t, i) for t in range(len(DAYS)) for i in range(len(ASSETS)) if (t, i) != (3, 2)]
PRICES = {
    "timestamp": [DAYS[t] for t, _ in CELLS],
    "asset_id": [ASSETS[i] for _, i in CELLS],
    "open": [10.0 + i + (t * (i + 2)) % 5 / 3 for t, i in CELLS],
    "close": [10.1 + i + (t * (i + 3)) % 7 / 3 for t, i in CELLS],
}
FEATURES = {
    "timestamp": [DAYS[t] for t, _ in CELLS],
    "asset_id": [ASSETS[i] for _, i in CELLS],
    "score_of": [(t * 7 + i * 3) % 11 / 7 for t, i in CELLS],
    "atr": [None if i == 1 else 0.5 + i / 9 for _, i in CELLS],
    "sector": ["it's" if i % 2 else "x -- y" for _, i in CELLS],
}


def plain() -> Catalog:
    return Catalog().register("prices", PRICES).register("features", FEATURES)


def full() -> Catalog:
    """Bad rows, every role, a lag, an age and indicators."""
    bad = {name: [*values, values[0]] for name, values in PRICES.items()}
    bad["close"][-1] = bad["open"][-1] = -1.0
    return (
        Catalog()
        .register("prices", bad, on_bad_rows="drop")
        .register("features", FEATURES, lag="1 day", max_age="3 days")
        .register("context", {"timestamp": DAYS, "vix": [20.0 + t for t in range(12)]})
        .register("universe", {
            "asset_id": list("ABCDE"), "start_date": [START] * 5,
            "end_date": [None, None, None, None, DAYS[7]],
        })
        .register("actions", {
            "asset_id": ["A", "D"], "ex_date": [DAYS[5], DAYS[6]], "kind": ["dividend"] * 2,
            "value": [0.1, 0.2],
        })
        .register("assets", {"asset_id": list(ASSETS), "lot_size": [1.0] * 5})
        .register("borrow", {
            "timestamp": DAYS, "asset_id": ["A"] * 12, "fee": [0.01] * 12,
        })
        .indicators.sma(3)
        .indicators.rsi(2)
    )  # fmt: skip


def in_files(folder: Path) -> Catalog:
    frame = pl.DataFrame(PRICES).with_columns(pl.col("timestamp").cast(pl.Datetime("us")))
    frame = frame.with_columns(pl.col("timestamp").dt.replace_time_zone("America/New_York"))
    for i, part in enumerate((frame[:20], frame[20:])):
        part.write_parquet(folder / f"prices-{i}.parquet")
    return (
        Catalog(timezone="America/New_York")
        .register("prices", str(folder / "prices-*.parquet"))
        .register("features", f"select timestamp, asset_id, close - open as score_of "
                  f"from read_parquet('{folder}/*.parquet')")
    )  # fmt: skip


TOP = TopN(2, by="score_of", where="atr is not null", every=2)
CAPPED = SQLStrategy(
    recipes.capped(0.4, of=recipes.inverse_volatility("sma_3")) + " -- to the end",
    ranking=Ranking(n=4, by="rsi_2", where="sector <> 'no $first_t'", when="vix < 31", every=2),
)
QUERY = SQLStrategy("select timestamp, asset_id, 0.2 as weight from signals where score_of > 0")
RULES = SignalStrategy(
    entry_rules=[Rule.signal_crosses_above("close", "sma_3"), Rule.expression("sector = 'it''s'")],
    exit_rules=[Rule.signal_below("rsi_2", 40), Rule.stop_loss(0.5)],
    position_sizer=PercentSizer(0.1),
)
CASES: dict[str, tuple[Callable[[Path], Catalog], Strategy]] = {
    "a ranking": (lambda _: plain(), TOP),
    "a ranking with every role": (lambda _: full(), TopN(2, by="sma_3", where="score_of > 0")),
    "a query over a ranking": (lambda _: full(), CAPPED),
    "rules": (lambda _: full(), RULES),
    "files in a zone": (in_files, QUERY),
}


def selected(explanation: Explanation) -> list[tuple[Any, ...]]:
    """Run every statement in a fresh DuckDB; return what the selecting ones give."""
    found = []
    with duckdb.connect() as connection:
        for statement in explanation:
            rows = connection.execute(str(statement)).fetchall()
            if statement.file == "ranking/ranked.sql":
                found += [(t, sid, weight) for t, sid, _, _, weight in rows]
            elif statement.file == "selecting/answer.sql":
                found += [(t, sid, amount) for t, sid, amount, *_ in rows]
    return found


@pytest.mark.parametrize("case", CASES)
def test_all_statements_in_a_fresh_duckdb_select_what_the_run_selected(
    case: str, tmp_path: Path
) -> None:
    make, strategy = CASES[case]
    engine = BacktestEngine(make(tmp_path), strategy)
    found = selected(engine.explain())
    result = engine.run()

    bars = {at: t for t, (at,) in enumerate(result.sql(
        "select timestamp from equity order by timestamp").fetchall())}  # fmt: skip
    held = result.sql("select timestamp, asset_id, weight from selections order by all").fetchall()
    assert sorted((t, ASSETS[sid], weight) for t, sid, weight in found) == [
        (bars[at], asset_id, weight) for at, asset_id, weight in held
    ]
    assert bool(held) == (case != "rules")


@pytest.mark.parametrize("case", CASES)
def test_each_statement_runs_by_itself_with_what_it_reads(case: str, tmp_path: Path) -> None:
    make, strategy = CASES[case]
    explanation = make(tmp_path).explain(strategy)

    assert len(explanation) > 20
    without_file = [one.sql.split()[0] for one in explanation if one.file is None]
    assert without_file[0] == "set"  # the zone
    assert set(without_file[1:]) <= {"create"}  # rows of frames
    for statement in share([*explanation], [*CASES].index(case), 12):
        with duckdb.connect() as connection:
            connection.execute(explanation.alone(statement.number))
            assert connection.fetchall() is not None
            assert str(statement) in explanation.alone(statement.number)


@pytest.mark.parametrize("case", CASES)
def test_the_statements_are_those_of_the_run(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a run asks when it is over, to say what it did not do, selects nothing.
    monkeypatch.setattr("ml4t.backtest.running.selection_facts", lambda *_: {})
    make, strategy = CASES[case]
    catalog = make(tmp_path)
    heard = Transcript()
    # Not `run`, after which the invariants of all tests ask the catalog once more.
    run_once(BacktestEngine(catalog.again(heard), strategy))

    explained = BacktestEngine(catalog, strategy).explain()
    assert Counter((one.file, one.sql) for one in explained) == Counter(
        (one.file, one.sql) for one in heard.statements
    )


def test_feeds_are_explained_as_the_catalog_that_they_become() -> None:
    rows = [row for row in zip(*PRICES.values(), strict=True) if row[1] == "A"]
    feed = PolarsDataFeed(pl.DataFrame(rows, schema=list(PRICES), orient="row"), asset_id="A")
    explanation = BacktestEngine(feed, TopN(1, by="close")).explain()

    assert [weight for *_, weight in selected(explanation)] == [1.0] * 12


def test_sources_are_opened_again_on_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = plain()
    opened: list[object] = []
    connect = database._connect

    def counted(settings: dict[str, Any]) -> duckdb.DuckDBPyConnection:
        opened.append(settings)
        return connect(settings)

    monkeypatch.setattr(database, "_connect", counted)
    catalog.again(Transcript())
    assert len(opened) == 1


def test_a_part_of_a_plan_is_that_of_duckdb() -> None:
    explanation = plain().explain(TOP, plan=True)
    ranked = next(one for one in explanation if one.file == "ranking/ranked.sql")

    assert ranked.plan is not None
    assert "Window" in ranked.plan
    assert f"-- {ranked.plan.splitlines()[0]}" in str(ranked).splitlines()
    assert {one.plan is None for one in explanation if one.file} == {False}
    assert {one.plan for one in plain().explain(TOP)} == {None}


def test_a_statement_is_named_by_the_files_that_it_is_made_of() -> None:
    explanation = full().explain(TopN(2, by="sma_3"))
    named = {str(one).splitlines()[0].partition(". ")[2] for one in explanation}

    assert {
        "relations/count.sql of checks/null_ex_date.sql: one row",
        'relations/table.sql of indicators/sma.sql makes raw."sma_3": as :query',
        "signals/market_rows.sql makes market: one row per bar",
        "ranking/ranked.sql of ranking/scored.sql: one row per (t, sid), at most :n per bar "
        "(and group), which may be a share of its rows",
    } <= named


def test_a_value_in_a_string_or_a_comment_is_no_place() -> None:
    text = "select '$n', \"$n\", e'\\'$n', $n, $names -- $n\n/* $n */ from x where a = $$ $n $$"

    assert written(text, {"n": 0.1, "names": ["it's", None, True]}) == (
        "select '$n', \"$n\", e'\\'$n', '0.1'::double, ['it''s', null, true] -- $n\n"
        "/* $n */ from x where a = $$ $n $$"
    )
    assert written("select '$n', $n", {}) == "select '$n', $n"


def test_a_frame_stands_as_a_table_with_its_values_and_types() -> None:
    frame = pl.DataFrame({
        "timestamp": [datetime(2024, 1, 2, 9, 30, 0, 1, tzinfo=UTC)], "asset_id": ["it's"],
        "open": [0.1 + 0.2], "close": [None], "parts": [[1, None]],
    }, schema_overrides={"close": pl.Float64})  # fmt: skip
    heard = Transcript()
    catalog = Catalog().register("prices", frame)
    catalog.again(heard)
    (made,) = [one for one in heard.statements if one.file is None and "values" in one.sql]

    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(made.sql)
        assert pl.from_arrow(connection.sql('from "__prices"').to_arrow_table()).equals(frame)
    assert made.title == "1 rows that Python hands over"
    lead = str(made).splitlines()[0]
    assert lead == f'-- {made.number}. makes "__prices": 1 rows that Python hands over'


def test_a_large_frame_is_left_for_its_owner_to_fill_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explaining, "MOST_ROWS", len(CELLS) - 1)
    explanation = plain().explain(TOP)
    frames = [one for one in explanation if one.file is None and "values" in one.sql]

    assert {one.title for one in frames} == {
        f"{len(CELLS)} rows that Python hands over, more than the {len(CELLS) - 1} that are "
        "written out; fill them in"
    }
    assert selected(explanation) == []


def test_what_cannot_be_run_is_not_explained() -> None:
    with pytest.raises(ConfigError, match="strategy must be a Strategy, was 'TopN'"):
        plain().explain("TopN")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"number must be from 1 to \d+, was 0"):
        plain().explain(TOP).alone(0)


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    pl.DataFrame(PRICES).write_parquet(tmp_path / "prices.parquet")
    path = tmp_path / "run.toml"
    path.write_text(
        '[sources.prices]\npath = "prices.parquet"\n'
        '[strategy]\nkind = "TopN"\nn = 2\nby = "close"\n'
    )
    return path


def test_the_command_prints_a_script_that_runs(run_file: Path) -> None:
    done = CliRunner().invoke(app, ["explain", str(run_file)])

    assert done.exit_code == 0, done.output
    assert "ranking/ranked.sql of ranking/scored.sql: one row per (t, sid)" in done.stdout
    with duckdb.connect() as connection:
        connection.execute(done.stdout).fetchall()
        assert len(connection.sql("from temp.decisions").fetchall()) == len(DAYS)


def test_the_command_prints_plans_and_json(run_file: Path) -> None:
    done = CliRunner().invoke(app, ["explain", str(run_file), "--plan", "--json"])
    statements = json.loads(done.stdout)["statements"]

    assert [one["number"] for one in statements] == list(range(1, len(statements) + 1))
    (ranked,) = [one for one in statements if one["file"] == "ranking/ranked.sql"]
    assert "qualify __rank <= 2" in ranked["sql"]
    assert "Window" in ranked["plan"]
