"""Writes docs/parity.md from what a comparison counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import matching
import paths

Counts = dict[str, "Count"]
Rows = Iterable[Iterable[str]]

N_SEEDS_SHOWN = 5
TEXT = """# Parity

`BacktestConfig.preset("vectorbt" | "backtrader" | "zipline")` fills as those packages do. This page
is the proof, written by `make parity` on {day} (UTC): the real packages, in environments of their
own, and this engine with its presets as shipped, over the same {n_seeds} random paths per scenario.

{summary}

"Different" runs have a reason that was checked against the first trade that differs; it is stated
below with every scenario concerned. "Unexplained" are those for which no known reason holds.

## What is compared

Of each run entry bar, exit bar, entry price, exit price and size of every trade; bar, asset,
quantity, price and commission of every fill; and the final value: all to 1e-6, absolute. A run is
equal if all of it is. Fills of several assets in one bar are compared by asset, not in their order.

A path has 60 bars with gaps, jumps and wicks, and random wishes to enter and leave: `long`,
`short`, or `both`, where an entry of the other side reverses the position. `bracket` is a stop and
a target, `trail` a trailing stop; fees and slippage are named; `all_in` and `half` size by equity;
`poor` and `broke` accounts have less cash than the wished size costs. The `top` scenarios hold
target weights in the best 3 (`top_one`: 1) of 8 assets, which share the cash.
`tests/parity/paths.py` has the numbers.

On our side stop, target and trail are `StopLoss`, `TakeProfit` and `TrailingStop` in a
`RiskManager`, weights are target weights, and costs are the cost classes. The strategies
(`tests/parity/ours.py`) repeat what a user of the package writes, or what its `from_signals` says:
which of two signals counts, and how many shares a fraction of the account is.

How the packages were called is in `tests/parity/peers`. backtrader's stop and target are made
active with the entry's fill, where its own brackets wait for the next bar. zipline's stop orders
look at closes only and it has no trailing stop, so its algorithm watches the bars itself. Its own
slippage models fill at the next close; the one here at the next open.

Not compared: bars without a price, target weights below zero, limit and stop orders as entries,
partial fills, several orders of one side for one asset in a bar.

## How to repeat

```bash
make parity                      # the packages, ours and this page: half an hour on 2 cores
python tests/parity/compare.py --seeds 0:20 --packages vectorbt --only long_stop,top --out page.md
python -m pytest tests/parity    # ours against recorded runs of the packages, a part of `make test`
```

What the packages did is kept in `out/parity`, so that only the first run takes them.

## What differs, and why

{differences}

## By scenario

Equal runs of all runs; in brackets the trades compared, or the fills of the `top` scenarios. A
dash: vectorbt has no commission per share.

{scenarios}
"""


@dataclass
class Count:
    """What the runs of one scenario came to.

    Attributes
    ----------
    runs : int
    rows : int
        Trades of the package; of a universe its fills.
    different : list of (seed, reason)
    """

    runs: int = 0
    rows: int = 0
    different: list[tuple[int, str]] = field(default_factory=list)

    @property
    def equal(self) -> int:
        return self.runs - len(self.different)


def page(results: dict[tuple[str, str], Counts], n_seeds: int) -> str:
    """Return the page as Markdown.

    Parameters
    ----------
    results : dict
        ``(package, version)`` -> scenario -> count.
    n_seeds : int
        Paths per scenario.
    """
    counted = {package: counts for (package, _), counts in results.items()}
    names = [name for name in (*paths.SCENARIOS, *paths.UNIVERSE_SCENARIOS)
             if any(name in counts for counts in counted.values())]  # fmt: skip
    return TEXT.format(
        day=datetime.now(UTC).date(),
        n_seeds=n_seeds,
        summary=table(
            [
                "package",
                "scenarios",
                "runs",
                "equal",
                "trades compared",
                "different",
                "unexplained",
            ],
            [
                [f"{package} {version}", *sums(counts)]
                for (package, version), counts in results.items()
            ],
        ),
        differences="\n\n".join(
            text for package, counts in counted.items() for text in differences(package, counts)
        )
        or "Nothing.",
        scenarios=table(
            ["scenario", *counted],
            [
                [f"`{name}`", *(cell(counts.get(name)) for counts in counted.values())]
                for name in names
            ],
        ),
    )


def sums(counts: Counts) -> list[str]:
    """Return the columns of the summary that are numbers."""
    ones = counts.values()
    reasons = [why for one in ones for _, why in one.different]
    numbers = [
        len(counts),
        sum(one.runs for one in ones),
        sum(one.equal for one in ones),
        sum(one.rows for one in ones),
        len(reasons),
        reasons.count(matching.UNKNOWN),
    ]
    return [f"{number:,}" for number in numbers]


def differences(package: str, counts: Counts) -> list[str]:
    """Return one text per reason: what happens, and the runs in which it does."""
    found: dict[str, dict[str, list[int]]] = {}
    for name, count in counts.items():
        for seed, why in count.different:
            found.setdefault(why, {}).setdefault(name, []).append(seed)
    texts = []
    for why, scenarios in found.items():
        rows = [
            [f"`{name}`", str(len(seeds)), ", ".join(map(str, seeds[:N_SEEDS_SHOWN]))]
            for name, seeds in scenarios.items()
        ]
        n_runs = sum(map(len, scenarios.values()))
        texts += [
            f"**{package}, {n_runs} runs.** {why}.",
            table(["scenario", "runs", "seeds"], rows),
        ]
    return texts


def cell(count: Count | None) -> str:
    return "-" if count is None else f"{count.equal}/{count.runs} ({count.rows:,})"


def table(head: list[str], rows: Rows) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
