"""What a run says of the bar after its last: what the longer run does there."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    BacktestResult,
    Catalog,
    ExecutionPolicy,
    MarginAccount,
    NextClose,
    NextOpen,
    Strategy,
    ThisClose,
    VolumeWeighted,
)
from ml4t.backtest.core.batch import Batch
from ml4t.backtest.execution.timing import FillTiming
from ml4t.backtest.risk import RiskManager, StopLoss, TakeProfit, TimeBasedExit
from ml4t.backtest.strategy.broker import StrategyBroker
from scripted import FREE, day, flat, play, price_table

ASSETS = ["A", "B", "C", "D"]
N_BARS = 9
NAMES = ("open", "high", "low", "close", "vwap")


class Drawn(Strategy):
    """Orders at random, by asset and bar alone: what it does at a bar no later bar changes."""

    def __init__(self, seed: int, *, rests: bool) -> None:
        self.seed, self.rests = seed, rests

    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        pick = np.random.default_rng([self.seed, batch.t])
        if pick.random() < 0.6:
            chosen = pick.permutation(ASSETS)[: pick.integers(0, 4)]
            weights = {str(one): float(pick.uniform(-0.25, 0.3)) for one in chosen}
            broker.order_target_weights(weights, band=0.02 if self.rests else 0.0)
        for asset in map(str, pick.permutation(ASSETS)[: pick.integers(0, 3)]):
            shares, price = int(pick.integers(1, 9)), float(pick.uniform(0.9, 1.1) * 100)
            kind = pick.integers(0, 5) if self.rests else pick.integers(3, 5)
            if kind == 0:
                broker.order(asset, -shares, limit=price, tif="gtc")
            elif kind == 1:
                broker.order(asset, shares, limit=price, stop_loss=price * 0.9)
            elif kind == 2:
                broker.order(asset, shares, trail_fraction=0.05, tif="gtc")
            elif kind == 3:
                broker.order(asset, shares)
            else:
                broker.close_position(asset)


def market(seed: int, *, gaps: bool) -> dict[str, list[Any]]:
    """Bars of four assets; without gaps each is there, and opens at the close before."""
    pick = np.random.default_rng(seed)
    rows: dict[str, list[Any]] = {}
    for asset in ASSETS:
        close, bars = 100.0, []
        for t in range(N_BARS):
            start = close * (math.exp(pick.normal(0, 0.02)) if gaps and t else 1)
            close = start * math.exp(pick.normal(0, 0.03))
            high, low = max(start, close) * 1.01, min(start, close) * 0.99
            is_halted = t and gaps and pick.random() < 0.1
            bars.append(None if is_halted else (start, high, low, close, (start + close) / 2))
        rows[asset] = bars
    return rows


def run(
    rows: Mapping[str, list[Any]], seed: int, n_bars: int, timing: FillTiming, **policy: Any
) -> BacktestResult:
    """A run over the first bars; orders and levels rest where all else fills before they can."""
    rests = timing.fills_at_open
    bars = {asset: bars[:n_bars] for asset, bars in rows.items()}
    table = price_table(bars, NAMES, [day(t) for t in range(n_bars)])
    rules = [TimeBasedExit(2), *([StopLoss(0.04), TakeProfit(0.05)] if rests else [])]
    return BacktestEngine(
        Catalog(threads=1).register("prices", table),
        Drawn(seed, rests=rests),
        risk_manager=RiskManager(rules),
        initial_capital=10_000,
        config=BacktestConfig(
            **FREE, account=MarginAccount(), execution=ExecutionPolicy(timing=timing, **policy)
        ),
    ).run()


def shares(rows: list[Any]) -> dict[tuple[Any, ...], float]:
    """Shares by asset and tag, or that there was no price to size them by.

    A position that turns over is closed by one order and opened by another.
    """
    found: dict[tuple[Any, ...], float] = defaultdict(float)
    for asset, tag, quantity in rows:
        found[asset, tag, quantity is None] += quantity or 0.0
    return found


def agree(whole: BacktestResult, part: BacktestResult, t: int, absent: list[str]) -> int:
    """Hold what waits after bar `t` against what the longer run sent there; return how much.

    `absent` have no bar after it: nothing that waits at the market fills there, or is sized.
    """
    now = f"created_at = date '{day(t)}'"
    waiting = part.next_orders()
    singles = waiting.filter(f"kind = 'order' and {now}").project(
        "order_id, asset_id, tag, quantity"
    )
    mine = waiting.filter(f"kind in ('exit', 'target') and {now}")
    assert not waiting.filter(f"created_at > date '{day(t)}'").fetchall()
    sent = {
        row[0]: row[1:]
        for row in whole.sql(
            f"select order_id, asset_id, tag, quantity, reason, order_type from orders where {now}"
        ).fetchall()
    }
    ended = part.sql(f"select order_id from orders where {now} and reason <> 'end of data'")
    over = {number for (number,) in ended.fetchall()}
    for number, asset, tag, quantity in singles.fetchall():
        row = sent.pop(number)
        assert row[:2] == (asset, tag)
        if not row[3]:  # nothing has cut it
            assert row[2] == pytest.approx(quantity)
    expected = [
        (asset, tag, quantity)
        for number, (asset, tag, quantity, reason, order_type) in sent.items()
        # A level is no order until it is touched; what no exit lets buy was never sized.
        if order_type == "market" and reason not in NEVER_SIZED
        if asset not in absent and number not in over
    ]
    found = [
        row for row in mine.project("asset_id, tag, quantity").fetchall() if row[0] not in absent
    ]
    assert shares(found) == pytest.approx(shares(expected))
    return len(found) + len(singles)


NEVER_SIZED = ("risk exit pending", "below one lot")
WHOLE = {"whole_shares": True}
CASES = [
    (NextOpen(), {}), (NextOpen(), WHOLE), (NextOpen(), WHOLE | {"rounds_change": True}),
    (NextOpen(), {"reentry": False}),
    *((timing, {"sized_at": "decision"})
      for timing in (NextOpen(), NextClose(), VolumeWeighted(), ThisClose())),
]  # fmt: skip


@pytest.mark.parametrize(("seed", "timing", "policy"), [(i, *one) for i, one in enumerate(CASES)])
def test_what_waits_after_a_bar_is_what_the_longer_run_sends_at_it(
    seed: int, timing: FillTiming, policy: dict[str, Any]
) -> None:
    # Sized when it fills, a target has other shares at another price: opens are closes then.
    rows = market(seed, gaps="sized_at" in policy)
    whole = run(rows, seed, N_BARS, timing, **policy)
    found = 0
    for t in (3 + seed % 2, 6):
        absent = [asset for asset in ASSETS if rows[asset][t + 1] is None]
        found += agree(whole, run(rows, seed, t + 1, timing, **policy), t, absent)
    # What fills at the close at which it is decided waits for nothing.
    assert found > 0 or timing.fills_decided


def test_a_row_says_what_is_wanted_what_is_held_and_at_which_price() -> None:
    bars = {"A": flat(10, 4), "B": flat(20, 4), "C": [(5, 5, 5, 5)] * 3 + [None]}
    script = {
        1: lambda s: s.order_target_weights({"A": 0.5, "C": 0.1}),
        3: [
            lambda s: s.order_target_weights({"B": 0.4, "C": 0.2}),
            lambda s: s.buy("B", 3, limit=19, stop_loss=15, tag="dip"),
        ],
    }
    result = play(bars, script)
    assert result.next_orders().columns == [
        "asset_id", "kind", "created_at", "side", "quantity", "order_type", "limit_price",
        "stop_price", "time_in_force", "target_weight", "current_quantity", "reference_price",
        "reference_at", "tag", "order_id", "parent_id",
    ]  # fmt: skip
    rows = [row[:2] + row[3:5] + row[9:14] for row in result.next_orders().fetchall()]
    assert rows == [
        ("A", "target", "sell", -500, 0, 500, 10, day(3), "rebalance"),
        ("B", "target", "buy", 200, 0.4, 0, 20, day(3), "rebalance"),
        # No bar at the last one: an older close.
        ("C", "target", "buy", 200, 0.2, 200, 5, None, "rebalance"),
        ("B", "order", "buy", 3, None, 0, 20, day(3), "dip"),
        ("B", "order", "sell", -3, None, 0, 20, day(3), "stop_loss"),
    ]
    ids = "select order_id, parent_id, limit_price, stop_price from waiting where kind = 'order'"
    parent = result.sql(ids).fetchall()[0][0]
    assert result.sql(ids).fetchall() == [(parent, None, 19, None), (parent + 1, parent, None, 15)]


def test_exits_and_levels_of_rules_wait_and_a_rule_that_leaves_has_no_level_left() -> None:
    rules = [TimeBasedExit(3), StopLoss(0.1), TakeProfit(0.5)]
    script = {0: lambda s: s.buy("A", 10), 1: lambda s: s.buy("B", 4)}
    result = play({"A": flat(10, 4), "B": flat(20, 4)}, script, *rules)
    columns = "asset_id, kind, quantity, order_type, limit_price, stop_price, tag"
    assert result.next_orders().project(columns).fetchall() == [
        ("A", "exit", -10, "market", None, None, "TimeBasedExit"),
        ("B", "level", -4, "stop", None, 18, "StopLoss"),
        ("B", "level", -4, "limit", 30, None, "TakeProfit"),
    ]
    assert result["n_open_lots"] == 2


def test_what_waits_is_kept_by_save_and_missing_in_runs_of_before(tmp_path: Path) -> None:
    result = play(flat(10, 3), {2: lambda s: s.buy("A", 10)})
    opened = BacktestResult.open(result.save(tmp_path / "run"))
    assert opened.next_orders().fetchall() == result.next_orders().fetchall() != []
    (tmp_path / "run" / "waiting.parquet").unlink()
    assert BacktestResult.open(tmp_path / "run").next_orders().fetchall() == []
