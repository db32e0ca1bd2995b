"""What the event-driven runners share: the wish of a bar, pairing fills to trades, the JSON.

    python run_<package>.py --out FILE [--seeds 0:200] [--only long_stop,top] [--brief]

runs in the environment of the package, needs numpy besides it and writes
``{"package", "version", "exits", "scenarios": {name: {seed: run}}}`` with a run of
``trades``        ``[entry_bar, exit_bar, entry_price, exit_price, size]``; the size of a short
                  trade is negative; a trade still open has exit bar -1 and price null
``fills``         in the order they happened: ``[bar, asset, quantity, price, commission]``, the
                  quantity of a sale is negative, the asset is a column number
``final_value``   cash and holdings at the last close
``--brief`` leaves out the fills of single-asset scenarios. Universes have no trades.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import paths

Fill = list[float]
Result = tuple[list[Fill], float]
Trade = list[float | None]


def wish(position: float, bar: int, wanted: paths.Arrays) -> str | None:
    """Return what to do at the close of a bar: "long", "short", "close" or None.

    An entry of the other side reverses an open position and wins over its exit signal.
    Without a position the long entry wins over the short one, and exits mean nothing.
    """
    if position == 0:
        if wanted["entry"][bar]:
            return "long"
        return "short" if wanted["short_entry"][bar] else None
    if wanted["short_entry" if position > 0 else "entry"][bar]:
        return "short" if position > 0 else "long"
    return "close" if wanted["exit" if position > 0 else "short_exit"][bar] else None


def trades_of(fills: list[Fill]) -> list[Trade]:
    """Pair the fills of one asset; one fill opens a position and one closes it."""
    trades: list[Trade] = []
    position = 0.0
    for bar, _, quantity, price, _ in fills:
        if position == 0:
            trades.append([bar, -1, price, None, quantity])
        elif position + quantity == 0:
            trades[-1][1], trades[-1][3] = bar, price
        else:
            raise ValueError(f"a fill of {quantity} on a position of {position}")
        position += quantity
    return trades


def rounded(value: Any) -> Any:
    """Round all floats to nine decimals and write whole ones as integers."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else round(value, 9)
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return value


def run_all(
    package: str,
    version: str,
    run_signals: Callable[[paths.Arrays, paths.Scenario, paths.Arrays, str], Result],
    run_universe: Callable[[paths.Arrays, paths.Scenario, np.ndarray], Result],
    exits: Sequence[str],
) -> None:
    """Parse the command line, run every scenario on every seed, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", default=f"{paths.SEEDS.start}:{paths.SEEDS.stop}")
    parser.add_argument("--only", help="names of scenarios, separated by commas")
    parser.add_argument("--exits", choices=exits, default=exits[0])
    parser.add_argument("--brief", action="store_true")
    args = parser.parse_args()

    names = args.only.split(",") if args.only else [*paths.SCENARIOS, *paths.UNIVERSE_SCENARIOS]
    results: dict[str, dict[str, Any]] = {name: {} for name in names}
    for seed in range(*map(int, args.seeds.split(":"))):
        path, universe = paths.make_path(seed), paths.make_universe(seed)
        for name in names:
            run: dict[str, Any] = {}
            if name in paths.SCENARIOS:
                scenario = paths.SCENARIOS[name]
                wanted = paths.signals(path, scenario)
                fills, value = run_signals(path, scenario, wanted, args.exits)
                run["trades"] = trades_of(fills)
            else:
                scenario = paths.UNIVERSE_SCENARIOS[name]
                weights = paths.target_weights(universe, scenario)
                fills, value = run_universe(universe, scenario, weights)
            if name not in paths.SCENARIOS or not args.brief:
                run["fills"] = fills
            results[name][str(seed)] = run | {"final_value": float(value)}
    document = {"package": package, "version": version, "exits": args.exits}
    document |= {"scenarios": rounded(results)}
    args.out.write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8")
