"""Runs packages of performance metrics and ours over the same returns, writes docs/metrics.md.

    python tests/parity/compare_metrics.py [--data DIR] [--out FILE]

The returns are those of a run over real prices, in ``--data`` (``../shared/data`` from the
checkout's root), and the odd ones of ``metric_series.py``, of which what the packages said is
recorded for ``test_metric_packages.py``. The packages run in an environment of their own, made by
``benchmarks/peers/setup.sh metrics``. Exit status 1: something differs, and no reason explains it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import duckdb
from compare import HERE, PEERS, ROOT, SETUP, say
from metric_ours import ours_of, result_of
from metric_page import Row, page
from metric_reasons import is_equal, reason
from metric_series import SERIES, Series

from ml4t.backtest import BacktestEngine, BacktestResult, Catalog, TopN

REAL = "real"
RECORDED = HERE / "recorded" / "metrics.json"
PRICES = """
    select timestamp, asset_id, open * adjusted_close / close as open,
        high * adjusted_close / close as high, low * adjusted_close / close as low,
        adjusted_close as close, volume, adjusted_close / lag(adjusted_close, 63) over (
            partition by asset_id order by timestamp
        ) - 1 as momentum
    from read_parquet(?)
    where asset_id < 'C' and volume > 0 and timestamp between '2004-09-01' and '2010-12-31'
"""


def real_run(data: Path) -> BacktestResult:
    """Hold the ten of some sixty with the best three months, again every month, 2005 to 2010."""
    with duckdb.connect() as database:
        prices = database.execute(PRICES, [str(data / "sp500_daily.parquet")]).to_arrow_table()
    catalog = Catalog().register("prices", prices)
    return BacktestEngine(
        catalog,
        TopN(10, by="momentum", every=21),
        start="2005-01-03",
        benchmark="equal_weight",
        periods_per_year=252,
    ).run()


def series_of(result: BacktestResult) -> Series:
    """Return the returns of a run as packages take them."""
    bars = result.sql(
        "select timestamp, bar_return, benchmark_return from report.bar_returns order by timestamp"
    ).fetchall()
    trades = result.sql(
        'select "return" from trades where exit_timestamp is not null order by trade_id'
    ).fetchall()
    return {
        "times": [str(bar[0]) for bar in bars],
        "returns": [bar[1] for bar in bars],
        "benchmark": [bar[2] for bar in bars],
        "trades": [one[0] for one in trades],
        "weights": [],
        "periods": 252.0,
    }


def said_by_packages(series: dict[str, Series]) -> dict[str, Any]:
    """Return versions and numbers of the packages."""
    subprocess.run(["bash", SETUP, "metrics"], check=True)
    with tempfile.TemporaryDirectory() as folder:
        given, taken = Path(folder) / "series.json", Path(folder) / "numbers.json"
        given.write_text(json.dumps(series), encoding="utf-8")
        python = PEERS / "metrics" / "bin" / "python"
        subprocess.run([python, HERE / "peers" / "run_metrics.py", given, taken], check=True)
        document: dict[str, Any] = json.loads(taken.read_text(encoding="utf-8"))
    return document


def rows_of(series: str, ours: dict[str, Any], numbers: dict[str, Any]) -> list[Row]:
    """Return every comparison of one series."""
    return [
        Row(
            series=series,
            metric=metric,
            package=package,
            ours=ours[metric],
            theirs=theirs,
            is_equal=is_equal(ours[metric], theirs),
            reason=reason(series, metric, package),
        )
        for metric, packages in numbers.items()
        for package, theirs in packages.items()
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "metrics.md")
    arguments = parser.parse_args()
    if not (arguments.data / "sp500_daily.parquet").is_file():
        say(f"no sp500_daily.parquet in '{arguments.data}'; pass its folder with --data")
        return 2
    say("ours over real prices")
    real = real_run(arguments.data)
    say("the packages")
    said = said_by_packages(SERIES | {REAL: series_of(real)})
    results = {name: result_of(series) for name, series in SERIES.items()} | {REAL: real}
    rows = [
        row
        for name, result in results.items()
        for row in rows_of(name, ours_of(result), said["numbers"][name])
    ]
    numbers = {name: said["numbers"][name] for name in SERIES}
    document = {"versions": said["versions"], "numbers": numbers}
    RECORDED.write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8")
    arguments.out.write_text(page(rows, REAL, said["versions"]), encoding="utf-8")
    unexplained = [row for row in rows if not row.is_equal and row.reason is None]
    for row in unexplained:
        say(f"unexplained: {row}")
    say(f"{len(rows)} comparisons, {sum(row.is_equal for row in rows)} equal, "
        f"{len(unexplained)} unexplained")  # fmt: skip
    return int(bool(unexplained))


if __name__ == "__main__":
    sys.exit(main())
