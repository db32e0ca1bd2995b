"""A run under every answer to what bars do not tell is the run that such a configuration makes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from effort import long
from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    Catalog,
    ConfigError,
    ExecutionPolicy,
    FixedSlippage,
    NextClose,
    Strategy,
    TopN,
)
from ml4t.backtest.audit.audit import Audit
from ml4t.backtest.audit.policy_axes import MOST_TOGETHER, VARIANTS, Played, changed, choices
from ml4t.backtest.cli import app
from ml4t.backtest.core.batch import Batch
from ml4t.backtest.core.levels import LevelPolicy
from ml4t.backtest.presets import PRESETS, settings_of
from ml4t.backtest.risk import RiskManager, StopLoss, TakeProfit, TimeBasedExit, TrailingStop
from ml4t.backtest.strategy.broker import StrategyBroker
from ml4t.backtest.synthetic import make_market
from scripted import FREE, Row, Script, Scripted, day, flat, price_table

METRICS = ("final_value", "total_return", "max_drawdown", "n_trades")


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_market(tmp_path_factory.mktemp("policies"), n_assets=8, n_bars=60)


def engine(market: Path, *rules: Any, **config: Any) -> BacktestEngine:
    catalog = Catalog().register("prices", market / "prices.parquet")
    return BacktestEngine(
        catalog, TopN(3, by="close", every=4), risk_manager=RiskManager(rules),
        config=BacktestConfig(**config),
    )  # fmt: skip


def rows_of(audit: Audit) -> dict[str, tuple[Any, ...]]:
    return {row[0]: row[1:] for row in audit.policies.fetchall()}


# -- rows ---------------------------------------------------------------------------------


@long
def test_every_row_is_the_run_of_its_configuration(market: Path) -> None:
    rules = StopLoss(0.02), TakeProfit(0.02)
    of_run = engine(market, *rules)
    audit = of_run.audit(1, policies=True)
    rows, by_setting = rows_of(audit), {one.setting: one for one in VARIANTS}
    assert rows["own policy"][:5] == (True, *(audit.result[name] for name in METRICS))
    skips = "levels.trail_replaces_stop"
    others = [one for one in VARIANTS if one.of(of_run.config) != of_run.config]
    singles = [one.setting for one in others if one.axis != skips]
    assert [one for one in rows if ", " not in one] == ["own policy", *singles, skips]
    several = [setting for setting in rows if ", " in setting]
    assert 0 < len(several) < MOST_TOGETHER
    for setting in Random(0).sample(singles, 2) + several[-1:]:
        is_own, *found, moved, differs, why = rows[setting]
        variants = [by_setting[one] for one in setting.split(", ")]
        result = engine(market, *rules)
        result.config = changed(of_run.config, variants)
        ran = result.run()
        assert found == [ran[name] for name in METRICS], setting
        assert moved == ran["final_value"] / audit.result["final_value"] - 1
        gains = ran["total_return"] > 0, audit.result["total_return"] > 0
        assert (is_own, differs, why) == (False, gains[0] != gains[1], None)


BARS = ("open", "high", "low", "close")
CLOSING = ExecutionPolicy(timing=NextClose())


def skipped(*rules: Any, columns: Collection[str] = BARS, **config: Any) -> dict[str, str]:
    played = Played(config=BacktestConfig(**config), manager=RiskManager(rules), columns=columns)
    return choices(played)[1]


def test_what_cannot_matter_is_not_run_and_says_why() -> None:
    no_levels = "no rule sets a stop or a target"
    no_entry = "no rule reads an entry price or a water mark"
    assert skipped() == {
        "levels.before_orders": no_levels, "levels.target_first": no_levels,
        "levels.open_first": no_levels, "levels.in_rule_order": no_levels,
        "levels.trail_by": no_entry, "levels.trail_start": no_entry, "levels.base": no_entry,
        "levels.trigger": no_levels, "levels.from_entry": no_levels, "levels.slips": no_levels,
        "levels.trail_replaces_stop": no_levels, "execution.reentry": "there is no rule",
    }  # fmt: skip
    rules = StopLoss(0.1), TakeProfit(0.1), TrailingStop(0.1)
    assert skipped(*rules) == {}
    assert skipped(*rules, columns=("close",), execution=CLOSING) == {
        "fill_price = open": "prices have no open",
        "fill_price = worst of the bar": "prices have no high and low",
        "levels.before_orders": "no order of the strategy fills at an open",
        "execution.within_range": "prices have no high and low",
    }


@long
@pytest.mark.parametrize(
    ("rules", "config", "axis", "why"),
    [
        ([StopLoss(0.02)], {}, "levels.target_first", "no rule sets a target"),
        ([TimeBasedExit(3)], {}, "levels.base", "no rule reads an entry price or a water mark"),
        ([TakeProfit(0.02), StopLoss(0.02)], {"levels": LevelPolicy(trigger="next_open")},
         "levels.open_first", "a touched level leaves at the next open"),
        ([StopLoss(0.02)], {"execution": CLOSING}, "levels.before_orders",
         "no order of the strategy fills at an open"),
    ],
)  # fmt: skip
def test_the_reason_is_true_of_the_run(
    rules: Sequence[Any], config: dict[str, Any], axis: str, why: str, market: Path
) -> None:
    assert skipped(*rules, **config)[axis] == why
    of_run = engine(market, *rules, **config)
    own = of_run.run()
    for one in VARIANTS:
        other = engine(market, *rules, **config)
        other.config = one.of(other.config)
        if one.axis != axis or other.config == of_run.config:
            continue
        ran = other.run()
        assert [ran[name] for name in METRICS] == [own[name] for name in METRICS]


@pytest.mark.parametrize("name", PRESETS)
def test_the_own_policy_of_a_preset_is_beside_all_others(name: str) -> None:
    config = BacktestConfig(**settings_of(name))
    others = [one for one in VARIANTS if one.of(config) != config]
    assert len({one.setting for one in others}) == len(others) > 10
    for axis in {one.axis for one in VARIANTS} - {"fill_price", "account.shortfall"}:
        of_axis = [one for one in VARIANTS if one.axis == axis]
        is_own = [one for one in of_axis if one.of(config) == config]
        # The preset of one may let stops act on the entry bar, and trails not.
        assert len(is_own) == 1 or (axis == "levels.from_entry" and name == "backtrader")
    assert replace(config) == config


# -- what is said -------------------------------------------------------------------------

BOTH: list[Row] = [*flat(100, 2), (100, 112, 89, 100), *flat(100, 3)]


def scripted(bars: Sequence[Row], *rules: Any, script: Script | None = None) -> BacktestEngine:
    times = [day(t) for t in range(len(bars))]
    table = price_table({"A": bars}, ("open", "high", "low", "close"), times)
    return BacktestEngine(
        Catalog(threads=1).register("prices", table),
        Scripted(script or {0: lambda s: s.buy("A", 10)}), risk_manager=RiskManager(rules),
        config=BacktestConfig(**FREE), initial_capital=10_000,
    )  # fmt: skip


def test_a_sign_that_depends_on_an_answer_is_in_the_title() -> None:
    audit = scripted(BOTH, StopLoss(0.1), TakeProfit(0.1)).audit(1, policies=True)
    rows = rows_of(audit)
    assert rows["own policy"][1:3] == (9_900.0, pytest.approx(-0.01))
    assert rows["levels.target_first = true"][1:3] == (10_100.0, pytest.approx(0.01))
    flips = [setting for setting, row in rows.items() if row[-2] and ", " not in setting]
    assert flips == ["levels.target_first = true"]
    assert "; its sign is another under levels.target_first = true;" in audit.title
    assert "return from -1.10% to 1.00% under" in audit.title
    assert audit.is_clean  # a policy is no look-ahead


def test_a_sign_that_does_not_is_not_and_progress_counts_all_runs() -> None:
    seen: list[tuple[int, int]] = []
    of_run = scripted([*flat(100, 3), *flat(120, 3)])
    audit = of_run.audit(1, policies=True, progress=lambda *both: seen.append(both))
    rows = rows_of(audit)
    assert not any(row[-2] for row in rows.values())
    assert "return from 2.00% to 2.00% under 7 policies" in audit.title
    n = len([row for row in rows.values() if row[1] is not None])
    # Beside the run over everything, another one for chance, and the cut; the own policy was run
    # once more.
    assert seen[-1] == (n + 3, n + 3)
    assert [done for done, _ in seen] == list(range(1, n + 4))


def test_a_run_without_orders_depends_on_no_policy(market: Path) -> None:
    catalog = Catalog().register("prices", market / "prices.parquet")
    nothing = BacktestEngine(catalog, TopN(3, by="close", when="1 > 2"))
    audit = nothing.audit(1, policies=True)
    rows = rows_of(audit)
    assert rows.pop("own policy")[1:3] == (100_000.0, 0.0)
    assert rows["fill_price"][-1].startswith("was not run: nothing was ordered")
    assert all(row[1] is None for row in rows.values())
    assert "; no policy could matter" in audit.title


class ByChance(Strategy):
    """Buys what no seed decides."""

    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        sid = int(np.random.default_rng().integers(len(broker.assets)))
        broker.order_target_weights({broker.assets[sid]: 0.3 + 0.001 * batch.t})


@long
def test_a_strategy_of_chance_is_told_from_policies(market: Path) -> None:
    catalog = Catalog().register("prices", market / "prices.parquet")
    audit = BacktestEngine(catalog, ByChance()).audit(1, policies=True)
    assert "two runs under one policy differ" in audit.title


def test_a_policy_that_cannot_be_run_says_so() -> None:
    played = scripted(BOTH, script={0: lambda s: s.buy("A", 10), 1: lambda s: s.sell("A", 10)})
    # Of a sale at the low, 89, nothing would be left.
    played.config = replace(played.config, impact=FixedSlippage(95))
    rows = rows_of(played.audit(1, policies=True))
    assert rows["own policy"][-1] is None
    *found, why = rows["fill_price = worst of the bar"]
    assert found == [False, *[None] * 6]
    assert why.startswith("CostError: at 2024-01-03 (A): slippage left a price of -6 of 89")


def test_a_table_that_was_not_asked_for_is_empty(market: Path) -> None:
    audit = engine(market).audit(1)
    assert audit.policies.fetchall() == []
    assert "polic" not in audit.title
    with pytest.raises(ConfigError, match="policies must be True or False"):
        engine(market).audit(1, policies=3)  # type: ignore[arg-type]


def test_the_command_shows_policies(market: Path, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(
        f'[sources.prices]\npath = "{market}/prices.parquet"\n'
        '[strategy]\nkind = "TopN"\nn = 2\nby = "close"\n'
    )
    command = ["audit", str(tmp_path / "run.toml"), "--cuts", "1", "--policies"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "fill_price = worst of the bar" in done.stdout
    assert " policies; its sign is another under " in done.stdout.splitlines()[-1]
