"""The examples run as their docstrings say, from a folder that is not the checkout."""

import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from ml4t.backtest import BacktestResult

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"


def run(script: str, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", ROOT / "examples" / script, *arguments]
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, cwd=cwd, check=False
    )


def test_the_reference_example_meets_its_fourteen_criteria(tmp_path):
    done = run("integrated/top25_ml_strategy_complete.py", tmp_path / "top25", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    verdicts = re.findall(r"^(PASS|FAIL) +(\d+)\. ", done.stdout, re.MULTILINE)
    assert verdicts == [("PASS", str(number)) for number in range(1, 15)]
    assert BacktestResult.open(tmp_path / "top25" / "run.duckdb")["n_bars"] == 252


def test_the_reference_example_fails_when_a_criterion_does(tmp_path):
    text = (ROOT / "examples/integrated/top25_ml_strategy_complete.py").read_text(encoding="utf-8")
    # Deciding in spite of the VIX must be found out by the criterion that measures it.
    script = tmp_path / "careless.py"
    script.write_text(text.replace('when=f"vix <= {MAX_VIX}",', ""), encoding="utf-8")
    done = run(str(script), tmp_path / "top25", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert re.findall(r"^FAIL +(\d+)\. ", done.stdout, re.MULTILINE) == ["6", "10"]


def test_the_momentum_example_says_what_is_missing(tmp_path):
    done = run("sp500_momentum.py", tmp_path, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"no sp500_daily.parquet in '{tmp_path}'; pass the folder")


@pytest.mark.skipif(not DATA.is_dir(), reason="real prices are not at ../shared/data")
def test_the_momentum_example_runs_and_reconciles_on_real_prices(tmp_path):
    done = run("sp500_momentum.py", DATA, tmp_path / "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"Reconciled over 4,068 bars: P&L off by -?0\.00", done.stdout)
    years = re.findall(r"^(\d{4}) +[\d,.]+ +-?[\d.]+%", done.stdout, re.MULTILINE)
    assert years == [str(year) for year in range(1999, 2016)]
    saved = BacktestResult.open(tmp_path / "out" / "run.duckdb")
    assert saved.sql("select max(rank) from selections").fetchall() == [(25,)]


@pytest.mark.skipif(not DATA.is_dir(), reason="real prices are not at ../shared/data")
def test_split_adjusted_prices_depend_on_no_later_split():
    adjust = (ROOT / "examples/sql/sp500_prices.sql").read_text(encoding="utf-8")
    with duckdb.connect() as database:
        database.read_parquet(str(DATA / "sp500_daily.parquet")).create_view("daily")
        found = []
        for condition in ("true", "timestamp < date '2014-06-09'"):  # Apple's 7-for-1 and later
            database.execute(
                "create or replace view raw_prices as select * from daily "
                f"where asset_id = 'AAPL' and {condition}"
            )
            database.execute(adjust)
            found.append(
                database.sql(
                    "select * from prices where timestamp < date '2014-06-09' order by timestamp"
                ).fetchall()
            )
            ratio = (
                "select close / lag(close) over (order by timestamp) as r, timestamp from prices"
            )
            if condition == "true":
                day = f"select r from ({ratio}) where timestamp = date '2014-06-09'"
                assert database.sql(day).fetchall()[0][0] == pytest.approx(1.016, abs=0.001)
    assert found[0] == found[1]
    assert len(found[0]) > 3000
