"""Futures by hand: variation margin, margins in money, what is financed and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from ml4t.backtest import (
    BasisPointSlippage,
    CashAccount,
    ExecutionPolicy,
    Financing,
    MarginAccount,
    PerShareCommission,
    ThisClose,
)
from ml4t.backtest.errors import ConfigError, DataError
from ml4t.backtest.risk import StopLoss
from scripted import at, cash, day, equity, fills, flat, flows, held, orders, play, trades

ES = {"asset_id": ["A"], "multiplier": [50.0], "instrument": ["future"]}
BARS = [
    (4_000.0, 4_000.0, 4_000.0, 4_000.0),
    (4_000.0, 4_010.0, 4_000.0, 4_010.0),
    (4_010.0, 4_010.0, 3_990.0, 3_990.0),
    (3_990.0, 4_005.0, 3_990.0, 4_005.0),
    (4_005.0, 4_005.0, 4_005.0, 4_005.0),
]


def contract(**more: Any) -> dict[str, Any]:
    """The source of terms of one ES, with other columns."""
    return {"assets": {**ES, **{name: [value] for name, value in more.items()}}}


def buy(n: float) -> Any:
    return lambda s: s.buy("A", n)


def sell(n: float) -> Any:
    return lambda s: s.sell("A", n)


def test_one_contract_moves_cash_by_its_gain_each_day_and_not_by_its_notional() -> None:
    script = {0: [buy(1)], 3: [sell(1)]}
    account = MarginAccount(initial_margin=0.05, maintenance_margin=0.04)
    result = play(BARS, script, capital=100_000, account=account, sources=contract())
    # Bought at 4,000: +10 * 50, -20 * 50, +15 * 50, and sold where it closed.
    assert cash(result) == [100_000.0, 100_500.0, 99_500.0, 100_250.0, 100_250.0]
    assert equity(result) == cash(result)
    assert [row for row in flows(result) if row[2] == "variation_margin"] == [
        (1, "A", "variation_margin", 500.0),
        (2, "A", "variation_margin", -1_000.0),
        (3, "A", "variation_margin", 750.0),
        (4, "A", "variation_margin", 0.0),
    ]
    assert result.sql("select pnl from trades").fetchall() == [(250.0,)]
    # What is held is shown with its notional, which is exposure and no money.
    query = "select value from positions order by timestamp"
    assert result.sql(query).fetchall() == [(200_500.0,), (199_500.0,), (200_250.0,)]
    assert result.sql("select max(gross_exposure) from equity").fetchall() == [(200_500.0,)]


def test_interest_runs_on_cash_and_not_on_the_notional_of_contracts() -> None:
    rates = Financing(credit_rate=0.04, debit_rate=0.06)
    account = MarginAccount(initial_margin=0.05, maintenance_margin=0.04)
    result = play(
        flat(5_000, 6), {0: [buy(1)]}, capital=100_000, account=account, financing=rates,
        sources=contract(),
    )  # fmt: skip
    # 100,000 * 4% / 365 = 10.9589 a night, five nights, each on the cash of the close before.
    expected = 100_000 * (1 + 0.04 / 365) ** 5
    assert cash(result)[-1] == pytest.approx(expected, abs=1e-8)
    interest = [row[3] for row in flows(result) if row[2] == "interest"]
    assert interest[0] == pytest.approx(10.96, abs=0.005)
    assert all(amount > 0 for amount in interest)


def test_a_short_contract_earns_what_it_falls_and_borrows_nothing() -> None:
    rates = Financing(borrow_rate=0.10)
    account = MarginAccount(initial_margin=0.05, maintenance_margin=0.04)
    result = play(
        BARS, {0: [sell(2)]}, capital=100_000, account=account, financing=rates,
        sources=contract(),
    )  # fmt: skip
    # Sold at 4,000: 2 * 50 * (-10), then +20, -15.
    assert cash(result) == [100_000.0, 99_000.0, 101_000.0, 99_500.0, 99_500.0]
    assert {row[2] for row in flows(result)} == {"variation_margin"}


def test_a_contract_ties_up_its_initial_margin_in_money() -> None:
    margins = contract(contract_initial_margin=12_000.0, contract_maintenance_margin=11_000.0)
    for account in (MarginAccount(), CashAccount()):
        result = play(
            flat(4_000, 4), {0: [buy(8)], 1: [buy(1)]}, capital=100_000, account=account,
            sources=margins,
        )  # fmt: skip
        # 8 * 12,000 = 96,000 are tied up, and 4,000 do not carry a ninth.
        assert [row[2] for row in fills(result)] == [8.0], account
        assert cash(result) == [100_000.0] * 4
        reasons = result.sql("select reason from orders where reason <> ''").fetchall()
        assert reasons == [(account.lacks,)]


def test_a_margin_call_counts_the_maintenance_margin_in_money() -> None:
    bars = [*flat(4_000, 2), (4_000.0, 4_000.0, 3_950.0, 3_950.0), *flat(3_950, 2)]
    margins = contract(contract_initial_margin=12_000.0, contract_maintenance_margin=11_000.0)
    result = play(bars, {0: [buy(4)]}, capital=50_000, account=MarginAccount(), sources=margins)
    # 50,000 - 4 * 50 * 50 = 40,000 is below 4 * 11,000: cut to 40,000 / 12,000 = 3.33 contracts.
    assert [row[2] for row in fills(result)] == [4.0, pytest.approx(-(4 - 40 / 12))]
    assert result.sql("select distinct rule from decisions").fetchall() == [("margin_call",)]


def test_slippage_on_a_contract_is_settled_at_the_close_of_its_fill() -> None:
    account = MarginAccount(initial_margin=0.05, maintenance_margin=0.04)
    result = play(
        flat(4_000, 3), {0: [buy(1)]}, capital=100_000, account=account, sources=contract(),
        slippage=BasisPointSlippage(10),
    )  # fmt: skip
    # Paid 4,004: 50 * (4,000 - 4,004) = -200.
    assert cash(result) == [100_000.0, 99_800.0, 99_800.0]


def test_shares_and_contracts_of_one_account_share_its_cash() -> None:
    assets = {"asset_id": ["A", "B"], "multiplier": [50.0, 1.0], "instrument": ["future", None]}
    bars = {"A": BARS, "B": flat(10, 5)}
    script = {0: [buy(1), lambda s: s.buy("B", 1_000)]}
    account = MarginAccount(initial_margin=0.05, maintenance_margin=0.04)
    result = play(bars, script, capital=100_000, account=account, sources={"assets": assets})
    assert cash(result) == [100_000.0, 90_500.0, 89_500.0, 90_250.0, 90_250.0]
    assert equity(result) == [100_000.0, 100_500.0, 99_500.0, 100_250.0, 100_250.0]


@pytest.mark.parametrize("word", ["option", "bond", "Future", "fut"])
def test_an_instrument_that_needs_what_is_not_modelled_is_refused(word: str) -> None:
    with pytest.raises(DataError, match="instrument other than") as caught:
        play(flat(10, 3), {}, sources={"assets": {"asset_id": ["A"], "instrument": [word]}})
    assert caught.value.rule == "instrument_not_known"


@pytest.mark.parametrize(
    "terms",
    [
        {"contract_initial_margin": 0.0},
        {"contract_initial_margin": float("inf")},
        {"contract_initial_margin": 10.0, "contract_maintenance_margin": 11.0},
        {"contract_initial_margin": 10.0, "instrument": "share"},
    ],
)
def test_margins_of_contracts_that_cannot_be_are_refused(terms: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="contract_initial_margin or") as caught:
        play(flat(10, 3), {}, sources=contract(**terms))
    assert caught.value.rule == "contract_margin_not_valid"


def test_a_contract_that_nobody_calls_a_future_is_not_financed() -> None:
    assets = {"asset_id": ["A"], "multiplier": [50.0]}
    with pytest.raises(ConfigError, match=r"instrument 'future' in 'assets'"):
        play(flat(10, 3), {}, sources={"assets": assets}, financing=Financing(debit_rate=0.05))
    assert orders(play(flat(10, 3), {}, sources={"assets": assets})) == []


# -- expiry -----------------------------------------------------------------------------------


def expiring(on: int, **more: float) -> dict[str, Any]:
    """The source of terms of one ES whose last session is that of a bar."""
    return contract(expiry=day(on), **more)


TAKES = MarginAccount(initial_margin=0.05, maintenance_margin=0.04)


def test_a_contract_is_settled_at_the_close_of_its_last_session() -> None:
    bars = {"A": BARS[:4], "B": flat(10, 6)}
    assets = expiring(3)
    result = play(bars, {0: [buy(2)]}, capital=100_000, account=TAKES, sources=assets)
    # Bought at 4,000 and settled at 4,005: 2 * 50 * 5.
    assert trades(result) == [("expiry", 2.0, 500.0)]
    assert cash(result) == [100_000.0, 101_000.0, 99_000.0, 100_500.0, 100_500.0, 100_500.0]
    assert held(result) == [(1, "A", 2.0), (2, "A", 2.0)]
    query = "select exit_timestamp from trades"
    assert result.sql(query).fetchall() == [(day(3),)]


def test_a_final_settlement_price_is_what_a_contract_is_settled_at() -> None:
    bars = {"A": BARS[:4], "B": flat(10, 6)}
    assets = expiring(3, final_settlement=3_950.5)
    result = play(bars, {0: [sell(1)]}, capital=100_000, account=TAKES, sources=assets)
    # Sold at 4,000: 50 * (4,000 - 3,950.50) = 2,475; on the day from 3,990: 50 * 39.50 = 1,975.
    assert trades(result) == [("expiry", -1.0, 2_475.0)]
    assert flows(result)[-1] == (3, "A", "variation_margin", 1_975.0)
    assert cash(result)[-1] == 102_475.0


def test_an_expiry_on_a_day_without_a_bar_settles_before_the_next_open() -> None:
    # Bars of Monday to Wednesday, and of Friday and Saturday of another asset; expiry: Thursday.
    bars = {"A": [*BARS[:3]], "B": [*flat(10, 3), None, *flat(10, 2)]}
    result = play(bars, {0: [buy(1)]}, capital=100_000, account=TAKES, sources=expiring(3))
    # Bought at 4,000, last close 3,990: 50 * -10.
    assert trades(result) == [("expiry", 1.0, -500.0)]
    assert cash(result) == [100_000.0, 100_500.0, 99_500.0, 99_500.0, 99_500.0]
    assert held(result) == [(1, "A", 1.0), (2, "A", 1.0)]


def test_an_expiry_after_the_last_bar_settles_nothing() -> None:
    result = play(BARS, {0: [buy(1)]}, capital=100_000, account=TAKES, sources=expiring(9))
    assert trades(result) == []
    assert held(result)[-1] == (4, "A", 1.0)


def test_orders_of_an_expired_contract_end_and_new_ones_are_refused() -> None:
    bars = {"A": BARS[:3], "B": flat(10, 6)}
    script = {
        0: [buy(1), lambda s: s.buy("A", 1, limit=3_000.0)],
        2: [buy(1)],
        3: [lambda s: s.buy("A", 1, limit=3_000.0)],
    }
    result = play(bars, script, capital=100_000, account=TAKES, sources=expiring(2))
    assert orders(result) == [
        ("filled", "", 1.0), ("cancelled", "expired", 0.0), ("rejected", "expired", 0.0),
        ("rejected", "expired", 0.0),
    ]  # fmt: skip


def test_nothing_is_bought_of_a_contract_at_the_close_at_which_it_expired() -> None:
    script = {2: [lambda s: s.order_target_percent("A", 0.5)]}
    bars = {"A": BARS[:3], "B": flat(10, 5)}
    result = play(
        bars, script, capital=1_000_000, account=TAKES, sources=expiring(2),
        execution=ExecutionPolicy(timing=ThisClose()),
    )  # fmt: skip
    assert orders(result) == [("rejected", "expired", 0.0)]
    assert held(result) == []


def test_levels_of_an_expired_contract_are_forgotten() -> None:
    bars = {"A": BARS[:3], "B": flat(10, 5)}
    result = play(
        bars, {0: [buy(1)]}, StopLoss(0.5), capital=1_000_000, account=TAKES, sources=expiring(2)
    )
    assert [row[0] for row in trades(result)] == ["expiry"]


def test_a_contract_expires_at_the_last_bar_of_its_day() -> None:
    times = [at(10), at(15), at(10, 1), at(15, 1), at(10, 2)]
    bars = {"A": BARS[:4], "B": flat(10, 5)}
    result = play(
        bars, {0: [buy(1)]}, capital=100_000, account=TAKES, sources=expiring(1), times=times
    )
    assert held(result) == [(1, "A", 1.0), (2, "A", 1.0)]
    assert trades(result) == [("expiry", 1.0, 250.0)]  # 50 * (4,005 - 4,000)


def test_bars_after_an_expiry_are_refused() -> None:
    with pytest.raises(DataError, match="bars after their expiry") as caught:
        play(BARS, {}, sources=expiring(3))
    assert (caught.value.rule, caught.value.n_rows) == ("bars_after_expiry", 1)


@pytest.mark.parametrize(
    "terms",
    [
        {"expiry": day(4), "instrument": "share"},
        {"expiry": day(4), "instrument": "perpetual"},
        {"expiry": day(4), "final_settlement": float("nan")},
        {"final_settlement": 4_000.0},
    ],
)
def test_an_expiry_that_cannot_be_is_refused(terms: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="expiry of what is no future") as caught:
        play(BARS, {}, sources=contract(**terms))
    assert caught.value.rule == "expiry_not_valid"


def test_an_infinite_expiry_is_refused() -> None:
    assets = "select 'A' as asset_id, 'future' as instrument, 'infinity'::date as expiry"
    with pytest.raises(DataError, match="or that is infinite"):
        play(BARS, {}, sources={"assets": assets})


def test_an_expiry_that_is_no_date_is_refused() -> None:
    with pytest.raises(DataError, match="must be a DATE"):
        play(BARS, {}, sources=contract(expiry=20240105.0))


def test_a_rebalance_from_one_contract_to_another_frees_the_margin_of_the_first() -> None:
    terms = {
        "asset_id": ["A", "B"], "instrument": ["future"] * 2,
        "contract_initial_margin": [120.0] * 2,
    }  # fmt: skip

    def only(name: str) -> Any:
        return lambda s: s.broker.order_target_weights({name: 0.8})

    bars = {"A": flat(100, 4), "B": flat(100, 4)}
    result = play(
        bars, {0: [only("A")], 1: [only("B")]}, capital=100_000, account=CashAccount(),
        sources={"assets": terms},
    )  # fmt: skip
    # 800 contracts tie up 96,000 of 100,000 each time; with both at once it would be 192,000.
    assert fills(result) == [
        (1, "A", 800.0, 100.0),
        (2, "A", -800.0, 100.0),
        (2, "B", 800.0, 100.0),
    ]


# -- rolls ------------------------------------------------------------------------------------

TWO = {
    "A": [(4_000.0,) * 4] * 2 + [(4_010.0,) * 4, (4_020.0,) * 4, (4_030.0,) * 4],
    "B": [(4_050.0,) * 4] * 2 + [(4_060.0,) * 4, (4_075.0,) * 4, (4_085.0,) * 4],
}
PAIR = {"asset_id": ["A", "B"], "multiplier": [50.0] * 2, "instrument": ["future"] * 2}


def rolling(on: int, old: str = "A", new: str = "B", **terms: Any) -> dict[str, Any]:
    """Two contracts, of which one is rolled into the other at the close of a bar."""
    rolls = {"timestamp": [day(on)], "asset_id": [old], "new_asset_id": [new]}
    return {"assets": {**PAIR, **terms}, "rolls": rolls}


@pytest.mark.parametrize("side", [1, -1])
def test_a_roll_is_traded_at_the_next_open_with_its_costs(side: int) -> None:
    result = play(
        TWO, {0: [lambda s: s.buy("A", 2) if side > 0 else s.sell("A", 2)]}, capital=100_000,
        account=TAKES, sources=rolling(2), commission=PerShareCommission(2.0),
    )  # fmt: skip
    # In at 4,000, out at 4,020 at the open after the roll, and into B at 4,075.
    assert fills(result) == [
        (1, "A", 2.0 * side, 4_000.0), (3, "A", -2.0 * side, 4_020.0),
        (3, "B", 2.0 * side, 4_075.0),
    ]  # fmt: skip
    # 2 * 50 * 20 less 2 * 2.00 in and out.
    assert trades(result) == [("roll", 2.0 * side, 2_000.0 * side - 8.0)]
    # A: 1,000 each on bars 2 and 3; B: nothing on the day of the roll, 2 * 50 * 10 on the last.
    assert cash(result) == [
        100_000.0, 99_996.0, 99_996.0 + 1_000 * side, 99_996.0 + 2_000 * side - 8.0,
        99_996.0 + 3_000 * side - 8.0,
    ]  # fmt: skip
    assert orders(result)[1:] == [("filled", "", -2.0 * side), ("filled", "", 2.0 * side)]


def test_a_roll_of_what_is_not_held_orders_nothing() -> None:
    result = play(TWO, {}, capital=100_000, account=TAKES, sources=rolling(2))
    assert orders(result) == []


def test_a_roll_needs_the_margin_of_one_contract_at_a_time() -> None:
    sources = rolling(1, contract_initial_margin=[60_000.0] * 2)
    result = play(TWO, {0: [buy(1)]}, capital=100_000, account=CashAccount(), sources=sources)
    # 60,000 of 100,000 are tied up; both contracts together would need 120,000.
    assert held(result) == [(1, "A", 1.0), (2, "B", 1.0), (3, "B", 1.0), (4, "B", 1.0)]


def test_a_contract_is_rolled_twice() -> None:
    bars = {name: [(price,) * 4] * 5 for name, price in {"A": 10.0, "B": 11.0, "C": 12.0}.items()}
    assets = {"asset_id": list("ABC"), "instrument": ["future"] * 3}
    rolls = {"timestamp": [day(2), day(1)], "asset_id": ["B", "A"], "new_asset_id": ["C", "B"]}
    result = play(bars, {0: [buy(3)]}, account=TAKES, sources={"assets": assets, "rolls": rolls})
    assert held(result) == [(1, "A", 3.0), (2, "B", 3.0), (3, "C", 3.0), (4, "C", 3.0)]


def test_a_roll_at_this_close_trades_at_it() -> None:
    result = play(
        TWO, {0: [buy(1)]}, capital=100_000, account=TAKES, sources=rolling(2),
        execution=ExecutionPolicy(timing=ThisClose()),
    )  # fmt: skip
    assert fills(result) == [
        (0, "A", 1.0, 4_000.0),
        (2, "A", -1.0, 4_010.0),
        (2, "B", 1.0, 4_060.0),
    ]


@pytest.mark.parametrize(
    ("sources", "rule"),
    [
        (rolling(2, new="A"), "roll_not_valid"),
        (rolling(2, new="X"), "roll_to_unknown"),
        (rolling(2, instrument=["future", None]), "roll_of_share"),
        (rolling(2, multiplier=[50.0, 5.0]), "roll_keeps_multiplier"),
    ],
)
def test_rolls_that_cannot_be_are_refused(sources: dict[str, Any], rule: str) -> None:
    with pytest.raises(DataError, match="source 'rolls'") as caught:
        play(TWO, {}, sources=sources)
    assert (caught.value.rule, caught.value.n_rows) == (rule, 1)


# -- margins that change ----------------------------------------------------------------------


def changing(*rows: tuple[int, float, float]) -> dict[str, Any]:
    """(bar at which it is known, initial, maintenance) of one ES."""
    known, initial, maintenance = map(list, zip(*rows, strict=True))
    n = len(rows)
    return {
        "assets": {
            "asset_id": ["A"] * n, "instrument": ["future"] * n, "multiplier": [50.0] * n,
            "contract_initial_margin": initial, "contract_maintenance_margin": maintenance,
            "available_at": [day(t) for t in known],
        }
    }  # fmt: skip


def test_a_margin_counts_from_the_close_at_which_it_is_known() -> None:
    sources = changing((0, 10_000.0, 9_000.0), (2, 60_000.0, 20_000.0))
    result = play(
        flat(4_000, 6), {0: [buy(1)], 1: [buy(1)], 2: [buy(1)]}, capital=100_000,
        account=MarginAccount(), sources=sources,
    )  # fmt: skip
    # Bars 1 and 2 fill at 10,000 each; at bar 3 three would tie up 180,000.
    assert [row[:3] for row in fills(result)] == [(1, "A", 1.0), (2, "A", 1.0)]
    assert orders(result)[2][:2] == ("rejected", "insufficient buying power")


def test_a_margin_that_rises_calls() -> None:
    sources = changing((0, 10_000.0, 9_000.0), (3, 40_000.0, 30_000.0))
    result = play(
        flat(4_000, 6), {0: [buy(4)]}, capital=100_000, account=MarginAccount(), sources=sources
    )
    # From the close of bar 3 on 4 * 30,000 is above 100,000: cut to 100,000 / 160,000 of 4.
    assert fills(result) == [(1, "A", 4.0, 4_000.0), (4, "A", -1.5, 4_000.0)]


def test_a_margin_that_falls_lets_more_in() -> None:
    sources = changing((0, 60_000.0, 50_000.0), (2, 10_000.0, 9_000.0))
    result = play(
        flat(4_000, 6), {1: [buy(2)], 2: [buy(2)]}, capital=100_000, account=MarginAccount(),
        sources=sources,
    )  # fmt: skip
    assert [row[:3] for row in fills(result)] == [(3, "A", 2.0)]


def test_a_margin_that_is_known_before_the_first_bar_counts_from_it() -> None:
    sources = changing((-9, 10_000.0, 9_000.0), (-5, 60_000.0, 50_000.0))
    result = play(
        flat(4_000, 4), {0: [buy(2)]}, capital=100_000, account=CashAccount(), sources=sources
    )
    assert orders(result) == [("rejected", "insufficient cash", 0.0)]
