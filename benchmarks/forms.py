"""One strategy in several forms, each as one process: python benchmarks/forms.py FOLDER FORM.

``rules``, ``callback``, ``hybrid``, ``compiled``: enter on two signals, leave at a stop or target.
``topn``, ``batch``: the top 25 every fifth bar, by SQL and in a batch callback in Python.
``nothing``, ``reads``, ``helpers``: a callback per event that does nothing, reads one signal and
one context value, or calls three helpers; no orders. ``memory``: the peak of traced memory of a
run that reads so, with 8 and with 58 context columns, after a first one that loads what loads once.
"""

from __future__ import annotations

import argparse
import json
import time
import tracemalloc
from collections.abc import Callable
from unittest.mock import patch

from ml4t.backtest import BacktestEngine, BacktestResult, Catalog, Strategy, TopN
from ml4t.backtest.core.batch import Chunk
from ml4t.backtest.strategies import (
    HybridStrategy,
    PercentSizer,
    Rule,
    SignalStrategy,
    TopNRotationStrategy,
)
from ml4t.backtest.walking import Walking

SCORE, ATR, PART, STOP, TARGET = 0.998, 4.0, 0.04, 0.05, 0.15


class InCallback(Strategy):
    def on_market_event(self, event, context=None) -> None:
        score = event.signals.get("ml_score")
        atr = event.signals.get("atr")
        position = self.get_position(event.asset_id)
        if position == 0:
            if score is not None and atr is not None and score > SCORE and atr < ATR:
                self.buy_percent(event.asset_id, PART)
        else:
            pnl = self.get_unrealized_pnl_pct(event.asset_id)
            if pnl < -STOP or pnl > TARGET:
                self.close_position(event.asset_id)


class InFunctions(HybridStrategy):
    @staticmethod
    def evaluate_entry(ml_score, atr, position):
        return 1 if position == 0 and ml_score > SCORE and atr < ATR else 0

    @staticmethod
    def evaluate_exit(pnl_pct):
        return -1 if pnl_pct < -STOP or pnl_pct > TARGET else 0


def compiled() -> HybridStrategy:
    from numba import njit

    class Compiled(HybridStrategy):
        evaluate_entry = staticmethod(njit(InFunctions.evaluate_entry))
        evaluate_exit = staticmethod(njit(InFunctions.evaluate_exit))

    return Compiled(PercentSizer(PART))


def in_rules() -> SignalStrategy:
    return SignalStrategy(
        [Rule.signal_above("ml_score", SCORE), Rule.signal_below("atr", ATR),
         Rule.not_in_position()],
        [Rule.stop_loss(STOP), Rule.take_profit(TARGET)],
        position_sizer=PercentSizer(PART),
    )  # fmt: skip


class Nothing(Strategy):
    def on_market_event(self, event, context=None) -> None:
        pass


class Reads(Strategy):
    def on_market_event(self, event, context=None) -> None:
        self.seen = event.signals["ml_score"] * context["vix"]


class ThreeHelpers(Strategy):
    def on_market_event(self, event, context=None) -> None:
        self.seen = (
            self.get_position(event.asset_id),
            self.get_portfolio_value(),
            self.get_unrealized_pnl_pct(event.asset_id),
        )


FORMS: dict[str, Callable[[], Strategy]] = {
    "rules": in_rules,
    "callback": InCallback,
    "hybrid": lambda: InFunctions(PercentSizer(PART)),
    "compiled": compiled,
    "topn": lambda: TopN(25, by="ml_score", where="atr is not null", when="vix <= 30", every=5),
    "batch": TopNRotationStrategy,
    "nothing": Nothing,
    "reads": Reads,
    "helpers": ThreeHelpers,
}


def catalog_of(data: str, n_columns: int | None = None) -> Catalog:
    """Register a generated market; `n_columns` context columns in place of its own."""
    catalog = Catalog()
    for role in ("prices", "features"):
        catalog.register(role, f"{data}/{role}.parquet")  # type: ignore[arg-type]
    context = f"{data}/context.parquet"
    if n_columns is None:
        return catalog.register("context", context)
    more = ", ".join(f"vix * {i} as c{i}" for i in range(n_columns - 1))
    return catalog.register("context", f"select timestamp, vix, {more} from '{context}'")


def run(catalog: Catalog, strategy: Strategy) -> tuple[BacktestResult, float]:
    """Run, and return the seconds of the loop too."""
    engine = BacktestEngine(catalog, strategy, initial_capital=1_000_000)
    through, seconds = Walking.through, 0.0

    def timed(walking: Walking, chunk: Chunk) -> None:
        nonlocal seconds
        start = time.perf_counter()
        through(walking, chunk)
        seconds += time.perf_counter() - start

    with patch.object(Walking, "through", timed):
        result = engine.run()
    return result, seconds


def peak_megabytes(data: str, n_columns: int) -> float:
    catalog = catalog_of(data, n_columns)
    run(catalog, Reads())
    tracemalloc.start()
    run(catalog, Reads())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("form", choices=[*FORMS, "memory"])
    options = parser.parse_args()
    if options.form == "memory":
        peaks = {n: round(peak_megabytes(options.data, n), 3) for n in (8, 58)}
        print(json.dumps({"peak_megabytes": peaks}))
        return
    catalog = catalog_of(options.data)
    result, seconds = run(catalog, FORMS[options.form]())
    n_events = catalog.sql("select count(close) from prices").fetchall()[0][0]
    facts = result.sql(
        "select arg_max(equity, timestamp), (select count(*) from fills), "
        "(select count(*) from orders), "
        "(select sum(hash(asset_id, entry_timestamp, exit_timestamp, round(pnl, 6)) % 1000003) "
        "from trades) from equity"
    ).fetchall()[0]
    print(
        json.dumps(
            {
                "final_equity": facts[0],
                "fills": facts[1],
                "orders": facts[2],
                "trades_hash": int(facts[3] or 0),
                "n_events": n_events,
                "loop_seconds": seconds,
            }
        )
    )


if __name__ == "__main__":
    main()
