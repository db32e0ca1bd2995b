"""Trials of all kinds over one random market, and how a trial is told from the run alone."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ml4t.backtest import (
    BacktestEngine,
    BacktestResult,
    Catalog,
    Ranking,
    SQLStrategy,
    Strategy,
    SweepResult,
    TopN,
    risk,
)
from ml4t.backtest.core.batch import Batch
from ml4t.backtest.core.context import Context
from ml4t.backtest.core.event import Fill, MarketEvent
from ml4t.backtest.results.report.metric_views import METRIC_VIEWS
from ml4t.backtest.results.tables import TABLES
from ml4t.backtest.strategies import (
    FixedSizer,
    HybridStrategy,
    PercentSizer,
    Rule,
    SignalStrategy,
    TopNRotationStrategy,
)
from ml4t.backtest.strategy.broker import StrategyBroker
from money import Scripted, config_of, limit_of, money_case, rule_of, sources_of
from test_reference_invariants import LIMITS, RULES
from universes import Universe
from walks import draw_levels, draw_rule

Arguments = dict[str, Any]
WALL_CLOCK = ("started_at", "finished_at")
SCORES = ("score", "-score", "atr", "close / open - 1", "score + 0.1 * vix")


class AsksNowAndThen(Strategy):
    """Reads columns that nobody planned, each from a bar of its own on."""

    def __init__(self, seed: int) -> None:
        self.seed, self._heard = seed, 0

    def on_fill(self, fill: Fill) -> None:
        self._heard += 1

    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        assert batch.more is not None
        names = sorted({*batch.more.signal_names} - {"timestamp", "asset_id"})
        pick = random.Random(f"{self.seed} {batch.t // 7}")
        column = batch.more.signal(pick.choice(names))
        if column.dtype.kind != "f" or batch.t % 5 != self.seed % 5:
            return
        known = np.flatnonzero(~np.isnan(column) & ~np.isnan(batch.close))
        vix = batch.more.market("vix") if self.seed % 2 else 20.0
        if len(known) and isinstance(vix, float) and vix < 30:
            best = known[np.argsort(column[known], kind="stable")][: 1 + self._heard % 3]
            broker.order_target_weights({broker.assets[sid]: 0.2 for sid in best.tolist()})


class OnEvents(Strategy):
    """Buys and sells asset by asset, by names that stand in no plan."""

    def __init__(self, seed: int) -> None:
        self.seed, self._n = seed, 0

    def on_market_event(self, event: MarketEvent, context: Context) -> None:
        self._n += 1
        name = ["score", "atr", "sco" + "re"][self.seed % 3]
        value = event.signals.get(name, 0.0)
        if self._n % 11 == self.seed % 11 and value is not None and value > 0.2:
            wide = event.high is not None and event.high > 1.01 * event.low
            self.order_target_percent(event.asset_id, 0.15 if wide else 0.1)
        elif value is not None and value < -1 and context.get("vix", 0.0) > 15:
            self.close_position(event.asset_id)


class Crosses(HybridStrategy):
    """Enters and leaves by functions of signals."""

    position_sizer = PercentSizer(0.2)

    @staticmethod
    def evaluate_entry(score: float, atr: float) -> int:
        return 1 if score > 0.8 and atr > 0 else 0

    @staticmethod
    def evaluate_exit(score: float, bars_held: float) -> int:
        return -1 if score < -0.5 or bars_held > 5 else 0


class Trials:
    """So many trials, by number, each made anew whenever it is asked for.

    Parameters
    ----------
    seed : int
        Of the market and the trials.
    folder : Path
        For sources that are files.
    """

    def __init__(self, seed: int, folder: Path) -> None:
        self.universe, self.options = money_case(seed)
        self._seed, self._sources = seed, sources_of(self.universe, self.options, folder)

    def catalog(self) -> Catalog:
        catalog = Catalog(threads=1, timezone=self.universe.timezone or "UTC")
        for role, source in self._sources.items():
            catalog.register(role, source, lag=self.universe.lags.get(role))
        return catalog

    def make(self, case: int) -> Arguments:
        """Return the arguments of `BacktestEngine` of a trial."""
        return drawn(random.Random(f"trial {self._seed} {case}"), self.universe, self.options)

    def alone(self, case: int, **period: Any) -> BacktestResult:
        return BacktestEngine(self.catalog(), **self.make(case)).run(**period)


def drawn(pick: random.Random, universe: Universe, options: Mapping[str, Any]) -> Arguments:
    """Draw the arguments of a run over a market."""
    chosen = {**options, "rules": pick.sample(RULES, pick.randint(0, 3))}
    if pick.random() < 0.3:
        chosen["levels"] = draw_levels(pick)
    if pick.random() < 0.3 and chosen["timing"] != "vwap":
        chosen["timing"] = pick.choice(["next_open", "next_close", "this_close"])
    if pick.random() < 0.3:
        chosen["margin"] = None
    rules = [rule_of(one) for one in chosen["rules"]]
    rules += [draw_rule(pick, 2) for _ in range(pick.choice([0, 0, 1, 2]))]
    limits = [limit_of(one) for one in pick.sample(LIMITS, pick.choice([0, 0, 1, 2]))]
    found: Arguments = {
        "strategy": draw_strategy(pick, options["script"], has_shorts=chosen["margin"] is not None),
        "risk_manager": risk.RiskManager(rules, limits),
        "config": config_of(chosen),
        "initial_capital": pick.choice([1_000_000.0, 250_000.0]),
        "evidence": pick.choice([(), (), "all", ("high", "low"), ("score",), ("vix", "close")]),
    }
    if pick.random() < 0.4:
        found["benchmark"] = pick.choice(["equal_weight", universe.assets[0]])
    if pick.random() < 0.3:
        found["risk_free"] = pick.choice([0.0, 0.03])
    if pick.random() < 0.2:
        found["periods_per_year"] = 252.0 * 3
    if pick.random() < 0.3:
        found["sessions_per_year"] = pick.choice(["crypto", 200])
    return found


def draw_strategy(pick: random.Random, script: Mapping[int, Any], *, has_shorts: bool) -> Strategy:
    n, every = pick.randint(1, 5), pick.choice([1, 3, 4, 7, "week_end"])
    seed, offset = pick.randint(0, 99), pick.choice([0, 2])
    kinds: list[Callable[[], Strategy]] = [
        lambda: Scripted(script),
        # Of a few scores, so that rankings are shared.
        *[lambda: ranked(pick, n, every, offset)] * 3,
        lambda: SQLStrategy(
            "select timestamp, asset_id, "
            + ("if(score > 0.3, 1, -0.7)" if has_shorts else "1")
            + f" * 0.25 as weight from ranked where vix < {pick.choice([20, 30])}",
            ranking=Ranking(n=min(n, 4), by="abs(score)", every=every),
        ),
        lambda: SQLStrategy(
            "select timestamp, asset_id, case when score > 1 then 1 when score < -1 then -1 end "
            "as signal from signals",
            position_sizer=FixedSizer(50),
        ),
        lambda: SignalStrategy(
            [Rule.signal_above("score", 0.5 * n - 1), Rule.context_below("vix", 28)],
            [Rule.signal_crosses_below("score", 0.0), Rule.max_bars(4 + n)],
            position_sizer=PercentSizer(0.1),
        ),
        lambda: TopNRotationStrategy(n, 3 + n, score="score"),
        lambda: AsksNowAndThen(seed),
        lambda: OnEvents(seed),
        Crosses,
    ]
    return pick.choice(kinds)()


def ranked(pick: random.Random, n: int, every: Any, offset: int) -> TopN:
    return TopN(
        n, by=pick.choice(SCORES[:2] if pick.random() < 0.7 else SCORES),
        where=pick.choice([None, "atr is not null", "close > 50 and score > -1"]),
        when=pick.choice([None, None, "vix <= 30"]),
        every=every, offset=0 if isinstance(every, str) else offset % every,
        ascending=pick.random() < 0.2, weight=pick.choice(["equal"] * 4 + ["0.5 / (1 + rank)"]),
        band=pick.choice([0.0, 0.02]),
    )  # fmt: skip


# -- how two tell themselves apart -----------------------------------------------------------


def difference(ours: BacktestResult, alone: BacktestResult) -> list[str]:
    """Return in which tables two runs differ, names and types of columns too; of `runs`, but
    for the clock on the wall."""
    found = []
    for name in TABLES:
        but = f" exclude ({', '.join(WALL_CLOCK)})" if name == "runs" else ""
        one, other = (run.sql(f"select *{but} from {name}") for run in (ours, alone))
        if (one.columns, one.types) != (other.columns, other.types):
            found.append(f"{name}: {one.columns} {one.types} / {other.columns} {other.types}")
        mine, theirs = bits(one.fetchall()), bits(other.fetchall())
        if mine != theirs:
            i = next(
                (i for i, (a, b) in enumerate(zip(mine, theirs, strict=False)) if a != b),
                min(len(mine), len(theirs)),
            )
            found.append(f"{name} {i}: {mine[i : i + 1]} / {theirs[i : i + 1]}")
    return found


def metrics_of(run: BacktestResult) -> dict[str, Any]:
    return record(run.sql("select * from report.metrics"))


def metrics_of_trial(result: SweepResult, trial: int) -> dict[str, Any]:
    names = ", ".join(f'"{name}"' for view in METRIC_VIEWS for name in view.columns)
    return record(result.sql(f"select {names} from trials where trial = {trial}"))


def record(relation: Any) -> dict[str, Any]:
    (row,) = relation.fetchall()
    return dict(zip(relation.columns, bits([row])[0], strict=True))


def returns_of(run: BacktestResult) -> list[Any]:
    return bits(
        run.sql(
            "select timestamp, session, bar_return, excess from report.bar_returns "
            "order by timestamp"
        ).fetchall()
    )


def returns_of_trial(result: SweepResult, trial: int) -> list[Any]:
    return bits(
        result.sql(
            "select timestamp, session, bar_return, excess from trial_returns "
            f"where trial = {trial} order by timestamp"
        ).fetchall()
    )


def bits(rows: Iterable[Iterable[Any]]) -> list[tuple[Any, ...]]:
    """Return rows in which two numbers are equal if all of their bits are."""
    return [tuple(one.hex() if isinstance(one, float) else one for one in row) for row in rows]
