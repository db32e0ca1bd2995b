"""A page with its run inside, read without a browser; the engine is a stand-in."""

from __future__ import annotations

import gzip
import re
import sys
from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest
from typer.testing import CliRunner

from ml4t.backtest import BacktestResult, ConfigError, RunStore
from ml4t.backtest.cli import app
from page_reader import run_with_stops

ENGINE = {
    "engine.wasm": b"\0asm", "worker.js": b"// worker", "client.js": b"exports.a = 1;",
    "arrow.js": b"var Arrow = {};",
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> BacktestResult:
    return run_with_stops(tmp_path_factory.mktemp("market"))


@pytest.fixture
def page(run: BacktestResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    engine = SimpleNamespace(
        compressed=lambda name: gzip.compress(ENGINE[name]), licences=lambda: "MIT <Expat>"
    )
    monkeypatch.setitem(sys.modules, "ml4t_duckdb_wasm", engine)
    return run.report(tmp_path / "report.html", with_sql=True).read_text()


def block(page: str, name: str) -> bytes:
    (text,) = re.findall(rf'<script type="text/plain" id="{name}">([^<]*)</script>', page)
    return gzip.decompress(b64decode(text))


def test_the_run_inside_is_the_run(run: BacktestResult, page: str, tmp_path: Path) -> None:
    inside = tmp_path / "inside.duckdb"
    inside.write_bytes(block(page, "run"))
    with duckdb.connect(inside, read_only=True) as client:
        asked = client.sql("select total_return, sharpe, n_trades from report.metrics").fetchall()
        assert client.sql("from trades").fetchall() == run.sql("from trades").fetchall()
    assert asked == [tuple(run.metrics[name] for name in ("total_return", "sharpe", "n_trades"))]


def test_the_engine_is_inside_with_its_licences(page: str) -> None:
    assert block(page, "engine") == ENGINE["engine.wasm"]
    assert block(page, "worker") == ENGINE["worker.js"]
    assert "MIT &lt;Expat&gt;" in page


def test_the_policy_lets_an_engine_start_and_nothing_be_fetched(page: str) -> None:
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy.startswith("default-src 'none'; script-src ")
    assert "worker-src blob:" in policy
    assert "connect-src" not in policy
    assert "'unsafe-eval'" not in policy
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = [b64encode(sha256(text.encode()).digest()).decode() for text in scripts]
    assert re.findall(r"script-src ([^;]*)", policy) == [
        " ".join(f"'sha256-{one}'" for one in hashes) + " 'wasm-unsafe-eval'"
    ]


def test_a_page_without_sql_compiles_nothing(run: BacktestResult, tmp_path: Path) -> None:
    plain = run.report(tmp_path / "plain.html").read_text()
    assert "wasm-unsafe-eval" not in plain
    assert 'id="ask"' not in plain


def test_without_the_engine_an_error_says_what_to_install(
    run: BacktestResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ml4t_duckdb_wasm", None)
    with pytest.raises(ConfigError, match=r"ml4t-backtest-duckdb\[page-sql\]"):
        run.report(tmp_path / "report.html", with_sql=True)
    assert not (tmp_path / "report.html").exists()


def test_a_page_of_several_runs_has_no_database(run: BacktestResult, tmp_path: Path) -> None:
    store = RunStore(tmp_path / "store")
    with pytest.raises(ConfigError, match="has one run inside"):
        store.report(tmp_path / "all.html", with_sql=True)
    files = [str(run.save(tmp_path / f"{name}.duckdb")) for name in "ab"]
    out = str(tmp_path / "ab.html")
    asked = CliRunner().invoke(app, ["report", *files, "--out", out, "--with-sql"])
    assert asked.exit_code != 0
    assert not Path(out).exists()


def test_an_engine_that_was_not_built_is_said(
    run: BacktestResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compressed(name: str) -> bytes:
        raise FileNotFoundError(2, "No such file", f"{name}.gz")

    engine = SimpleNamespace(compressed=compressed)
    monkeypatch.setitem(sys.modules, "ml4t_duckdb_wasm", engine)
    with pytest.raises(ConfigError, match=r"arrow\.js\.gz is missing; install .*make wasm"):
        run.report(tmp_path / "report.html", with_sql=True)
