"""The page of a profile: every figure has its query, and the rows that the query gives."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ml4t.backtest import Catalog, ConfigError, ResultError, report_profile
from ml4t.backtest.cli import app
from ml4t.backtest.data.diagnostics.profile import PROFILE_TABLES
from ml4t.backtest.data.diagnostics.tables import Tables
from ml4t.backtest.data.sql_files import names
from ml4t.backtest.results.page.figure import Figure
from ml4t.backtest.results.page.figures import FIGURES
from ml4t.backtest.results.page.profile_figures import PROFILE_FIGURES, PROFILE_FOLDER
from ml4t.backtest.results.page.profiling import READ_TABLES
from page_reader import Page


def catalog() -> Catalog:
    """A lacks three days of 40 in a row; `score` is NULL at first, `rank` is always 1."""
    days = [date(2024, 1, 10) + timedelta(days=t) for t in range(40)]
    bars = [(t, a) for t in range(40) for a in "AB" if a == "B" or t not in (7, 8, 9)]
    made = Catalog().register(
        "prices",
        {
            "timestamp": [days[t] for t, _ in bars],
            "asset_id": [a for _, a in bars],
            "close": [10.0 + t for t, _ in bars],
        },
    )
    made.register(
        "features",
        {
            "timestamp": [days[t] for t, _ in bars],
            "asset_id": [a for _, a in bars],
            "score": [None if t < 5 else float(t) for t, _ in bars],
            "rank": [1.0 for _ in bars],
        },
        lag="1 day",
    )
    return made.register("context", {"timestamp": [days[0], days[20]], "vix": [20.0, 30.0]})


@pytest.fixture(scope="module")
def profile() -> Tables:
    return catalog().profile("month")


@pytest.fixture(scope="module")
def page(profile: Tables, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return Page(report_profile(profile, tmp_path_factory.mktemp("page") / "p.html").read_text())


def rows(page: Page, name: str) -> list[tuple[Any, ...]]:
    return page.rows(name)


def test_every_file_is_a_figure_whose_name_no_figure_of_a_run_has() -> None:
    assert set(PROFILE_FIGURES) == set(names(PROFILE_FOLDER))
    assert not set(PROFILE_FIGURES) & set(FIGURES)
    assert set(PROFILE_TABLES) == READ_TABLES


@pytest.mark.parametrize("figure", PROFILE_FIGURES.values(), ids=PROFILE_FIGURES)
def test_a_figure_has_the_columns_of_its_query_and_its_rows_are_on_the_page(
    profile: Tables, page: Page, figure: Figure
) -> None:
    found = profile.sql(figure.query)
    assert found.columns == [one.column for one in figure.columns]
    expected = [tuple(map(plain, row)) for row in found.fetchall()]
    assert [tuple(map(plain, row)) for row in rows(page, figure.name)] == expected
    assert expected
    assert "order by" in figure.query


def plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value
    return datetime(value.year, value.month, value.day) if isinstance(value, date) else value


def test_the_page_says_what_is_missing_and_when_it_was_known(page: Page) -> None:
    told = {row[:2]: row for row in rows(page, "profiled_columns")}
    score, rank = told["features", "score"], told["features", "rank"]
    assert score[3:5] == (77, 10 / 77)
    assert rank[9] == 1.0  # alike at every bar
    coverage = {row[:2]: row[2:] for row in rows(page, "column_coverage")}
    # January: of 22 and 19 bars the first of each is before any row, and five more are NULL.
    assert coverage["features.score", datetime(2024, 1, 1)] == (29 / 41, 29, 41)
    gaps = {row[:2]: row[2:] for row in rows(page, "widest_gaps")}
    assert gaps["prices", "A"] == (3, 3, datetime(2024, 1, 16))
    assert gaps["context", "market"] == (19, 19, datetime(2024, 1, 10))
    middle = {row[:2]: row[2] for row in rows(page, "quantiles")}
    assert middle["features.score", "5 %"] < middle["features.score", "median"] < 39.0
    (first, moved) = [row[2] for row in rows(page, "column_drift") if row[0] == "prices.close"]
    assert first is None
    assert moved > 0.25


def test_the_page_is_offline_and_says_how_to_run_its_queries(page: Page) -> None:
    assert "default-src 'none'" in page.text
    assert 'catalog.profile("month").sql(' in page.text
    assert "run.duckdb" not in page.text.partition("<script>")[0]
    assert "2024-01-10 to 2024-02-18; assets with prices: 2, sources: 3, columns: 4" in page.text
    for section in ("columns", "clock", "values", "gaps"):
        assert f'href="#section-{section}"' in page.text


def test_what_is_no_profile_is_refused(profile: Tables, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"report_profile\(catalog.profile\(\), "):
        report_profile(catalog(), tmp_path / "page.html")  # type: ignore[arg-type]
    other = tmp_path / "notes.html"
    other.write_text("mine")
    with pytest.raises(ResultError, match="not written over"):
        report_profile(profile, other)
    assert other.read_text() == "mine"


def test_the_sources_of_a_file_are_profiled_from_the_command_line(tmp_path: Path) -> None:
    catalog().sql("from prices").pl().write_parquet(tmp_path / "prices.parquet")
    config = tmp_path / "run.toml"
    strategy = '[strategy]\nkind = "TopN"\nn = 1\nby = "close"\n'
    config.write_text('[sources.prices]\npath = "prices.parquet"\n' + strategy)
    out = tmp_path / "profile.html"
    done = CliRunner().invoke(app, ["profile", str(config), "--out", str(out)])
    assert (done.exit_code, "wrote" in done.output) == (0, True), done.output
    assert {row[0] for row in rows(Page(out.read_text()), "column_coverage")} >= {"prices.close"}
