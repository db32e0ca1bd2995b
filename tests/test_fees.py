"""Fee schedules: lines of a price list that add up, each to the cent by hand."""

from __future__ import annotations

import tomllib
from datetime import date
from typing import Any

import numpy as np
import pytest

from hand_events import bought, close
from ml4t.backtest import (
    BacktestConfig,
    Fee,
    FeeSchedule,
    MakerTakerCommission,  # noqa: F401 - what a schedule prints has it
    MonthlyTieredCommission,
    PerOrderCommission,
    PerShareCommission,
    fee_schedule,
)
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.execution import Charges, Quote
from ml4t.backtest.execution.costs.schedules import SCHEDULES
from ml4t.backtest.execution.hand_loop.broker import SimulationBroker
from ml4t.backtest.runfile_tables import SETTINGS, build, settings_text
from scripted import FREE, flat, play


def charged(model: Any, quantity: float, price: float, day: str, **more: Any) -> tuple[float, ...]:
    """Return commission, tax and fee of one fill."""
    quote = Quote(
        sids=np.array([0]), quantity=np.array([float(quantity)]), price=np.array([price]),
        multiplier=np.array([more.pop("multiplier", 1.0)]), market={},
        date=np.datetime64(day, "D"), **more,
    )  # fmt: skip
    found = model.charge(quote)
    found = found if isinstance(found, Charges) else Charges(found)
    parts = (found.commission, found.tax, found.fee)
    return tuple(float(np.ravel(part)[0]) for part in parts)


# name, signed shares, price, date -> commission, tax, fee; a last entry: what else the quote says.
BY_HAND: list[tuple[Any, ...]] = [
    # Bought: no levy. 200 * 0.005 = 1.00.
    ("ibkr_us_fixed", 200, 50.0, "2024-01-02", (1.00, 0, 0)),
    # 1,000 * 0.005 = 5.00. SEC: 50,000 * 8.00 / 1e6 = 0.40. TAF: 1,000 * 0.000166 = 0.166 -> 0.17.
    ("ibkr_us_fixed", -1_000, 50.0, "2024-05-21", (5.00, 0, 0.40 + 0.17)),
    # The day after: 50,000 * 27.80 / 1e6 = 1.39.
    ("ibkr_us_fixed", -1_000, 50.0, "2024-05-22", (5.00, 0, 1.39 + 0.17)),
    # In 2023 TAF was 1,000 * 0.000145 = 0.145 -> 0.15 (half up).
    ("ibkr_us_fixed", -1_000, 50.0, "2023-12-29", (5.00, 0, 0.40 + 0.15)),
    # TAF of 60,000 shares is 8.70 in 2023, capped at 7.27; of 2024 9.96, capped at 8.30.
    # SEC: 60,000 * 5 * 8 / 1e6 = 2.40. Commission 300.
    ("ibkr_us_fixed", -60_000, 5.0, "2023-03-01", (300.0, 0, 7.27 + 2.40)),
    ("ibkr_us_fixed", -60_000, 5.0, "2024-03-01", (300.0, 0, 8.30 + 2.40)),
    # Of 2010: SEC 50,000 * 12.70 / 1e6 = 0.635 -> 0.64, TAF 1,000 * 0.000075 = 0.075 -> 0.08.
    ("ibkr_us_fixed", -1_000, 50.0, "2010-01-15", (5.00, 0, 0.64 + 0.08)),
    # TAF of 60,000 shares is 7.14 from 2012-07 on, at most 5.95; SEC 300,000 * 22.40 / 1e6 = 6.72.
    ("ibkr_us_fixed", -60_000, 5.0, "2012-07-02", (300.0, 0, 5.95 + 6.72)),
    # TAF is 0.000195 a share from 2026 on, 11.70 capped at 9.79; SEC nothing, then 300,000 * 20.60.
    ("ibkr_us_fixed", -60_000, 5.0, "2026-04-03", (300.0, 0, 9.79)),
    ("ibkr_us_fixed", -60_000, 5.0, "2026-04-06", (300.0, 0, 9.79 + 6.18)),
    # SEC nothing from 2025-05-14. 10 shares of 2.00: 1% of 20 caps the minimum of 1.00.
    ("ibkr_us_fixed", -10, 2.0, "2025-05-14", (0.20, 0, 0.0)),
    # Up to the next cent: 150 * 8 / 1e6 = 0.0012 -> 0.01, 0.000166 -> 0.01.
    ("us_zero", -1, 150.0, "2024-02-01", (0, 0, 0.02)),
    ("us_zero", 1, 150.0, "2024-02-01", (0, 0, 0)),
    # 100 shares: the minimum of 0.35; clearing 0.02; pass-through 0.35 * 0.000735 = 0.00025725.
    ("ibkr_us_tiered", 100, 50.0, "2024-01-02", (0.35, 0, 0.02 + 0.00025725)),
    # 299,000 traded before: 1,000 * 0.0035 + 1,000 * 0.002 = 5.50; clearing 0.40;
    # 5.50 * 0.000735 = 0.0040425.
    ("ibkr_us_tiered", 2_000, 50.0, "2024-01-31", (5.50, 0, 0.40 + 0.0040425),
     {"month_shares": 299_000.0}),
    # The broker's own example: 200,000 at 5 are 700 and 40 of clearing; it writes 0.39 and 0.12
    # for 700 * 0.00056 and * 0.000175.
    ("ibkr_us_tiered", 200_000, 5.0, "2024-01-31", (700.0, 0, 40 + 0.392 + 0.1225)),
    # 400 at 88.05 = 35,220: stamp 35.22 -> 36; SFC 0.95094 -> 0.95; AFRC 0.05283 -> 0.05;
    # trading 1.98993 -> 1.99; settlement 0.7044 -> the minimum of 2.
    ("hong_kong", 400, 88.05, "2024-03-01", (0, 36, 0.95 + 0.05 + 1.99 + 2.00)),
    # Settlement is 35,220 * 0.000042 = 1.47924 -> 1.48 from 2025-06-30; sales pay stamp too.
    ("hong_kong", -400, 88.05, "2025-06-30", (0, 36, 0.95 + 0.05 + 1.99 + 1.48)),
    # 0.13% in 2022: 45.786 -> 46; trading 1.761 -> 1.76 and the tariff of 0.50.
    ("hong_kong", 400, 88.05, "2022-03-01", (0, 46, 0.95 + 0.05 + 1.76 + 0.50 + 2.00)),
    # In 2014 SFC 1.0566 -> 1.06, no AFRC; 8,000,000 settles at most for 100.
    ("hong_kong", 400, 88.05, "2014-10-31", (0, 36, 1.06 + 1.76 + 0.50 + 2.00)),
    ("hong_kong", 80_000, 100.0, "2014-11-03", (0, 8_000, 216 + 400 + 0.50 + 100)),
    # Stamp of a value that is whole thousands is not rounded further: 100,000 -> 100.
    ("hong_kong", 1_000, 100.0, "2024-03-01", (0, 100, 2.70 + 0.15 + 5.65 + 2.00)),
    # 1,000 at 10: 10,000 * 0.00025 = 2.50 -> the minimum of 5; transfer 10,000 * 0.00001 = 0.10.
    ("china_a", 1_000, 10.0, "2024-01-02", (5, 0, 0.10)),
    # Stamp of sales: 0.1% to 2023-08-27, 0.05% from the 28th. 100,000: 25, 100 or 50, 1.00.
    ("china_a", -10_000, 10.0, "2023-08-25", (25, 100, 1.00)),
    ("china_a", -10_000, 10.0, "2023-08-28", (25, 50, 1.00)),
    # Transfer 0.002% to 2022-04-28.
    ("china_a", -10_000, 10.0, "2022-04-28", (25, 100, 2.00)),
    # 100 at 1,000 = 100,000: exchange 2.97, SEBI 0.10, GST 18% of 3.07 = 0.5526 -> 0.55; STT 100,
    # stamp 15.
    ("india_delivery", 100, 1_000.0, "2025-01-02", (0, 0.55 + 100 + 15, 3.07)),
    ("india_delivery", -100, 1_000.0, "2025-01-02", (0, 0.55 + 100, 3.07)),
    # Brokerage 0.03% = 30, at most 20; GST 18% of 23.07 = 4.1526 -> 4.15; STT 25 on sales, stamp 3.
    ("india_intraday", -100, 1_000.0, "2025-01-02", (20, 4.15 + 25, 3.07)),
    ("india_intraday", 100, 1_000.0, "2025-01-02", (20, 4.15 + 3, 3.07)),
    # HMRC: 13.4550 is rounded to 13.46. 2,691 * 0.005 = 13.455.
    ("uk", 2_691, 1.0, "2024-01-02", (0, 13.46, 0)),
    ("uk", -2_691, 1.0, "2024-01-02", (0, 0, 0)),
    ("binance_spot", 0.5, 40_000.0, "2024-01-02", (20.0, 0, 0)),  # 20,000 * 0.1%
    ("binance_perpetual", -0.5, 40_000.0, "2024-01-02", (10.0, 0, 0)),  # 20,000 * 0.05%
    ("binance_perpetual", -0.5, 40_000.0, "2024-01-02", (4.0, 0, 0), {"is_maker": True}),
    # Three contracts: 3 * 0.85, 3 * 1.38 + 3 * 0.02; the multiplier does not enter.
    ("cme_emini", 3, 5_000.0, "2024-01-02", (2.55, 0, 4.20), {"multiplier": 50.0}),
]  # fmt: skip


@pytest.mark.parametrize("case", BY_HAND, ids=lambda case: f"{case[0]} {case[1]} {case[3]}")
def test_a_ready_schedule_by_hand(case: tuple[Any, ...]) -> None:
    name, quantity, price, day, expected, *more = case
    model = fee_schedule(name)
    found = charged(model, quantity, price, day, **(more[0] if more else {}))
    assert found == pytest.approx(expected, abs=1e-9)


def test_every_ready_schedule_has_a_case_a_source_and_prints_what_makes_it_again() -> None:
    assert {case[0] for case in BY_HAND} == set(SCHEDULES)
    for name, make in SCHEDULES.items():
        model = fee_schedule(name)
        assert "https://" in (make.__doc__ or ""), name
        assert eval(repr(model)) == model
        assert hash(eval(repr(model))) == hash(model)
        config = BacktestConfig(commission=model)
        table = tomllib.loads(settings_text(config))["commission"]
        assert build(SETTINGS["commission"], table, "[commission]") == model


def test_costs_add_and_one_is_charged_of_those_before_it() -> None:
    model = PerOrderCommission(20.0) + Fee(0.001, on="sell", column="tax")
    model = model + Fee(0.18, per="commission", column="tax") + Fee(0.5, per="order", column="fee")
    assert len(model.parts) == 4
    # 10,000: 20; 10 of the sale and 18% of 20; 0.50.
    assert charged(model, -100, 100.0, "2024-01-02") == pytest.approx((20, 13.6, 0.5))
    assert charged(model, 100, 100.0, "2024-01-02") == pytest.approx((20, 3.6, 0.5))
    assert charged(model, 0, 100.0, "2024-01-02") == (0, 0, 0)
    # Of commission and fees, not of taxes: 18% of 20 + 0.50.
    last = model + Fee(0.18, per="charges", column="tax")
    assert charged(last, 100, 100.0, "2024-01-02") == pytest.approx((20, 3.6 + 3.69, 0.5))


@pytest.mark.parametrize(
    ("value", "unit", "rounding", "expected"),
    [
        (0.285, 0.01, "half_up", 0.29),  # 28.499999999999996 cents in binary
        (0.2849, 0.01, "half_up", 0.28),
        (100.0, 1.0, "up", 100.0),
        (100.01, 1.0, "up", 101.0),
        (0.07 * 100, 1.0, "up", 7.0),  # 7.000000000000001
        (12.0, 5.0, "up", 15.0),
    ],
)
def test_rounding_is_that_of_the_decimal_number(
    value: float, unit: float, rounding: str, expected: float
) -> None:
    model = Fee(value, per="order", unit=unit, rounding=rounding)
    assert charged(model, 1, 1.0, "2024-01-02")[0] == pytest.approx(expected, abs=1e-12)


def test_a_run_over_dates_without_an_amount_is_refused_before_it_begins() -> None:
    bars = {"A": flat(10, 5)}  # from 2024-01-01 on
    late = Fee((("2024-01-02", 0.001),))
    with pytest.raises(
        ConfigError, match=r"no amount before 2024-01-02, the run begins on 2024-01-0"
    ):
        play(bars, {}, commission=late)
    ends = PerOrderCommission(1) + Fee((("2020-01-01", 0.001), ("2024-01-04", None)))
    with pytest.raises(ConfigError, match=r"no known amount from 2024-01-04 on, the run ends on"):
        play(bars, {}, commission=ends)
    with pytest.raises(ConfigError, match=r"PerOrderCommission\(20\) \+ Fee"):
        play(bars, {}, commission=Fee(0.18, per="commission"))
    known = Fee((("2020-01-01", 0.001), ("2024-01-06", None)))
    assert play(bars, {}, commission=known)["n_fills"] == 0


def test_the_date_of_the_fill_decides_not_that_of_the_order() -> None:
    stamp = Fee((("2020-01-01", 0.001), (date(2024, 1, 4), 0.0005)), on="sell", column="tax")
    script = {
        0: [lambda s: s.buy("A", 300)],
        1: [lambda s: s.sell("A", 100)],  # fills on the 3rd: 1,000 * 0.1%
        2: [lambda s: s.sell("A", 100)],  # on the 4th: 1,000 * 0.05%
    }
    result = play({"A": flat(10, 5)}, script, commission=stamp)
    taxes = result.sql("select tax from fills order by fill_id").fetchall()
    assert taxes == [(0.0,), (pytest.approx(1.0),), (pytest.approx(0.5),)]


def test_monthly_tiers_count_what_filled_and_begin_anew_with_the_month() -> None:
    tiers = MonthlyTieredCommission(((0, 0.01), (100, 0.002)))
    n = 40  # 2024-01-01 to 2024-02-09
    script = {
        0: [lambda s: s.buy("A", 80), lambda s: s.buy("B", 80)],
        # Never fills: a limit far below.
        1: [lambda s: s.buy("A", 5_000, limit=1.0)],
        5: [lambda s: s.sell("A", 50)],
        32: [lambda s: s.buy("B", 120)],  # fills in February
    }
    bars = {"A": flat(10, n), "B": flat(10, n)}
    for _ in range(2):  # a run remembers nothing of the one before
        result = play(bars, script, commission=tiers)
        # 80 * 0.01; then 20 * 0.01 + 60 * 0.002; all 50 * 0.002; anew: 100 * 0.01 + 20 * 0.002.
        paid = result.sql("select commission from fills order by fill_id").fetchall()
        assert [one for (one,) in paid] == pytest.approx([0.8, 0.32, 0.1, 1.04])


@pytest.mark.parametrize("seed", range(5))
def test_monthly_tiers_are_those_of_every_share_by_itself(seed: int) -> None:
    random = np.random.default_rng(seed)
    tiers = ((0, 0.0035), (40, 0.002), (90, 0.0015), (200, 0.0))
    model = MonthlyTieredCommission(tiers, minimum=0.02, cap=0.01)
    quantity = random.integers(-60, 60, 8).astype(float)
    price = random.uniform(0.05, 5.0, 8)
    quote = Quote(
        sids=np.arange(8), quantity=quantity, price=price, multiplier=np.ones(8), market={},
        date=np.datetime64("2024-01-31"), month_shares=float(before := int(random.integers(100))),
    )  # fmt: skip
    expected = []
    for shares, each in zip(quantity.astype(int).tolist(), price.tolist(), strict=True):
        paid = 0.0
        for _ in range(abs(shares)):
            paid += [amount for start, amount in tiers if start <= before][-1]
            before += 1
        paid = min(max(paid, 0.02), 0.01 * abs(shares) * each)
        expected.append(paid if shares else 0.0)
    assert model.charge(quote) == pytest.approx(expected)


def test_tiers_are_those_of_the_moment_a_rebalance_books() -> None:
    """Sales and purchases of one moment count one after the other."""
    tiers = MonthlyTieredCommission(((0, 0.01), (100, 0.0)))
    script = {
        0: [lambda s: s.buy("A", 60)],
        1: [lambda s: s.sell("A", 30), lambda s: s.buy("B", 30)],
    }
    result = play({"A": flat(10, 4), "B": flat(10, 4)}, script, commission=tiers)
    # 60 * 0.01; the sale 30 * 0.01; of the purchase 10 * 0.01 are left below 100.
    paid = result.sql("select commission from fills order by fill_id").fetchall()
    assert [one for (one,) in paid] == pytest.approx([0.6, 0.3, 0.1])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Fee(1.5), "amount of a fee per value must be a number"),
        (lambda: Fee(0.1, on="sells"), "did you mean 'sell'"),
        (lambda: Fee(0.1, minimum=5, maximum=2), "at least its minimum of 5"),
        (lambda: Fee(0.1, minimum=5, maximum=(("2024-01-01", 2),)), "at least its minimum of 5"),
        (lambda: Fee((("2024-13-01", 0.1),)), "must be one such as '2023-08-28'"),
        (lambda: Fee((("2024-02-01", 0.1), ("2024-01-01", 0.2))), "must ascend by date"),
        (lambda: Fee(((0.1, 0.2, 0.3),)), "must be a .date, amount. pair"),
        (lambda: FeeSchedule((0.001,)), r"method charge\(\), was 0.001"),
        (lambda: FeeSchedule(()), "must hold at least one model, was empty"),
        (lambda: FeeSchedule((Fee(0.18, per="charges"),)), "is the first part"),
        (lambda: fee_schedule("hongkong"), "did you mean 'hong_kong'"),
    ],
)
def test_what_is_no_schedule_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_a_loop_by_hand_pays_by_date_and_counts_its_month_over_all_assets() -> None:
    stamp = Fee((("2020-01-01", 0.001), ("2024-01-03", 0.0005)), on="sell", column="tax")
    tiers = MonthlyTieredCommission(((0, 0.01), (100, 0.002)))
    fees = Fee(0.5, per="order", column="fee")
    broker = SimulationBroker(10_000, commission=tiers + stamp + fees, slippage=FREE["slippage"])
    paid = []
    for t, (asset, quantity) in enumerate([("A", 80), ("B", 80), ("A", -50), ("A", -30)]):
        bought(broker, asset, quantity)
        (fill,) = broker.on_market_event(close(t, 10.0, asset))
        paid.append((fill.timestamp.day, fill.commission, fill.tax, fill.fee))
    # 80 * 0.01; 20 * 0.01 + 60 * 0.002; 50 * 0.002 and 500 * 0.05%; 30 * 0.002 and 300 * 0.05%.
    expected = [(1, 0.8, 0, 0.5), (2, 0.32, 0, 0.5), (3, 0.1, 0.25, 0.5), (4, 0.06, 0.15, 0.5)]
    assert [one == pytest.approx(by) for one, by in zip(paid, expected, strict=True)] == [True] * 4
    # 10,000 - 800 - 800 + 500 + 300, less 1.28, 0.40 and 2.00.
    assert broker.portfolio.cash == pytest.approx(9_200 - 3.68)


def test_a_rate_is_part_of_what_a_run_is_told_by() -> None:
    of_rate = [
        BacktestConfig(commission=PerOrderCommission(1) + Fee((("2024-01-01", rate),))).to_dict()
        for rate in (0.001, 0.002, 0.001)
    ]
    assert of_rate[0] == of_rate[2] != of_rate[1]


def test_a_schedule_without_dates_is_a_commission_of_the_same_number() -> None:
    script = {0: [lambda s: s.buy("A", 100)], 2: [lambda s: s.sell("A", 100)]}
    ours = play({"A": flat(10, 5)}, script, commission=PerShareCommission(0.01, minimum=2.0))
    fees = play({"A": flat(10, 5)}, script, commission=Fee(0.01, per="share", minimum=2.0))
    assert ours["final_value"] == fees["final_value"] == 10_000 - 4
