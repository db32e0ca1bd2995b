"""The examples run as their docstrings say, from a folder that is not the checkout."""

import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from effort import long
from ml4t.backtest import BacktestResult

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"


def run(script: str, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", ROOT / "examples" / script, *arguments]
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, cwd=cwd, check=False
    )


def statement(name: str) -> str:
    return (ROOT / "examples/sql" / f"{name}.sql").read_text(encoding="utf-8")


def test_the_reference_example_meets_its_fourteen_criteria(tmp_path):
    done = run("integrated/top25_ml_strategy_complete.py", tmp_path / "top25", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    verdicts = re.findall(r"^(PASS|FAIL) +(\d+)\. ", done.stdout, re.MULTILINE)
    assert verdicts == [("PASS", str(number)) for number in range(1, 15)]
    assert BacktestResult.open(tmp_path / "top25" / "run.duckdb")["n_bars"] == 252


def test_the_reference_example_fails_when_a_criterion_does(tmp_path, run_script):
    text = (ROOT / "examples/integrated/top25_ml_strategy_complete.py").read_text(encoding="utf-8")
    # Deciding in spite of the VIX must be found out by the criterion that measures it.
    script = tmp_path / "careless.py"
    script.write_text(text.replace('when=f"vix <= {MAX_VIX}",', ""), encoding="utf-8")
    code, printed, error = run_script(script, tmp_path / "top25")
    assert code == 1, error
    assert re.findall(r"^FAIL +(\d+)\. ", printed, re.MULTILINE) == ["6", "10"]


def test_the_momentum_example_says_what_is_missing(tmp_path, run_script):
    code, _, error = run_script(ROOT / "examples" / "sp500_momentum.py", tmp_path)
    assert code == 2
    assert error.startswith(f"no sp500_daily.parquet in '{tmp_path}'; pass the folder")


@long
@pytest.mark.skipif(not DATA.is_dir(), reason="the real prices are not next to this checkout")
def test_the_momentum_example_runs_and_reconciles_on_real_prices(tmp_path, run_script):
    script = ROOT / "examples" / "sp500_momentum.py"
    code, printed, error = run_script(script, DATA, tmp_path / "out")
    assert code == 0, error
    assert re.search(r"Reconciled over 4,068 bars: P&L off by -?0\.00", printed)
    years = re.findall(r"^(\d{4}) +[\d,.]+ +-?[\d.]+%", printed, re.MULTILINE)
    assert years == [str(year) for year in range(1999, 2016)]
    saved = BacktestResult.open(tmp_path / "out" / "run.duckdb")
    assert saved.sql("select max(rank) from selections").fetchall() == [(25,)]
    require_figures_of_the_pages(saved)
    # What was paid, from the vendor's own columns: shares held at the close before the ex-date.
    query = f"""
        with bars as (
            select timestamp, lag(timestamp) over (order by timestamp) as before from equity
        )
        select
            (select sum(amount) from cash_flows where kind = 'dividend'),
            sum(positions.quantity * daily.dividend * daily.split)
        from read_parquet('{DATA}/sp500_daily.parquet') as daily
        inner join bars using (timestamp)
        inner join positions
            on positions.timestamp = bars.before and positions.asset_id = daily.asset_id
    """
    with duckdb.connect(str(tmp_path / "out" / "run.duckdb"), read_only=True) as database:
        paid, owed = database.execute(query).fetchall()[0]
    assert paid == pytest.approx(owed, rel=1e-12)
    assert paid > 100_000


def require_figures_of_the_pages(result: BacktestResult) -> None:
    """Hold the README's picture and the guide's figures to the run that they are of."""
    sys.path.insert(0, str(ROOT / "examples"))
    try:
        import readme_figures
    finally:
        sys.path.pop(0)
    rows, picture = readme_figures.made(result)
    assert rows in readme_figures.PAGE.read_text(encoding="utf-8")
    assert readme_figures.PICTURE.read_text(encoding="utf-8") == picture


@pytest.mark.skipif(not DATA.is_dir(), reason="the real prices are not next to this checkout")
def test_features_depend_on_no_later_split():
    found = []
    with duckdb.connect() as database:
        database.read_parquet(str(DATA / "sp500_daily.parquet")).create_view("daily")
        for condition in ("true", "timestamp < date '2014-06-09'"):  # Apple's 7-for-1 and later
            database.execute(
                "create or replace view raw_prices as select * from daily "
                f"where asset_id = 'AAPL' and {condition}"
            )
            database.execute(statement("sp500_features"))
            found.append(
                database.sql(
                    "select * from features where timestamp < date '2014-06-09' order by timestamp"
                ).fetchall()
            )
    assert found[0] == found[1]
    assert len(found[0]) > 3000


# 260 bars at 100 with a range of 2, then a 2-for-1 split: 50 with a range of 1.
SPLIT_PRICES = """
    create view raw_prices as
    select date '2020-01-01' + i::integer as timestamp, 'A' as asset_id,
        100 / n as close, 101 / n as high, 99 / n as low, if(i = 260, 2.0, 1.0) as split,
        if(i >= 259, 0.25, 0.0) as dividend
    from (select i, if(i < 260, 1.0, 2.0) as n from range(262) as bars (i))
"""


def test_a_split_moves_the_atr_into_the_new_unit_and_no_return():
    with duckdb.connect() as database:
        database.execute(SPLIT_PRICES)
        database.execute(statement("sp500_features"))
        last = "select * exclude (asset_id, timestamp) from features order by timestamp desc"
        assert database.sql(last).limit(3).fetchall() == [
            (0.0, 1.0, 0.0),
            (0.0, 1.0, 0.0),
            (0.0, 2.0, 0.0),
        ]


def test_a_dividend_on_the_day_of_a_split_is_restated_per_old_share():
    with duckdb.connect() as database:
        database.execute(SPLIT_PRICES)
        database.execute(statement("sp500_actions"))
        day = "(ex_date - date '2020-01-01')::integer as day"
        assert database.sql(f"select {day}, kind, value from actions").fetchall() == [
            (259, "dividend", 0.25),
            (260, "dividend", 0.5),
            (260, "split", 2.0),
            (261, "dividend", 0.25),
        ]
