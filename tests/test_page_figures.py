"""Figures: each has the columns of its query, runs on a saved file, and equals the metrics."""

from __future__ import annotations

import re
from typing import Any

import duckdb
import pytest

from ml4t.backtest import BacktestResult
from ml4t.backtest.data.sql_files import names
from ml4t.backtest.results.page.figure import Figure, FigureKind, Format
from ml4t.backtest.results.page.figures import FIGURES
from ml4t.backtest.results.page.metric_formats import METRIC_FORMATS
from ml4t.backtest.results.report.metric_views import METRIC_VIEWS
from page_reader import run_with_stops


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> BacktestResult:
    return run_with_stops(tmp_path_factory.mktemp("market"))


@pytest.fixture(scope="module")
def saved(run: BacktestResult, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The run in a file, as any client opens it."""
    path = run.save(tmp_path_factory.mktemp("saved") / "run.duckdb")
    with duckdb.connect(str(path), read_only=True) as client:
        yield client


def rows(run: BacktestResult, name: str) -> list[tuple[Any, ...]]:
    return run.sql(FIGURES[name].query).fetchall()


def column(run: BacktestResult, name: str, of: str) -> list[Any]:
    place = [one.column for one in FIGURES[name].columns].index(of)
    return [row[place] for row in rows(run, name)]


def test_every_file_is_a_figure() -> None:
    assert {figure.name for figure in FIGURES.values()} == set(FIGURES) == set(names("page"))


@pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES)
def test_a_figure_has_the_columns_of_its_query(run: BacktestResult, figure: Figure) -> None:
    assert run.sql(figure.query).columns == [one.column for one in figure.columns]


@pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES)
def test_a_figure_is_the_same_in_memory_and_in_a_saved_file(
    run: BacktestResult, saved: Any, figure: Figure
) -> None:
    assert saved.sql(figure.query).fetchall() == run.sql(figure.query).fetchall()


@pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES)
def test_a_query_needs_no_more_than_the_core_of_duckdb(figure: Figure) -> None:
    """DuckDB-Wasm loads what else there is from the network."""
    assert not re.search(r"json|->|timestamptz|timezone|parquet|\$|;", figure.query, re.IGNORECASE)
    assert "order by" in figure.query or figure.kind is FigureKind.FACTS


def test_the_first_figures_end_at_the_metrics(run: BacktestResult) -> None:
    assert column(run, "equity", "equity")[-1] == run["final_value"]
    assert min(column(run, "drawdown", "drawdown")) == run["max_drawdown"]
    assert min(column(run, "drawdown", "benchmark_drawdown")) == run["benchmark_max_drawdown"]
    assert column(run, "drawdowns", "drawdown")[0] == run["max_drawdown"]
    assert max(column(run, "monthly_returns", "return")) == run["best_month"]
    assert min(column(run, "yearly_returns", "return")) == run["worst_year"]
    last_benchmark = column(run, "equity", "benchmark")[-1]
    assert last_benchmark / run["initial_capital"] - 1 == run["benchmark_return"]
    compounded = 1.0
    for one in column(run, "yearly_returns", "benchmark_return"):
        compounded *= 1 + one
    assert compounded - 1 == pytest.approx(run["benchmark_return"], rel=1e-12)


def test_the_parts_of_a_figure_add_up_to_the_metric(run: BacktestResult) -> None:
    pnl = sum(column(run, "trades", "pnl"))
    assert pnl == pytest.approx(run["long_pnl"] + run["short_pnl"], rel=1e-12)
    parts: dict[str, float] = {}
    for name, _, _, made, *_ in rows(run, "attribution"):
        parts[name] = parts.get(name, 0.0) + made
    assert set(parts) >= {"exit_rule", "side", "month", "holding", "decile of ml_score"}
    assert parts == pytest.approx(dict.fromkeys(parts, pnl), rel=1e-9)
    assert sum(column(run, "costs", "amount")) == pytest.approx(run["costs"], rel=1e-12)
    assert sum(column(run, "monthly_costs", "costs")) == pytest.approx(run["costs"], rel=1e-12)
    assert sum(column(run, "monthly_turnover", "n_fills")) == run["n_fills"]
    assert sum(column(run, "return_distribution", "n_bars")) == run["n_bars"]
    assert sum(column(run, "exits", "n_trades")) == run["n_trades"]
    assert len(rows(run, "holding_times")) == run["n_trades"]
    assert len(rows(run, "trades")) == run["n_trades"] + run["n_open_lots"]
    weights = [one for one in column(run, "largest_weight", "largest_weight") if one is not None]
    assert max(weights) == run["largest_weight"]
    assert len(column(run, "entry_ranks", "entry_rank")) == 3


def test_classes_of_returns_hold_what_they_say(run: BacktestResult) -> None:
    returns = [row[0] for row in run.sql("select bar_return from report.bar_returns").fetchall()]
    for low, high, n in rows(run, "return_distribution"):
        assert sum(low <= one < high for one in returns) == n


def test_all_metrics_are_a_figure_with_a_format_each(run: BacktestResult) -> None:
    assert rows(run, "metrics") == [tuple(run.metrics.values())]
    assert [one.column for one in FIGURES["metrics"].columns] == list(run.metrics)
    assert rows(run, "headline") == [tuple(run[one.column] for one in FIGURES["headline"].columns)]
    comments = {name: text for view in METRIC_VIEWS for name, text in view.columns.items()}
    money = {name for name, one in METRIC_FORMATS.items() if one is Format.MONEY}
    assert {name for name, text in comments.items() if "account currency" in text} <= money


def test_a_trade_stands_on_its_price_with_what_was_decided(run: BacktestResult) -> None:
    stopped = run.sql(
        "select trade_id, entry_price, exit_price, bars_held from trades "
        "where exit_rule = 'StopLoss' order by bars_held desc, trade_id limit 1"
    ).fetchall()[0]
    figure = FIGURES["trade"]
    points = run.sql(figure.query_of(stopped[0])).fetchall()
    kinds = [kind for _, kind, _, _ in points]
    assert [price for _, kind, price, _ in points if kind == "entry"] == [stopped[1]]
    assert [price for _, kind, price, _ in points if kind == "exit"] == [stopped[2]]
    assert kinds.count("close") == stopped[3]
    level = next(price for _, kind, price, _ in points if kind == "level")
    # From the average of the position, to which a rebalancing may have added a few shares.
    assert level == pytest.approx(0.96 * stopped[1], rel=1e-3)
    assert "selection" in kinds
    assert points == sorted(points, key=lambda row: row[:2])
