"""Fill checks find a run whose rows cannot be, each what it is for, and no run of ours."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from effort import some
from many_trials import Trials
from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    BacktestResult,
    CashAccount,
    Catalog,
    ConfigError,
    CostError,
    DataError,
    ExecutionPolicy,
    ExpressionError,
    Strategy,
    ThisClose,
    check_fills,
)
from ml4t.backtest.core.batch import Batch
from ml4t.backtest.data.sql_files import names
from ml4t.backtest.strategy.broker import StrategyBroker

DAYS = [dt.datetime(2024, 1, 1) + dt.timedelta(days=day) for day in range(12)]
CLOSES = (100.0, 102.0, 104.0, 103.0, 106.0, 108.0, 107.0, 110.0, 112.0, 111.0, 114.0, 116.0)


def bars() -> pl.DataFrame:
    return pl.DataFrame([
        {
            "timestamp": day, "asset_id": asset, "open": close - 1.0, "high": close + 3.0,
            "low": close - 4.0, "close": close, "volume": 1000.0,
        }
        for asset, shift in (("A", 0.0), ("B", 10.0))
        for day, close in zip(DAYS, (one + shift for one in CLOSES), strict=True)
    ])  # fmt: skip


class Orders(Strategy):
    """One order of each kind."""

    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        if batch.t == 0:
            self.buy("A", 100.0, tag="taken")
        if batch.t == 2:
            self.buy("B", 50.0, limit=109.5, tag="limited")
            self.buy("A", 20.0, stop=108.0, tag="stopped")
        if batch.t == 8:
            self.sell("A", 60.0, on_close=True, tag="closing")


def ran(catalog: Catalog, *, at_close: bool = False) -> BacktestResult:
    execution = ExecutionPolicy(participation=0.5)
    if at_close:
        execution = ExecutionPolicy(timing=ThisClose(), participation=0.5)
    config = BacktestConfig(execution=execution, account=CashAccount())
    return BacktestEngine(catalog, Orders(), config=config).run()


def catalog_of(prices: pl.DataFrame, **sources: pl.DataFrame) -> Catalog:
    found = Catalog().register("prices", prices)
    for role, rows in sources.items():
        found.register(role, rows)
    return found


def failed(result: BacktestResult, catalog: Catalog) -> set[str]:
    found = check_fills(result, catalog)
    rows = found.sql('select "check" from fill_checks where n_failed > 0').fetchall()
    assert found.is_clean is (not rows)
    return {name for (name,) in rows}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fills")
    ran(catalog_of(bars())).save(folder / "run.duckdb")
    ran(catalog_of(bars()), at_close=True).save(folder / "at_close.duckdb")
    return folder


def changed(saved: Path, statement: str, folder: Path, name: str = "run") -> BacktestResult:
    file = folder / "changed.duckdb"
    file.write_bytes((saved / f"{name}.duckdb").read_bytes())
    with duckdb.connect(str(file)) as connection:
        (n_rows,) = connection.execute(statement).fetchall()[0]
        assert n_rows == 1
    return BacktestResult.open(file)


OF = "where order_id = (select order_id from orders where tag = '{}')".format
FIRST = "where fill_id = 0"
SETTING = "update runs set configuration = replace(configuration::varchar, '{}', '{}')".format
CHANGES: dict[str, tuple[str, set[str]]] = {
    "order_unknown": (f"update orders set asset_id = 'B' {OF('taken')}", set()),
    "more_than_ordered": (f"update orders set quantity = quantity / 2 {OF('taken')}", set()),
    "fills_of_order": (f"update orders set filled_quantity = 90 {OF('taken')}", set()),
    "not_after_decision": (
        f"update orders set created_at = timestamp '2024-01-02' {OF('taken')}", set()
    ),
    "outside_bar": (f"update fills set price = price / 2 {OF('limited')}", set()),
    "market_price": (
        f"update fills set price = 103, slippage = 0 {FIRST}", set()
    ),
    "beyond_limit": (f"update orders set limit_price = 109 {OF('limited')}", set()),
    "stop_not_reached": (f"update orders set stop_price = 150 {OF('stopped')}", set()),
    "beyond_volume": (SETTING('"participation": 0.5', '"participation": 0.05'), set()),
    "other_volume": (f"update fills set volume = 999 {FIRST}", set()),
    "slippage_beyond_model": (SETTING('"basis_points": 5', '"basis_points": 4'), set()),
    "position_without_fills": (
        "update positions set quantity = 101 where timestamp = timestamp '2024-01-02'", set()
    ),
    "cash_without_fills": (
        "update equity set cash = cash + 1 where timestamp = timestamp '2024-01-03'", set()
    ),
    "short": (
        "update positions set quantity = -100 where timestamp = timestamp '2024-01-02'",
        {"position_without_fills"},
    ),
    "overdrawn": (
        "update equity set cash = -1 where timestamp = timestamp '2024-01-02'",
        {"cash_without_fills"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("check", CHANGES)
def test_a_row_that_was_changed_is_found_by_its_check(
    check: str, saved: Path, tmp_path: Path
) -> None:
    statement, besides = CHANGES[check]
    result = changed(saved, statement, tmp_path)
    assert failed(result, catalog_of(bars())) == {check, *besides}


def test_a_run_at_the_deciding_close_is_held_to_that_close(saved: Path, tmp_path: Path) -> None:
    result = BacktestResult.open(saved / "at_close.duckdb")
    audit = check_fills(result, catalog_of(bars()))
    assert audit.is_clean
    ((why,),) = audit.sql(
        "select unchecked from fill_checks where \"check\" = 'not_after_decision'"
    ).fetchall()
    assert why.startswith("ThisClose fills orders at the close at which they are decided")
    later = f"update orders set created_at = timestamp '2024-01-05' {OF('taken')}"
    result = changed(saved, later, tmp_path, "at_close")
    assert failed(result, catalog_of(bars())) == {"before_decision"}


IS_FIRST = (pl.col("asset_id") == "A") & (pl.col("timestamp") == DAYS[1])
OTHER_SOURCES: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], set[str]]] = {
    "no_bar": (lambda rows: rows.filter(~IS_FIRST), set()),
    "halted": (
        lambda rows: rows.with_columns(
            volume=pl.when(IS_FIRST).then(0.0).otherwise(pl.col("volume"))
        ),
        {"other_volume", "beyond_volume"},
    ),
}


@pytest.mark.parametrize("check", OTHER_SOURCES)
def test_prices_that_the_run_did_not_read_are_found(check: str, saved: Path) -> None:
    change, besides = OTHER_SOURCES[check]
    result = BacktestResult.open(saved / "run.duckdb")
    assert failed(result, catalog_of(change(bars()))) == {check, *besides}


def test_a_fill_at_a_delisting_is_found(saved: Path) -> None:
    result = BacktestResult.open(saved / "run.duckdb")
    is_over = (pl.col("asset_id") == "A") & (pl.col("timestamp") > DAYS[9])
    delisting = pl.DataFrame({
        "asset_id": ["A"], "ex_date": [DAYS[9]], "kind": ["delisting"], "value": [100.0],
    })  # fmt: skip
    catalog = catalog_of(bars().filter(~is_over), actions=delisting)
    assert failed(result, catalog) == {"delisted"}
    before = delisting.with_columns(ex_date=pl.lit(DAYS[10]))
    assert failed(result, catalog_of(bars().filter(~is_over), actions=before)) == set()


def test_every_check_is_one_that_a_test_has_seen_fail() -> None:
    # The last one in tests/test_decision_inputs.py.
    seen = {
        *CHANGES,
        *OTHER_SOURCES,
        "before_decision",
        "delisted",
        "input_not_known",
        "other_evidence",
    }
    assert seen == set(names("fill_checks"))


def test_the_first_row_that_offends_is_told(saved: Path, tmp_path: Path) -> None:
    result = changed(saved, CHANGES["outside_bar"][0], tmp_path)
    found = check_fills(result, catalog_of(bars()))
    row = found.sql("select * from fill_checks where n_failed > 0").fetchall()
    assert [one[:6] for one in row] == [
        ("outside_bar", "before costs the price is within the bar's range", 4, 1, DAYS[3], "B")
    ]
    assert "the bar is from 109.0 to 116.0" in row[0][6]
    assert found.title == "fills: 1 of 20 checks failed"
    assert found.cuts.fetchall() == []


@pytest.mark.parametrize("seed", some((3, 11, *range(300, 340)), 2))
def test_no_fill_of_ours_is_an_alarm(seed: int, tmp_path: Path) -> None:
    trials, n_checked = Trials(seed, tmp_path), 0
    for case in range(2):
        try:
            catalog = trials.catalog()
            result = BacktestEngine(catalog, **trials.make(case)).run()
        except (ConfigError, DataError, ExpressionError, CostError):
            continue  # what no run can be made of
        found = check_fills(result, catalog)
        assert found.sql("select * from fill_checks where n_failed > 0").fetchall() == []
        n_checked += 1
    assert n_checked


def test_an_audit_has_the_checks_of_its_run() -> None:
    audit = BacktestEngine(catalog_of(bars()), Orders()).audit(1)
    rows: list[Any] = audit.sql("select sum(n_checked), sum(n_failed) from fill_checks").fetchall()
    assert rows[0][0] > 50
    assert rows[0][1] == 0
    assert audit.is_clean


def test_what_is_no_catalog_is_refused(saved: Path) -> None:
    result = BacktestResult.open(saved / "run.duckdb")
    with pytest.raises(ConfigError, match="catalog must be a Catalog with the sources of the run"):
        check_fills(result, bars())  # type: ignore[arg-type]
