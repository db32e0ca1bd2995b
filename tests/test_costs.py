"""Costs: each formula by hand, both sides alike, vectors like one order at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml4t.backtest.core.batch import Floats
from ml4t.backtest.errors import BacktestError, ConfigError, CostError
from ml4t.backtest.execution.costs.basis_points import BasisPointCommission, BasisPointSlippage
from ml4t.backtest.execution.costs.commission import (
    MakerTakerCommission,
    PerOrderCommission,
    PerShareCommission,
    TieredCommission,
)
from ml4t.backtest.execution.costs.contract import Commission, Quote, Slippage, one_each
from ml4t.backtest.execution.costs.financing import Financing
from ml4t.backtest.execution.costs.slippage import (
    FixedSlippage,
    SpreadSlippage,
    SquareRootImpact,
    VolumeShareSlippage,
    WorstPriceSlippage,
)
from scripted import play

NAN, INF = float("nan"), float("inf")
MARKET = {
    "spread": 0.04, "volume": 10_000.0, "volatility": 0.02, "high": 50.5, "low": 49.5,
}  # fmt: skip
TIERS = ((0, 10), (100_000, 5), (500_000, 1))

COMMISSIONS: list[Commission] = [
    BasisPointCommission(10),
    MakerTakerCommission(maker_basis_points=-1, taker_basis_points=3),
    PerShareCommission(0.005, minimum=1.0, cap=0.01),
    PerOrderCommission(4.95),
    TieredCommission(TIERS),
]
SLIPPAGES: list[Slippage] = [
    BasisPointSlippage(5),
    FixedSlippage(0.01),
    SpreadSlippage(),
    VolumeShareSlippage(),
    SquareRootImpact(),
    WorstPriceSlippage(),
]


def quote(
    quantity: list[float] | float,
    price: list[float] | float,
    *,
    multiplier: float = 1.0,
    is_maker: bool = False,
    market: Mapping[str, list[float] | float] | None = None,
) -> Quote:
    """A quote of one or several orders; a single value of `market` holds for all."""
    quantities = np.atleast_1d(np.asarray(quantity, dtype=float))
    n = len(quantities)

    def row(values: list[float] | float) -> Floats:
        return np.broadcast_to(np.asarray(values, dtype=float), n).copy()

    return Quote(
        sids=np.arange(n) + 7,
        quantity=quantities,
        price=row(price),
        multiplier=row(multiplier),
        market={name: row(values) for name, values in {**MARKET, **(market or {})}.items()},
        is_maker=is_maker,
    )


def name(model: object) -> str:
    return type(model).__name__


# -- commission -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "quantity", "price", "charge"),
    [
        (BasisPointCommission(10), 100, 50.0, 5.0),  # 5,000 * 0.1%
        (BasisPointCommission(0), 100, 50.0, 0.0),
        # Interactive Brokers' own examples of its fixed pricing.
        (PerShareCommission(0.005, minimum=1.0, cap=0.01), 100, 25.0, 1.0),
        (PerShareCommission(0.005, minimum=1.0, cap=0.01), 1_000, 25.0, 5.0),
        (PerShareCommission(0.005, minimum=1.0, cap=0.01), 1_000, 0.25, 2.5),
        # The cap goes before the minimum: 1% of 2.00.
        (PerShareCommission(0.005, minimum=1.0, cap=0.01), 10, 0.20, 0.02),
        (PerShareCommission(0.005, minimum=1.0), 10, 0.20, 1.0),
        (PerShareCommission(0.005), 10, 0.20, 0.05),
        (PerOrderCommission(4.95), 1, 10.0, 4.95),
        (PerOrderCommission(4.95), 1_000_000, 10.0, 4.95),
        (TieredCommission(TIERS), 500, 100.0, 50.0),  # 50,000 * 10 bp
        (TieredCommission(TIERS), 1_000, 100.0, 100.0),  # 100,000 * 10 bp
        (TieredCommission(TIERS), 2_000, 100.0, 150.0),  # 100 + 100,000 * 5 bp
        (TieredCommission(TIERS), 6_000, 100.0, 310.0),  # 100 + 400,000 * 5 bp + 100,000 * 1 bp
    ],
    ids=repr,
)
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_commission_by_hand(
    model: Commission, quantity: float, price: float, charge: float, side: float
) -> None:
    assert model.charge(quote(side * quantity, price)) == pytest.approx([charge], rel=1e-14)


def test_a_maker_is_paid_and_a_taker_pays() -> None:
    model = MakerTakerCommission(maker_basis_points=-2, taker_basis_points=3)
    assert model.charge(quote([100, -100], 50.0, is_maker=True)) == pytest.approx([-1.0, -1.0])
    assert model.charge(quote([100, -100], 50.0)) == pytest.approx([1.5, 1.5])


def test_the_multiplier_scales_the_value_and_not_the_number_of_contracts() -> None:
    contracts = quote(-2, 4_000.0, multiplier=50.0)  # worth 400,000
    assert BasisPointCommission(1).charge(contracts) == pytest.approx([40.0])
    assert TieredCommission(TIERS).charge(contracts) == pytest.approx([250.0])
    assert PerShareCommission(2.25).charge(contracts) == pytest.approx([4.5])
    assert PerShareCommission(2.25, cap=1e-6).charge(contracts) == pytest.approx([0.4])


def test_basis_points_keep_the_last_digit_of_the_plain_formula() -> None:
    rng = np.random.default_rng(3)
    quantity, price = rng.normal(0, 1_000, 1_000), rng.uniform(1, 500, 1_000)
    orders = quote(quantity.tolist(), price.tolist())
    charge = np.abs(quantity) * price * (7 / 10_000)
    assert BasisPointCommission(7).charge(orders).tolist() == charge.tolist()
    paid = np.where(quantity > 0, price * (1 + 1.0 * (3 / 10_000)), price * (1 - 1.0 * 3 / 10_000))
    assert BasisPointSlippage(3).fill_price(orders).tolist() == paid.tolist()


@pytest.mark.parametrize("model", COMMISSIONS, ids=name)
def test_a_fill_of_nothing_costs_nothing(model: Commission) -> None:
    assert model.charge(quote([0.0, 10.0], 50.0)).tolist()[0] == 0.0


@pytest.mark.parametrize("model", COMMISSIONS, ids=name)
@given(st.floats(1e-3, 1e7), st.floats(1e-3, 1e7), st.floats(0.01, 1e4))
def test_a_commission_is_no_less_for_more_and_the_same_for_both_sides(
    model: Commission, one: float, other: float, price: float
) -> None:
    less, more = sorted((one, other))
    charge = model.charge(quote([less, more, -less, -more], price))
    assert 0 <= charge[0] <= charge[1]
    assert charge[:2].tolist() == charge[2:].tolist()


@given(st.floats(0, 1e6), st.floats(0, 1e3))
def test_tiers_are_continuous(value: float, step: float) -> None:
    # No step costs more than the dearest tier's rate on it.
    low, high = TieredCommission(TIERS).charge(quote([value, value + step], 1.0))
    assert high - low <= step * 10 / 10_000 + 1e-9


@given(st.floats(1e-3, 1e7), st.floats(0.01, 1e4))
def test_one_tier_is_the_plain_rate(quantity: float, price: float) -> None:
    order = quote(quantity, price)
    plain = BasisPointCommission(8).charge(order)
    assert TieredCommission(((0, 8),)).charge(order).tolist() == plain.tolist()


# -- slippage -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "moved"),
    [
        (BasisPointSlippage(5), 0.025),  # 50 * 0.0005
        (BasisPointSlippage(0), 0.0),
        (FixedSlippage(0.01), 0.01),
        (SpreadSlippage(), 0.02),  # half of 0.04
        (SpreadSlippage(share=1.0), 0.04),
        (VolumeShareSlippage(), 0.05),  # 50 * 0.1 * (1,000 / 10,000)^2
        (VolumeShareSlippage(price_impact=0.5), 0.25),
        (SquareRootImpact(), 50 * 0.02 * 0.1**0.5),
        (SquareRootImpact(0.5), 50 * 0.02 * 0.1**0.5 / 2),
        (WorstPriceSlippage(), 0.5),
    ],
    ids=repr,
)
def test_a_fill_price_by_hand(model: Slippage, moved: float) -> None:
    price = model.fill_price(quote([1_000, -1_000], 50.0))
    assert price == pytest.approx([50 + moved, 50 - moved], rel=1e-14)


def test_a_whole_days_volume_moves_the_price_by_one_days_volatility() -> None:
    assert SquareRootImpact().fill_price(quote(10_000, 50.0)) == pytest.approx([51.0])


def test_a_model_names_the_columns_that_it_reads() -> None:
    columns = [model.features for model in SLIPPAGES]
    read = [(), (), ("spread",), ("volume",), ("volatility", "volume"), ("high", "low")]
    assert columns == read
    assert {model.features for model in COMMISSIONS} == {()}
    own = SquareRootImpact(volatility_key="sigma", volume_key="adv")
    order = quote(100, 50.0, market={"sigma": 0.01, "adv": 400.0})
    assert own.features == ("sigma", "adv")
    assert own.fill_price(order) == pytest.approx([50.25])  # 50 * 0.01 * sqrt(0.25)


@pytest.mark.parametrize("model", SLIPPAGES, ids=name)
@given(st.floats(1e-3, 1e4), st.floats(1e-3, 1e4), st.floats(0.1, 1e4))
def test_a_price_is_never_better_no_better_for_more_and_both_sides_are_alike(
    model: Slippage, one: float, other: float, price: float
) -> None:
    less, more = sorted((one, other))
    paid = model.fill_price(quote([less, more, -less, -more], price))
    assert price <= paid[0] <= paid[1]
    assert price >= paid[2] >= paid[3] > 0
    if not isinstance(model, WorstPriceSlippage):
        assert paid[:2] - price == pytest.approx(price - paid[2:], abs=1e-12 * price)


@pytest.mark.parametrize("model", SLIPPAGES, ids=name)
def test_an_order_of_nothing_keeps_its_price(model: Slippage) -> None:
    assert model.fill_price(quote(0.0, 50.0)).tolist() == [50.0]


@pytest.mark.parametrize(
    ("model", "column", "values"),
    [
        (SpreadSlippage(), "spread", [NAN, INF, -0.01]),
        (VolumeShareSlippage(), "volume", [NAN, INF, -1.0, 0.0]),
        (SquareRootImpact(), "volume", [NAN, INF, -1.0, 0.0]),
        (SquareRootImpact(), "volatility", [NAN, INF, -0.01]),
        (WorstPriceSlippage(), "low", [NAN, INF, -0.01, 0.0]),
    ],
    ids=lambda value: name(value) if not isinstance(value, (str, list)) else None,
)
def test_a_missing_or_impossible_column_is_refused_where_an_order_fills(
    model: Slippage, column: str, values: list[float]
) -> None:
    for value in values:
        orders = quote([10, 10, -10], 50.0, market={column: [MARKET[column], value, value]})
        with pytest.raises(CostError, match=f"column '{column}' must be a number") as caught:
            model.fill_price(orders)
        assert f"was {value!r} at 2 of 3 fills" in str(caught.value)
        assert caught.value.sids == (8, 9)
        assert isinstance(caught.value, BacktestError)


def test_zero_spread_and_zero_volatility_are_numbers() -> None:
    order = quote(10, 50.0, market={"spread": 0.0, "volatility": 0.0})
    assert SpreadSlippage().fill_price(order).tolist() == [50.0]
    assert SquareRootImpact().fill_price(order).tolist() == [50.0]


@pytest.mark.parametrize(
    ("model", "quantity", "price"),
    [
        (FixedSlippage(0.05), 1.0, 0.05),
        (SpreadSlippage(share=2.0), 1.0, 0.08),
        (VolumeShareSlippage(), 40_000, 50.0),  # 4 times the volume: 1 - 0.1 * 16
        (SquareRootImpact(10.0), 300_000, 50.0),  # 1 - 10 * 0.02 * sqrt(30)
    ],
    ids=lambda value: name(value) if not isinstance(value, (int, float)) else None,
)
def test_a_sale_at_zero_or_less_is_refused_and_the_buy_is_not(
    model: Slippage, quantity: float, price: float
) -> None:
    assert model.fill_price(quote(quantity, price))[0] > price
    with pytest.raises(CostError, match=r"at 1 of 2 fills; lower the slippage") as caught:
        model.fill_price(quote([quantity, -quantity], price))
    assert caught.value.sids == (8,)


# -- one by one -----------------------------------------------------------------------------

ORDERS = st.lists(
    st.tuples(
        st.floats(-1e4, 1e4).filter(lambda quantity: abs(quantity) > 1e-3),
        st.floats(1.0, 1e4),
        st.floats(0.0, 0.5),  # spread
        st.floats(1e4, 1e6),  # volume
        st.floats(0.0, 0.5),  # volatility
        st.floats(1.0, 1e4),  # high
        st.floats(1.0, 1e4),  # low
    ),
    max_size=8,
)


@pytest.mark.parametrize(
    "value_of",
    [model.charge for model in COMMISSIONS] + [model.fill_price for model in SLIPPAGES],
    ids=[name(model) for model in [*COMMISSIONS, *SLIPPAGES]],
)
@given(ORDERS)
def test_orders_together_cost_what_each_costs_alone(
    value_of: Callable[[Quote], Floats], orders: list[tuple[float, ...]]
) -> None:
    def asked(rows: list[tuple[float, ...]]) -> Quote:
        quantity, price, *market = (list(column) for column in zip(*rows, strict=True))
        return quote(quantity, price, market=dict(zip(MARKET, market, strict=True)))

    together = value_of(asked(orders)) if orders else value_of(quote([], []))
    assert together.tolist() == [value_of(asked([order]))[0] for order in orders]


@pytest.mark.parametrize(
    ("found", "must"),
    [
        (1.5, [1.5, 1.5]),
        (np.float32(1.5), [1.5, 1.5]),
        (np.array([1, 2]), [1.0, 2.0]),
        ([1, 2], [1.0, 2.0]),
        (np.ones(3), "gave an array of shape (3,) for 2 fills; its charge returns"),
        ("1.5 bp", "gave '1.5 bp' for 2 fills"),
    ],
)
def test_what_a_model_gives_is_one_number_of_each_fill(found: object, must: object) -> None:
    about = quote([1.0, -2.0], [10.0, 20.0])
    if isinstance(must, list):
        assert one_each(found, about, "Mine()", "charge").tolist() == must
        return
    with pytest.raises(CostError, match=re.escape(str(must))):
        one_each(found, about, "Mine()", "charge")


# -- financing ------------------------------------------------------------------------------


def test_interest_is_received_on_cash_and_paid_on_debt() -> None:
    financing = Financing(credit_rate=0.0365, debit_rate=0.073)
    assert financing.interest(10_000.0, 3) == pytest.approx(3.0)
    assert financing.interest(-10_000.0, 3) == pytest.approx(-6.0)
    assert financing.interest(0.0, 3) == 0.0
    assert financing.interest(10_000.0, 0) == 0.0


def test_a_negative_credit_rate_charges_for_deposits() -> None:
    assert Financing(credit_rate=-0.00365).interest(10_000.0, 10) == pytest.approx(-1.0)


def test_by_default_time_costs_nothing() -> None:
    assert Financing().interest(-10_000.0, 30) == 0.0
    assert Financing().borrow_fee(np.array([-10_000.0]), None, 30).tolist() == [0.0]


def test_a_borrow_fee_is_a_cost_whatever_the_sign_of_the_value() -> None:
    value, rate = np.array([-20_000.0, 10_000.0]), np.array([0.0365, 3.65])
    assert Financing().borrow_fee(value, rate, 2) == pytest.approx([4.0, 200.0])


def test_the_flat_borrow_rate_counts_where_there_is_no_source() -> None:
    financing, value = Financing(borrow_rate=0.0365), np.array([-20_000.0, -10_000.0])
    flat = financing.borrow_fee(value, None, 2)
    assert flat == pytest.approx([4.0, 2.0])
    assert flat.tolist() == financing.borrow_fee(value, np.full(2, 0.0365), 2).tolist()
    assert financing.borrow_fee(value, np.zeros(2), 2).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("rate", [NAN, INF, -0.01])
def test_a_short_at_an_unknown_rate_is_refused(rate: float) -> None:
    value = np.array([-20_000.0, -10_000.0])
    with pytest.raises(CostError, match=r"was .* for 1 of 2 shorts; mend the 'borrow' source"):
        Financing(borrow_rate=0.01).borrow_fee(value, np.array([0.01, rate]), 1)


# -- settings -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        BasisPointCommission,
        lambda bad: MakerTakerCommission(maker_basis_points=0, taker_basis_points=bad),
        PerShareCommission,
        lambda bad: PerShareCommission(0.005, minimum=bad),
        lambda bad: PerShareCommission(0.005, cap=bad),
        PerOrderCommission,
        lambda bad: TieredCommission(((0, bad),)),
        lambda bad: TieredCommission(((0, 10), (bad, 5))),
        BasisPointSlippage,
        FixedSlippage,
        lambda bad: SpreadSlippage(share=bad),
        VolumeShareSlippage,
        SquareRootImpact,
        lambda bad: Financing(debit_rate=bad),
        lambda bad: Financing(borrow_rate=bad),
    ],
)
@pytest.mark.parametrize("bad", [-0.01, NAN, INF, "1", True, b"1"])
def test_a_number_that_cannot_be_is_refused(make: Callable[[object], object], bad: object) -> None:
    with pytest.raises(ConfigError, match="must be a number"):
        make(bad)


@pytest.mark.parametrize(
    "make",
    [
        lambda: BasisPointCommission(10_000),
        lambda: BasisPointSlippage(10_000),
        lambda: MakerTakerCommission(maker_basis_points=-10_000, taker_basis_points=0),
        lambda: MakerTakerCommission(maker_basis_points=NAN, taker_basis_points=0),
        lambda: PerShareCommission(0.005, cap=0),
        lambda: PerShareCommission(0.005, cap=1),
        lambda: Financing(credit_rate=5),
        lambda: Financing(credit_rate=-1),
        lambda: Financing(debit_rate=5),
        lambda: Financing(borrow_rate=5),
    ],
)
def test_a_rate_out_of_its_range_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ConfigError, match=r"must be a number .* below"):
        make()


@pytest.mark.parametrize("tiers", [(), ((1, 10),), ((0, 10), (0, 5)), ((0, 9), (5, 8), (4, 7))])
def test_tiers_start_at_zero_and_ascend(tiers: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(ConfigError, match="tiers must start at 0 and ascend"):
        TieredCommission(tiers)


@pytest.mark.parametrize("model", [*COMMISSIONS, *SLIPPAGES, Financing()], ids=name)
def test_a_model_is_a_value(model: object) -> None:
    assert hash(model) == hash(eval(repr(model)))
    assert model == eval(repr(model))


def test_a_run_that_meets_an_unknown_cost_names_bar_and_assets() -> None:
    names = ("open", "high", "low", "close", "spread")
    bars = {"A": [(10, 10, 10, 10, 0.1)] * 3, "B": [(10, 10, 10, 10, None)] * 3}
    script = {1: [lambda s: s.buy("A", 1), lambda s: s.buy("B", 1)]}
    with pytest.raises(CostError, match=r"^at 2024-01-03 \(B\): column 'spread'") as caught:
        play(bars, script, names=names, slippage=SpreadSlippage())
    assert (caught.value.timestamp, caught.value.asset_ids) == ("2024-01-03", ("B",))
