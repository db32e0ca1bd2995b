"""What every peer script shares: the workload's numbers, its arguments, the JSON line."""

import argparse
import json
from importlib.metadata import version
from pathlib import Path

INITIAL_CASH = 1_000_000.0
TOP_N = 25
EVERY = 5
MAX_VIX = 30.0
SLIPPAGE = 0.0005
COMMISSION = 0.001
ATR_MULTIPLE = 2.0
TRAIL = 0.05
MAX_BARS = 60
#: Cash lent to peers that refuse an overdraft; it is never part of the equity.
CREDIT = 1_000_000.0


def arguments(
    *workloads: str, engines: tuple[str, ...] = (), any_interval: bool = False
) -> argparse.Namespace:
    """Parse DATA_DIR, --workload and, where there is a choice, --engine and --every."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--workload", choices=workloads, default=workloads[0])
    if engines:
        parser.add_argument("--engine", choices=engines, default=engines[0])
    if any_interval:
        parser.add_argument("--every", type=int, default=EVERY, help="bars between decisions")
    return parser.parse_args()


def report(peer: str, package: str, workload: str, equity: float, fills: int | None) -> None:
    """Print the one JSON line that ends every peer; `fills` is None where it keeps none."""
    line = {
        "peer": peer,
        "version": version(package),
        "workload": workload,
        "final_equity": float(equity),
        "fills": None if fills is None else int(fills),
    }
    print(json.dumps(line))
