"""Nothing that a user's code is handed leads to a bar that has not come yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    BasisPointSlippage,
    Catalog,
    ExecutionPolicy,
    NextOpen,
    Strategy,
    TopN,
)
from ml4t.backtest.core.batch import Batch, Floats
from ml4t.backtest.core.context import Context
from ml4t.backtest.core.event import MarketEvent
from ml4t.backtest.data.feature_provider import CallableFeatureProvider
from ml4t.backtest.execution import Quote
from ml4t.backtest.risk import RiskManager
from ml4t.backtest.risk.limits.account_state import AccountState
from ml4t.backtest.risk.limits.limit import Limit, Wish
from ml4t.backtest.risk.rules.rule import Held, RiskRule
from ml4t.backtest.strategies import HybridStrategy
from ml4t.backtest.strategies.sizers import Entry, PercentSizer
from ml4t.backtest.strategy.broker import StrategyBroker
from ml4t.backtest.synthetic import make_market

N_ASSETS, N_BARS = 8, 40


class Seen:
    """What was handed out, by who got it."""

    def __init__(self) -> None:
        self.arrays: dict[str, list[np.ndarray]] = {}

    def take(self, who: str, *handed: object) -> None:
        found = self.arrays.setdefault(who, [])
        for one in handed:
            self._walk(one, found, set())

    def _walk(self, one: Any, found: list[np.ndarray], met: set[int]) -> None:
        """Take every array that public attributes, keys and items lead to."""
        # The curve of the account is a part of an array that has no numbers yet for later bars.
        if id(one) in met or isinstance(one, AccountState):
            return
        met.add(id(one))
        if isinstance(one, np.ndarray):
            found.append(one)
        elif isinstance(one, Mapping):
            for value in one.values():
                self._walk(value, found, met)
        elif isinstance(one, (list, tuple)) and not hasattr(one, "_fields"):
            for value in one:
                self._walk(value, found, met)
        elif is_dataclass(one):
            for each in fields(one):
                self._walk(getattr(one, each.name), found, met)
        elif hasattr(type(one), "__slots__") or hasattr(one, "__dict__"):
            for name in dir(one):
                if not name.startswith("_"):
                    value = getattr(one, name, None)
                    if isinstance(value, (np.ndarray, Mapping)):
                        self._walk(value, found, met)


def n_cells_behind(array: np.ndarray) -> int:
    """Return how many cells can be reached from an array, by whatever it is a view of."""
    most, one = array.size, array
    while one is not None:
        if isinstance(one, np.ndarray):
            most, one = max(most, one.size), one.base
        elif isinstance(one, memoryview):
            most, one = max(most, one.nbytes // array.itemsize), one.obj
        else:
            most, one = max(most, memoryview(one).nbytes // array.itemsize), None
    return most


SEEN = Seen()


class Handed(TopN):
    features = ("atr", "vix")

    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        more = batch.more
        assert more is not None
        columns = [more.signal(name) for name in more.signal_names]
        SEEN.take("decide", batch, batch.features, batch.lending, batch.selection, columns)
        super().decide(batch, broker)


class Told(Strategy):
    def on_market_event(self, event: MarketEvent, context: Context) -> None:
        SEEN.take("event", event, event.signals, context)
        self.order_target_percent(event.asset_id, 0.1)


class Rule(RiskRule):
    features = ("atr",)

    def exits(self, held: Held) -> Any:
        SEEN.take("rule", held)
        return super().exits(held)


class Cap(Limit):
    features = ("atr",)

    def edit(self, wish: Wish) -> Floats:
        SEEN.take("limit", wish)
        return wish.wanted


class Slips(BasisPointSlippage):
    features = ("atr",)

    def fill_price(self, quote: Quote) -> Floats:
        SEEN.take("slippage", quote)
        return super().fill_price(quote)


class Timing(NextOpen):
    __slots__ = ()

    def at_open(self, batch: Batch) -> Floats | None:
        SEEN.take("timing", batch, batch.features)
        return super().at_open(batch)


class Sizer(PercentSizer):
    features = ("atr",)

    def enter(self, entry: Entry) -> Any:
        SEEN.take("sizer", entry, entry.values)
        return super().enter(entry)


class Crosses(HybridStrategy):
    position_sizer = Sizer(0.1)

    @staticmethod
    def evaluate_entry(atr: Any) -> int:
        SEEN.take("hybrid", atr)
        return 1

    @staticmethod
    def evaluate_exit(atr: Any) -> int:
        SEEN.take("hybrid", atr)
        return 0


def computed(asset_id: object, timestamp: object, data: object = None) -> dict[str, float]:
    SEEN.take("provider", asset_id, timestamp, data)
    return {"own": 1.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_market(tmp_path_factory.mktemp("later"), n_assets=N_ASSETS, n_bars=N_BARS)


def sources(folder: Path) -> Catalog:
    found = Catalog()
    for role in ("prices", "features", "context"):
        found.register(role, folder / f"{role}.parquet")
    return found


def run(folder: Path, strategy: Strategy) -> None:
    config = BacktestConfig(slippage=Slips(5), execution=ExecutionPolicy(timing=Timing()))
    provider = CallableFeatureProvider(computed)
    manager = RiskManager([Rule()], [Cap()], feature_provider=provider)
    BacktestEngine(sources(folder), strategy, config=config, risk_manager=manager).run()


def test_no_array_that_is_handed_out_has_another_bar_behind_it(folder: Path) -> None:
    for strategy in (Handed(3, by="ml_score", every=2), Told(), Crosses()):
        run(folder, strategy)
    who = {"decide", "event", "rule", "limit", "slippage", "timing", "sizer", "hybrid", "provider"}
    assert set(SEEN.arrays) == who
    # Plain numbers and times are all that these are handed.
    assert {name for name, found in SEEN.arrays.items() if not found} == {
        "event", "sizer", "hybrid", "provider",
    }  # fmt: skip
    for name, found in SEEN.arrays.items():
        assert max(map(n_cells_behind, found), default=0) <= N_ASSETS, name


def test_the_way_back_to_a_chunk_is_seen_where_there_is_one() -> None:
    chunk = np.arange(12.0).reshape(3, 4)
    assert n_cells_behind(chunk[1]) == 12
    assert n_cells_behind(np.asarray(memoryview(chunk)[1:])) == 12
    assert n_cells_behind(np.frombuffer(bytearray(80), count=2)) == 10
    assert n_cells_behind(chunk[1].copy()) == 4


def test_what_is_handed_out_says_what_the_bar_says(folder: Path) -> None:
    class Compares(Strategy):
        features = ("atr", "vix")

        def decide(self, batch: Batch, broker: StrategyBroker) -> None:
            rows.append((
                batch.t, batch.open.tolist(), batch.close.tolist(), dict(batch.features)["atr"],
                batch.features["vix"], batch.more.signal("volume") if batch.more else None,
            ))  # fmt: skip

    rows: list[Any] = []
    run(folder, Compares())
    catalog = sources(folder)
    found = catalog.sql(
        "select signals.*, vix from signals join market using (timestamp) order by all"
    ).pl()
    days = found["timestamp"].unique(maintain_order=True)
    assert [row[0] for row in rows] == list(range(N_BARS))
    for day, (_, opens, closes, atr, vix, volume) in zip(days, rows, strict=True):
        at = found.filter(found["timestamp"] == day)
        for name, values in (
            ("open", opens), ("close", closes), ("atr", atr), ("vix", vix), ("volume", volume),
        ):  # fmt: skip
            own = at[name].cast(float).to_numpy()
            np.testing.assert_array_equal(np.asarray(values), own)


def test_what_is_handed_out_cannot_be_written(folder: Path) -> None:
    class Writes(Strategy):
        features = ("atr",)

        def decide(self, batch: Batch, broker: StrategyBroker) -> None:
            for array in (batch.close, batch.open, batch.features["atr"]):
                with pytest.raises(ValueError, match="read-only"):
                    array[0] = 1.0

    run(folder, Writes())
