"""A ranking as one query: the rows of a run's `selections`, bit for bit, or a refusal.

Spark itself runs in `make spark`; here DuckDB runs what it is told, as far as it has the words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from effort import share
from ml4t.backtest import Catalog, ConfigError, DataError, ExpressionError
from ml4t.backtest.core.ranking import Ranking
from ml4t.backtest.data.portable.selection import Registered, selection_tree
from ml4t.backtest.synthetic import make_market
from page_blocks import run_page
from portable_markets import (
    CLOCKS,
    FORMS,
    RANKINGS,
    catalog_of,
    rankings,
    rows_of_table,
    selections_of,
    write_forms,
    write_market,
)

# What may stand before a bracket in a query for both, and for one of them.
WORDS = {
    "ABS", "AND", "AS", "AVG", "CAST", "COALESCE", "COUNT", "EXISTS", "FLOOR", "FROM", "IN", "MAX",
    "MIN", "NOT", "ON", "OR", "OVER", "PERCENT_RANK", "RANK", "ROW_NUMBER", "SQRT", "SUM", "THEN",
    "WHEN", "WHERE",
}  # fmt: skip
OWN = {
    "spark": {"ARRAY_SIZE", "COLLECT_SET", "EXCEPT", "EXTRACT", "GREATEST", "LAST_VALUE", "LEAST",
              "POWER", "STRUCT", "TIMESTAMP_MICROS", "UNIX_MICROS"},
    "snowflake": {"DATE_PART", "GREATEST_IGNORE_NULLS", "LEAST_IGNORE_NULLS", "MATCH_CONDITION",
                  "TIMESTAMPADD"},
}  # fmt: skip


@pytest.fixture(scope="module")
def markets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {clock: tmp_path_factory.mktemp(clock) for clock in CLOCKS}
    for seed, (clock, folder) in enumerate(folders.items()):
        write_market(folder, clock, seed=seed)
    return folders


def tree_of(
    catalog: Catalog, ranking: Ranking, dialect: str, tables: Mapping[str, str]
) -> exp.Expr:
    registered = Registered(catalog._sources, catalog._found, catalog.timezone)
    return selection_tree(ranking, registered, catalog.prepare(), dialect=dialect, tables=tables)


@pytest.mark.parametrize(("which", "clock"), list(enumerate(CLOCKS)))
def test_the_query_selects_what_a_run_selects(
    markets: dict[str, Path], which: int, clock: str
) -> None:
    catalog = catalog_of(markets[clock])
    n_rows = 0
    with duckdb.connect() as other:
        other.execute("set timezone = 'UTC'")
        for name, ranking in share(list(rankings(clock)), which, of=len(CLOCKS)):
            expected = selections_of(catalog, ranking)
            assert rows_of_table(other.sql(catalog.selection_sql(ranking, "duckdb"))) == expected, (
                name
            )
            n_rows += len(expected)
    assert n_rows > 600


def test_the_query_selects_the_same_of_other_forms(tmp_path: Path) -> None:
    catalog = write_forms(tmp_path)
    for ranking in FORMS:
        expected = selections_of(catalog, ranking)
        assert rows_of_table(duckdb.sql(catalog.selection_sql(ranking, "duckdb"))) == expected
        assert len(expected) > 40


def test_so_does_the_form_for_spark_where_duckdb_has_its_words(markets: dict[str, Path]) -> None:
    catalog = catalog_of(markets["times"])
    with duckdb.connect() as other:
        for file in markets["times"].glob("*.parquet"):
            other.execute(f"create view there_{file.stem} as from read_parquet('{file}')")
        tables = {name: f"there_{name}" for name in catalog.prepare().file_facts}
        for name in ("division_decides", "two_times", "weighted"):
            tree = tree_of(catalog, RANKINGS[name], "spark", tables)
            expected = selections_of(catalog, RANKINGS[name])
            assert rows_of_table(other.sql(tree.sql("duckdb"))) == expected, name
            assert len(expected) > 20


@pytest.mark.parametrize("dialect", ["spark", "snowflake"])
def test_the_text_is_read_back_and_holds_no_word_that_the_engine_lacks(
    markets: dict[str, Path], dialect: str
) -> None:
    n_asof = 0
    for clock in CLOCKS:
        catalog = catalog_of(markets[clock])
        tables = {name: f"lake.{name}" for name in catalog.prepare().file_facts}
        for name, ranking in share(list(rankings(clock)), len(clock), of=20):
            if dialect == "snowflake" and "small" in str(ranking):
                continue  # it has no floats of 32 bits
            text = catalog.selection_sql(ranking, dialect, tables=tables)
            assert {*re.findall(r"\b([A-Z_]+)\s*\(", text)} <= WORDS | OWN[dialect], name
            tree = sqlglot.parse_one(text, read=dialect)
            assert {table.name for table in tree.find_all(exp.Table) if table.db} <= {*tables}
            asof = [join for join in tree.find_all(exp.Join) if join.method == "ASOF"]
            assert all(join.args["match_condition"] is not None for join in asof)
            assert not list(tree.find_all(exp.Qualify)) or dialect == "snowflake"
            n_asof += len(asof)
    assert (n_asof == 0) == (dialect == "spark")


@pytest.mark.parametrize(
    ("ranking", "why"),
    [
        ({"by": "ln(close)"}, "holds LN"),
        ({"by": "power(close, 2)"}, "its last bit is another there"),
        ({"by": "round(close)"}, "half a digit"),
        ({"by": "volume // 2"}, "cut off otherwise"),
        ({"by": "volume::integer"}, "only casts to double"),
        ({"by": "stddev(close) over (partition by timestamp)"}, "its last bit"),
        ({"by": "sum(close) over (partition by timestamp order by own)"}, "nobody has shown"),
        ({"by": "sum(volume) over (partition by timestamp)"}, "adds up whole numbers"),
        ({"by": "1.5 * bucket"}, "decimal and a whole number"),
        ({"by": "0.1 + 0.2"}, "computed in decimals"),
        ({"by": "close + 0.12345678901234567"}, "more than 15 digits"),
        ({"by": "close % 2"}, "remainders of fractions"),
        ({"by": "close", "where": "volume"}, "BOOLEAN is needed"),
        ({"by": "close", "where": "flag and volume"}, "stands for true or false"),
        ({"by": "close", "where": "sector > 3"}, "values of the kinds INT, STRING"),
        ({"by": "close", "within": "small"}, "groups by fractions"),
        ({"by": "close", "where": "dayofweek(timestamp) = 1"}, "not carried to spark"),
        ({"by": "length(sector)"}, "nobody has shown"),
    ],
)
def test_what_is_not_known_to_be_the_same_is_refused(
    markets: dict[str, Path], ranking: dict[str, str], why: str
) -> None:
    catalog = catalog_of(markets["times"])
    with pytest.raises(ExpressionError, match=why):
        catalog.selection_sql(Ranking(n=3, **ranking), "spark")  # type: ignore[arg-type]


def test_a_part_of_a_time_with_a_zone_is_refused(markets: dict[str, Path]) -> None:
    with pytest.raises(ExpressionError, match="session's zone"):
        catalog_of(markets["zoned"]).selection_sql(
            Ranking(n=3, by="close", where="hour(timestamp) = 9"), "spark"
        )


def test_what_a_source_is_decides_whether_another_engine_can_read_it(
    markets: dict[str, Path], tmp_path: Path
) -> None:
    file = str(markets["times"] / "prices.parquet")
    ranking = Ranking(n=3, by="close")

    def refusal(catalog: Catalog, dialect: str = "spark") -> str:
        with pytest.raises(DataError) as found:
            catalog.selection_sql(ranking, dialect)
        return str(found.value)

    plain = Catalog().register("prices", file)
    assert "is not there in snowflake; pass tables={'prices': name}" in refusal(plain, "snowflake")
    assert "no files of Parquet" in refusal(
        Catalog().register("prices", f"select * from read_parquet('{file}')")
    )
    assert "are dropped" in refusal(Catalog().register("prices", file, on_bad_rows="drop"))
    decimals = "select * replace (close::decimal(18, 4) as close) from read_parquet"
    wide = tmp_path / "wide.parquet"
    duckdb.sql(f"copy ({decimals}('{file}')) to '{wide}'")
    assert "cast it to double" in refusal(Catalog().register("prices", str(wide)))
    odd = tmp_path / "a{b}.parquet"
    odd.write_bytes(Path(file).read_bytes())
    assert "takes for a pattern" in refusal(Catalog().register("prices", str(odd)))
    shifted = tmp_path / "nanoseconds.parquet"
    duckdb.sql(f"copy (select * replace (timestamp::timestamp_ns as timestamp) "
               f"from read_parquet('{file}')) to '{shifted}'")  # fmt: skip
    assert "cast them to microseconds" in refusal(Catalog().register("prices", str(shifted)))
    key = tmp_path / "asset_id=A"
    key.mkdir()
    query = f"select * exclude (asset_id) from read_parquet('{file}') where asset_id = 'Aa'"
    duckdb.sql(f"copy ({query}) to '{key / 'a.parquet'}'")
    found = refusal(Catalog().register("prices", str(tmp_path / "*=*" / "*.parquet")))
    assert "has 'asset_id' in another way than its file" in found
    with pytest.raises(ConfigError, match="dialect must be one of 'duckdb', 'spark', 'snowflake'"):
        plain.selection_sql(ranking, "sparc")
    with pytest.raises(ConfigError, match="'price', which is no source; did you mean 'prices'"):
        plain.selection_sql(ranking, "spark", tables={"price": "x"})


def test_days_are_refused_where_they_have_no_length(markets: dict[str, Path]) -> None:
    """Of Spark's day of 24 hours the session's zone makes 23 where clocks change."""
    folder = markets["zoned"]

    def text(timezone: str, age: str) -> str:
        catalog = Catalog(timezone=timezone)
        catalog.register("prices", str(folder / "prices.parquet"))
        catalog.register("features", str(folder / "features.parquet"), max_age=age)
        return catalog.selection_sql(Ranking(n=3, by="score"), "spark")

    assert "+ 90000000000" in text("America/New_York", "25 hours")
    assert "+ 86400000000" in text("UTC", "1 day")
    for timezone, age in (("America/New_York", "1 day"), ("UTC", "1 month")):
        with pytest.raises(ConfigError, match="no length of its own"):
            text(timezone, age)


def test_the_code_of_the_page_writes_three_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_market("out/demo", n_assets=20, n_bars=60)
    names = run_page(Path(__file__).parents[1] / "docs" / "at-scale.md")
    catalog, ranking = names["catalog"], names["ranking"]
    assert isinstance(catalog, Catalog)
    assert isinstance(ranking, Ranking)
    found = rows_of_table(duckdb.sql(str(names["here"])))
    assert found == selections_of(catalog, ranking)
    assert len(found) > 50
    assert "`lake`.`scores`" in str(names["spark"])
    assert f"`{tmp_path}/out/demo/context.parquet`" in str(names["spark"])
    assert "MATCH_CONDITION" in str(names["snowflake"])
