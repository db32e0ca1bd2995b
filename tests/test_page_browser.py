"""The offline page in headless Chromium; `make browser` says where that is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest

from chromium import chromium, needs_chromium
from ml4t.backtest import BacktestEngine, BacktestResult, Catalog, TopN, report_runs
from ml4t.backtest.results.page.figure import FigureKind
from ml4t.backtest.results.page.figures import FIGURES
from ml4t.backtest.results.page.shown import text_of
from page_reader import run_with_stops

pytestmark = needs_chromium
WIDTHS = (390, 820, 1440)
# Colours of a canvas beside that of nothing at all: some of them are there once it is drawn.
INK = """
(host) => [...host.querySelectorAll("canvas")].reduce((most, canvas) => {
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let n = 0;
  for (let i = 3; i < pixels.length; i += 4) n += pixels[i] > 0;
  return Math.max(most, n);
}, 0)
"""
OPEN = "(is) => document.querySelectorAll('details').forEach((one) => { one.open = is; })"
SHIFT = """
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (!one.hadRecentInput) window.shifted += one.value;
}).observe({ type: "layout-shift", buffered: true });
window.shifted = 0;
"""


class Opened(NamedTuple):
    """A page in a browser, with what it asked of the network and complained of."""

    page: Any
    requests: list[str]
    complaints: list[str]

    def figure(self, name: str) -> Any:
        return self.page.locator(f'[data-figure="{name}"]')

    def readout(self, name: str) -> str:
        return str(self.figure(name).locator(".readout").inner_text())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> BacktestResult:
    return run_with_stops(tmp_path_factory.mktemp("market"))


@pytest.fixture(scope="module")
def report(run: BacktestResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run.report(tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


def opened(browser: Any, path: Path, width: int = 1440, scheme: str = "light") -> Opened:
    """Open a page, with the network on: what it asks for would be seen."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    requests: list[str] = []
    complaints: list[str] = []
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.requestWillBeSent", lambda event: requests.append(event["request"]["url"]))
    page.on("console", lambda said: complaints.append(said.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.add_init_script(SHIFT)
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready]", state="attached")
    page.wait_for_timeout(100)
    return Opened(page, requests, complaints)


@pytest.fixture(scope="module")
def seen(browser: Any, report: Path) -> Opened:
    return opened(browser, report)


def test_no_request_leaves_and_nothing_complains(seen: Opened, report: Path) -> None:
    seen.page.evaluate(
        "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
    )
    seen.page.wait_for_timeout(200)
    assert {one for one in seen.requests if not one.startswith("data:")} == {report.as_uri()}
    assert seen.complaints == []
    blocked = seen.page.evaluate(
        "fetch('https://example.org').then(() => 'reached', () => 'blocked')"
    )
    assert blocked == "blocked"
    seen.page.evaluate(
        "document.querySelectorAll('details').forEach((one) => { one.open = false; })"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_page_fits_its_width_and_nothing_moves(
    browser: Any, report: Path, width: int, scheme: str
) -> None:
    page = opened(browser, report, width, scheme).page
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("window.shifted") < 0.01
    light = page.evaluate(
        "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0] > 128"
    )
    assert light is (scheme == "light")
    page.context.close()


DRAWN = [
    name for name, figure in FIGURES.items()
    if figure.kind in (FigureKind.LINES, FigureKind.AREA, FigureKind.SCATTER, FigureKind.TRADE)
]  # fmt: skip


@pytest.mark.parametrize("name", [*DRAWN, "yearly_returns", "return_distribution", "entry_ranks"])
def test_a_chart_has_ink(seen: Opened, name: str) -> None:
    assert seen.figure(name).locator(".chart").evaluate(INK) > 300


def test_what_a_chart_says_is_the_metric(seen: Opened, run: BacktestResult) -> None:
    equity, drawdown = FIGURES["equity"].columns[1], FIGURES["drawdown"].columns[1]
    assert f"Equity {text_of(run['final_value'], equity.format)}" in seen.readout("equity")
    ((lowest,),) = run.sql(
        "select row_number() over (order by timestamp) - 1 from equity "
        "qualify drawdown = min(drawdown) over ()"
    ).fetchall()
    chart = seen.figure("drawdown").locator(".chart")
    chart.focus()
    chart.press("Home")
    for _ in range(lowest):
        chart.press("ArrowRight")
    assert f"Drawdown {text_of(run['max_drawdown'], drawdown.format)}" in seen.readout("drawdown")
    assert chart.get_attribute("aria-valuetext") == seen.page.evaluate(
        "document.querySelector('[data-figure=drawdown] .readout').textContent"
    )
    for metric in ("total_return", "sharpe", "costs"):
        shown = seen.page.locator(f'#headline [data-metric="{metric}"] dd').inner_text()
        in_table = seen.page.locator(f'#metrics [data-metric="{metric}"] td.number').first
        assert shown == in_table.inner_text()


def test_every_number_of_a_result_is_that_of_the_query(seen: Opened, run: BacktestResult) -> None:
    for name in ("drawdowns", "exits", "monthly_costs", "costs"):
        figure, rows = FIGURES[name], run.sql(FIGURES[name].query).fetchall()
        seen.figure(name).locator("details.sql > summary").click()
        shown = seen.figure(name).locator(".result .space .row").all()
        assert shown
        for element, row in zip(shown, rows, strict=False):
            cells = [cell.inner_text() for cell in element.locator("span").all()]
            assert cells == [
                text_of(value, one.format) for value, one in zip(row, figure.columns, strict=True)
            ]
        seen.figure(name).locator("details.sql > summary").click()


def test_a_trade_is_shown_as_its_query_finds_it(seen: Opened, run: BacktestResult) -> None:
    figure = FIGURES["trade"]
    ((most,),) = run.sql("select arg_max(trade_id, abs(pnl)) from trades").fetchall()
    for trade_id in (most, 0, run["n_trades"]):
        field = seen.figure("trade").locator("input")
        field.fill(str(trade_id))
        field.press("Enter")
        field.blur()
        code = seen.figure("trade").locator("code").first.text_content()
        assert code == figure.query_of(trade_id)
        points = seen.page.evaluate("page.trade.points(page.trade.current).rows")
        expected = run.sql(figure.query_of(trade_id)).fetchall()
        assert [(kind, price) for _, kind, price, _ in points] == [
            (kind, price) for _, kind, price, _ in expected
        ]
        times = [time.timestamp() for time, *_ in run.sql(
            f"select timezone('UTC', timestamp) from ({figure.query_of(trade_id)})"
        ).fetchall()]  # fmt: skip
        assert [time for time, *_ in points] == times


def test_trades_are_searched_sorted_and_picked(seen: Opened, run: BacktestResult) -> None:
    trades = seen.figure("trades")
    trades.locator("input[type=search]").fill("StopLoss")
    ((n_stopped,),) = run.sql("select count(*) from trades where exit_rule = 'StopLoss'").fetchall()
    n_all = run["n_trades"] + run["n_open_lots"]
    assert trades.locator(".count").inner_text() == f"{n_stopped} of {n_all} rows"
    trades.get_by_role("button", name="P&L").click()
    trades.get_by_role("button", name="P&L").click()
    ((worst,),) = run.sql(
        "select arg_min(trade_id, pnl) from trades where exit_rule = 'StopLoss'"
    ).fetchall()
    assert trades.locator(".space .row").first.locator("span").first.inner_text() == str(worst)
    grid = trades.get_by_role("grid").first
    grid.focus()
    grid.press("Enter")
    assert seen.figure("trade").locator("input").input_value() == str(worst)
    assert "closed by StopLoss" in seen.figure("trade").locator(".picked").inner_text()
    trades.locator("input[type=search]").fill("")


def test_keys_reach_everything_that_a_mouse_does(seen: Opened) -> None:
    unreachable = seen.page.evaluate(
        """() => [...document.querySelectorAll("button, select, input, summary, a, .viewport")]
            .concat([...document.querySelectorAll(".chart:has(canvas)")])
            .filter((one) => one.offsetParent && one.tabIndex < 0).map((one) => one.outerHTML)"""
    )
    assert unreachable == []
    first = seen.page.evaluate("document.querySelector('a, button, input, summary').className")
    assert first == "skip"
    unnamed = seen.page.evaluate(
        """() => [...document.querySelectorAll("button, select, input, [role=slider], [role=grid]")]
            .filter((one) => !one.textContent.trim() && !one.ariaLabel && !one.labels?.length)
            .map((one) => one.outerHTML)"""
    )
    assert unnamed == []


def test_the_switches_switch(seen: Opened) -> None:
    theme = seen.page.locator("#theme")
    before = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
    theme.click()
    theme.click()
    assert theme.inner_text() == "Theme: dark"
    assert seen.page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    theme.click()
    log = seen.figure("equity").get_by_role("button", name="Log scale")
    log.click()
    assert log.get_attribute("aria-pressed") == "true"
    assert seen.figure("equity").locator(".chart").evaluate(INK) > 300
    log.click()
    split = seen.figure("attribution").locator("select")
    split.select_option("decile of ml_score")
    assert seen.figure("attribution").locator("li").count() >= 9


def test_runs_beside_each_other_are_drawn(
    browser: Any, run: BacktestResult, tmp_path: Path
) -> None:
    path = report_runs({"one": run, "other": run}, tmp_path / "page.html")
    both = opened(browser, path)
    assert both.complaints == []
    assert both.figure("equity").locator(".chart").evaluate(INK) > 300
    assert "Every row of both runs is the same." in both.page.locator("main").inner_text()
    both.page.context.close()


def test_a_page_of_little_draws_all_of_it(browser: Any, tmp_path: Path) -> None:
    """No trade; and a fall to a millionth, after which a weight moves in its last digits."""
    for name, n_bars, last in (("none", 1, 100.0), ("crash", 30, 0.0001)):
        days = [datetime(2024, 3, 1) + timedelta(days=i) for i in range(n_bars)]
        closes = [100.0 if i < 5 else last for i in range(n_bars)]
        prices = pl.DataFrame({"timestamp": days, "asset_id": ["long" * 500] * n_bars,
                               "open": closes, "close": closes})  # fmt: skip
        catalog = Catalog()
        catalog.register("prices", prices)
        result = BacktestEngine(catalog, TopN(1, by="close", every=2)).run()
        found = opened(browser, result.report(tmp_path / f"{name}.html"))
        found.page.evaluate(OPEN, True)
        found.page.wait_for_timeout(200)
        assert found.complaints == []
        assert found.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        if result["n_fills"]:
            assert found.figure("largest_weight").locator(".chart").evaluate(INK) > 300
        found.page.context.close()
