"""Currencies by hand: conversion, cash that is kept, and what rates make of a trade."""

from __future__ import annotations

from typing import Any

import pytest

from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    Catalog,
    CommissionByCurrency,
    Currencies,
    CurrencyRates,
    Fee,
    Financing,
    MarginAccount,
    MonthlyTieredCommission,
    PerOrderCommission,
)
from ml4t.backtest.errors import ConfigError, DataError
from scripted import (
    FREE,
    NAMES,
    Row,
    Scripted,
    at,
    cash,
    day,
    equity,
    flat,
    flows,
    play,
    price_table,
)

RATES = [1.10, 1.11, 1.12, 1.09, 1.08]
SAP: dict[str, list[Row]] = {"A": [(p, p, p, p) for p in (100.0, 101.0, 102.0, 103.0, 104.0)]}


def fx(
    rates: list[float] = RATES, base: str = "EUR", quote: str = "USD", first: int = 0
) -> dict[str, list[Any]]:
    """The source of one pair, a rate at each bar."""
    n = len(rates)
    times = [day(first + t) for t in range(n)]
    return {"timestamp": times, "base": [base] * n, "quote": [quote] * n, "rate": rates}


def sources(currency: str = "EUR", rates: Any = None, **more: Any) -> dict[str, Any]:
    """Asset A in a currency, and what that costs."""
    terms = {"asset_id": ["A"], "currency": [currency]} | {k: [v] for k, v in more.items()}
    return {"assets": terms, "fx": fx() if rates is None else rates}


def buy(n: float, asset: str = "A") -> Any:
    return lambda s: s.buy(asset, n)


def sell(n: float, asset: str = "A") -> Any:
    return lambda s: s.sell(asset, n)


def dollars(cash: str = "converted", **settings: Any) -> Currencies:
    return Currencies(account="USD", cash=cash, **settings)  # type: ignore[arg-type]


def of_currency(result: Any, currency: str) -> list[float]:
    """Cash of a currency at each close, in it."""
    rows = result.sql(
        f"select round(cash, 8) from currencies where currency = '{currency}' order by timestamp"
    ).fetchall()
    return [row[0] for row in rows]


def split_pnl(result: Any) -> list[tuple[float, ...]]:
    """(P&L, of prices, of rates) of each trade."""
    rows = result.sql(
        "select round(pnl, 8), round(pnl_price, 8), round(pnl_currency, 8) from trades "
        "order by trade_id"
    )
    return [tuple(row) for row in rows.fetchall()]


def rounded(values: list[float]) -> list[float]:
    return [round(value, 8) for value in values]


ROUND_TRIP = {0: [buy(10)], 2: [sell(10)]}


def test_a_purchase_is_converted_at_the_last_rate_that_was_known() -> None:
    result = play(SAP, ROUND_TRIP, sources=sources(), currencies=dollars())
    # 10 * 101 * 1.10 at the open of the second day, whose own rate is known at its close.
    assert rounded(cash(result)) == [10_000.0, 8_889.0, 8_889.0, 10_042.6, 10_042.6]
    # Marked at 101 * 1.11, then 102 * 1.12; sold at 103 * 1.12.
    assert rounded(equity(result)) == [10_000.0, 10_010.1, 10_031.4, 10_042.6, 10_042.6]
    # 10 * 2 EUR at 1.12, and 1,010 EUR that rose by 0.02.
    assert split_pnl(result) == [(42.6, 22.4, 20.2)]
    assert of_currency(result, "EUR") == [0.0] * 5
    rows = result.sql("select price, rate, round(value, 8) from fills order by fill_id")
    assert rows.fetchall() == [(101.0, 1.10, 1_111.0), (103.0, 1.12, -1_153.6)]


def test_conversion_costs_a_part_of_what_is_paid_and_received() -> None:
    currencies = dollars(conversion_cost=0.001)
    result = play(SAP, ROUND_TRIP, sources=sources(), currencies=currencies)
    fees = result.sql("select round(fee, 8) from fills order by fill_id").fetchall()
    assert fees == [(1.111,), (1.1536,)]
    assert split_pnl(result) == [(40.3354, 20.1354, 20.2)]
    assert round(equity(result)[-1], 8) == 10_040.3354


def test_what_is_held_stays_in_its_currency_and_moves_with_it() -> None:
    currencies = dollars("held", conversion_cost=0.001)
    result = play(SAP, ROUND_TRIP, sources=sources(), currencies=currencies)
    # The purchase is converted; 1,030 EUR come in and stay.
    fees = result.sql("select round(fee, 8) from fills order by fill_id").fetchall()
    assert fees == [(1.111,), (0.0,)]
    assert of_currency(result, "EUR") == [0.0, 0.0, 0.0, 1_030.0, 1_030.0]
    assert rounded(
        [amount for _, _, kind, amount in flows(result) if kind == "fx_revaluation"]
    ) == [
        -30.9,  # 1,030 * (1.09 - 1.12)
        -10.3,  # 1,030 * (1.08 - 1.09)
    ]
    # 10,000 - 1.111 + 42.6 - 30.9 - 10.3
    assert round(equity(result)[-1], 8) == 10_000.289


def test_a_second_purchase_takes_what_is_held_first() -> None:
    currencies = dollars("held", conversion_cost=0.001)
    script = {0: [buy(10)], 1: [sell(10)], 2: [buy(20)]}
    result = play(SAP, script, sources=sources(), currencies=currencies)
    # 10 * 102 EUR are there; 20 * 103 = 2,060 cost 1,040 more, at 1.12.
    fees = result.sql("select round(fee, 8) from fills order by fill_id").fetchall()
    assert fees == [(1.111,), (0.0,), (round(1_040 * 1.12 * 0.001, 8),)]
    assert of_currency(result, "EUR") == [0.0, 0.0, 1_020.0, 0.0, 0.0]


def test_dollars_that_are_missing_are_bought_with_euros_that_are_held() -> None:
    assets = {**SAP, "B": flat(100.0, 5)}
    terms = {"asset_id": ["A", "B"], "currency": ["EUR", "USD"]}
    script = {0: [buy(50)], 1: [sell(50)], 2: [buy(90, "B")]}
    result = play(
        assets, script, sources={"assets": terms, "fx": fx()},
        currencies=dollars("held", conversion_cost=0.001),
    )  # fmt: skip
    # 50 * 101 * 1.10 = 5,555 and their cost of 5.555 leave 4,439.445 dollars; of 9,000 there are
    # 4,560.555 missing, which 5,100 EUR at 1.12 give.
    fees = result.sql("select round(fee, 8) from fills order by fill_id").fetchall()
    assert fees == [(5.555,), (0.0,), (4.560555,)]
    # The fee is dollars too.
    left = 5_100 - (4_560.555 + 4.560555) / 1.12
    assert of_currency(result, "EUR")[2:] == [5_100.0, round(left, 8), round(left, 8)]
    assert abs(of_currency(result, "USD")[-1]) < 1e-9


def test_a_cash_account_has_what_it_costs_to_buy_with_what_it_sells() -> None:
    assets = {**SAP, "B": flat(100.0, 5)}
    terms = {"asset_id": ["A", "B"], "currency": ["EUR", "USD"]}
    script = {
        0: [lambda s: s.broker.order_target_weights({"A": 1.0})],
        2: [lambda s: s.broker.order_target_weights({"B": 1.0})],
    }
    result = play(
        assets, script, sources={"assets": terms, "fx": fx()},
        currencies=dollars("held", conversion_cost=0.001),
    )  # fmt: skip
    # All of A is sold for EUR, which pay for B and for their conversion, and nothing is owed.
    assert min(cash(result)) >= -1e-9
    fees = [fee for (fee,) in result.sql("select fee from fills order by fill_id").fetchall()]
    sold, bought = (
        value for (value,) in result.sql("select abs(value) from fills offset 1").fetchall()
    )
    assert bought * 1.001 == pytest.approx(sold, abs=1e-6)
    assert fees[1:] == [0.0, pytest.approx(bought * 0.001)]


def test_a_currency_may_be_borrowed_and_hedges_what_it_buys() -> None:
    result = play(
        SAP, ROUND_TRIP, sources=sources(), currencies=dollars("borrowed"), account=MarginAccount()
    )
    assert of_currency(result, "EUR") == [0.0, -1_010.0, -1_010.0, 20.0, 20.0]
    # Only what is gained moves with the rate: 10 * 1 * 1.12 by the third close.
    assert rounded(equity(result)) == [10_000.0, 10_000.0, 10_011.2, 10_021.8, 10_021.6]


def test_interest_is_of_each_currency_by_its_own_days() -> None:
    currencies = dollars(
        "borrowed",
        interest=(CurrencyRates(currency="EUR", debit_rate=0.036, day_count="actual/360"),),
    )
    result = play(
        SAP, {0: [buy(10)]}, sources=sources(), currencies=currencies, account=MarginAccount(),
        financing=Financing(credit_rate=0.0365),
    )  # fmt: skip
    # 10,000 dollars earn 1.00 a day by 365 days, and that is added; 1,010 EUR cost
    # 1,010 * 0.036 / 360 = 0.101 a day, from the night after the purchase on.
    interest = [amount for t, _, kind, amount in flows(result) if kind == "interest" and t == 2]
    assert sorted(interest) == [-round(0.101 * 1.11, 8), round(10_001.0 * 0.0365 / 365, 8)]
    assert of_currency(result, "EUR")[1:3] == [-1_010.0, -1_010.101]


def test_a_dividend_is_owed_at_the_rate_of_its_ex_date_and_paid_at_that_of_its_day() -> None:
    actions = {
        "asset_id": ["A"], "ex_date": [day(2)], "kind": ["dividend"], "value": [2.0],
        "pay_date": [day(4)],
    }  # fmt: skip
    result = play(
        SAP, {0: [buy(10)]}, sources={**sources(), "actions": actions}, currencies=dollars()
    )
    # 20 EUR at 1.11, the last rate before the ex-date; 1.09 is known when they come.
    assert [(t, k, round(a, 8)) for t, _, k, a in flows(result) if k != "deposit"] == [
        (4, "dividend", 22.2),
        (4, "fx_revaluation", round(20 * (1.09 - 1.11), 8)),
    ]
    assert round(cash(result)[-1], 8) == round(10_000 - 1_111 + 20 * 1.09, 8)
    ((pnl, of_price, of_rates),) = split_pnl(result)
    # 10 * (104 * 1.08 - 101 * 1.10) and the dividend.
    assert pnl == round(10 * (104 * 1.08 - 101 * 1.10) + 22.2, 8)
    assert of_rates == round(1_010 * (1.08 - 1.10), 8)
    assert of_price == round(30 * 1.08 + 22.2, 8)


def test_capital_that_comes_back_lowers_the_cost_at_the_rate_of_now() -> None:
    actions = {
        "asset_id": ["A"],
        "ex_date": [day(2)],
        "kind": ["return_of_capital"],
        "value": [1.0],
    }
    result = play(
        SAP, {0: [buy(10)]}, sources={**sources(), "actions": actions}, currencies=dollars()
    )
    # 10 EUR at 1.11 are cash, and the same part of the P&L.
    assert [round(a, 8) for _, _, k, a in flows(result) if k == "return_of_capital"] == [11.1]
    ((pnl, _, _),) = split_pnl(result)
    assert pnl == round(10 * (104 * 1.08 - 101 * 1.10) + 11.1, 8)
    ((unrealized,),) = result.sql(
        "select unrealized_pnl from positions order by timestamp desc limit 1"
    ).fetchall()
    assert round(unrealized, 8) == pnl


def test_a_short_is_worth_less_money_where_its_currency_falls() -> None:
    result = play(
        {"A": flat(100.0, 5)}, {0: [sell(10)], 3: [buy(10)]}, sources=sources(),
        currencies=dollars(), account=MarginAccount(), financing=Financing(borrow_rate=0.036),
    )  # fmt: skip
    # Sold for 1,100, bought back for 1,000 EUR at 1.09.
    fees = [round(a, 8) for _, _, k, a in flows(result) if k == "borrow"]
    assert fees == [
        -round(1_000 * rate * 0.036 / 365, 8) for rate in (1.11, 1.12, 1.09)
    ]  # of its value at the close before
    ((pnl, of_price, of_rates),) = split_pnl(result)
    assert of_rates == round(-1_000 * (1.09 - 1.10), 8)
    assert round(pnl, 6) == round(10 + sum(fees), 6)
    assert round(of_price, 6) == round(sum(fees), 6)


def test_fees_of_shorts_go_by_the_days_of_their_currency() -> None:
    currencies = dollars("held", interest=(CurrencyRates(currency="EUR", day_count="actual/360"),))
    result = play(
        {"A": flat(100.0, 5)}, {0: [sell(10)]}, sources=sources(), currencies=currencies,
        account=MarginAccount(), financing=Financing(borrow_rate=0.036),
    )  # fmt: skip
    fees = [round(a, 8) for _, _, k, a in flows(result) if k == "borrow"]
    assert fees[0] == -round(1_000 * 1.11 * 0.036 / 360, 8)
    # What lenders are paid comes out of the EUR that the sale brought.
    assert of_currency(result, "EUR")[1:3] == [1_000.0, 999.9]


def test_each_day_of_a_future_is_settled_at_the_rate_of_its_day() -> None:
    bars = [(p, p, p, p) for p in (4_000.0, 4_000.0, 4_010.0, 3_990.0, 3_990.0)]
    terms = sources(multiplier=10.0, instrument="future")
    result = play(
        bars, {0: [buy(1)], 3: [sell(1)]}, sources=terms, currencies=dollars(),
        account=MarginAccount(initial_margin=0.05, maintenance_margin=0.04), capital=100_000,
    )  # fmt: skip
    # +100 EUR at 1.12, -200 at 1.09: the notional of 40,000 EUR moves with no rate.
    assert [round(a, 8) for _, _, k, a in flows(result) if k == "variation_margin"] == [
        0.0, 112.0, -218.0, 0.0
    ]  # fmt: skip
    assert rounded(cash(result)) == [100_000.0, 100_000.0, 100_112.0, 99_894.0, 99_894.0]
    assert equity(result) == cash(result)
    # -100 EUR at the exit's 1.09, and the rest is what the gain was worth more before.
    assert split_pnl(result) == [(-106.0, -109.0, 3.0)]


def test_a_future_in_a_held_currency_is_settled_in_it() -> None:
    bars = [(p, p, p, p) for p in (4_000.0, 4_000.0, 4_010.0, 4_010.0, 4_010.0)]
    result = play(
        bars, {0: [buy(1)]}, sources=sources(multiplier=10.0, instrument="future"),
        currencies=dollars("held"), capital=100_000,
        account=MarginAccount(initial_margin=0.05, maintenance_margin=0.04),
    )  # fmt: skip
    assert of_currency(result, "EUR") == [0.0, 0.0, 100.0, 100.0, 100.0]
    assert rounded(equity(result)) == [100_000.0, 100_000.0, 100_112.0, 100_109.0, 100_108.0]
    ((pnl, _, _),) = split_pnl(result)
    assert pnl == 112.0  # what cash gained or lost later is a flow of the account


def test_a_minimum_fee_is_money_of_the_asset() -> None:
    rates = fx([0.128] * 5, "HKD", "USD")
    result = play(
        SAP, {0: [buy(1)]}, sources=sources("HKD", rates), currencies=dollars(),
        commission=Fee(0.001, minimum=5.0),
    )  # fmt: skip
    ((commission,),) = result.sql("select round(commission, 8) from fills").fetchall()
    assert commission == round(5.0 * 0.128, 8)


def test_each_currency_may_have_the_price_list_of_its_market() -> None:
    assets = {"A": flat(100.0, 5), "B": flat(50.0, 5)}
    terms = {"asset_id": ["A", "B"], "currency": ["HKD", None]}
    by_market = CommissionByCurrency(
        (
            ("HKD", Fee(0.001, minimum=50.0) + Fee(0.001, column="tax", unit=1.0, rounding="up")),
            ("USD", PerOrderCommission(1.0)),
        )
    )
    result = play(
        assets, {0: [buy(155), buy(10, "B")]}, currencies=dollars(), commission=by_market,
        sources={"assets": terms, "fx": fx([0.128] * 5, "HKD", "USD")},
    )  # fmt: skip
    # 15,500 HKD: 15.50 are below 50, and 15.50 of duty are 16; the other costs a dollar.
    rows = result.sql("select round(commission, 8), round(tax, 8) from fills order by fill_id")
    assert rows.fetchall() == [(6.4, 2.048), (1.0, 0.0)]


@pytest.mark.parametrize(
    ("models", "text"),
    [
        ((), "each currency once"),
        ((("EUR", PerOrderCommission(1)),) * 2, "each currency once"),
        ((("EUR", 0.001),), "pairs of a currency and a model"),
        (("EUR", PerOrderCommission(1)), "models"),
        ((("EUR", MonthlyTieredCommission(((0, 0.01),))),), "in the month"),
    ],
)
def test_models_by_currency_that_cannot_be_are_refused(models: Any, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        CommissionByCurrency(models)


def test_a_commission_that_cannot_tell_what_a_currency_is_charged_is_refused() -> None:
    free = PerOrderCommission(0.0)
    with pytest.raises(ConfigError, match="EUR, of which CommissionByCurrency has no model"):
        play(
            SAP, ROUND_TRIP, sources=sources(), currencies=dollars(),
            commission=CommissionByCurrency((("USD", free),)),
        )  # fmt: skip
    with pytest.raises(ConfigError, match="all assets are in that of the account"):
        play(SAP, ROUND_TRIP, commission=CommissionByCurrency((("USD", free),)))
    with pytest.raises(ConfigError, match="of assets of several currencies"):
        play(
            SAP, ROUND_TRIP, sources=sources(), currencies=dollars(),
            commission=MonthlyTieredCommission(((0, 0.01),)),
        )  # fmt: skip


def test_margins_of_contracts_are_money_of_the_asset() -> None:
    bars = flat(4_000.0, 5)
    terms = sources(
        multiplier=10.0, instrument="future", contract_initial_margin=1_000.0,
        contract_maintenance_margin=900.0,
    )  # fmt: skip
    for capital, n in ((1_099.0, 0), (1_100.0, 1)):  # 1,000 EUR at 1.10
        result = play(
            bars, {0: [buy(1)]}, sources=terms, currencies=dollars(), capital=capital,
            account=MarginAccount(maintenance_margin=0),
        )  # fmt: skip
        assert result.sql("select count(*) from fills").fetchall() == [(n,)]


@pytest.mark.parametrize(
    ("pairs", "rate"),
    [
        ([("EUR", "USD", 1.25)], 1.25),
        ([("USD", "EUR", 0.8)], 1.25),
        ([("EUR", "GBP", 0.8), ("GBP", "USD", 1.5)], 1.2),
        ([("GBP", "EUR", 1.25), ("USD", "GBP", 0.625)], 1.28),
    ],
    ids=["as it is", "the other way", "by pounds", "by pounds, both ways round"],
)
def test_a_rate_is_found_by_its_pair_its_inverse_or_one_currency_between(
    pairs: list[tuple[str, str, float]], rate: float
) -> None:
    rows = {
        "timestamp": [day(0)] * len(pairs), "base": [one[0] for one in pairs],
        "quote": [one[1] for one in pairs], "rate": [one[2] for one in pairs],
    }  # fmt: skip
    result = play(SAP, {0: [buy(1)]}, sources=sources("EUR", rows), currencies=dollars())
    ((value,),) = result.sql("select round(value, 8) from fills").fetchall()
    assert value == round(101 * rate, 8)


def test_a_benchmark_in_another_currency_moves_with_it() -> None:
    actions = {"asset_id": ["A"], "ex_date": [day(2)], "kind": ["dividend"], "value": [2.0]}
    catalog = Catalog().register("prices", price_table(SAP, NAMES, [day(t) for t in range(5)]))
    for role, source in {**sources(), "actions": actions}.items():
        catalog.register(role, source)  # type: ignore[arg-type]
    for benchmark in ("A", "equal_weight"):
        engine = BacktestEngine(
            catalog, Scripted({}), initial_capital=1_000, benchmark=benchmark,
            config=BacktestConfig(currencies=dollars()),
        )  # fmt: skip
        rows = engine.run().sql("select round(value, 8) from benchmark order by timestamp")
        grown = [1_000.0]
        # 101 * 1.11 over 100 * 1.10; the dividend of 2 at 1.11, the last rate before it.
        for before, now, paid in (
            (100 * 1.10, 101 * 1.11, 0.0), (101 * 1.11, 102 * 1.12, 2 * 1.11),
            (102 * 1.12, 103 * 1.09, 0.0), (103 * 1.09, 104 * 1.08, 0.0),
        ):  # fmt: skip
            grown.append(grown[-1] * (now + paid) / before)
        assert rows.fetchall() == [(round(value, 8),) for value in grown]


def test_prices_in_pence_are_pounds_over_a_hundred() -> None:
    for word in ("GBp", "GBX"):
        result = play(
            SAP, {0: [buy(10)]}, sources=sources(word, fx([1.25] * 5, "GBP", "USD")),
            currencies=dollars("held"),
        )  # fmt: skip
        assert rounded(cash(result))[1] == round(10_000 - 10 * 1.01 * 1.25, 8)
    # An account in pounds needs no rate for pence.
    result = play(
        SAP, {0: [buy(10)]}, sources={"assets": {"asset_id": ["A"], "currency": ["GBX"]}},
        currencies=Currencies(account="GBP"),
    )  # fmt: skip
    assert rounded(cash(result))[1] == 10_000 - 10.1


def test_an_asset_of_the_accounts_own_currency_is_as_without_any() -> None:
    for said in ({"currency": ["EUR"]}, {"currency": [None]}, {}):
        terms = {"asset_id": ["A"], **said}
        account = Currencies(account="EUR") if said else Currencies()
        result = play(SAP, ROUND_TRIP, sources={"assets": terms}, currencies=account)
        assert equity(result) == [10_000.0, 10_000.0, 10_010.0, 10_020.0, 10_020.0]
        assert result.sql("select count(*) from currencies").fetchall() == [(0,)]
        rows = result.sql("select entry_rate, exit_rate, pnl_currency from trades").fetchall()
        assert rows == [(1.0, 1.0, 0.0)]


def test_a_rate_counts_from_when_it_was_known() -> None:
    rates = {**fx(), "available_at": [day(t + 1) for t in range(5)]}
    rates = {name: [rows[0], *rows] for name, rows in rates.items()}  # one that was known before
    rates["timestamp"][0], rates["available_at"][0], rates["rate"][0] = day(-1), day(0), 1.05
    result = play(SAP, {0: [buy(10)]}, sources=sources("EUR", rates), currencies=dollars())
    rows = result.sql("select rate from currencies where currency = 'EUR' order by timestamp")
    assert rows.fetchall() == [(1.05,), (1.10,), (1.11,), (1.12,), (1.09,)]
    assert result.sql("select rate from fills").fetchall() == [(1.05,)]


HOURS = [at(hour, of_day) for of_day in range(3) for hour in (10, 14)]


def test_a_rate_of_a_day_is_not_known_inside_of_it() -> None:
    prices = price_table({"A": flat(100.0, 6)}, NAMES, HOURS)
    daily = fx([1.1, 1.2, 1.3], first=-1)

    def told(**clock: Any) -> list[float]:
        catalog = Catalog().register("prices", prices)
        catalog.register("assets", {"asset_id": ["A"], "currency": ["EUR"]})
        catalog.register("fx", daily, **clock)
        config = BacktestConfig(currencies=dollars())
        result = BacktestEngine(catalog, Scripted({}), config=config).run()
        rows = result.sql("select rate from currencies where currency = 'EUR' order by timestamp")
        return [rate for (rate,) in rows.fetchall()]

    with pytest.raises(DataError, match="has dates next to intraday bars"):
        told()
    # Fixed in the evening, so that a day trades at what was fixed the day before.
    assert told(lag="20 hours") == [1.1, 1.1, 1.2, 1.2, 1.3, 1.3]


def test_a_rate_that_is_known_later_in_an_audit_moves_the_run() -> None:
    catalog = Catalog().register("prices", price_table(SAP, NAMES, [day(t) for t in range(5)]))
    for role, source in sources("EUR", fx([0.9, 1.0, *RATES], first=-2)).items():
        catalog.register(role, source)  # type: ignore[arg-type]
    config = BacktestConfig(**FREE, currencies=dollars())
    engine = BacktestEngine(catalog, Scripted(ROUND_TRIP), initial_capital=10_000, config=config)
    audit = engine.audit(cuts=1, delays=["1 day"])
    assert audit.is_clean
    query = "select source, total_return from delays where delay = '1 day'"
    # Bought at 1.00 and sold at 1.11, not at 1.10 and 1.12.
    assert audit.sql(query).fetchall() == [
        ("fx", pytest.approx((1_030 * 1.11 - 1_010 * 1.0) / 10_000))
    ]


@pytest.mark.parametrize(
    ("given", "settings", "text"),
    [
        ({"fx": None}, dollars(), "no source says what theirs cost; register a source 'fx'"),
        ({}, Currencies(), None),
        ({"fx": fx(RATES[1:], first=1)}, dollars(), "no rate between EUR and USD by the first bar"),
        ({"fx": fx(base="GBP")}, dollars(), "no pairs that lead from EUR to USD"),
        ({"fx": fx([1.1, 1.2, 0.0, 1.1, 1.1])}, dollars(), "a rate that is no number above 0"),
        ({"fx": fx(quote="EUR")}, dollars(), "two currencies"),
        ({"assets": {"asset_id": ["A"], "currency": ["Euro zone"]}}, dollars(), "no code such as"),
        ({"fx": fx([1.1], first=-30)}, dollars(), "more than 14 days older than bars"),
    ],
)
def test_what_cannot_be_converted_is_refused_before_the_run(
    given: dict[str, Any], settings: Currencies, text: str | None
) -> None:
    found = {name: one for name, one in {**sources(), **given}.items() if one is not None}
    if text is None:
        # One currency alone is that of the account, whatever it is.
        assert play(SAP, ROUND_TRIP, sources=found, currencies=settings)
        return
    with pytest.raises(DataError, match=text):
        play(SAP, ROUND_TRIP, sources=found, currencies=settings)


def test_a_pair_in_both_directions_is_refused() -> None:
    both = {name: [*one, *other] for (name, one), other in zip(
        fx().items(), fx([0.9] * 5, "USD", "EUR").values(), strict=True
    )}  # fmt: skip
    with pytest.raises(DataError, match="in both directions"):
        play(SAP, ROUND_TRIP, sources=sources("EUR", both), currencies=dollars())


def test_assets_of_two_currencies_do_not_say_what_the_account_is_in() -> None:
    assets = {**SAP, "B": flat(100.0, 5)}
    terms = {"asset_id": ["A", "B"], "currency": ["EUR", "USD"]}
    with pytest.raises(ConfigError, match="nobody says in which currency the account is"):
        play(assets, ROUND_TRIP, sources={"assets": terms, "fx": fx()})


def test_an_asset_keeps_its_currency_under_its_new_name() -> None:
    assets = {"A": SAP["A"][:3], "B": [None, None, None, *SAP["A"][3:]]}
    actions = {
        "asset_id": ["A"], "ex_date": [day(3)], "kind": ["rename"], "value": [None],
        "new_asset_id": ["B"],
    }  # fmt: skip
    terms = {"asset_id": ["A", "B"], "currency": ["EUR", "USD"]}
    with pytest.raises(DataError, match="different currencies; give both the same"):
        play(
            assets, {0: [buy(1)]}, currencies=dollars(),
            sources={"assets": terms, "fx": fx(), "actions": actions},
        )  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"account": "GBX"}, "write 'GBP'"),
        ({"account": "US dollar"}, "must be a currency"),
        ({"cash": "kept"}, "cash"),
        ({"conversion_cost": 1.0}, "conversion_cost"),
        ({"cash": "borrowed", "conversion_cost": 0.001}, "converts nothing"),
        ({"interest": (CurrencyRates(currency="EUR"),)}, "keeps none"),
        ({"cash": "held", "interest": (CurrencyRates(currency="EUR"),) * 2}, "twice"),
        ({"account": "EUR", "cash": "held", "interest": (CurrencyRates(currency="EUR"),)}, "own"),
        ({"max_age": 1.5}, "max_age"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        Currencies(**settings)


def test_rates_that_convert_nothing_are_refused() -> None:
    with pytest.raises(DataError, match="no asset says which currency it is in"):
        play(SAP, ROUND_TRIP, sources={"fx": fx()}, currencies=dollars())


def test_settings_that_nothing_would_read_are_refused() -> None:
    with pytest.raises(ConfigError, match="no asset has one"):
        play(SAP, ROUND_TRIP, currencies=dollars("held"))
    other = dollars("held", interest=(CurrencyRates(currency="JPY"),))
    with pytest.raises(ConfigError, match="no asset is in it"):
        play(SAP, ROUND_TRIP, sources=sources(), currencies=other)
    assert BacktestConfig(currencies=dollars()).to_dict()["currencies"]
