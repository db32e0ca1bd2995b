"""Spark selects what a run selects, row for row; `make spark` installs it, and Java 17 is needed.

Where PySpark is not there the tests are skipped. The session has a zone in which clocks change and
refuses what ANSI SQL refuses: neither may change a row.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest

from conftest import SHARED_DATA
from effort import examples
from ml4t.backtest import Catalog, DataError, ExpressionError
from ml4t.backtest.core.ranking import Ranking
from portable_markets import (
    CLOCKS,
    FORMS,
    Row,
    catalog_of,
    drawn_ranking,
    rankings,
    rows_of_table,
    selections_of,
    selections_of_run,
    write_forms,
    write_market,
)

pytestmark = pytest.mark.skipif(not importlib.util.find_spec("pyspark"), reason="needs pyspark")


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "3g")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.session.timeZone", "America/New_York")
        .config("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


def rows_of_spark(spark: Any, text: str, folder: Path) -> set[Row]:
    """Return the answer, by way of Parquet: Python's times would be those of a zone."""
    spark.sql(text).write.mode("overwrite").parquet(str(folder))
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        return rows_of_table(connection.sql(f"from read_parquet('{folder}/*.parquet')"))


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("seed", range(examples(1)))
def test_spark_selects_what_a_run_selects(
    spark: Any, tmp_path: Path, clock: str, seed: int
) -> None:
    write_market(tmp_path, clock, seed=100 + seed)
    catalog = catalog_of(tmp_path, universe=seed % 2 == 0)
    n_rows = 0
    for name, ranking in rankings(clock):
        expected = selections_of_run(catalog, ranking)
        text = catalog.selection_sql(ranking, "spark")
        assert rows_of_spark(spark, text, tmp_path / "answer") == expected, name
        n_rows += len(expected)
    assert n_rows > 2000


def test_spark_selects_the_same_of_other_forms(spark: Any, tmp_path: Path) -> None:
    catalog = write_forms(tmp_path)
    for ranking in FORMS:
        expected = selections_of(catalog, ranking)
        text = catalog.selection_sql(ranking, "spark")
        assert rows_of_spark(spark, text, tmp_path / "answer") == expected
        assert len(expected) > 40


def test_spark_selects_the_same_by_expressions_at_random(spark: Any, tmp_path: Path) -> None:
    write_market(tmp_path, "times", seed=7, n_bars=30)
    catalog, pick = catalog_of(tmp_path), Random(7)
    n_compared = 0
    for _ in range(examples(16)):
        ranking = drawn_ranking(pick)
        try:
            expected = selections_of(catalog, ranking)
            text = catalog.selection_sql(ranking, "spark")
        except (ExpressionError, DataError):
            continue  # a run refuses it, or it is not known to be the same
        assert rows_of_spark(spark, text, tmp_path / "answer") == expected, ranking
        n_compared += 1
    assert n_compared > examples(16) // 2


REAL = {
    "momentum": Ranking(
        n=25,
        by="momentum",
        where="volume > 100000 and close > 5",
        when="vix < 30",
        every=5,
        weight="1 / (25.0e0 + rank)",
    ),
    "deciles_of_sectors": Ranking(
        n=0.1, by="momentum / deviation", within="sector", every="month_start"
    ),
    "spread": Ranking(
        n=10,
        by="(close - avg(close) over (partition by timestamp, sector)) / close "
        "+ percent_rank() over (partition by timestamp order by momentum desc)",
        where="is_member and deviation between 0.005 and 0.05",
        ascending=True,
    ),
}


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="the real market data is not there")
@pytest.mark.parametrize("name", REAL)
def test_spark_selects_what_a_run_selects_of_real_prices(
    spark: Any, tmp_path: Path, name: str
) -> None:
    daily = f"read_parquet('{SHARED_DATA}/sp500_daily.parquet')"
    with duckdb.connect() as connection:
        connection.execute(f"""
            copy (select timestamp, asset_id, open, high, low, close, volume from {daily}
                where timestamp >= '2005-01-01')
            to '{tmp_path}/prices.parquet'""")
        connection.execute(f"""
            copy (select timestamp, asset_id,
                adjusted_close / lag(adjusted_close, 126) over assets - 1 as momentum,
                stddev(ln(close / open)) over (assets rows 62 preceding)::float as deviation
                from {daily} window assets as (partition by asset_id order by timestamp)
                qualify timestamp >= '2004-06-01' and date_part('isodow', timestamp) = 5)
            to '{tmp_path}/features.parquet'""")
        connection.execute(f"""
            copy (select timestamp, close as vix
                from read_parquet('{SHARED_DATA}/vix_daily.parquet'))
            to '{tmp_path}/context.parquet'""")
        connection.execute(f"""
            copy (select asset_id, sector
                from read_parquet('{SHARED_DATA}/sp500_sectors.parquet'))
            to '{tmp_path}/assets.parquet'""")
    catalog = Catalog().register("prices", str(tmp_path / "prices.parquet"))
    catalog.register("features", str(tmp_path / "features.parquet"), lag="1 day", max_age="9 days")
    catalog.register("context", str(tmp_path / "context.parquet"))
    catalog.register("assets", str(tmp_path / "assets.parquet"))
    catalog.register("universe", str(SHARED_DATA / "sp500_membership.parquet"))
    expected = selections_of_run(catalog, REAL[name])
    found = rows_of_spark(spark, catalog.selection_sql(REAL[name], "spark"), tmp_path / "answer")
    assert found == expected
    assert len(expected) > 2500
