"""Charts of Altair: one per figure, of its own query; `make test-explore` installs Altair."""

from __future__ import annotations

import importlib.util
import re
import sys
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ml4t.backtest import BacktestEngine, BacktestResult, Catalog, ConfigError, ResultError, TopN
from ml4t.backtest.results.page.figure import Channel
from ml4t.backtest.results.page.figures import FIGURES
from ml4t.backtest.results.plot import plots
from ml4t.backtest.results.plot.thinning import thinned_lines, thinned_points
from ml4t.backtest.risk import RiskManager, StopLoss
from ml4t.backtest.synthetic import make_market
from page_blocks import blocks_of

HAS_ALTAIR = importlib.util.find_spec("altair")
needs_altair = pytest.mark.skipif(not HAS_ALTAIR, reason="needs altair")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> BacktestResult:
    folder = make_market(tmp_path_factory.mktemp("market"), n_assets=8, n_bars=60)
    catalog = Catalog()
    for role in ("prices", "features"):
        catalog.register(role, folder / f"{role}.parquet")
    return BacktestEngine(
        catalog,
        TopN(3, by="ml_score", every=5),
        risk_manager=RiskManager([StopLoss(0.04)]),
        benchmark="equal_weight",
    ).run()


def chart(run: BacktestResult, name: str, **options: Any) -> dict[str, Any]:
    given = [0] if FIGURES[name].is_picked else []
    document: dict[str, Any] = getattr(run.plot, name)(*given, **options).to_dict()
    return document


def values(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of all layers of a chart."""
    parts = [document, *document.get("layer", [])]
    named = list(document.get("datasets", {}).values())
    inline = [part["data"]["values"] for part in parts if "values" in part.get("data", {})]
    return [row for rows in (*named, *inline) for row in rows]


# -- what needs no Altair -----------------------------------------------------------------------


def test_a_line_of_many_points_keeps_its_edges() -> None:
    rows = [{"x": i, "y": float((i * 7919) % 1009), "z": None} for i in range(10_000)]
    kept = thinned_lines(rows, ["y", "z"], 600)
    assert len(kept) <= 600
    assert kept == sorted(kept, key=lambda row: row["x"])
    assert (kept[0], kept[-1]) == (rows[0], rows[-1])
    for stretch in range(0, 10_000, 100):
        part = rows[stretch : stretch + 100]
        for edge in (min, max):
            assert edge(row["y"] for row in part) in {row["y"] for row in kept}


def test_of_many_points_the_extremes_are_kept() -> None:
    rows = [{"y": float((i * 7919) % 10_007)} for i in range(9_000)] + [{"y": None}]
    kept = thinned_points(rows, "y", 400)
    assert len(kept) == 400
    known = sorted((row["y"] for row in rows if row["y"] is not None), reverse=True)
    assert {*known[:100], *known[-100:]} <= {row["y"] for row in kept}


def test_few_rows_are_all_drawn() -> None:
    rows = [{"y": 1.0}, {"y": None}]
    assert thinned_lines(rows, ["y"], 20) == thinned_points(rows, "y", 20) == rows


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (date(2024, 1, 2), "2024-01-02T00:00:00"),
        (datetime.fromisoformat("2024-01-02T16:00:00-05:00"), "2024-01-02T16:00:00"),
        (Decimal("1.5"), 1.5),
        (float("inf"), None),
        (True, True),
        (None, None),
    ],
)
def test_a_value_is_one_that_vega_reads(value: object, shown: object) -> None:
    assert plots._json(value) == shown


def test_the_figures_are_what_a_result_can_plot(run: BacktestResult) -> None:
    assert list(run.plot) == list(FIGURES)
    assert dir(run.plot) == sorted(FIGURES)
    assert FIGURES["equity"].meaning in repr(run.plot.equity)
    with pytest.raises(AttributeError, match="there is no figure 'equty'; did you mean 'equity'"):
        _ = run.plot.equty


def test_without_altair_the_line_that_installs_it_is_said(
    run: BacktestResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(ConfigError, match=r"this needs altair: pip install '.*\[plot\]'"):
        run.plot.equity()


def test_what_a_figure_does_not_take_is_refused(run: BacktestResult) -> None:
    with pytest.raises(ConfigError, match=r"takes the number of a trade: result\.plot\.trade\(7\)"):
        run.plot.trade()
    with pytest.raises(ConfigError, match="is of all trades"):
        run.plot.equity(3)
    with pytest.raises(ConfigError, match="has no logarithmic axis"):
        run.plot.drawdown(log=True)
    with pytest.raises(ConfigError, match="max_rows must be a whole number of at least 20"):
        run.plot.equity(max_rows=3)
    with pytest.raises(ConfigError, match="width must be a whole number of at least 1, was 'x'"):
        run.plot.equity(width="x")


# -- charts -------------------------------------------------------------------------------------


@needs_altair
@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_a_chart_with_its_rows(run: BacktestResult, name: str) -> None:
    figure = FIGURES[name]
    document = chart(run, name)
    assert document["title"]["text"] == figure.title
    assert document["title"]["subtitle"][0] == figure.meaning
    query = figure.query_of(0) if figure.is_picked else figure.query
    drawn = {one.column for one in figure.on(Channel.Y)} or {figure.columns[0].column}
    records = run.sql(query).pl().to_dicts()
    has_values = any(row[column] is not None for row in records for column in drawn)
    assert has_values == ("nothing to show" not in str(document))


@needs_altair
def test_the_numbers_of_a_chart_are_those_of_the_query(run: BacktestResult) -> None:
    drawn = [row for row in values(chart(run, "equity")) if row["series_"] == "Equity"]
    asked = run.sql(FIGURES["equity"].query).fetchall()
    assert [row["value_"] for row in drawn] == [row[1] for row in asked]
    assert drawn[-1]["value_"] == run["final_value"]
    months = values(chart(run, "monthly_returns"))
    assert max(row["return"] for row in months) == run["best_month"]


@needs_altair
def test_a_chart_beyond_its_limit_says_how_much_it_draws(run: BacktestResult) -> None:
    document = chart(run, "equity", max_rows=20)
    n_drawn = len(values(document)) // 2
    assert n_drawn < 25
    assert document["title"]["subtitle"][1] == f"{n_drawn} of 60 rows are drawn"
    assert len(chart(run, "equity")["title"]["subtitle"]) == 1


@needs_altair
def test_a_chart_of_more_rows_than_altair_takes_is_drawn() -> None:
    class Long:
        def sql(self, query: str) -> Any:
            return self

        def fetchall(self) -> list[tuple[Any, ...]]:
            return [(datetime(2024, 1, 1), float(i), None) for i in range(20_000)]

    document = plots.Plots(Long()).equity().to_dict()
    assert 2_000 < len(values(document)) <= 5_000


@needs_altair
def test_a_trade_shows_its_fills(run: BacktestResult) -> None:
    rows = values(chart(run, "trade"))
    (entry,) = (row["price"] for row in rows if row["kind"] == "entry")
    assert run.sql("select entry_price from trades where trade_id = 0").fetchall() == [(entry,)]
    with pytest.raises(ResultError, match=r"there is no trade 9999; result\.trades has all"):
        run.plot.trade(9999)


@needs_altair
def test_a_split_is_picked_from_its_parts(run: BacktestResult) -> None:
    (choice,) = (one for one in chart(run, "attribution")["params"] if "bind" in one)
    names = [row[0] for row in run.sql(FIGURES["attribution"].query).fetchall()]
    assert choice["bind"]["options"] == list(dict.fromkeys(names))


@needs_altair
def test_the_frames_of_the_caller_keep_their_limit(run: BacktestResult) -> None:
    import altair

    before = altair.data_transformers.active, dict(altair.data_transformers.options)
    chart(run, "equity")
    assert (altair.data_transformers.active, dict(altair.data_transformers.options)) == before


@needs_altair
def test_the_charts_of_the_guide_are_drawn(run: BacktestResult) -> None:
    page = Path(__file__).resolve().parents[1] / "docs" / "guide" / "page.md"
    (block,) = (one for one in blocks_of(page) if one.title == "the extra plot")
    exec(compile(block.code, "page.md", "exec"), {"result": run})
    assert set(re.findall(r"plot\.(\w+)\(", block.code)) <= set(FIGURES)
