"""A function of the sources before it is a source, and is called anew over what was known."""

from __future__ import annotations

import functools
import pickle
import threading
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from effort import long
from leaks.baked_in import BAKED_IN
from leaks.clean import CLEAN, trailing_mean
from leaks.panel import KEYS, panel_catalog, together, write_panel
from ml4t.backtest import BacktestEngine, Catalog, ConfigError, DataError, TopN
from ml4t.backtest.data.catalog_recipe import recipe_of
from ml4t.backtest.data.computed.known_sources import KnownSources

Source = Callable[[KnownSources], object]
N_ASSETS, N_BARS = 30, 120


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_panel(tmp_path_factory.mktemp("panel"), N_ASSETS, N_BARS)


def small(**sources: object) -> Catalog:
    """Two assets on three bars, and what is registered over them as features."""
    days = [date(2024, 1, day) for day in (2, 3, 4)]
    prices = pl.DataFrame({
        "timestamp": days * 2, "asset_id": ["A"] * 3 + ["B"] * 3,
        "open": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "close": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
    })  # fmt: skip
    catalog = Catalog().register("prices", prices)
    for name, source in sources.items():
        catalog.register("features", source, name=name)
    return catalog


# -- what an audit finds ------------------------------------------------------------------


@long
def test_fifteen_leaks_and_none_of_five_clean_features_are_found_in_a_panel(panel: Path) -> None:
    catalog, planted = panel_catalog(panel, together(CLEAN)), list(BAKED_IN.values())
    where = {leak.__name__: f"leaks_{number % 3}" for number, leak in enumerate(planted)}
    for third in range(3):
        catalog.register("features", together(planted[third::3]), name=f"leaks_{third}")
    audit = BacktestEngine(catalog, TopN(5, by="walk_forward", every=10)).audit(cuts=5)
    assert not audit.is_clean
    rows = audit.sql(
        'select source, "column", place, bar <= cut, asset_id, whole_value is distinct from '
        "cut_value from differences"
    ).fetchall()
    found = {(source, column) for source, column, *_ in rows}
    assert len(where) == 15
    assert found == {(source, column) for column, source in where.items()}
    # The run itself reads a clean one.
    for _, _, place, is_known, asset, differs in rows:
        assert (place, is_known, differs) == ("signals", True, True)
        assert asset.startswith("S0")
    read = audit.sql("select source, input from sources where input is not null").fetchall()
    assert [source for source, _ in read] == ["planted", "leaks_0", "leaks_1", "leaks_2"]
    assert {text.partition("#")[0] for _, text in read} == {
        "function leaks.panel.together.<locals>.joined"
    }


def test_a_function_is_called_once_for_runs_and_once_for_each_cut() -> None:
    seen: list[int] = []

    def own(sources: KnownSources) -> object:
        rows = sources.prices.pl()
        seen.append(len(rows))
        return rows.select(*KEYS, own=pl.col("close"))

    catalog = small(own=own)
    engine = BacktestEngine(catalog, TopN(1, by="own"))
    first = engine.run()
    assert engine.run().run_id == first.run_id
    catalog.register("context", {"timestamp": [date(2024, 1, 2)], "vix": [1.0]})
    catalog.sql("select own from signals").fetchall()
    assert seen == [6]
    audit = engine.audit(cuts=1)
    assert seen == [6, 4]
    assert audit.is_clean
    assert audit.differences.fetchall() == []


def test_what_fails_on_less_data_is_said_at_its_cut() -> None:
    def own(sources: KnownSources) -> object:
        rows = sources.prices.pl()
        if len(rows) < 6:
            raise ValueError("too few rows")
        return rows.select(*KEYS, own=pl.col("close"))

    audit = BacktestEngine(small(own=own), TopN(1, by="own")).audit(cuts=1)
    ((problem,),) = audit.sql("select problem from cuts").fetchall()
    assert problem.startswith("DataError: source 'own' could not be made by ")
    assert problem.endswith("own#" + problem.partition("#")[2][:10] + ": ValueError: too few rows")
    assert not audit.is_clean


def test_members_that_a_function_picks_by_what_came_later_are_found(panel: Path) -> None:
    def survivors(sources: KnownSources) -> object:
        return sources.sql("""
            select asset_id, min(timestamp) as start_date, null::timestamp as end_date
            from prices group by asset_id
            having max_by(close, timestamp) > min_by(close, timestamp)
        """)

    catalog = Catalog().register("prices", panel / "prices.parquet")
    catalog.register("universe", survivors)
    audit = BacktestEngine(catalog, TopN(5, by="close", every=20)).audit(cuts=1)
    found = audit.sql(
        "select distinct source, \"column\" from differences where place = 'signals'"
    ).fetchall()
    assert found == [("universe", "is_member")]


def test_a_column_that_is_there_for_what_came_later_is_found() -> None:
    def flags(sources: KnownSources) -> object:
        rows = sources.prices.pl()
        levels = rows["close"].unique().sort().to_list()
        return rows.select(
            *KEYS, *((pl.col("close") >= level).cast(float).alias(f"at_{level:g}")
            for level in levels),
        )  # fmt: skip

    audit = BacktestEngine(small(own=flags), TopN(1, by="close")).audit(cuts=1)
    found = audit.sql(
        'select "column", source, n_rows, whole_value, cut_value from differences '
        "where place = 'signals' order by all"
    ).fetchall()
    # Of three bars the last is cut, with the closes 3 and 6; 6 tells nothing of those before.
    assert found == [("at_3", "own", 4, "0.0", None), ("at_6", "own", 4, "0.0", None)]


# -- what a function returns --------------------------------------------------------------


def scaled(sources: KnownSources) -> pl.DataFrame:
    return sources.prices.pl().select(*KEYS, score=pl.col("close") * 2)


SCALED = "select timestamp, asset_id, close * 2 as score from prices"
FORMS: dict[str, Source] = {
    "polars": scaled,
    "lazy polars": lambda sources: scaled(sources).lazy(),
    "pandas": lambda sources: scaled(sources).to_pandas(),
    "pandas with an index": lambda sources: scaled(sources).to_pandas().set_index(list(KEYS)),
    "Arrow": lambda sources: scaled(sources).to_arrow(),
    "a dict": lambda sources: scaled(sources).to_dict(as_series=False),
    "a relation": lambda sources: sources.sql(SCALED),
    "a relation of a source": lambda sources: sources.prices.project(
        "timestamp, asset_id, close * 2 as score"
    ),
    "SQL": lambda _: SCALED,
    "a wide frame": lambda sources: scaled(sources).pivot(
        "asset_id", index="timestamp", values="score"
    ),
    "a partial": functools.partial(lambda sources, by: scaled(sources), by=2),
}


@pytest.mark.parametrize("form", FORMS)
def test_whatever_a_function_returns_is_read_as_if_it_was_registered(form: str) -> None:
    options = {"field": "score"} if form == "a wide frame" else {}
    catalog = small().register("features", FORMS[form], **options)
    found = catalog.sql("select score from signals order by asset_id, timestamp").fetchall()
    assert found == [(2.0,), (4.0,), (6.0,), (8.0,), (10.0,), (12.0,)]


def test_the_options_of_a_source_hold_for_what_a_function_made() -> None:
    def own(sources: KnownSources) -> object:
        rows = sources.prices.pl()
        return rows.select(
            pl.col("timestamp").alias("day"), pl.col("asset_id").alias("ticker"), own="close",
        )  # fmt: skip

    catalog = small().register(
        "features", own, lag="1 day", columns={"timestamp": "day", "asset_id": "ticker"}
    )
    found = catalog.sql("select own from signals where asset_id = 'A' order by timestamp")
    assert found.fetchall() == [(None,), (1.0,), (2.0,)]


def generated(sources: KnownSources) -> Any:
    yield sources


def leave(error: Exception) -> object:
    raise error


REFUSED: dict[str, tuple[object, str]] = {
    "nothing": (lambda _: None, "which returned nothing; return an Arrow table"),
    "a number": (lambda _: 3, "which returned a int; return an Arrow table"),
    "a path": (lambda _: "scores.parquet", "returned the path 'scores.parquet'; what is in a"),
    "paths": (lambda _: [Path("a.parquet")], "what is in a file was not made of the sources"),
    "a function": (lambda _: print, "which returned a builtin_function_or_method"),
    "a generator": (generated, "is a coroutine or a generator function"),
    "an error": (lambda _: leave(KeyError("mom")), "<lambda>#.*: KeyError: 'mom'"),
    "no argument": (lambda: SCALED, "made by a function of one argument, the sources before it"),
    "a missing column": (lambda s: s.sql("select asset_id from prices"), "no column 'timestamp'"),
    "wrong SQL": (lambda _: "select no_such from prices", "could not be made by .*no_such"),
    "a later source": (lambda s: s.later, "'later' is none of them"),
    "a misspelled source": (lambda s: s.price.pl(), "did you mean 'prices'"),
    "a write": (lambda s: s.sql("drop view prices"), "Only SELECT|only reads"),
    "two queries": (lambda s: s.sql("select 1; select 2"), "what a query reads cannot be told|one"),
    "a pivot": (lambda s: s.sql("pivot prices on asset_id using sum(close)"), "on x in"),
    "a file": (lambda s: s.sql("select * from 'x.parquet'"), "reads 'x.parquet', of which"),
    "a file in SQL": (lambda _: "select * from read_csv('x.csv')", r"reads read_csv\('x.csv'\)"),
    "rows that were not cut": (lambda s: s.sql("select * from raw.prices"), "reads raw.prices"),
    "a file inside": (
        lambda s: s.sql("select * from prices where close > (select max(x) from 'y.parquet')"),
        "reads 'y.parquet'",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_no_function_may_do_or_return_is_refused_by_name(what: str) -> None:
    function, message = REFUSED[what]
    catalog = small()
    with pytest.raises((ConfigError, DataError), match=message) as caught:
        catalog.register("features", function, name="own")
    assert "own" in str(caught.value)
    # The name is free again, and the catalog as it was.
    catalog.register("features", scaled, name="own")
    assert catalog.sql("select count(score) from signals").fetchall() == [(6,)]


def test_the_catalog_itself_is_not_read_by_a_function_of_it() -> None:
    catalog = small()
    with pytest.raises(DataError, match=r"<lambda>#.* reads the catalog past what it is given"):
        catalog.register("features", lambda _: catalog.sql(SCALED))

    # Nor in an audit, where that would be the whole of it.
    def later(sources: KnownSources) -> object:
        return catalog.sql(SCALED) if len(sources.prices) < 6 else scaled(sources)

    engine = BacktestEngine(catalog.register("features", later), TopN(1, by="score"))
    ((problem,),) = engine.audit(cuts=1).sql("select problem from cuts").fetchall()
    assert "reads the catalog past what it is given" in problem


def test_a_function_needs_sources_before_it() -> None:
    with pytest.raises(ConfigError, match="there is none yet; register prices first"):
        Catalog().register("features", scaled)


def test_what_a_function_was_given_is_over_with_it() -> None:
    kept: list[KnownSources] = []

    def own(sources: KnownSources) -> object:
        kept.append(sources)
        assert sources.names == ["prices"]
        assert list(sources.columns("prices")) == ["timestamp", "asset_id", "open", "close"]
        assert "prices" in dir(sources)
        return scaled(sources)

    small(own=own)
    with pytest.raises(ConfigError, match="is over when the function returns"):
        kept[0].sql(SCALED)


def test_rows_of_a_source_are_sorted() -> None:
    seen: list[Any] = []
    small(own=lambda sources: seen.append(sources["prices"].fetchall()) or scaled(sources))
    assert [row[:2] for row in seen[0]] == sorted(row[:2] for row in seen[0])


# -- what a run says of it, and other processes -------------------------------------------


def test_a_run_says_which_function_made_a_source() -> None:
    catalog = small(own=scaled)
    result = BacktestEngine(catalog, TopN(1, by="score")).run()
    ((sources,),) = result.sql("select sources from runs").fetchall()
    function = next(one for one in pl.Series([sources]).str.json_decode(
        pl.List(pl.Struct({"name": pl.String, "function": pl.Struct({
            "name": pl.String, "text_sha256": pl.String})}))
    )[0].to_list() if one["name"] == "own")["function"]  # fmt: skip
    assert function["name"].startswith("test_source_functions.scaled#")
    assert len(function["text_sha256"]) == 64
    assert catalog.describe()[1]["made_by"] == function["name"]
    assert catalog.describe()[0]["made_by"] is None


def test_a_function_without_a_text_is_told_by_what_it_does() -> None:
    facts: list[Any] = []
    for factor in (2, 3, 2):
        scope: dict[str, Any] = {}
        query = f"select timestamp, asset_id, close * {factor} as score from prices"
        exec(f"def own(sources):\n    return sources.sql({query!r})", scope)
        facts.append(small(own=scope["own"]).fingerprints()[1]["function"])
    assert facts[0] == facts[2] != facts[1]
    assert facts[0]["text_sha256"] is None


def test_another_constant_makes_another_run() -> None:
    def scaled_by(factor: float) -> Source:
        return lambda sources: sources.prices.pl().select(
            *KEYS, score=pl.col("close") * 0 + factor * 0
        )

    ids = {
        BacktestEngine(small(own=scaled_by(factor)), TopN(1, by="score")).run().run_id
        for factor in (1.0, 2.0, 2.0)
    }
    assert len(ids) == 2


def test_what_cannot_be_sent_to_another_process_stays_and_its_rows_go(tmp_path: Path) -> None:
    lock = threading.Lock()

    def own(sources: KnownSources) -> object:
        with lock:
            return scaled(sources)

    catalog = small(own=own)
    recipe = pickle.loads(pickle.dumps(recipe_of(catalog, tmp_path, None)))
    there = recipe.open()
    query = "select * from signals order by all"
    assert there.sql(query).fetchall() == catalog.sql(query).fetchall()
    assert there.fingerprints() == catalog.fingerprints()


def test_rows_are_made_anew_of_files_that_were_replaced(tmp_path: Path) -> None:
    rows = small().sql("select timestamp, asset_id, open, close from signals").pl()
    file = tmp_path / "prices.parquet"
    rows.write_parquet(file)
    catalog = Catalog().register("prices", file).register("features", scaled)
    catalog.validate()
    later = rows.with_columns(pl.col("timestamp") + timedelta(days=1), pl.col("close") + 1)
    later.write_parquet(file)
    catalog.validate()
    found = catalog.sql("select timestamp, score from signals where asset_id = 'A'").fetchall()
    assert sorted(found)[0] == (date(2024, 1, 3), 4.0)


def test_prepared_data_of_a_function_are_found_again(tmp_path: Path, panel: Path) -> None:
    def engine() -> BacktestEngine:
        catalog = Catalog(cache=tmp_path).register("prices", panel / "prices.parquet")
        return BacktestEngine(
            catalog.register("features", trailing_mean), TopN(3, by="trailing_mean", every=20)
        )

    first = engine().run()
    again = engine().run()
    query = "select * exclude (run_id) from fills"
    assert again.sql(query).fetchall() == first.sql(query).fetchall()
    assert first.sql("select count(*) from fills").fetchall() != [(0,)]
