"""The app of `explore` in headless Chromium; `make browser` says where that is."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from chromium import chromium, needs_chromium
from market_run_file import RUN_FILE
from ml4t.backtest import BacktestEngine, Catalog, RunStore, TopN
from ml4t.backtest.results.page.figures import FIGURES
from ml4t.backtest.synthetic import make_market

pytestmark = needs_chromium
MOST_SECONDS = 90_000  # milliseconds: the machine of a test may do much else


class App(NamedTuple):
    """The app in a browser: what it asked of the network, and complained of."""

    page: Any
    url: str
    requests: list[str]
    complaints: list[str]

    def tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name).click()

    def write(self, query: str) -> None:
        """Put a query into the editor in place of what stands there, and run it."""
        self.page.locator(".cm-content").click()
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.insert_text(query)
        self.page.locator(".cm-content").blur()
        self.page.get_by_role("button", name="Run the query").click()

    def sees(self, text: str | re.Pattern[str]) -> None:
        """Wait until the tab that is open has a text."""
        self.panel.get_by_text(text).first.wait_for(timeout=MOST_SECONDS)

    @property
    def panel(self) -> Any:
        return self.page.locator("[role=tabpanel]:visible")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make_market(tmp_path_factory.mktemp("explore"), n_assets=8, n_bars=80)
    (made / "run.toml").write_text(RUN_FILE, encoding="utf-8")
    catalog = Catalog()
    for role in ("prices", "features"):
        catalog.register(role, made / f"{role}.parquet")
    store = RunStore(made / "runs")
    for n in (1, 3):
        store.add(BacktestEngine(catalog, TopN(n, by="ml_score", every=5)).run())
    return made


@pytest.fixture(scope="module")
def app(folder: Path) -> Iterator[App]:
    words = ["explore", str(folder / "runs"), "--folder", str(folder), "--no-browser"]
    with subprocess.Popen(
        [sys.executable, "-m", "ml4t.backtest", *words], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = re.search(r"http\S+", process.stdout.readline())
        assert url is not None
        with chromium() as browser:
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.set_default_timeout(MOST_SECONDS)
            requests: list[str] = []
            complaints: list[str] = []
            page.on("request", lambda one: requests.append(one.url))
            page.on("console", lambda one: one.type == "error" and complaints.append(one.text))
            page.on("pageerror", lambda one: complaints.append(str(one)))
            page.goto(url[0])
            page.get_by_role("tab", name="Overview").wait_for()
            yield App(page, url[0], requests, complaints)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    with pytest.raises(urllib.error.URLError):  # marimo has ended with it
        urllib.request.urlopen(url[0], timeout=5)


@pytest.fixture(scope="module")
def first_run(folder: Path) -> Any:
    store = RunStore(folder / "runs")
    return store.open(store.runs().fetchall()[0][0])


def test_the_overview_says_what_the_run_made(app: App, first_run: Any) -> None:
    app.tab("Overview")
    app.sees(f"{first_run['total_return']:.2%}")
    app.panel.locator("canvas").nth(2).wait_for()


def test_a_figure_shows_its_chart_and_its_query(app: App) -> None:
    app.tab("Figures")
    app.panel.locator("canvas").first.wait_for()
    code = app.panel.locator("pre code")
    for _ in range(20):  # what is still being drawn forgets a click
        if code.count() and code.first.is_visible():
            break
        app.panel.get_by_role("button", name="Show SQL").click()
        app.page.wait_for_timeout(1_000)
    assert FIGURES["equity"].query in code.first.inner_text()


def test_a_trade_that_is_picked_is_told(app: App, first_run: Any) -> None:
    app.tab("Trades")
    app.sees(str(first_run.explain_trade(0)).splitlines()[0])
    app.panel.get_by_role("checkbox").nth(1).click()
    app.sees(str(first_run.explain_trade(1)).splitlines()[0])
    app.panel.locator("canvas").first.wait_for()


def test_runs_that_are_picked_are_compared(app: App) -> None:
    app.tab("Compare")
    app.panel.get_by_role("checkbox").first.click()  # that of the head picks all
    app.sees("Settings that differ")
    app.sees("TopN(3, by='ml_score', every=5)")


def test_a_bar_is_previewed(app: App, first_run: Any) -> None:
    day = first_run.sql("select max(timestamp)::date from equity").fetchall()[0][0]
    app.tab("Preview")
    app.panel.get_by_role("textbox").first.fill(str(day))
    app.panel.get_by_role("textbox").first.blur()
    app.panel.get_by_role("button", name="Preview").click()
    app.sees("8 rows")


def test_sql_over_a_run_gives_the_value_of_the_metric(app: App, first_run: Any) -> None:
    app.tab("SQL")
    app.write("select 'fills ' || count(*) as answer from fills")
    app.sees(f"fills {first_run['n_fills']}")
    app.write("drop table fills")
    app.sees("a result takes one query, was DROP")
    app.write("select * from read_text('/etc/hostname')")
    app.sees(re.compile("Permission Error"))


def test_sql_over_the_data_of_a_run_file_reads_its_signals(app: App) -> None:
    app.tab("SQL")
    app.page.get_by_label("Over", exact=True).select_option("data of run.toml")
    app.write("select 'rows ' || count(*) as answer from signals")
    app.sees("rows 640")


def test_nothing_left_the_machine_and_nothing_complained(app: App) -> None:
    own = app.url.partition("/?")[0]
    left = [
        one
        for one in app.requests
        if not one.startswith((own, own.replace("http", "ws"), "data:", "blob:"))
    ]
    assert app.requests
    assert left == []
    assert app.complaints == []


def test_who_has_no_token_sees_nothing(app: App) -> None:
    with urllib.request.urlopen(app.url.partition("?")[0]) as answer:
        text = answer.read().decode()
    assert "/auth/login" in answer.url
    assert "TopN" not in text


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux")
def test_it_listens_on_the_own_address_of_the_machine_alone(app: App) -> None:
    port = int(app.url.split(":")[2].partition("/")[0])
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = {line[1] for line in lines if line[3] == "0A" and line[1].endswith(f":{port:04X}")}
    assert listening == {f"0100007F:{port:04X}"}
