"""Our presets against recorded runs of the real packages; docs/parity.md has the full counts.

Recorded with the runners of ``peers``: ``--seeds 0:8``, and ``--brief`` or ``--no-fills``.
"""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path

import matching
import ours
import pytest

from effort import share

RECORDED = Path(__file__).parent / "recorded"
PACKAGES = ("vectorbt", "backtrader", "zipline")
N_SEEDS = 8


@cache
def recorded(package: str) -> dict[str, dict[str, matching.Run]]:
    document = json.loads((RECORDED / f"{package}.json").read_text(encoding="utf-8"))
    return document["scenarios"] | document.get("universe", {})


@pytest.mark.parametrize("package", PACKAGES)
def test_preset_fills_as_the_package_did(package: str) -> None:
    # Every scenario once, each seed a share of them; `make test` runs a tenth, other ones of each.
    names = list(enumerate(recorded(package)))
    names = share(names, PACKAGES.index(package), 10)
    unexplained, n_equal = [], 0
    for i, name in names:
        seed = i % N_SEEDS
        theirs = recorded(package)[name][str(seed)]
        mine = ours.run(package, name, seed)
        what = matching.difference(mine, theirs)
        n_equal += not what
        if what and matching.reason(package, name, seed, mine, theirs) == matching.UNKNOWN:
            unexplained.append((name, what))
    assert unexplained == []
    assert n_equal >= 0.9 * len(names)


@pytest.mark.parametrize(("column", "change"), [(0, 1), (1, 1), (2, 2e-6), (3, 2e-6), (4, 2e-6)])
def test_every_column_of_a_trade_is_compared(column: int, change: float) -> None:
    run = recorded("zipline")["long_signals"]["0"]
    other = copy.deepcopy(run)
    other["trades"][0][column] += change
    assert matching.difference(run, other) == "trades"
    assert matching.reason("zipline", "long_signals", 0, run, other) == matching.UNKNOWN


def test_a_trade_too_many_and_the_final_value_are_compared() -> None:
    run = recorded("zipline")["long_signals"]["0"]
    other = {"trades": run["trades"][:-1], "final_value": run["final_value"] + 2e-6}
    assert matching.difference(run, other) == "trades, final value"
