"""Groups and quantiles: sectors of `assets` as signals, shares of a bar, long and short ends."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from conftest import SHARED_DATA
from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    Catalog,
    ConfigError,
    MarginAccount,
    Ranking,
    SQLStrategy,
    Strategy,
    TopN,
    recipes,
)
from ml4t.backtest.core.event import MarketEvent
from ml4t.backtest.runfile_tables import arguments_of
from ml4t.backtest.strategies import PercentSizer, Rule, SignalStrategy

DAY = date(2024, 1, 2)
SECTORS = {"A": "Tech", "B": "Tech", "C": "Energy", "D": None}


def market(scores: dict[str, float | None], n_bars: int = 3) -> Catalog:
    """Return a market with the same scores at every bar."""
    rows = [
        {"timestamp": DAY + timedelta(t), "asset_id": asset, "open": 10.0, "high": 10.0,
         "low": 10.0, "close": 10.0, "x": score}
        for t in range(n_bars) for asset, score in scores.items()
    ]  # fmt: skip
    return Catalog(threads=1).register("prices", pl.DataFrame(rows))


def with_sectors(catalog: Catalog) -> Catalog:
    return catalog.register(
        "assets", pl.DataFrame({"asset_id": list(SECTORS), "sector": list(SECTORS.values())})
    )


def picked(catalog: Catalog, strategy: Strategy) -> dict[str, float]:
    """Return asset and weight of the first decision."""
    config = BacktestConfig(account=MarginAccount())
    result = BacktestEngine(catalog, strategy, config=config).run()
    first = "where timestamp = (select min(timestamp) from selections)"
    rows = result.sql(f"select asset_id, weight from selections {first}").fetchall()
    return {asset: pytest.approx(weight) for asset, weight in rows}


def reasons(catalog: Catalog, strategy: Strategy) -> dict[str, str | None]:
    rows = catalog.preview(strategy, DAY).fetchall()
    return {row[0]: row[-1] for row in rows}


# -- sectors of assets ---------------------------------------------------------------------------


def test_a_text_of_assets_is_a_signal_at_every_bar() -> None:
    catalog = with_sectors(market({"A": 3, "B": 2, "C": 1, "D": 0}))
    rows = catalog.sql("select distinct asset_id, sector from signals").fetchall()
    assert dict(rows) == SECTORS


def test_a_ranking_takes_the_best_of_each_sector_of_assets() -> None:
    catalog = with_sectors(market({"A": 3, "B": 2, "C": 1, "D": 9}))
    best = TopN(1, by="x", within="sector")
    assert picked(catalog, best) == {"A": 0.5, "C": 0.5}
    assert reasons(catalog, best) == {
        "A": None, "B": "rank 2 of 1", "C": None, "D": "sector is NULL"
    }  # fmt: skip


def test_a_sector_of_assets_filters() -> None:
    catalog = with_sectors(market({"A": 3, "B": 2, "C": 1, "D": 9}))
    strategy = TopN("all", by="x", where="sector = 'Tech'")
    assert picked(catalog, strategy) == {"A": 0.5, "B": 0.5}
    assert reasons(catalog, strategy)["C"] == "where: sector = 'Tech'"


def test_per_group_weighs_sectors_of_assets_alike() -> None:
    catalog = with_sectors(market({"A": 3, "B": 2, "C": 1, "D": 9}))
    strategy = SQLStrategy(recipes.per_group("sector"), ranking=Ranking(n="all", by="x"))
    assert picked(catalog, strategy) == {"A": 0.25, "B": 0.25, "C": 0.5}


def test_a_sector_with_a_clock_is_the_one_that_counts() -> None:
    """B was in Energy until the second bar: what assets say of today is not known then."""
    moved = pl.DataFrame({
        "timestamp": [DAY, DAY, DAY + timedelta(1)], "asset_id": ["A", "B", "B"],
        "sector": ["Tech", "Energy", "Tech"],
    })  # fmt: skip
    catalog = with_sectors(market({"A": 3, "B": 2, "C": 1, "D": 0}).register("features", moved))
    rows = catalog.sql(
        "select sector from signals where asset_id = 'B' order by timestamp"
    ).fetchall()
    assert rows == [("Energy",), ("Tech",), ("Tech",)]


def test_a_rule_and_a_callback_read_the_sector_of_assets() -> None:
    catalog = with_sectors(market({"A": 3, "B": 2, "C": 1, "D": 0}))
    rules = SignalStrategy([Rule.expression("sector = 'Energy'")], position_sizer=PercentSizer(0.1))
    result = BacktestEngine(catalog, rules).run()
    assert result.sql("select distinct asset_id from orders").fetchall() == [("C",)]
    seen: dict[Any, Any] = {}

    class Looks(Strategy):
        def on_market_data(self, event: MarketEvent, context: object = None) -> None:
            seen[event.asset_id] = event.signals.get("sector")

    BacktestEngine(catalog, Looks()).run()
    assert seen == SECTORS


# -- shares of a bar ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_assets", "n", "n_kept"),
    [(20, 0.1, 2), (29, 0.1, 2), (100, 0.29, 29), (9, 1 / 3, 3), (5, 0.1, 1), (1, 0.1, 1),
     (7, "all", 7), (7, 3, 3), (2, 3, 2)],
)  # fmt: skip
def test_a_share_is_rounded_down_to_one_at_the_least(
    n_assets: int, n: float | str, n_kept: int
) -> None:
    scores = {f"{i:03}": float(i) for i in range(n_assets)}
    chosen = picked(market(scores, 2), TopN(n, by="x"))
    assert list(chosen) == sorted(scores, reverse=True)[:n_kept]
    each = 1 / n if isinstance(n, int) else 1 / n_kept
    assert list(chosen.values()) == [each] * n_kept


def test_a_share_counts_what_can_be_ranked_and_its_ties_go_by_name() -> None:
    scores = {"A": None, "B": 1.0, "C": 1.0, "D": 1.0, "E": 0.0}
    strategy = TopN(0.5, by="x", where="x >= 0")
    assert picked(market(scores), strategy) == {"B": 0.5, "C": 0.5}
    assert reasons(market(scores), strategy) == {
        "A": "where: x >= 0", "B": None, "C": None,
        "D": "rank 3 of 2 (0.5 of 4)", "E": "rank 4 of 2 (0.5 of 4)",
    }  # fmt: skip


def test_a_share_within_groups_is_a_share_of_each() -> None:
    catalog = with_sectors(market({"A": 3, "B": 2, "C": 1, "D": 9}))
    assert picked(catalog, TopN(0.5, by="x", within="sector")) == {"A": 0.5, "C": 0.5}


@pytest.mark.parametrize("n", [0, -1, 1.0, 1.5, "most", True, None, math.nan])
def test_what_is_no_number_of_assets_is_refused(n: Any) -> None:
    with pytest.raises(ConfigError, match=r"n must be a whole number of at least 1, was .*'all'"):
        Ranking(n=n, by="x")


@pytest.mark.parametrize("n", [25, 0.1, "all"])
def test_a_run_file_says_a_number_a_share_or_all(n: Any) -> None:
    assert Ranking(**arguments_of(Ranking, {"n": n, "by": "x"}, "[strategy]")).n == n


@pytest.mark.parametrize("n_assets", [2, 3, 9, 10, 25])
def test_quantiles_are_long_the_best_and_short_the_worst(n_assets: int) -> None:
    scores = {f"{i:03}": float(i) for i in range(n_assets)}
    strategy = SQLStrategy(
        recipes.long_short(quantiles=10), ranking=Ranking(n="all", by="x", every=1)
    )
    k = max(1, n_assets // 10)
    names = sorted(scores)
    expected = dict.fromkeys(names[-k:], 0.5 / k) | dict.fromkeys(names[:k], -0.5 / k)
    assert picked(market(scores, 2), strategy) == expected


def test_quantiles_and_a_fraction_are_one_thing() -> None:
    assert recipes.long_short(quantiles=5) == recipes.long_short(0.2)
    assert recipes.long_short() == recipes.long_short(quantiles=10)
    with pytest.raises(ConfigError, match="say the same"):
        recipes.long_short(0.2, quantiles=5)
    with pytest.raises(ConfigError, match="quantiles must be a whole number from 2 to"):
        recipes.long_short(quantiles=1)


# -- real sectors ---------------------------------------------------------------------------------

needs_data = pytest.mark.skipif(
    not SHARED_DATA.is_dir(), reason="the real market data is not next to this checkout"
)


def real() -> tuple[Catalog, pl.DataFrame]:
    """Return prices of 2014 and 2015 with their momentum, and the rows to choose from by hand."""
    daily = pl.scan_parquet(SHARED_DATA / "sp500_daily.parquet")
    momentum = pl.col("adjusted_close") / pl.col("adjusted_close").shift(60).over("asset_id") - 1
    prices = daily.filter(pl.col("timestamp") >= date(2014, 1, 1)).select(
        "timestamp", "asset_id", "open", "close", x=momentum
    ).collect()  # fmt: skip
    sectors = pl.read_parquet(SHARED_DATA / "sp500_sectors.parquet")
    catalog = Catalog().register("prices", prices).register("assets", sectors)
    bars = prices["timestamp"].unique().sort().gather_every(21, offset=20)
    rows = prices.filter(pl.col("timestamp").is_in(bars.to_list())).drop_nulls("x").join(
        sectors.select("asset_id", "sector"), on="asset_id", how="left"
    )  # fmt: skip
    return catalog, rows.sort(["timestamp", "x", "asset_id"], descending=[False, True, False])


def selected(catalog: Catalog, strategy: Strategy) -> set[tuple[Any, ...]]:
    config = BacktestConfig(account=MarginAccount())
    result = BacktestEngine(catalog, strategy, config=config).run()
    rows = result.sql("select timestamp, asset_id, round(weight, 12) from selections").fetchall()
    return set(rows)


def by_hand(rows: pl.DataFrame, keep: pl.Expr, weight: pl.Expr) -> set[tuple[Any, ...]]:
    kept = rows.filter(keep).with_columns(weight=weight.round(12))
    return set(kept.select("timestamp", "asset_id", "weight").rows())


PLACE, SIZE = pl.int_range(pl.len()), pl.len()


@needs_data
def test_deciles_of_each_real_sector_are_those_of_polars() -> None:
    catalog, rows = real()
    groups = ["timestamp", "sector"]
    k = (SIZE // 10).clip(lower_bound=1)
    keep = pl.col("sector").is_not_null() & (PLACE.over(groups) < k.over(groups))
    expected = by_hand(rows, keep, 1.0 / SIZE.over("timestamp"))
    found = selected(catalog, TopN(0.1, by="x", within="sector", every=21))
    assert found == expected
    assert len(found) > 700


@needs_data
def test_a_long_short_of_real_quintiles_is_that_of_polars() -> None:
    catalog, rows = real()
    k = (SIZE // 5).over("timestamp")
    place, size = PLACE.over("timestamp"), SIZE.over("timestamp")
    weight = pl.when(pl.col("is_long")).then(0.5).otherwise(-0.5) / pl.col("k")
    rows = rows.with_columns(is_long=place < k, is_short=place >= size - k, k=k)
    expected = by_hand(rows, pl.col("is_long") | pl.col("is_short"), weight)
    strategy = SQLStrategy(
        recipes.long_short(quantiles=5), ranking=Ranking(n="all", by="x", every=21)
    )
    assert selected(catalog, strategy) == expected
    assert len(expected) > 4_000


@needs_data
def test_real_sectors_weighed_alike_are_those_of_polars() -> None:
    catalog, rows = real()
    rows = rows.filter(pl.col("sector").is_not_null())
    n_groups = pl.col("sector").n_unique().over("timestamp")
    expected = by_hand(rows, pl.lit(True), 1.0 / n_groups / SIZE.over(["timestamp", "sector"]))
    strategy = SQLStrategy(recipes.per_group("sector"), ranking=Ranking(n="all", by="x", every=21))
    assert selected(catalog, strategy) == expected
