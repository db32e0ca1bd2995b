"""The scenarios on vectorbt, many seeds in one call.

    python run_vectorbt.py OUTPUT.json [--seeds 0:200] [--scenarios name ...] [--no-fills]

Needs vectorbt and numpy, and writes the same file as the other runners:

    {"package", "version", "engine",
     "scenarios": {name: {seed: run}}, "universe": {name: {seed: run}}}

where a run is ``{"trades", "fills", "final_value"}`` (a universe's run has no trades):

    trades    [entry_bar, exit_bar, entry_price, exit_price, size]; size is signed, an open
              trade has exit_bar -1 and exit_price null
    fills     [bar, asset, quantity, price, commission] in the order in which they happened;
              quantity is signed, asset is a column number (0 in a scenario)

``--engine`` chooses between the package's two implementations, which agree.

vectorbt has one stop distance per position: a trail is that stop with ``sl_trail``, so in a
scenario with stop and trail the trail takes the place of the stop. Scenarios with a commission
per share are left out: its fees do not depend on the size filled.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import vectorbt as vbt
from vectorbt.portfolio.enums import OrderSide, TradeDirection, TradeStatus

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from paths import (
    SCENARIOS,
    SEEDS,
    UNIVERSE_SCENARIOS,
    Scenario,
    make_path,
    make_universe,
    signals,
    target_weights,
)

Run = dict[str, Any]

DECIMALS = 8


def supported(scenario: Scenario) -> bool:
    """Whether vectorbt can express the scenario."""
    commission = scenario["commission"]
    if commission is not None and commission["kind"] == "per_share":
        return False
    # A reversal by signals takes no size in percent.
    size = scenario.get("size", {"kind": "shares"})
    return size["kind"] == "shares" or scenario["direction"] != "both"


def costs(scenario: Scenario) -> dict[str, float]:
    """Commission and slippage as vectorbt's arguments."""
    arguments = {"slippage": scenario["slippage"]}
    commission = scenario["commission"]
    if commission is not None:
        name = {"percent": "fees", "fixed": "fixed_fees"}[commission["kind"]]
        arguments[name] = commission["value"]
    return arguments


def run_signals(scenario: Scenario, seeds: range, engine: str) -> list[Run]:
    """Run one scenario; each seed is a column with its own cash."""
    inputs = [path | signals(path, scenario) for path in map(make_path, seeds)]
    columns = {name: np.column_stack([path[name] for path in inputs]) for name in inputs[0]}
    stops: dict[str, Any] = {}
    if scenario["trail"] is not None:
        stops |= {"sl_stop": scenario["trail"], "sl_trail": True}
    elif scenario["stop"] is not None:
        stops |= {"sl_stop": scenario["stop"]}
    if scenario["target"] is not None:
        stops |= {"tp_stop": scenario["target"]}
    size = scenario["size"]
    portfolio = vbt.Portfolio.from_signals(
        columns["close"],
        open=columns["open"],
        high=columns["high"],
        low=columns["low"],
        entries=columns["entry"],
        exits=columns["exit"],
        short_entries=columns["short_entry"],
        short_exits=columns["short_exit"],
        size=size["value"],
        size_type={"shares": "amount", "percent": "percent"}[size["kind"]],
        init_cash=scenario["cash"],
        accumulate=False,
        freq="1D",
        engine=engine,
        **stops,
        **costs(scenario),
    )
    return collect(portfolio, len(seeds), n_assets=1)


def run_universe(scenario: Scenario, seeds: range, engine: str) -> list[Run]:
    """Run one scenario of a universe; each seed is a group of columns with shared cash."""
    universes = [make_universe(seed) for seed in seeds]
    n_assets = universes[0]["close"].shape[1]
    portfolio = vbt.Portfolio.from_orders(
        np.hstack([universe["close"] for universe in universes]),
        size=np.hstack([target_weights(universe, scenario) for universe in universes]),
        size_type="targetpercent",
        init_cash=scenario["cash"],
        cash_sharing=True,
        group_by=np.repeat(np.arange(len(seeds)), n_assets),
        call_seq="auto",
        freq="1D",
        engine=engine,
        **costs(scenario),
    )
    return collect(portfolio, len(seeds), n_assets)


def collect(portfolio: vbt.Portfolio, n_runs: int, n_assets: int) -> list[Run]:
    """Sort the records of all columns into one run per seed."""
    values = np.asarray(portfolio.final_value(), dtype=float).reshape(-1)
    runs: list[Run] = [
        {"trades": [], "fills": [], "final_value": round(float(value), DECIMALS)}
        for value in values
    ]
    assert len(runs) == n_runs
    for record in portfolio.exit_trades.values:
        is_open = record["status"] == TradeStatus.Open
        size = record["size"] if record["direction"] == TradeDirection.Long else -record["size"]
        runs[record["col"] // n_assets]["trades"].append(
            [
                int(record["entry_idx"]),
                -1 if is_open else int(record["exit_idx"]),
                round(float(record["entry_price"]), DECIMALS),
                None if is_open else round(float(record["exit_price"]), DECIMALS),
                round(float(size), DECIMALS),
            ]
        )
    for record in portfolio.orders.values:
        quantity = record["size"] if record["side"] == OrderSide.Buy else -record["size"]
        runs[record["col"] // n_assets]["fills"].append(
            [
                int(record["idx"]),
                int(record["col"] % n_assets),
                round(float(quantity), DECIMALS),
                round(float(record["price"]), DECIMALS),
                round(float(record["fees"]), DECIMALS),
            ]
        )
    return runs


def main() -> None:
    """Parse the command line, run, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("output", type=Path)
    parser.add_argument("--seeds", default=f"{SEEDS.start}:{SEEDS.stop}", help="first:last+1")
    parser.add_argument("--scenarios", nargs="*", help="names; all without it")
    parser.add_argument("--no-fills", action="store_true", help="leave out a scenario's fills")
    parser.add_argument("--engine", choices=("numba", "rust"), default="numba")
    args = parser.parse_args()

    seeds = range(*map(int, args.seeds.split(":")))
    document: dict[str, Any] = {
        "package": "vectorbt",
        "version": vbt.__version__,
        "engine": args.engine,
        "scenarios": {},
        "universe": {},
    }
    for name in args.scenarios or [*SCENARIOS, *UNIVERSE_SCENARIOS]:
        if name in SCENARIOS:
            if not supported(SCENARIOS[name]):
                continue
            runs = run_signals(SCENARIOS[name], seeds, args.engine)
            left_out, kind = ["fills"] if args.no_fills else [], "scenarios"
        else:
            if not supported(UNIVERSE_SCENARIOS[name]):
                continue
            runs = run_universe(UNIVERSE_SCENARIOS[name], seeds, args.engine)
            left_out, kind = ["trades"], "universe"
        document[kind][name] = {
            seed: {key: value for key, value in run.items() if key not in left_out}
            for seed, run in zip(seeds, runs, strict=True)
        }
    args.output.write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
