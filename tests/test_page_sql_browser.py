"""A page with its run inside, asked in headless Chromium; `make browser` says where that is."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from chromium import chromium, needs_chromium
from ml4t.backtest import BacktestResult
from page_reader import run_with_stops

pytestmark = needs_chromium
PATIENCE = 180


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> BacktestResult:
    return run_with_stops(tmp_path_factory.mktemp("market"))


@pytest.fixture(scope="module")
def page(run: BacktestResult, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    path = run.report(tmp_path_factory.mktemp("page") / "report.html", with_sql=True)
    with chromium() as browser:
        opened = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        opened.goto(path.as_uri())
        opened.wait_for_selector("html[data-ready]", timeout=PATIENCE * 1000)
        yield opened


def answered(page: Any, query: str) -> tuple[str, str]:
    """Ask in the last box; return what it says and the rows below."""
    box = page.locator("#ask")
    box.locator("textarea").fill(query)
    box.locator("textarea").press("Control+Enter")
    return settled(box)


def settled(box: Any) -> tuple[str, str]:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        said = box.locator(".said").inner_text()
        if said and not said.startswith("Running") and box.locator("button.go").is_enabled():
            return said, box.locator(".answer").inner_text()
        time.sleep(0.05)
    raise AssertionError(f"no answer after {PATIENCE} s: {said}")


@pytest.mark.parametrize("name", ["total_return", "sharpe", "max_drawdown", "n_trades"])
def test_the_query_gives_the_metric(run: BacktestResult, page: Any, name: str) -> None:
    said, rows = answered(page, f"select {name} from report.metrics")
    assert said == "1 row"
    heading, value = rows.split("\n")
    assert heading == name
    assert float(value) == run.metrics[name]


def test_a_query_under_a_figure_is_edited_and_run(run: BacktestResult, page: Any) -> None:
    figure = page.locator('[data-figure="exits"]')
    figure.locator("details.sql > summary").click()
    figure.get_by_text("Edit and run here").click()
    figure.locator("button.go").click()
    said, rows = settled(figure.locator(".asking"))
    found = run.sql("select exit_rule from report.exits order by n_trades desc").fetchall()
    assert said.startswith(f"{len(found)} row")
    assert all(rule in rows for (rule,) in found)
    figure.locator(".asking textarea").fill("select 1 + 1 as two")
    figure.locator("button.go").click()
    assert settled(figure.locator(".asking"))[1].split("\n") == ["two", "2"]
    figure.get_by_text("Reset").click()
    assert "report.exits" in figure.locator(".asking textarea").input_value()


def test_an_error_is_said_and_the_next_query_answers(page: Any) -> None:
    said, rows = answered(page, "select no_such_column from trades")
    assert "no_such_column" in said
    assert rows == ""
    assert answered(page, "select 7 as n")[1].split("\n") == ["n", "7"]


def test_more_rows_than_are_shown_are_said(page: Any) -> None:
    said, _ = answered(page, "select * from range(5000)")
    assert said == "The first 1,000 rows"


def test_a_query_reaches_no_server(page: Any) -> None:
    asked: list[str] = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()
            self.wfile.write(b"a\n1\n")

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/x.csv"
        said, rows = answered(page, f"select * from read_csv('{url}')")
        server.shutdown()
    assert rows == ""
    assert said.startswith(("IO Error", "Invalid", "Catalog", "Binder"))
    assert asked == []
