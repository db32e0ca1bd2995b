"""Two walks through the code: the files that a price and a market order enter on their way.

    python benchmarks/walks.py
    PYTHONPATH=ANOTHER_CHECKOUT/src python benchmarks/walks.py

One asset with three bars in a Parquet file, one market order at the close of the first, costs by
default, no rule and no limit. The package is asked for public names alone, so that an older
checkout can be walked too.

- A price: everything that runs, in every thread, from ``Catalog.register`` until the price of the
  fill has been read from the table ``fills``.
- A market order: what the loop's thread runs from the strategy's ``self.buy`` at the close of one
  bar until the strategy's ``on_fill`` hears of its fill at the close of the next. By then the
  journal has the fill and the portfolio the lot, which is a row of ``trades``.

A file is entered when one of its functions runs. A crossing is a call, or the resuming of a
generator, from a function in one file to a function in another; what Python or a library calls in
between is looked through. Those between the same two functions are one different crossing: a loop
over the columns of a table is one thing to read. The run walked is the second of its process, so
that imports, and what is read once, are not on the way.
"""

from __future__ import annotations

import inspect
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import ml4t.backtest
from ml4t.backtest import BacktestEngine, Catalog, Strategy

PACKAGE = Path(ml4t.backtest.__file__).parent


@cache
def file_of(code: CodeType) -> str | None:
    """Return the file of a function of the package; None: of another's, or no function."""
    path = Path(code.co_filename)
    if not code.co_flags & inspect.CO_OPTIMIZED or not path.is_relative_to(PACKAGE):
        return None
    return path.relative_to(PACKAGE).as_posix()


class Walk:
    """The files entered, in order, and the crossings between them."""

    def __init__(self) -> None:
        self.entered: dict[str, None] = {}
        self.crossings: Counter[tuple[CodeType, CodeType]] = Counter()

    def note(self, frame: FrameType, event: str, argument: object) -> None:
        """Take a step, as a profile function."""
        if event != "call" or (callee := file_of(frame.f_code)) is None:
            return
        self.entered.setdefault(callee)
        before = frame.f_back
        while before is not None and (caller := file_of(before.f_code)) is None:
            before = before.f_back
        if before is not None and caller != callee:
            self.crossings[before.f_code, frame.f_code] += 1

    @contextmanager
    def in_every_thread(self) -> Iterator[None]:
        """Note what this thread does, and every thread that it starts."""
        threading.setprofile(self.note)
        sys.setprofile(self.note)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    def show(self, title: str) -> None:
        """Print the sums, then each file in the order of entry with the crossings into it."""
        into: Counter[str | None] = Counter()
        for (_, callee), n in self.crossings.items():
            into[file_of(callee)] += n
        n_all, n_different = self.crossings.total(), len(self.crossings)
        print(f"{title}: {len(self.entered)} files, {n_all} crossings, {n_different} different")
        for file in self.entered:
            print(f"  {into[file]:4}  {file}")


class BuyOnce(Strategy):
    """Buys at the first close; notes the order's walk where one is given."""

    def __init__(self, walk: Walk | None = None) -> None:
        self.walk = walk
        self.has_bought = False

    def on_market_event(self, event: Any, context: Any = None) -> None:
        if self.has_bought:
            return
        self.has_bought = True
        if self.walk is not None:
            sys.setprofile(self.walk.note)
        self.buy(event.asset_id, 10)

    def on_fill(self, fill: Any) -> None:
        if self.walk is not None:
            sys.setprofile(None)


def price_of_the_fill(prices: str, strategy: BuyOnce) -> float:
    """Run from a file of prices to the table of fills."""
    catalog = Catalog()
    catalog.register("prices", prices)
    result = BacktestEngine(catalog, strategy).run()
    ((price,),) = result.sql("select price from fills").fetchall()
    return float(price)


def main() -> None:
    days = [date(2024, 1, day) for day in (2, 3, 4)]
    bars = {name: [100.0, 101.0, 102.0] for name in ("open", "high", "low", "close")}
    table = pa.table({"timestamp": days, "asset_id": ["A"] * 3, **bars, "volume": [1e6] * 3})
    of_price, of_order = Walk(), Walk()
    with tempfile.TemporaryDirectory() as folder:
        prices = str(Path(folder) / "prices.parquet")
        pq.write_table(table, prices)
        price_of_the_fill(prices, BuyOnce())
        with of_price.in_every_thread():
            price_of_the_fill(prices, BuyOnce())
        price_of_the_fill(prices, BuyOnce(of_order))
    print(f"package: {PACKAGE}")
    of_price.show("a price, from `register` to `fills`")
    of_order.show("a market order, from `self.buy` to a trade")


if __name__ == "__main__":
    main()
