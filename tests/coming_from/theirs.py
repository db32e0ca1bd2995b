"""What another package does with its code on a page of docs/coming-from.

    python theirs.py PACKAGE OUT.json

runs in the environment of the package, and in a folder of its own with ``prices.csv``. Writes
``{"version", "final_value", "fills": [[date, asset, quantity, price], ...]}``, in the order of the
package. What the page says the code prints is compared on the way.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PAGES = HERE.parents[1] / "docs" / "coming-from"
sys.path.insert(0, str(HERE.parent))

from page_blocks import blocks_of, run_page  # noqa: E402

Names = dict[str, Any]
Done = tuple[float, list[list[object]]]
DISTRIBUTIONS = {"zipline": "zipline-reloaded"}


def of_bt(names: Names) -> Done:
    """Read what `bt.Backtest` with commissions has done."""
    strategy = names["backtest"].strategy
    rows = strategy.get_transactions().reset_index().to_dict("records")
    return float(strategy.value), [
        [f"{row['Date']:%Y-%m-%d}", row["Security"], row["quantity"], row["price"]] for row in rows
    ]


def of_vectorbt(names: Names) -> Done:
    """Read a portfolio of one group."""
    portfolio = names["portfolio"]
    rows = portfolio.orders.records_readable.to_dict("records")
    return float(portfolio.final_value()), [
        [
            f"{row['Timestamp']:%Y-%m-%d}",
            row["Column"],
            row["Size"] if row["Side"] == "Buy" else -row["Size"],
            row["Price"],
        ]
        for row in rows
    ]


def of_backtrader(names: Names) -> Done:
    """Read the fills that the page's strategy has kept."""
    return names["value"], [
        [f"{day:%Y-%m-%d}", asset, size, price] for day, asset, size, price in names["fills"]
    ]


def of_zipline(names: Names) -> Done:
    """Read the performance frame of `run_algorithm`."""
    perf = names["perf"]
    return float(perf["portfolio_value"].iloc[-1]), [
        [f"{day:%Y-%m-%d}", deal["sid"].symbol, deal["amount"], deal["price"]]
        for day, deals in perf["transactions"].items()
        for deal in deals
    ]


def of_freqtrade(names: Names) -> Done:
    """Have the page's strategy backtested, and read its trades; dates are numbers of bars."""
    from backtest_freqtrade import backtest

    return backtest(names["__page__"])


READERS: dict[str, Callable[[Names], Done]] = {
    "bt": of_bt,
    "vectorbt": of_vectorbt,
    "backtrader": of_backtrader,
    "zipline": of_zipline,
    "freqtrade": of_freqtrade,
}


def main(package: str, out: str) -> None:
    """Run the page's code and write what it did."""
    target = Path(out).resolve()
    page = PAGES / f"{package}.md"
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(PAGES / "prices.csv", folder)
        os.environ["ZIPLINE_ROOT"] = str(Path(folder) / "zipline")
        os.chdir(folder)
        if package == "freqtrade":  # reads its strategy from a file of its own
            (code,) = (block.code for block in blocks_of(page) if block.title == package)
            names: Names = {"__page__": code}
        else:
            names = run_page(page, package)
        value, fills = READERS[package](names)
    document = {
        "version": version(DISTRIBUTIONS.get(package, package)),
        "final_value": value,
        "fills": [[day, asset, float(size), float(price)] for day, asset, size, price in fills],
    }
    target.write_text(json.dumps(document), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
