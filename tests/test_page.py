"""The offline page of a run: what stands in it is what the run says, and nothing is fetched."""

from __future__ import annotations

import re
from base64 import b64encode
from datetime import date, datetime
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from typer.testing import CliRunner

from ml4t.backtest import BacktestResult, ConfigError, ResultError, RunStore, report_runs
from ml4t.backtest.cli import app
from ml4t.backtest.results.page.assembling import ASSETS, SCRIPTS
from ml4t.backtest.results.page.embedding import ASKING_SCRIPTS
from ml4t.backtest.results.page.figure import Format
from ml4t.backtest.results.page.figures import FIGURES
from ml4t.backtest.results.page.gathering import gather_figure, wall_clock
from ml4t.backtest.results.page.metric_formats import METRIC_FORMATS
from ml4t.backtest.results.page.packing import MOST_EXACT, Packed
from ml4t.backtest.results.page.shown import text_of
from ml4t.backtest.results.page.trust import Standing, Trials, claims
from ml4t.backtest.results.report.metric_views import METRIC_VIEWS
from page_reader import Page, run_with_stops


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> BacktestResult:
    return run_with_stops(tmp_path_factory.mktemp("market"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> BacktestResult:
    return run_with_stops(tmp_path_factory.mktemp("market"), n=2)


@pytest.fixture(scope="module")
def page(run: BacktestResult, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return Page(run.report(tmp_path_factory.mktemp("page") / "report.html").read_text())


def as_read(value: Any) -> Any:
    """A value of a query as a page has it."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)
    return str(value) if isinstance(value, bool) else value


@pytest.mark.parametrize("name", [name for name in FIGURES if name != "trade"])
def test_every_row_of_a_figure_is_in_the_page_to_the_last_digit(
    run: BacktestResult, page: Page, name: str
) -> None:
    found = run.sql(FIGURES[name].query).fetchall()
    assert page.rows(name) == [tuple(map(as_read, row)) for row in found]


def test_every_metric_on_the_page_is_that_of_the_run(run: BacktestResult, page: Page) -> None:
    table = page.text[page.text.index('id="metrics"') :]
    shown = re.findall(r'<tr data-metric="(\w+)">.*?class="number">(.*?)</td><td>(.*?)</td>', table)
    meanings = {name: text for view in METRIC_VIEWS for name, text in view.columns.items()}
    assert [(name, text, unescape(meaning)) for name, text, meaning in shown] == [
        (name, text_of(value, METRIC_FORMATS[name]), meanings[name])
        for name, value in run.metrics.items()
    ]
    for one in FIGURES["headline"].columns:
        assert page.metric(one.column) == text_of(run[one.column], one.format)


def test_the_heat_map_has_every_month(run: BacktestResult, page: Page) -> None:
    table = re.search(r'<table class="heat">(.*?)</table>', page.text)
    assert table is not None
    shown = [
        float(one) for one in re.findall(r"<td class=\"[a-z]+-?\d?\">([-\d.]+)</td>", table[1])
    ]
    made = [made for (made,) in run.sql('select "return" from report.monthly_returns').fetchall()]
    assert shown == pytest.approx([100 * one for one in made], abs=0.0501)


def test_a_query_stands_under_every_figure(page: Page) -> None:
    for name, figure in FIGURES.items():
        part = page.text.split(f'data-figure="{name}"')[1].split("</figure>")[0]
        code = re.search(r"<pre[^>]*><code>(.*?)</code></pre>", part, re.DOTALL)
        assert code is not None
        assert unescape(code[1]) == figure.query


def test_trades_on_their_price_are_put_together_of_what_the_page_holds(
    run: BacktestResult, page: Page
) -> None:
    paths = page.head["paths"]
    closes = [page.column(paths["closes"][name]) for name in ("asset_id", "timestamp", "price")]
    held = "select asset_id, timestamp, price from positions order by all"
    assert list(zip(*closes, strict=True)) == run.sql(held).fetchall()
    assert len(page.column(paths["entries"]["decided_at"])) == len(page.rows("trades"))
    n_rows = run.sql("select count(*) from selections").fetchall()[0][0]
    assert len(page.column(paths["selections"]["rank"])) == n_rows


# -- what a browser may do ----------------------------------------------------------------------


def test_the_page_allows_its_own_scripts_and_no_address(page: Page) -> None:
    policy = re.search(r'Content-Security-Policy" content="(.*?)"', page.text)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; script-src 'sha256-")
    for kind in ("script", "style"):
        for text in re.findall(rf"<{kind}>(.*?)</{kind}>", page.text, re.DOTALL):
            digest = b64encode(sha256(text.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policy[1]
    assert "connect-src" not in policy[1]
    assert re.findall(r"<(?:link|iframe|img|script)[^>]*(?:src|href)=", page.text) == []
    assert " style=" not in page.text.split("<body>")[1].split("<script")[0]


def test_every_id_is_of_one_element(page: Page) -> None:
    ids = re.findall(r'<[^>]* id="([^"]+)"', page.text.split("<body>")[1].split("<script>")[0])
    assert len(ids) == len(set(ids))
    links = re.findall(r'href="#([^"]+)"', page.text)
    assert len(links) == 10
    assert set(links) <= set(ids)


def test_names_are_no_markup(tmp_path: Path, run: BacktestResult) -> None:
    names = {"<b>bold</b>": run, "other & so on": run}
    text = report_runs(names, tmp_path / "page.html").read_text()
    assert "<b>bold" not in text.split("<script")[0]
    assert "other &amp; so on" in text


def test_the_library_of_charts_is_the_one_that_is_pinned() -> None:
    pinned = (ASSETS / "vendor" / "SHA256SUMS").read_text().splitlines()
    found = {name: digest for digest, name in map(str.split, pinned)}
    files = sorted(path.name for path in (ASSETS / "vendor").iterdir() if path.name != "SHA256SUMS")
    assert sorted(found) == files
    for name in files:
        content = (ASSETS / "vendor" / name).read_bytes()
        assert sha256(content).hexdigest() == found[name]


def test_every_asset_is_part_of_a_page() -> None:
    scripts = {path.relative_to(ASSETS).as_posix() for path in ASSETS.rglob("*.js")}
    assert scripts == {*SCRIPTS, *ASKING_SCRIPTS}
    assert all(len((ASSETS / one).read_text().splitlines()) < 300 for one in scripts)


# -- trust --------------------------------------------------------------------------------------


def test_a_page_opens_with_what_was_proved_checked_assumed_and_not(page: Page) -> None:
    opening = page.text.split('id="section-trust"')[1].split('id="section-summary"')[0]
    places = [opening.index(f'aria-label="{standing}"') for standing in Standing]
    assert places == sorted(places)
    for said in ("looks at no later bar", "Equity is cash plus", "fill at the next open",
                 "When the rows of features were known", "no universe was given",
                 "How many strategies were tried"):  # fmt: skip
        assert said in opening
    assert 'role="alert"' not in opening


def test_tables_that_do_not_agree_are_said_first(run: BacktestResult, tmp_path: Path) -> None:
    path = run.save(tmp_path / "run.duckdb")
    with duckdb.connect(str(path)) as client:
        client.execute("update positions set value = value + 1 where asset_id = 'S0001'")
    wrong = BacktestResult.open(path)
    first = claims(wrong, None)[0]
    assert (first.is_alarm, first.standing) == (True, Standing.CHECKED)
    assert first.text == "Fails: Equity is cash plus the value of all positions, at every bar"
    alarm = re.search(r'role="alert"><li>(.*?)</li>', wrong.report(tmp_path / "p.html").read_text())
    assert alarm is not None
    assert alarm[1].startswith("Fails: Equity is cash")


def test_a_store_says_how_many_runs_it_has(
    run: BacktestResult, other: BacktestResult, tmp_path: Path
) -> None:
    store = RunStore(tmp_path / "store")
    run_id = store.add(run)
    store.add(other)
    text = store.report(tmp_path / "one.html", run_id).read_text()
    sharpes = [run["sharpe"], other["sharpe"]]
    deflated = run.deflated_sharpe(2, float(np.var(sharpes, ddof=1)))
    assert deflated is not None
    assert "One of 2 runs of its store" in text
    assert f"with a probability of {deflated:.1%}" in text
    assert "Runs compared" in store.report(tmp_path / "all.html").read_text()
    said = {claim.text: claim.standing for claim in claims(run, Trials(1, None))}
    assert said["One of 1 runs of its store"] is Standing.CHECKED


# -- runs beside each other ---------------------------------------------------------------------


def test_runs_lie_over_each_other_with_what_differs(
    run: BacktestResult, other: BacktestResult, tmp_path: Path
) -> None:
    page = Page(report_runs({"three": run, "two": other}, tmp_path / "page.html").read_text())
    assert [row[1:] for row in page.rows("equity")] == list(
        zip(*([one for (one,) in each.sql("select equity from equity").fetchall()]
              for each in (run, other)), strict=True)
    )  # fmt: skip
    assert "strategy.0" in page.text
    assert "The first bar at which anything differs is 2020-01-0" in page.text
    row = re.search(r'data-metric="sharpe">.*?</tr>', page.text)
    assert row is not None
    assert [f"{each['sharpe']:.2f}" for each in (run, other)] == re.findall(
        r">([\d.-]+)</td>", row[0]
    )


def test_of_many_runs_a_table_has_all_and_the_lines_are_of_the_best(
    run: BacktestResult, other: BacktestResult, tmp_path: Path
) -> None:
    runs = {f"run {i}": run if i else other for i in range(9)}
    page = Page(report_runs(runs, tmp_path / "page.html").read_text())
    assert [row[0] for row in page.rows("metrics")] == list(runs)
    assert len(page.rows("equity")[0]) == 1 + 8
    with pytest.raises(ResultError, match="of two runs or more, was of 1"):
        report_runs({"one": run}, tmp_path / "one.html")


def test_runs_may_be_called_as_a_column_is(
    run: BacktestResult, other: BacktestResult, tmp_path: Path
) -> None:
    runs = {"timestamp": run, "equity": other, "__proto__": run}
    page = Page(report_runs(runs, tmp_path / "page.html").read_text())
    equity = [[one for (one,) in each.sql("select equity from equity").fetchall()]
              for each in runs.values()]  # fmt: skip
    times = [one for (one,) in run.sql("select timestamp from equity").fetchall()]
    assert page.rows("equity") == list(zip(times, *equity, strict=True))
    (figure,) = (one for one in page.head["figures"] if one["name"] == "equity")
    assert [one["label"] for one in figure["columns"]][1:] == list(runs)


def test_what_is_no_run_by_name_is_refused_in_words(run: BacktestResult, tmp_path: Path) -> None:
    for given, message in (
        ([run, run], "must be a mapping of names to runs"),
        ({1: run, 2: run}, "name of a run must be a text, was 1"),
        ({"one": run, "two": 2}, "'two' must be a BacktestResult, was 2"),
    ):
        with pytest.raises(ResultError, match=message):
            report_runs(given, tmp_path / "page.html")  # type: ignore[arg-type]


# -- writing ------------------------------------------------------------------------------------


def test_no_file_but_a_page_is_written_over(run: BacktestResult, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    run.report(path)
    first = path.read_bytes()
    assert run.report(path).read_bytes() == first
    path.write_text("<p>mine</p>")
    with pytest.raises(ResultError, match="is no page of a run, and is not written over"):
        run.report(path)
    assert path.read_text() == "<p>mine</p>"
    with pytest.raises(ResultError, match="is a folder"):
        run.report(tmp_path)


def test_a_path_and_a_query_are_texts_that_can_be_written(
    run: BacktestResult, tmp_path: Path
) -> None:
    with pytest.raises(ResultError, match=r"path must be .*, was '\\ud800.html'"):
        run.report("\ud800.html")
    with pytest.raises(ConfigError, match="query must be SQL text"):
        run.sql("select '\ud800'")
    with pytest.raises(ResultError, match="holds no run yet"):
        RunStore(tmp_path / "store").report(tmp_path / "page.html")


def test_the_command_line_writes_one_run_or_several(
    run: BacktestResult, other: BacktestResult, tmp_path: Path
) -> None:
    paths = [str(each.save(tmp_path / f"{i}.duckdb")) for i, each in enumerate((run, other))]
    out = tmp_path / "page.html"
    for given, title in ((paths[:1], "<title>Run "), (paths, "<title>Runs compared")):
        done = CliRunner().invoke(app, ["report", *given, "--out", str(out)])
        assert done.exit_code == 0, done.output
        assert title in out.read_text()
        assert f"wrote {out}, " in done.output


# -- packing ------------------------------------------------------------------------------------

LONG = np.random.default_rng(7).normal(size=MOST_EXACT + 1)


@pytest.mark.parametrize(
    ("values", "format_", "expected"),
    [
        ([3, -7, 10**14], Format.COUNT, [3, -7, 10**14]),
        (np.ma.array([3, 4, 5], mask=[0, 1, 0]), Format.COUNT, [3, None, 5]),
        ([0.1, np.nan, -1e300], Format.MONEY, [0.1, None, -1e300]),
        ([np.inf, 1.0], Format.NUMBER, [np.inf, 1.0]),
        ([np.nan, np.nan], Format.NUMBER, [None, None]),
        ([], Format.NUMBER, []),
        (np.array(["b", "a", "b"], dtype=object), Format.TEXT, ["b", "a", "b"]),
        (np.ma.array(["x", ""], mask=[0, 1], dtype=object), Format.TEXT, ["x", None]),
        (np.array(["2020-01-31", "NaT", "1969-12-31"], dtype="M8[us]"), Format.TIME,
         [datetime(2020, 1, 31), None, datetime(1969, 12, 31)]),
        (LONG * 1e4, Format.MONEY, [round(one, 2) for one in (LONG * 1e4).tolist()]),
        (LONG, Format.PERCENT, [round(one, 6) for one in LONG.tolist()]),
    ],
)  # fmt: skip
def test_a_column_is_read_as_it_was_packed(values: Any, format_: Format, expected: Any) -> None:
    packed = Packed()
    assert packed.add(np.ma.asarray(values), format_) == 0
    assert packed.add(np.ma.asarray(values), format_) == 0
    page = Page(f'id="data">{b64encode(packed.stream({})).decode()}<')
    assert page.column(0) == expected


def test_a_long_line_keeps_its_ends_and_its_extremes(
    run: BacktestResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml4t.backtest.results.page.gathering.KEPT_POINTS", 20)
    found = gather_figure(run, FIGURES["drawdown"], "UTC")
    kept = found.columns["drawdown"]
    assert len(kept) < run["n_bars"]
    assert kept.min() == run["max_drawdown"]
    assert found.note == (
        f"Shown are {len(kept)} of 160 rows, the lowest and the highest of every stretch; the "
        "query has all."
    )


def test_times_with_a_zone_are_the_clock_of_the_zone() -> None:
    times = np.array(["2024-01-02T21:00", "2024-07-02T20:00", "NaT"], dtype="M8[us]")
    clock = wall_clock(times, "America/New_York")
    assert np.datetime_as_string(clock[:2]).tolist() == [
        "2024-01-02T16:00:00.000000", "2024-07-02T16:00:00.000000",
    ]  # fmt: skip
    assert np.isnat(clock[2])


def test_names_that_are_numbers_keep_every_digit() -> None:
    packed = Packed()
    for names in ([2**53 + 1, -(2**63) + 1, 7], [2**63 + 5]):
        place = packed.add(np.array(names), Format.TEXT)
        assert packed._columns[place]["texts"] == sorted(map(str, names))
    small = packed.add(np.array([3, 1]), Format.TEXT)
    assert packed._columns[small]["kind"] == "number"
