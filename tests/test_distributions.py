"""Corporate actions by hand: what pays cash, what is spun off, what merges, and the tax on it."""

from __future__ import annotations

from typing import Any

import pytest

from ml4t.backtest import BacktestResult, Catalog, ExecutionPolicy, MarginAccount
from ml4t.backtest.errors import DataError
from ml4t.backtest.risk import StopLoss
from scripted import NAMES, cash, day, equity, fills, flat, flows, play, price_table


def acts(*rows: dict[str, Any]) -> dict[str, Any]:
    """The source of actions; each is of asset A, on bar 2, unless it says so."""
    columns = ["asset_id", "ex_date", "kind", "value", *sorted({n for row in rows for n in row})]
    known = [{"asset_id": "A", "ex_date": day(2), **row} for row in rows]
    return {"actions": {name: [row.get(name) for row in known] for name in dict.fromkeys(columns)}}


def buy(n: float, asset: str = "A") -> Any:
    return lambda s: s.buy(asset, n)


def sell(n: float, asset: str = "A") -> Any:
    return lambda s: s.sell(asset, n)


def pnl(result: BacktestResult) -> list[Any]:
    query = "select asset_id, quantity, entry_price, exit_price, pnl from trades order by trade_id"
    return result.sql(query).fetchall()


def test_withholding_takes_its_part_of_a_dividend_and_shorts_owe_all_of_it() -> None:
    bars = {"A": [*flat(100, 2), *flat(98, 3)], "B": [*flat(100, 2), *flat(98, 3)]}
    source = acts(
        {"kind": "dividend", "value": 2.0, "withholding": 0.15},
        {"asset_id": "B", "kind": "dividend", "value": 2.0, "withholding": 0.15},
    )
    script = {0: [buy(10), sell(10, "B")]}
    result = play(bars, script, sources=source, account=MarginAccount(), capital=10_000)
    # 10 * 2.00 = 20.00, of which 15% are 3.00; the short pays 20.00.
    assert flows(result) == [
        (2, "A", "dividend", 20.0), (2, "A", "withholding", -3.0), (2, "B", "dividend", -20.0),
    ]  # fmt: skip
    assert equity(result)[-1] == 10_000 - 3.0
    assert [row[4] for row in pnl(result)] == [-3.0, 0.0]


def test_a_return_of_capital_lowers_what_shares_have_cost_down_to_nothing() -> None:
    bars = [*flat(10, 2), *flat(7, 2), *flat(1, 3)]
    source = acts(
        {"kind": "return_of_capital", "value": 3.0},
        {"ex_date": day(4), "kind": "return_of_capital", "value": 8.0},
    )
    script = {0: [buy(100)], 4: [sell(100)]}
    result = play(bars, script, sources=source)
    # Cost 10.00 - 3.00 = 7.00; of the 8.00 another 7.00 come off and 1.00 is gained; sold at 1.00.
    assert [row[3] for row in flows(result)] == [300.0, 800.0]
    assert pnl(result) == [("A", 100.0, 0.0, 1.0, 200.0)]
    assert equity(result)[-1] == 10_000 - 1_000 + 300 + 800 + 100


def test_cash_is_charged_or_paid_and_moves_no_price() -> None:
    source = acts({"kind": "cash", "value": -0.05}, {"kind": "cash", "value": 0.02})
    rule = StopLoss(0.05)
    result = play(flat(10, 5), {0: [buy(100)]}, rule, sources=source)
    # A fee of 5.00 and a refund of 2.00 on one day: both, none is refused.
    assert sorted(row[3] for row in flows(result)) == [-5.0, 2.0]
    assert equity(result)[-1] == 10_000 - 3.0
    assert len(fills(result)) == 1


def test_rights_are_worth_what_the_theoretical_ex_rights_price_leaves() -> None:
    # One new share for four, at 6.00: (10.00 + 0.25 * 6.00) / 1.25 = 9.20; the right 0.80.
    bars = [*flat(10, 2), *flat(9.2, 3)]
    source = acts({"kind": "rights", "value": 0.25, "cash": 6.0})
    result = play(bars, {0: [buy(100)]}, sources=source)
    assert [row[2:] for row in flows(result)] == [("rights", pytest.approx(80.0))]
    assert equity(result)[-1] == pytest.approx(10_000.0)
    # Nobody subscribes above the price.
    dear = acts({"kind": "rights", "value": 0.25, "cash": 11.0})
    assert flows(play(flat(10, 5), {0: [buy(100)]}, sources=dear)) == []


def test_a_spin_off_takes_a_part_of_cost_and_value_along() -> None:
    # Of 100.00 the parent opens at 80.00, and one share of B for two opens at 40.00.
    bars = {"A": [*flat(100, 2), *flat(80, 4)], "B": [None, None, *flat(40, 3), *flat(44, 1)]}
    source = acts({"kind": "spinoff", "value": 0.5, "new_asset_id": "B"})
    script = {0: [buy(10)], 3: [sell(5, "B")]}
    result = play(bars, script, sources=source)
    # 0.5 * 40 / (0.5 * 40 + 80) = 20%: A has cost 80.00, B 100.00 * 20% / 0.5 = 40.00.
    assert equity(result) == [10_000.0] * 6
    assert pnl(result) == [
        ("B", 5.0, 40.0, 40.0, 0.0),
        ("A", 10.0, 80.0, None, 0.0),
    ]
    held = result.sql("select asset_id, quantity, value from positions where price = 40")
    assert held.fetchall()[0] == ("B", 5.0, 200.0)


def test_a_spin_off_is_per_share_before_a_split_of_its_date() -> None:
    # 100.00 becomes two shares at 40.00, and half a share of B at 40.00: 20 of 100.
    bars = {"A": [*flat(100, 2), *flat(40, 3)], "B": [None, None, *flat(40, 3)]}
    source = acts(
        {"kind": "spinoff", "value": 0.5, "new_asset_id": "B"}, {"kind": "split", "value": 2.0}
    )
    result = play(bars, {0: [buy(10)]}, sources=source)
    assert pnl(result) == [("A", 20.0, 40.0, None, 0.0), ("B", 5.0, 40.0, None, 0.0)]


def test_a_basis_share_that_is_given_wins_and_fractions_are_paid_in_cash() -> None:
    bars = {"A": [*flat(100, 2), *flat(80, 3)], "B": [None, None, *flat(60, 3)]}
    source = acts({"kind": "spinoff", "value": 1 / 3, "new_asset_id": "B", "basis_share": 0.25})
    result = play(
        bars, {0: [buy(10)]}, sources=source, execution=ExecutionPolicy(whole_shares=True)
    )
    # 10 / 3 = 3.33 of B at a cost and mark of 100.00 * 25% * 3 = 75.00: a third is paid, 25.00.
    assert [row[2:] for row in flows(result)] == [("cash in lieu", pytest.approx(25.0))]
    # 9,000 + 25 + 10 * 80 + 3 * 60.
    assert equity(result)[-1] == pytest.approx(10_005.0)
    assert pnl(result)[0][:3] == ("B", pytest.approx(1 / 3), pytest.approx(75.0))


def test_who_is_short_owes_what_is_spun_off() -> None:
    bars = {"A": [*flat(100, 2), *flat(80, 4)], "B": [None, None, *flat(40, 3), *flat(30, 1)]}
    source = acts({"kind": "spinoff", "value": 0.5, "new_asset_id": "B"})
    result = play(bars, {0: [sell(10)]}, sources=source, account=MarginAccount())
    assert equity(result) == [10_000.0] * 5 + [10_050.0]


def test_a_merger_for_shares_and_cash_realises_the_cash() -> None:
    # Per share of A 20.00 and 0.5 of B, which closed at 60.00: worth 50.00, 40% of it cash.
    bars = {"A": [*flat(45, 2), None, None, None], "B": [*flat(60, 2), *flat(60, 3)]}
    source = acts({"kind": "merger", "value": 0.5, "cash": 20.0, "new_asset_id": "B"})
    result = play(bars, {0: [buy(10)]}, sources=source)
    assert flows(result) == [(2, "A", "merger", pytest.approx(200.0))]
    # 4 of 10 shares are sold at 50.00: 4 * 5.00 = 20.00; 6 at 45.00 become 5 at 54.00.
    assert pnl(result) == [
        ("A", pytest.approx(4.0), 45.0, pytest.approx(50.0), pytest.approx(20.0)),
        ("B", pytest.approx(5.0), pytest.approx(54.0), None, pytest.approx(30.0)),
    ]
    # 10,000 - 450 + 200 + 5 * 60.
    assert equity(result)[-1] == pytest.approx(10_050.0)


def test_a_merger_for_cash_alone_closes_at_its_price() -> None:
    source = acts({"kind": "merger", "value": 0.0, "cash": 55.0})
    result = play(
        {"A": [*flat(50, 2), None, None], "C": flat(1, 4)}, {0: [buy(10)]}, sources=source
    )
    assert flows(result) == [(2, "A", "merger", 550.0)]
    assert pnl(result) == [("A", 10.0, 50.0, 55.0, 50.0)]


def test_a_merger_for_shares_alone_turns_each_into_some_and_keeps_its_cost() -> None:
    bars = {"A": [*flat(30, 2), None, None], "B": flat(20, 4)}
    source = acts({"kind": "merger", "value": 1.5, "new_asset_id": "B"})
    result = play(bars, {0: [buy(10)]}, sources=source)
    assert pnl(result) == [("B", 15.0, 20.0, None, 0.0)]
    assert cash(result) == [10_000.0] + [9_700.0] * 3


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ({"kind": "return_of_capital", "value": -1.0}, "paid_not_valid"),
        ({"kind": "cash", "value": float("nan")}, "paid_not_valid"),
        ({"kind": "rights", "value": 0.25}, "rights_not_valid"),
        ({"kind": "rights", "value": 0.0, "cash": 5.0}, "rights_not_valid"),
        ({"kind": "dividend", "value": 1.0, "withholding": 15.0}, "withholding_not_valid"),
        ({"kind": "merger", "value": 0.0}, "merger_not_valid"),
        ({"kind": "merger", "value": 0.5, "new_asset_id": "Z"}, "merger_not_valid"),
        ({"kind": "merger", "value": 0.5, "cash": -1.0, "new_asset_id": "B"}, "merger_not_valid"),
        ({"kind": "spinoff", "value": 0.5}, "spinoff_not_valid"),
        ({"kind": "spinoff", "value": 0.5, "new_asset_id": "B", "basis_share": 20.0},
         "spinoff_not_valid"),
        ({"kind": "spin-off", "value": 0.5}, "kind_unknown"),
    ],
)  # fmt: skip
def test_actions_that_cannot_be_are_refused(row: dict[str, Any], rule: str) -> None:
    with pytest.raises(DataError) as caught:
        play({"A": flat(10, 4), "B": flat(10, 4)}, {}, sources=acts(row))
    assert caught.value.rule == rule


def test_a_spin_off_of_which_no_price_tells_a_share_is_refused() -> None:
    bars = {"A": flat(10, 4), "B": [None, None, None, (5.0, 5.0, 5.0, 5.0)]}
    source = acts({"kind": "spinoff", "value": 0.5, "new_asset_id": "B"})
    with pytest.raises(DataError, match="give a basis_share") as caught:
        play(bars, {}, sources=source)
    assert caught.value.rule == "value_unknown"


def test_a_dividend_on_a_split_date_is_of_the_shares_that_its_basis_says() -> None:
    # 2 for 1, and 3.00 per old share: 100.00 becomes (100 - 3) / 2 = 48.50.
    bars = [*flat(100, 2), *flat(48.5, 3)]
    rows = [{"kind": "split", "value": 2.0}, {"kind": "dividend", "value": 3.0}]
    old = play(bars, {0: [buy(10)]}, sources=acts(*rows))
    assert [row[3] for row in flows(old)] == [30.0]
    new = [{"kind": "split", "value": 2.0}, {"kind": "dividend", "value": 1.5, "basis": "new"}]
    of_new = play(bars, {0: [buy(10)]}, sources=acts(*new))
    assert [row[3] for row in flows(of_new)] == [30.0]
    assert equity(old) == equity(of_new) == [10_000.0] * 5
    with pytest.raises(DataError, match="basis other than") as caught:
        play(bars, {}, sources=acts({"kind": "dividend", "value": 1.0, "basis": "post"}))
    assert caught.value.rule == "basis_not_known"


@pytest.mark.parametrize(
    ("value", "basis", "is_told"),
    [(30.0, "old", False), (30.0, "new", True), (15.0, "new", False), (15.0, "old", True)],
)
def test_a_basis_that_the_price_contradicts_is_a_warning(
    value: float, basis: str, is_told: bool
) -> None:
    # 2 for 1, and 30.00 per old share: 100.00 becomes (100 - 30) / 2 = 35.00.
    source = acts(
        {"kind": "split", "value": 2.0}, {"kind": "dividend", "value": value, "basis": basis}
    )
    table = price_table({"A": [*flat(100, 2), *flat(35, 3)]}, NAMES, [day(t) for t in range(5)])
    catalog = Catalog(threads=1).register("prices", table)
    catalog.register("actions", source["actions"])
    found = {one.rule for one in catalog.checks() if one.n_rows}
    assert ("dividend_of_other_basis" in found) is is_told
