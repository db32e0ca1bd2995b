"""Futures by hand: variation margin, margins in money, what is financed and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from ml4t.backtest import BasisPointSlippage, CashAccount, Financing, MarginAccount
from ml4t.backtest.errors import ConfigError, DataError
from scripted import cash, equity, fills, flat, flows, orders, play

ES = {"asset_id": ["A"], "multiplier": [50.0], "instrument": ["future"]}
BARS = [
    (4_000.0, 4_000.0, 4_000.0, 4_000.0),
    (4_000.0, 4_010.0, 4_000.0, 4_010.0),
    (4_010.0, 4_010.0, 3_990.0, 3_990.0),
    (3_990.0, 4_005.0, 3_990.0, 4_005.0),
    (4_005.0, 4_005.0, 4_005.0, 4_005.0),
]


def contract(**more: float | str) -> dict[str, Any]:
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
