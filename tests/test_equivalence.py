"""One run, many ways: threads, kinds of source, truncated data, plain numpy, real data."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import SHARED_DATA
from effort import examples
from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    BacktestResult,
    CashAccount,
    Catalog,
    TopN,
)
from ml4t.backtest.risk import (
    DynamicTrailingStop,
    RiskManager,
    TimeBasedExit,
    VolatilityScaledStopLoss,
)
from ml4t.backtest.synthetic import make_market
from split_files import split_files
from universes import make_universe

TABLES = (
    "orders", "fills", "trades", "positions", "equity", "decisions", "selections", "cash_flows",
)  # fmt: skip
ROLES = ("prices", "features", "context")


def rules() -> RiskManager:
    return RiskManager([VolatilityScaledStopLoss(2.0), DynamicTrailingStop(0.05), TimeBasedExit(9)])


def rotation(n: int = 25, every: int = 5) -> TopN:
    return TopN(n, by="ml_score", where="atr is not null", when="vix <= 30", every=every)


def run(sources: dict[str, Any], threads: int = 2) -> BacktestResult:
    catalog = Catalog(threads=threads)
    for role, source in sources.items():
        catalog.register(role, source)  # type: ignore[arg-type]
    return BacktestEngine(
        catalog, rotation(), risk_manager=rules(), initial_capital=1_000_000
    ).run()


def at_midnight(tables: dict[str, list[tuple[Any, ...]]]) -> dict[str, list[tuple[Any, ...]]]:
    """The tables with every date as the time of its midnight."""
    return {
        name: [
            tuple(
                datetime(value.year, value.month, value.day) if type(value) is date else value
                for value in row
            )
            for row in rows
        ]
        for name, rows in tables.items()
    }


def tables_of(result: BacktestResult) -> dict[str, list[tuple[Any, ...]]]:
    """Every table without its run_id, which differs with the source's fingerprint."""
    return {
        name: result.sql(f"select * exclude (run_id) from {name}").fetchall() for name in TABLES
    }


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_market(tmp_path_factory.mktemp("market"), n_assets=120, n_bars=300)


@pytest.fixture(scope="module")
def expected(market: Path) -> dict[str, list[tuple[Any, ...]]]:
    return tables_of(run({role: market / f"{role}.parquet" for role in ROLES}, threads=1))


def test_two_threads_give_the_tables_of_one(market: Path, expected: dict[str, Any]) -> None:
    assert len(expected["fills"]) > 500
    for _ in range(3):
        assert tables_of(run({role: market / f"{role}.parquet" for role in ROLES})) == expected


def test_arrow_gives_the_tables_of_parquet(market: Path, expected: dict[str, Any]) -> None:
    sources = {role: pq.read_table(market / f"{role}.parquet") for role in ROLES}
    assert tables_of(run(sources)) == expected


def test_polars_gives_the_tables_of_parquet(market: Path, expected: dict[str, Any]) -> None:
    assert tables_of(run({r: pl.read_parquet(market / f"{r}.parquet") for r in ROLES})) == expected
    assert tables_of(run({r: pl.scan_parquet(market / f"{r}.parquet") for r in ROLES})) == expected


def test_shuffled_rows_give_the_tables_of_sorted_ones(
    market: Path, expected: dict[str, Any]
) -> None:
    shuffled = {
        role: pl.read_parquet(market / f"{role}.parquet").sample(fraction=1, shuffle=True, seed=3)
        for role in ROLES
    }
    assert tables_of(run(shuffled)) == expected


@settings(max_examples=examples(3), deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10_000))
def test_files_of_other_types_give_the_tables_of_one_frame(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    universe = make_universe(
        seed, n_assets=5, n_bars=20, p_gap=0.2, tied_scores=True, volume=True, p_limit_flag=0.2,
        bars_per_day=1 + seed % 2,
    )  # fmt: skip
    folder, choose = tmp_path_factory.mktemp("split"), random.Random(seed).choice
    frames = {role: getattr(universe, role) for role in ROLES}
    split = {
        role: split_files(frame.to_arrow(), folder / role, choose) for role, frame in frames.items()
    }

    def tables(sources: dict[str, Any]) -> dict[str, list[tuple[Any, ...]]]:
        catalog = Catalog(threads=2)
        for role, source in sources.items():
            catalog.register(role, source)  # type: ignore[arg-type]
        strategy = TopN(2, by="score", when="vix <= 30")
        return tables_of(BacktestEngine(catalog, strategy, risk_manager=rules()).run())

    # Files of dates alone make a run of dates.
    assert at_midnight(tables(split)) == at_midnight(tables(frames))


@settings(max_examples=examples(3), deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10_000), data=st.data())
def test_deleting_every_row_after_t_changes_nothing_until_t(seed: int, data: st.DataObject) -> None:
    universe = make_universe(seed, n_assets=7, n_bars=35, p_hole=0.1, p_gap=0.1)
    times = sorted(universe.bars)
    last = data.draw(st.sampled_from(times[3:]), label="t")
    frames = {
        "prices": universe.prices,
        "features": universe.features.with_columns(
            # Some rows become known days after their period, some never in time.
            available_at=pl.col("timestamp")
            + pl.when(pl.col("asset_id") < "A04").then(timedelta(0)).otherwise(timedelta(hours=30))
        ),
        "context": universe.context,
    }

    def tables(sources: dict[str, pl.DataFrame]) -> dict[str, list[tuple[Any, ...]]]:
        catalog = Catalog()
        for role, frame in sources.items():
            catalog.register(role, frame)  # type: ignore[arg-type]
        strategy = TopN(
            3, by="score - avg(score) over (partition by timestamp)", when="vix <= 30", every=2
        )
        result = BacktestEngine(catalog, strategy, risk_manager=rules()).run()

        def until(table: str, clock: str) -> list[tuple[Any, ...]]:
            return result.sql(
                f"select * exclude (run_id) from {table} where {clock} <= timestamp '{last}'"
            ).fetchall()

        return {
            "fills": until("fills", "timestamp"),
            "equity": until("equity", "timestamp"),
            "positions": until("positions", "timestamp"),
            "selections": until("selections", "timestamp"),
            "decisions": until("decisions", "timestamp"),
            # Orders that ended by t: one decided at t itself ends at t + 1, which is deleted.
            "orders": result.sql(
                f"""
                select orders.* exclude (run_id) from orders
                left join fills on orders.order_id = fills.order_id
                where coalesce(fills.timestamp <= '{last}', orders.created_at < '{last}')
                order by orders.order_id
                """
            ).fetchall(),
            "trades": until("trades", "exit_timestamp"),
        }

    whole = tables(frames)
    truncated = tables(
        {
            role: frame.filter(
                pl.col("available_at" if role == "features" else "timestamp") <= last
            )
            for role, frame in frames.items()
        }
    )
    assert truncated == whole


def numpy_rotation(folder: Path) -> tuple[float, int]:
    """W1 in plain numpy: equity at the open / 25, signed slippage, commission on traded value."""
    frame = pl.read_parquet(folder / "prices.parquet").sort("timestamp", "asset_id")
    features = pl.read_parquet(folder / "features.parquet").sort("timestamp", "asset_id")
    vix = pl.read_parquet(folder / "context.parquet").sort("timestamp")["vix"].to_numpy()
    shape = (len(vix), frame["asset_id"].n_unique())
    opens, closes = (frame[name].to_numpy().reshape(shape) for name in ("open", "close"))
    scores = features["ml_score"].to_numpy().reshape(shape)
    has_atr = features["atr"].is_not_null().to_numpy().reshape(shape)
    cash, held, n_fills = 1_000_000.0, np.zeros(shape[1]), 0
    for t in range(4, shape[0] - 1, 5):
        if vix[t] > 30:
            continue
        ranked = np.argsort(-np.where(has_atr[t], scores[t], -np.inf), kind="stable")
        chosen = ranked[: min(25, int(has_atr[t].sum()))]
        price = opens[t + 1]
        target = np.zeros(shape[1])
        target[chosen] = (cash + held @ price) / 25 / price[chosen]
        change = target - held
        value = change * price * (1 + 0.0005 * np.sign(change))
        cash -= value.sum() + 0.001 * np.abs(value).sum()
        n_fills += int((np.abs(change) > 1e-9).sum())
        held = target
    return cash + float(held @ closes[-1]), n_fills


def test_the_rotation_equals_thirty_lines_of_numpy(market: Path) -> None:
    catalog = Catalog()
    for role in ROLES:
        catalog.register(role, market / f"{role}.parquet")  # type: ignore[arg-type]
    account = CashAccount(shortfall="reject", overdraft=100_000.0)
    result = BacktestEngine(
        catalog, rotation(), initial_capital=1_000_000, config=BacktestConfig(account=account)
    ).run()
    final_equity, n_fills = numpy_rotation(market)
    assert result["final_value"] == pytest.approx(final_equity, rel=1e-8)
    assert result["n_fills"] == n_fills


def test_a_run_on_real_data_reconciles_to_the_cent() -> None:
    if not SHARED_DATA.is_dir():
        pytest.skip("the real market data is not next to this checkout")
    prices = f"""
        select timestamp, asset_id, open, high, low, close, volume
        from read_parquet('{SHARED_DATA}/sp500_daily.parquet')
        where timestamp between date '2009-01-01' and date '2010-12-31'
    """
    catalog = Catalog().register("prices", prices)
    catalog.register("universe", SHARED_DATA / "sp500_membership.parquet")
    catalog.register(
        "context",
        f"select timestamp, close as vix from read_parquet('{SHARED_DATA}/vix_daily.parquet')",
    )
    strategy = TopN(25, by="close * volume", when="vix <= 30", every=5)
    result = BacktestEngine(
        catalog, strategy, risk_manager=RiskManager([DynamicTrailingStop(0.08)])
    ).run()
    pnl = result.sql("select sum(pnl) from trades").fetchall()[0][0]
    assert result["n_fills"] > 500
    assert result["final_value"] - result["initial_capital"] == pytest.approx(pnl, abs=0.005)
    chosen = duckdb.connect()
    chosen.register("selections", result.selections.to_arrow_table())
    outsiders = chosen.sql(
        f"""
        select count(*) from selections anti join
        read_parquet('{SHARED_DATA}/sp500_membership.parquet') as members
        on selections.asset_id = members.asset_id and selections.timestamp >= members.start_date
        and (members.end_date is null or selections.timestamp < members.end_date)
        """
    ).fetchall()[0][0]
    assert outsiders == 0
