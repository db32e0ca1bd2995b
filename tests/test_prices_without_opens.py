"""Prices without opens: a run that needs none is the run over prices that have one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from effort import each_value
from ml4t.backtest import BacktestConfig, BacktestEngine, BacktestResult, Catalog, Strategy, TopN
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.execution import (
    ActionPolicy,
    CashAccount,
    ExecutionPolicy,
    MarginAccount,
    NextClose,
    NextOpen,
    ThisClose,
    VolumeWeighted,
)
from ml4t.backtest.risk import MaxDrawdown, MaxWeight, RiskManager, StopLoss, TimeBasedExit

ASSETS, N_DAYS = list("ABCDE"), 40
DAYS = pd.bdate_range("2024-01-02", periods=N_DAYS)


def _bars() -> pd.DataFrame:
    """Bars with gaps, of which some have no volume."""
    draw = np.random.default_rng(7)
    close = 50 * np.exp(np.cumsum(draw.normal(0, 0.02, (N_DAYS, len(ASSETS))), axis=0))
    rows = pd.DataFrame(close, index=DAYS, columns=ASSETS).stack().rename("close").reset_index()
    rows.columns = ["timestamp", "asset_id", "close"]
    rows["open"] = rows["close"] * np.exp(draw.normal(0, 0.01, len(rows)))
    rows["high"] = rows[["open", "close"]].max(axis=1) * 1.01
    rows["low"] = rows[["open", "close"]].min(axis=1) * 0.99
    rows["vwap"] = (rows["high"] + rows["low"]) / 2
    rows["volume"] = np.where(draw.random(len(rows)) < 0.15, 0, draw.integers(50, 900, len(rows)))
    rows["score"] = draw.normal(size=len(rows))
    return rows[draw.random(len(rows)) > 0.05]


BARS = _bars()
CLOSES = BARS.pivot(index="timestamp", columns="asset_id", values="close")
ACTIONS = {
    "asset_id": ["A", "B", "C", "D"],
    "ex_date": [DAYS[9], DAYS[11], DAYS[20], DAYS[25]],
    "kind": ["split", "dividend", "delisting", "dividend"],
    "value": [2.0, 1.5, None, 0.7],
}
LOOSE = MarginAccount(initial_margin=0.3, maintenance_margin=0)


@dataclass
class Orders(Strategy):
    """Sends orders for the next price, on close, and of fractions."""

    def on_timestamp_batch(self, events: Any, broker: Any, portfolio: Any) -> None:
        for event in events:
            day = event.timestamp.day
            if day % 3 == 0:
                self.buy(event.asset_id, 5.0)
            elif day % 3 == 1:
                self.sell(event.asset_id, 3.0, on_close=True)
            elif self.get_position(event.asset_id):
                self.close_position(event.asset_id)


def catalog_of(*left_out: str) -> Catalog:
    bars = BARS.drop(columns=list(left_out))
    return Catalog().register("prices", bars, adjusted=False).register("actions", ACTIONS)


def run(catalog: Catalog, strategy: Strategy | None = None, **settings: Any) -> BacktestResult:
    manager = settings.pop("risk_manager", None)
    engine = BacktestEngine(
        catalog, strategy or TopN(2, by="score", every=2), initial_capital=10_000,
        config=BacktestConfig(**settings), risk_manager=manager,
    )  # fmt: skip
    return engine.run()


def tables(result: BacktestResult) -> dict[str, list[tuple[Any, ...]]]:
    names = ("fills", "orders", "trades", "positions", "cash_flows", "equity")
    return {
        name: result.sql(f"select * exclude (run_id) from {name} order by all").fetchall()
        for name in names
    }


def closing(timing: object) -> dict[str, Any]:
    return {"execution": ExecutionPolicy(timing=timing)}


@each_value
@pytest.mark.parametrize("make", [lambda: None, Orders], ids=["targets", "orders"])
@pytest.mark.parametrize(
    "settings",
    [
        closing(NextClose()),
        closing(ThisClose()),
        closing(VolumeWeighted()),
        {"execution": ExecutionPolicy(timing=NextClose(), sized_at="decision", whole_shares=True,
                                      participation=0.1, within_range=True)},
        closing(ThisClose()) | {"account": LOOSE},
        closing(NextClose()) | {"actions": ActionPolicy(reinvest_dividends=True),
                                "account": CashAccount(settlement=1)},
        closing(NextClose()) | {
            "risk_manager": RiskManager([], [MaxDrawdown(0.05), MaxWeight(0.3)])},
    ],
    ids=["next close", "this close", "vwap", "decision", "margin", "reinvest", "limits"],
)  # fmt: skip
def test_what_needs_no_open_is_the_same_without_one(
    settings: dict[str, Any], make: Callable[[], Strategy | None]
) -> None:
    expected = tables(run(catalog_of(), make(), **settings))
    assert len(expected["fills"]) > 10
    assert tables(run(catalog_of("open"), make(), **settings)) == expected


def test_what_did_not_trade_says_that_it_had_no_volume_or_no_bar() -> None:
    result = run(catalog_of("open"), **closing(NextClose()))
    reasons = result.sql("select reason, count(*) from orders where status = 'rejected' group by 1")
    assert set(dict(reasons.fetchall())) >= {"no volume", "no bar"}


def test_a_wide_frame_of_closes_reaches_a_result_in_two_lines() -> None:
    catalog = Catalog().register("prices", CLOSES, field="close")
    result = run(catalog, TopN(2, by="close", every=2), **closing(NextClose()))
    assert result["n_fills"] > 10
    assert "open" not in catalog.describe()[0]["columns"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, r"source 'prices' has no column 'open', and orders decided at a close fill at the "
             r"next open; add the column, or fill at closes: config=BacktestConfig\("
             r"execution=ExecutionPolicy\(timing=NextClose\(\)\)\)"),
        (closing(NextOpen()), "fill at the next open"),
        (closing(NextClose()) | {"account": MarginAccount()},
         r"'open', and a margin call trades at .* account=MarginAccount\(maintenance_margin=0\)"),
        (closing(NextClose()) | {"risk_manager": RiskManager([StopLoss(0.1), TimeBasedExit(3)])},
         "'open', and StopLoss, TimeBasedExit trade at the next open; add the column, or leave"),
        (closing(ThisClose()) | {
            "risk_manager": RiskManager([], [MaxWeight(0.3), MaxDrawdown(0.1, action="reduce")])},
         "'open', and MaxDrawdown trades at the next open"),
    ],
    ids=["default", "next open", "margin call", "rules", "limit"],
)  # fmt: skip
def test_what_needs_an_open_is_refused_before_the_run(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        run(catalog_of("open"), **settings)


def test_a_margin_of_the_assets_is_a_margin_call_too() -> None:
    catalog = catalog_of("open").register(
        "assets", {"asset_id": ASSETS, "maintenance_margin": [0.1, None, None, None, None]}
    )
    with pytest.raises(ConfigError, match="and no maintenance_margin in 'assets'"):
        run(catalog, **closing(NextClose()), account=LOOSE)


def test_an_exit_of_former_members_needs_an_open() -> None:
    catalog = catalog_of("open").register(
        "universe", {"asset_id": ASSETS, "start_date": [DAYS[0]] * 5, "end_date": [DAYS[20]] * 5}
    )
    settings = closing(NextClose()) | {"actions": ActionPolicy(exit_on_membership_end=True)}
    with pytest.raises(ConfigError, match="exit_on_membership_end=True sells at the next open"):
        run(catalog, **settings)


class _Limit(Strategy):
    def on_market_event(self, event: Any) -> None:
        self.buy(event.asset_id, 1.0, limit=40.0)


@pytest.mark.parametrize(
    ("left_out", "message"),
    [
        (["open"], "a limit order needs prices with columns 'open', 'high' and 'low'"),
        (["low"], "a limit order needs prices with columns 'high' and 'low'"),
    ],
)
def test_an_order_that_rests_inside_the_bar_needs_an_open(
    left_out: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        run(catalog_of(*left_out), _Limit(), **closing(NextClose()))


class _Sees(Strategy):
    def __init__(self) -> None:
        self.opens: list[float] = []

    def on_market_event(self, event: Any) -> None:
        self.opens.append(event.open)


def test_an_event_without_an_open_says_nan() -> None:
    strategy = _Sees()
    run(catalog_of("open"), strategy, **closing(NextClose()))
    assert len(strategy.opens) == len(BARS)
    assert np.isnan(strategy.opens).all()


def test_jumps_like_splits_are_seen_from_close_to_close() -> None:
    rows = {
        "timestamp": DAYS[:4], "asset_id": ["A"] * 4, "close": [100.0, 101.0, 50.4, 50.0],
    }  # fmt: skip
    result = run(Catalog().register("prices", rows), TopN(1, by="close"), **closing(NextClose()))
    warnings = str(result.sql("select warnings from runs").fetchall())
    assert "closes at the ratio of a split to the close before" in warnings
