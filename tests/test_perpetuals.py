"""Perpetual contracts by hand: funding at its times, on what is held then, and who may have it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from ml4t.backtest import BacktestEngine, BacktestResult, Catalog, Financing, MarginAccount
from ml4t.backtest.config import BacktestConfig
from ml4t.backtest.errors import DataError
from ml4t.backtest.risk import IsolatedMargin, RiskManager, StopLoss
from scripted import FREE, Scripted, at, cash, equity, flat, flows, play, price_table

NAMES = ("open", "high", "low", "close")
PERPETUAL = {"asset_id": ["A"], "instrument": ["perpetual"]}


def paid(*rows: tuple[datetime, float], **columns: list[Any]) -> dict[str, Any]:
    """The sources of a perpetual and of its funding, as rates unless columns say other."""
    source = {"timestamp": [row[0] for row in rows], "asset_id": ["A"] * len(rows)}
    rate = {} if columns else {"rate": [row[1] for row in rows]}
    return {"assets": PERPETUAL, "funding": {**source, **rate, **columns}}


def hourly(prices: list[float], script: Any, sources: Any, **settings: Any) -> BacktestResult:
    """Bars of an hour, named by their ends from 01:00 on."""
    times = [at(hour + 1) for hour in range(len(prices))]
    rows = [(price, price, price, price) for price in prices]
    return play(
        rows, script, names=NAMES, times=times, sources=sources, capital=10_000,
        account=MarginAccount(initial_margin=0.1, maintenance_margin=0.05), **settings,
    )  # fmt: skip


def buy(n: float) -> Any:
    return lambda s: s.buy("A", n)


def sell(n: float) -> Any:
    return lambda s: s.sell("A", n)


def funding(result: BacktestResult) -> list[tuple[int, float]]:
    return [(row[0], row[3]) for row in flows(result) if row[2] == "funding"]


def test_longs_pay_a_positive_rate_and_shorts_receive_it() -> None:
    source = paid((at(4), 0.0001))
    # 2 * 1,000 * 0.01% = 0.20 at the close of 04:00, the bar of its time.
    long = hourly([1_000.0] * 6, {0: [buy(2)]}, source)
    assert funding(long) == [(3, pytest.approx(-0.20))]
    short = hourly([1_000.0] * 6, {0: [sell(2)]}, source)
    assert funding(short) == [(3, pytest.approx(0.20))]
    assert equity(long)[-1] == pytest.approx(9_999.80)
    assert equity(short)[-1] == pytest.approx(10_000.20)
    assert long.sql("select borrow, pnl from trades").fetchall()[0] == pytest.approx((0.2, -0.2))
    assert cash(long) == pytest.approx([10_000] * 3 + [9_999.80] * 3)


def test_it_is_paid_at_the_close_of_its_time_by_who_holds_then() -> None:
    # Bought in the bar that ends at 04:00, sold in the one that ends at 05:00: pays at 04:00.
    source = paid((at(4), 0.001), (at(5), 0.001))
    result = hourly([1_000.0, 1_000.0, 1_000.0, 1_100.0, 1_200.0, 1_200.0],
                    {2: [buy(1)], 3: [sell(1)]}, source)  # fmt: skip
    # At the close of 04:00, 1,100 * 0.1% = 1.10.
    assert funding(result) == [(3, pytest.approx(-1.10))]


def test_payments_between_bars_are_of_what_was_held_before_and_all_are_counted() -> None:
    # Days, and three payments inside the third: each on the close of the second.
    times = [datetime(2024, 1, day) for day in (1, 2, 3, 4)]
    source = paid(
        (datetime(2024, 1, 2, 8), 0.0001), (datetime(2024, 1, 2, 16), 0.0002),
        (datetime(2024, 1, 3), 0.0003),
    )  # fmt: skip
    rows = [(price, price, price, price) for price in (100.0, 100.0, 110.0, 110.0)]
    result = play(
        rows, {0: [buy(10)], 1: [buy(10)]}, names=NAMES, times=times, sources=source,
        account=MarginAccount(),
    )  # fmt: skip
    # 10 held at 100.00: 0.10 and 0.20 before the second ten are bought; 20 at 110.00: 0.66.
    assert sorted(funding(result)) == [
        (2, pytest.approx(-0.66)), (2, pytest.approx(-0.20)), (2, pytest.approx(-0.10)),
    ]  # fmt: skip


def test_a_mark_price_and_cash_per_contract_are_taken_as_they_are() -> None:
    marked = paid((at(4), 0), rate=[0.001], mark=[990.0])
    assert funding(hourly([1_000.0] * 5, {0: [buy(2)]}, marked)) == [(3, pytest.approx(-1.98))]
    in_cash = paid((at(4), 0), cash=[-0.5])
    assert funding(hourly([1_000.0] * 5, {0: [buy(2)]}, in_cash)) == [(3, pytest.approx(1.0))]


def test_a_perpetual_is_settled_as_a_future_is_and_its_notional_bears_no_interest() -> None:
    source = {**paid((at(3), 0.01)), "assets": {**PERPETUAL, "multiplier": [0.5]}}
    rates = Financing(debit_rate=0.1)
    result = hourly([1_000.0, 1_000.0, 1_020.0, 990.0, 990.0], {0: [buy(40)]}, source,
                    financing=rates)  # fmt: skip
    # 40 * 0.5 * 20 = 400, less 40 * 0.5 * 1,020 * 1% = 204; then 40 * 0.5 * -30 = -600.
    assert cash(result) == pytest.approx([10_000, 10_000, 10_196, 9_596, 9_596])
    assert {row[2] for row in flows(result)} == {"funding", "variation_margin"}


def test_funding_moves_no_level() -> None:
    source = paid((at(3), 0.5))
    times = [at(hour + 1) for hour in range(5)]
    rows = [(100.0, 100.0, 100.0, 100.0)] * 4 + [(100.0, 100.0, 91.0, 91.0)]
    catalog = Catalog(threads=1).register("prices", price_table({"A": rows}, NAMES, times))
    for role in source:
        catalog.register(role, source[role])  # type: ignore[arg-type]
    result = BacktestEngine(
        catalog,
        Scripted({0: [buy(1)]}, ()),
        risk_manager=RiskManager([StopLoss(0.08)]),
        initial_capital=10_000,
        config=BacktestConfig(**FREE, account=MarginAccount()),
    ).run()
    # The stop is at 92.00, whatever was paid.
    assert result.sql("select exit_price from trades").fetchall() == [(92.0,)]


LEVERED = MarginAccount(initial_margin=0.1, maintenance_margin=0.0)


@pytest.mark.parametrize(
    ("order", "low", "high", "price", "rules"),
    [
        # Ten times levered: 1,000 * (1 - 0.1) / (1 - 0.005) = 904.52 for a long.
        (buy(5), 900.0, 1_000.0, 1_000 * 0.9 / 0.995, ()),
        # And 1,000 * (1 + 0.1) / (1 + 0.005) = 1,094.53 for a short.
        (sell(5), 1_000.0, 1_100.0, 1_000 * 1.1 / 1.005, ()),
        # Not reached.
        (buy(5), 905.0, 1_000.0, None, ()),
        # A stop on the way acts first.
        (buy(5), 900.0, 1_000.0, 950.0, (StopLoss(0.05),)),
    ],
)
def test_a_position_of_its_own_margin_is_liquidated_inside_the_bar(
    order: Any, low: float, high: float, price: float | None, rules: tuple[StopLoss, ...]
) -> None:
    rows = [(1_000.0, 1_000.0, 1_000.0, 1_000.0)] * 2 + [(1_000.0, high, low, 1_000.0)] * 2
    rule = IsolatedMargin(0.1, 0.005)
    result = play(rows, {0: [order]}, rule, *rules, names=NAMES, capital=1_000, account=LEVERED,
                  sources={"assets": PERPETUAL})  # fmt: skip
    exits = [row[0] for row in result.sql("select exit_price from trades").fetchall()]
    assert exits == [None if price is None else pytest.approx(price)]
    if price is not None and not rules:
        # What is left is the maintenance margin: 0.5% of the value at the price.
        given = 0.1 * 5 * 1_000
        left = result.sql("select pnl from trades").fetchall()[0][0] + given
        assert left == pytest.approx(0.005 * 5 * price)
        said = result.sql("select rule, reason from decisions").fetchall()
        assert said == [
            ("IsolatedMargin", "liquidation: margin of the position at 0.50% of its value")
        ]


def test_a_gap_beyond_the_liquidation_fills_at_the_open() -> None:
    rows = [(1_000.0, 1_000.0, 1_000.0, 1_000.0)] * 2 + [(880.0, 890.0, 870.0, 880.0)] * 2
    result = play(rows, {0: [buy(5)]}, IsolatedMargin(0.1, 0.005), names=NAMES, capital=1_000,
                  account=LEVERED, sources={"assets": PERPETUAL})  # fmt: skip
    # 5 * (880 - 1,000) = -600, more than the 500 that it was given.
    assert result.sql("select exit_price, pnl from trades").fetchall() == [(880.0, -600.0)]


@pytest.mark.parametrize(
    "columns",
    [
        {"rate": [0.1], "cash": [1.0]}, {"rate": [None], "cash": [None]}, {"rate": [10.0]},
        {"rate": [float("nan")]}, {"cash": [float("inf")]}, {"rate": [0.1], "mark": [0.0]},
    ],
)  # fmt: skip
def test_payments_that_cannot_be_are_refused(columns: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="exactly one of rate") as caught:
        hourly([100.0] * 4, {}, paid((at(2), 0), **columns))
    assert caught.value.rule == "funding_not_valid"


def test_funding_of_what_is_no_perpetual_is_refused() -> None:
    source = {"funding": paid((at(2), 0.01))["funding"]}
    with pytest.raises(DataError, match="no perpetual contracts; say so in 'assets'"):
        hourly([100.0] * 4, {}, source)
    assert flows(play(flat(10, 3), {})) == []
