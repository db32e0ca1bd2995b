"""A portfolio, a broker and a journal that only remember, for tests of the risk desk alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ml4t.backtest.core.batch import Batch
from ml4t.backtest.core.journal import Decision
from ml4t.backtest.core.levels import LevelPolicy, Levels, Touched
from ml4t.backtest.risk import RiskManager
from ml4t.backtest.risk.rule_engine.engine import RuleEngine

NAN = float("nan")


class FakePortfolio:
    """Positions that a test sets by hand."""

    def __init__(self, n_assets: int) -> None:
        self.quantity = np.zeros(n_assets)
        self.peak_quantity = np.zeros(n_assets)
        self.mark = np.full(n_assets, NAN)
        self.water_mark = np.full(n_assets, NAN)
        self.base = np.full(n_assets, NAN)

    @property
    def held(self) -> Any:
        return np.flatnonzero(self.quantity)

    def base_price(self, sids: Any) -> Any:
        return self.base[sids]

    def level_shift(self, sids: Any) -> Any:
        return None

    def open(self, sid: int, quantity: float, price: float) -> None:
        self.quantity[sid], self.peak_quantity[sid] = quantity, abs(quantity)
        self.mark[sid] = self.water_mark[sid] = self.base[sid] = price


class FakeBroker:
    """Keeps the levels set last and the exits ordered last."""

    def __init__(self) -> None:
        self.levels: Levels | None = None
        self.exits: dict[int, str] = {}
        self.parts: dict[int, float] | None = None

    def set_levels(self, levels: Levels) -> None:
        self.levels = levels

    def order_exits(self, _: int, sids: Any, rules: tuple[str, ...], parts: Any = None) -> None:
        self.exits = dict(zip(sids.tolist(), rules, strict=True))
        self.parts = None
        if parts is not None:
            self.parts = dict(zip(sids.tolist(), parts.tolist(), strict=True))


class FakeJournal:
    """Keeps the decisions."""

    def __init__(self) -> None:
        self.decisions: list[Decision] = []

    def record(self, decision: Decision) -> None:
        self.decisions.append(decision)


@dataclass
class Bench:
    """A desk with everything around it, one bar at a time."""

    manager: RiskManager
    n_assets: int = 1
    policy: LevelPolicy = field(default_factory=LevelPolicy)
    lot: float = 0.0

    def __post_init__(self) -> None:
        self.portfolio, self.broker = FakePortfolio(self.n_assets), FakeBroker()
        self.journal = FakeJournal()
        self.desk = RuleEngine(
            self.manager, self.portfolio, self.broker, self.journal, self.policy,  # type: ignore[arg-type]
            whole=(lambda _, x: np.floor(x / self.lot + 1e-9) * self.lot) if self.lot else None,
        )  # fmt: skip

    def enter(
        self, t: int, quantity: float, price: float, *, sid: int = 0, at_close: bool = False
    ) -> None:
        """Open a position and tell the desk."""
        self.portfolio.open(sid, quantity, price)
        self.desk.guard_entries(t, np.array([sid]), at_close=at_close)

    def close(self, t: int, *bars: tuple[float, float, float] | None, **features: Any) -> None:
        """Move the water marks by one (low, high, close) per asset, None = no bar; then protect."""
        low, high, close = (
            np.array([NAN if bar is None else bar[i] for bar in bars]) for i in range(3)
        )
        portfolio, held = self.portfolio, self.portfolio.held
        before = portfolio.water_mark[held]
        highest, lowest = np.fmax(before, high[held]), np.fmin(before, low[held])
        portfolio.water_mark[held] = np.where(portfolio.quantity[held] > 0, highest, lowest)
        portfolio.mark[held] = close[held]
        self.broker.exits, self.broker.parts = {}, None
        known = {name: np.atleast_1d(np.asarray(x, float)) for name, x in features.items()}
        self.desk.protect(
            Batch(
                t=t, open=close, high=high, low=low, close=close, selection=None, features=known
            )
        )  # fmt: skip

    def touch(self, t: int, *, is_stop: bool, sid: int = 0, is_done: bool = True) -> None:
        """Report that the stop or the target in force was touched."""
        levels = self.broker.levels
        assert levels is not None
        k = levels.sids.tolist().index(sid)
        rules, prices = (levels.stop_rule, levels.stop) if is_stop else (
            levels.target_rule, levels.target)  # fmt: skip
        self.desk.report(
            t,
            Touched(
                sids=np.array([sid]), is_stop=np.array([is_stop]), rule=rules[[k]],
                level=prices[[k]], is_done=np.array([is_done]),
            ),
        )  # fmt: skip

    def stop(self, sid: int = 0) -> float:
        """The stop in force."""
        assert self.broker.levels is not None
        return float(self.broker.levels.stop[self.broker.levels.sids.tolist().index(sid)])

    def part(self, sid: int = 0) -> float:
        """The part of the peak quantity that the target in force closes."""
        assert self.broker.levels is not None
        parts = self.broker.levels.target_part
        return 1.0 if parts is None else float(parts[self.broker.levels.sids.tolist().index(sid)])

    def target(self, sid: int = 0) -> float:
        """The target in force."""
        assert self.broker.levels is not None
        return float(self.broker.levels.target[self.broker.levels.sids.tolist().index(sid)])
