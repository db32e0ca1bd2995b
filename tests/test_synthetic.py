"""The made-up market: what its docstring states, measured in its files."""

from pathlib import Path

import duckdb
import numpy as np
import pytest

from ml4t.backtest import Catalog, ConfigError, DataError
from ml4t.backtest.synthetic import ATR_BARS, make_market, score_accuracy

FILES = ("prices", "features", "context")


@pytest.fixture(scope="module")
def market(tmp_path_factory) -> Path:
    return make_market(tmp_path_factory.mktemp("market"))


def rows(query: str, folder: Path) -> list[tuple]:
    with duckdb.connect() as database:
        for name in FILES:
            database.read_parquet(str(folder / f"{name}.parquet")).create_view(name)
        return database.sql(query).fetchall()


def test_files_have_the_documented_columns_and_types(market):
    found = {name: [row[:2] for row in rows(f"describe {name}", market)] for name in FILES}
    keys = [("timestamp", "TIMESTAMP"), ("asset_id", "VARCHAR")]
    doubles = ("open", "high", "low", "close", "volume")
    assert found == {
        "prices": [*keys, *((name, "DOUBLE") for name in doubles)],
        "features": [*keys, ("ml_score", "DOUBLE"), ("atr", "DOUBLE")],
        "context": [("timestamp", "TIMESTAMP"), ("vix", "DOUBLE"), ("regime", "VARCHAR")],
    }


def test_there_is_one_row_per_business_day_and_asset(market):
    for name in ("prices", "features"):
        counts = rows(
            "select count(*), count(distinct timestamp), count(distinct asset_id), "
            f"min(timestamp)::date::varchar, max(isodow(timestamp)), min(asset_id) from {name}",
            market,
        )
        assert counts == [(126_000, 252, 500, "2020-01-02", 5, "S0000")]


def test_every_data_check_passes(market):
    catalog = Catalog()
    for name in FILES:
        catalog.register(name, market / f"{name}.parquet")
    assert {check.rule: check.n_rows for check in catalog.checks() if check.n_rows} == {}


@pytest.mark.parametrize("seed", [42, 7])
def test_scores_are_as_accurate_as_stated(tmp_path, seed):
    found = score_accuracy(make_market(tmp_path, seed=seed))
    assert found["overall"] == pytest.approx(0.58, abs=0.01)
    assert found["bull"] == pytest.approx(0.60, abs=0.01)
    assert found["bear"] == pytest.approx(0.40, abs=0.02)
    assert found["n_scores"] == 500 * (252 - 5)


def test_accuracy_agrees_with_sql(market):
    found = rows(
        "select avg(((ml_score > 0.5) = (later > close))::int) from (select timestamp, asset_id, "
        "close, lead(close, 5) over (partition by asset_id order by timestamp) as later "
        "from prices) inner join features using (timestamp, asset_id) where later is not null",
        market,
    )
    assert found[0][0] == pytest.approx(score_accuracy(market)["overall"], abs=1e-12)


def test_atr_is_the_mean_true_range_and_missing_in_its_warm_up(market):
    found = rows(
        "select row_number() over (order by timestamp), atr, high, low, close from prices "
        "inner join features using (timestamp, asset_id) where asset_id = 'S0123' order by 1",
        market,
    )
    bars = np.array([row[2:] for row in found])
    high, low, before = bars[1:, 0], bars[1:, 1], bars[:-1, 2]
    ranges = np.maximum(high, before) - np.minimum(low, before)
    assert [row[1] for row in found[:ATR_BARS]] == [None] * ATR_BARS
    for t in (ATR_BARS, 125, 126, 127, 251):  # 126 is where the second block begins
        assert found[t][1] == pytest.approx(ranges[t - ATR_BARS : t].mean(), rel=1e-12)


def test_vix_reverts_to_18_and_is_high_in_the_bear_regime(market):
    found = rows(
        "select avg(vix), count(*) filter (where vix > 30), avg(vix) filter (where "
        "regime = 'bear'), avg(vix) filter (where regime = 'bull'), "
        "count(*) filter (where regime = 'bear') from context",
        market,
    )
    mean, n_stormy, bear, bull, n_bear = found[0]
    assert mean == pytest.approx(18, abs=1.5)
    assert n_stormy >= 5
    assert bear > bull + 8
    assert n_bear == 25


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not(tmp_path):
    contents = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        folder = make_market(tmp_path / name, n_assets=20, n_bars=150, seed=seed)
        contents.append([(folder / f"{file}.parquet").read_bytes() for file in FILES])
    assert contents[0] == contents[1]
    assert contents[0] != contents[2]


def test_a_single_bar_of_a_single_asset_can_be_made(tmp_path):
    folder = make_market(tmp_path, n_assets=1, n_bars=1)
    assert rows("select count(*), count(atr) from features", folder) == [(1, 0)]
    assert np.isnan(score_accuracy(folder)["overall"])


@pytest.mark.parametrize("setting", [{"n_assets": 0}, {"n_bars": 1.5}, {"seed": -1}])
def test_a_number_outside_its_range_is_refused(tmp_path, setting):
    with pytest.raises(ConfigError, match="must be a whole number of at least"):
        make_market(tmp_path, **setting)


def test_accuracy_of_an_empty_folder_is_an_error_that_names_the_file(tmp_path):
    with pytest.raises(DataError, match=r"'prices' is not at .*make_market"):
        score_accuracy(tmp_path)


def test_a_market_may_be_made_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert make_market("~/market", n_assets=2, n_bars=30) == tmp_path / "market"
    assert score_accuracy("~/market")["n_scores"] > 0
