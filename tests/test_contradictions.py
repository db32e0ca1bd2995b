"""Actions that contradict prices or each other: refused if they cannot be right, else a warning."""

from __future__ import annotations

import json
from typing import Any

import pytest

from effort import each_value
from ml4t.backtest import ConfigError, DataError, Financing, MarginAccount
from scripted import Row, day, equity, fills, flat, play

Act = tuple[str, int, str, Any]


def source(*actions: Act, **more: Any) -> dict[str, Any]:
    """Actions as (asset, day, kind, value); of a rename the value is the new name."""
    table: dict[str, list[Any]] = {
        "asset_id": [one[0] for one in actions],
        "ex_date": [day(one[1]) for one in actions],
        "kind": [one[2] for one in actions],
        "value": [None if one[2] == "rename" else one[3] for one in actions],
    }
    if any(one[2] == "rename" for one in actions):
        table["new_asset_id"] = [one[3] if one[2] == "rename" else None for one in actions]
    if all(value is None for value in table["value"]):
        table["value"] = [1.0] * len(actions)
    return {"actions": table | more}


def buy(asset: str, quantity: float) -> Any:
    return lambda strategy: strategy.buy(asset, quantity)


def run(
    assets: dict[str, list[Row]], *actions: Act, script: Any = None, **more: Any
) -> tuple[Any, dict[str, int]]:
    """Run with actions; return the result and the warnings, as {rule: rows}."""
    result = play(assets, script or {}, sources=source(*actions, **more))
    ((text,),) = result.sql("select warnings from runs").fetchall()
    for one in json.loads(text):
        line = f"Warning: source 'actions' {one['text']} (rule {one['rule']}, {one['rows']:,} rows)"
        assert line in result.summary()
    return result, {one["rule"]: one["rows"] for one in json.loads(text)}


def refused(assets: dict[str, list[Row]], *actions: Act) -> tuple[str, int]:
    with pytest.raises(DataError) as error:
        run(assets, *actions)
    assert error.value.source == "actions"
    assert error.value.sample
    return error.value.rule, error.value.n_rows


# -- splits -----------------------------------------------------------------------------------


def test_a_split_of_a_hundred_without_a_jump_is_refused() -> None:
    rows = {"A": flat(100, 5)}
    assert refused(rows, ("A", 2, "split", 100.0)) == ("split_without_jump", 1)
    assert refused(rows, ("A", 2, "split", 0.1)) == ("split_without_jump", 1)


def test_a_small_split_without_a_jump_is_a_warning() -> None:
    _, warnings = run({"A": flat(100, 5)}, ("A", 2, "split", 2.0))
    assert warnings == {"split_may_not_be": 1}


@each_value
@pytest.mark.parametrize("ratio", [100.0, 7.0, 2.0, 1.5, 1.05, 0.1])
@pytest.mark.parametrize("move", [0.8, 1.0, 1.3])
def test_a_split_that_the_price_follows_is_fine(ratio: float, move: float) -> None:
    if ratio == 1.5 and move == 1.3:
        return  # a price that rose by nearly as much as the split took off: see the next test
    rows = {"A": [*flat(100, 2), *flat(100 * move / ratio, 2)]}
    assert run(rows, ("A", 2, "split", ratio))[1] == {}


def test_a_price_that_moves_as_if_there_was_no_split_is_a_warning() -> None:
    rows = {"A": [*flat(100, 2), *flat(87, 2)]}
    assert run(rows, ("A", 2, "split", 1.5))[1] == {"split_may_not_be": 1}


def test_splits_and_dividends_between_two_bars_count_together() -> None:
    # 100 less 20 is 80; 10 new for one old, then one for 2: five for one. Day 3 has no bar.
    rows = {"A": [*flat(100, 2), None, *flat(16, 2)], "B": flat(1, 5)}
    happened = ("A", 2, "split", 10.0), ("A", 3, "split", 0.5), ("A", 2, "dividend", 20.0)
    assert run(rows, *happened)[1] == {}


def test_bad_splits_can_be_dropped() -> None:
    from ml4t.backtest import Catalog
    from scripted import NAMES, price_table

    prices = price_table({"A": flat(100, 5)}, NAMES, [day(t) for t in range(5)])
    actions = source(("A", 2, "split", 100.0), ("A", 2, "dividend", 1.0))["actions"]
    catalog = Catalog().register("prices", prices)
    catalog.register("actions", actions, on_bad_rows="drop")
    assert catalog.validate().dropped == {"actions": {"split_without_jump": 1}}
    assert [action.kind for action in catalog.actions()] == ["dividend"]


# -- delistings and renames -------------------------------------------------------------------


def test_bars_after_a_delisting_are_a_warning() -> None:
    assets = {"A": flat(100, 5), "B": flat(1, 5)}
    result, warnings = run(assets, ("A", 2, "delisting", 90.0), script={0: buy("A", 10)})
    assert warnings == {"traded_after_delisting": 1}
    assert equity(result)[-1] == 9_900
    ended = {"A": flat(100, 2), "B": flat(1, 5)}
    assert run(ended, ("A", 2, "delisting", 90.0))[1] == {}


def test_a_rename_to_another_asset_is_refused() -> None:
    assets = {"A": [*flat(10, 2), None, None], "B": flat(28.5, 4)}
    assert refused(assets, ("A", 2, "rename", "B")) == ("rename_to_another", 1)


def test_a_rename_onto_a_name_that_traded_at_that_price_is_a_warning() -> None:
    assets = {"A": [*flat(10, 2), None, None], "B": flat(10.5, 4)}
    assert run(assets, ("A", 2, "rename", "B"))[1] == {"rename_may_not_be": 1}


def test_a_rename_that_prices_follow_is_fine_and_one_at_twice_the_price_a_warning() -> None:
    for price, expected in ((10.5, {}), (30, {"rename_may_not_be": 1})):
        assets = {"A": [*flat(10, 2), None, None], "B": [None, None, *flat(price, 2)]}
        assert run(assets, ("A", 2, "rename", "B"))[1] == expected


def test_an_old_name_that_goes_on_is_a_warning() -> None:
    assets = {"A": flat(10, 4), "B": [None, None, *flat(10, 2)]}
    assert run(assets, ("A", 2, "rename", "B"))[1] == {"traded_after_rename": 1}


def test_two_renames_into_one_are_a_warning() -> None:
    assets = {name: flat(10, 2) for name in "AB"} | {"C": [None, None, *flat(10, 2)]}
    happened = ("A", 2, "rename", "C"), ("B", 2, "rename", "C")
    result, warnings = run(assets, *happened, script={0: [buy("A", 1), buy("B", 2)]})
    assert warnings == {"renamed_into_one": 2}
    assert result.sql("select arg_max(quantity, timestamp) from positions").fetchall() == [(3,)]


@pytest.mark.parametrize("to", ["A", "C"])
def test_renames_that_meet_on_one_day_are_refused_and_with_days_between_they_are_fine(
    to: str,
) -> None:
    assets = {
        "A": [*flat(10, 2), None, *(flat(10, 2) if to == "A" else [None, None])],
        "B": [None, None, *flat(10, 1), None, None],
        "C": [*flat(1, 2), None, *flat(10, 2)] if to == "C" else flat(1, 5),
    }
    same_day = ("A", 2, "rename", "B"), ("B", 2, "rename", to)
    assert refused(assets, *same_day)[0] == "renamed_twice_a_day"
    if to == "A":
        result, warnings = run(
            assets, ("A", 2, "rename", "B"), ("B", 3, "rename", to), script={0: buy("A", 10)}
        )
        # There and back again: it has bars before and after, which the checks point at.
        assert set(warnings) == {"rename_may_not_be", "traded_after_rename"}
        assert fills(result) == [(1, "A", 10, 10)]
        assert equity(result) == [10_000] * 5


def test_of_two_renames_between_two_bars_the_earlier_comes_first() -> None:
    # B to C two days before A to B, on the bar of day 4.
    assets = {
        "A": [*flat(10, 2), None, None, None],
        "B": [*flat(10, 2), None, None, *flat(10, 1)],
        "C": [None, None, None, None, *flat(10, 1)],
    }
    result, _ = run(
        assets, ("B", 2, "rename", "C"), ("A", 4, "rename", "B"),
        script={0: [buy("A", 1), buy("B", 2)]},
    )  # fmt: skip
    last = "select asset_id, quantity from positions where timestamp = date '2024-01-05' order by 1"
    assert result.sql(last).fetchall() == [("B", 1), ("C", 2)]


# -- dividends and last payments beside the price ------------------------------------------------


def test_a_dividend_of_the_whole_price_is_refused() -> None:
    rows = {"A": flat(100, 5)}
    assert refused(rows, ("A", 2, "dividend", 250.0)) == ("dividend_of_all", 1)
    assert refused(rows, ("A", 2, "dividend", 100.0)) == ("dividend_of_all", 1)
    # Together, without a bar between them; 60 of a new share is 120 of an old one.
    gap = {"A": [*flat(100, 2), None, None, *flat(10, 1)], "B": flat(1, 5)}
    assert refused(gap, ("A", 2, "dividend", 60.0), ("A", 3, "dividend", 40.0)) == (
        "dividend_of_all", 1,
    )  # fmt: skip
    assert refused(gap, ("A", 2, "split", 2.0), ("A", 3, "dividend", 60.0)) == (
        "dividend_of_all", 1,
    )  # fmt: skip
    assert run(gap, ("A", 2, "dividend", 50.0), ("A", 3, "dividend", 40.0))[1] == {}


def test_a_last_payment_above_the_last_close_is_the_value_of_a_delisting() -> None:
    rows = {"A": flat(100, 2), "B": flat(1, 5)}
    result, warnings = run(rows, ("A", 2, "delisting", 110.0), script={0: buy("A", 10)})
    assert warnings == {}
    assert equity(result)[-1] == 10_100


@pytest.mark.parametrize("value", [60.0, 30.0, 20.0])
def test_a_large_dividend_that_the_price_does_not_follow_is_a_warning(value: float) -> None:
    paid = ("A", 2, "dividend", value)
    for after, expected in ((100, {"dividend_without_fall": 1}), (100 - value, {}), (30, {})):
        rows = {"A": [*flat(100, 2), *flat(after, 2)]}
        assert run(rows, paid)[1] == expected


def test_a_small_dividend_and_one_without_a_later_bar_are_not_compared_with_the_price() -> None:
    assert run({"A": flat(100, 5)}, ("A", 2, "dividend", 19.0))[1] == {}
    rows = {"A": flat(100, 2), "B": flat(1, 5)}
    assert run(rows, ("A", 2, "dividend", 60.0))[1] == {}


def test_two_dividends_that_are_large_together_are_a_warning() -> None:
    rows = {"A": [*flat(100, 2), None, *flat(100, 2)], "B": flat(1, 5)}
    paid = ("A", 2, "dividend", 12.0), ("A", 3, "dividend", 12.0)
    assert run(rows, *paid)[1] == {"dividend_without_fall": 2}


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        ([("A", 2, "delisting", 10_000.0)], {"delisting_above_price": 1}),
        ([("A", 2, "delisting", 301.0)], {"delisting_above_price": 1}),
        ([("A", 2, "delisting", 300.0)], {}),
        ([("A", 2, "delisting", 0.0)], {}),
        ([("A", 2, "delisting", None)], {}),
        # One new share for ten is worth 1,000.
        ([("A", 2, "split", 0.1), ("A", 3, "delisting", 1_000.0)], {}),
    ],
)
def test_a_delisting_far_above_the_last_close_is_a_warning(
    actions: list[Act], expected: dict[str, int]
) -> None:
    rows = {"A": flat(100, 2), "B": flat(1, 5)}
    assert run(rows, *actions)[1] == expected


def test_two_ends_of_one_asset_without_a_bar_between_are_refused() -> None:
    rows = {"A": flat(100, 2), "B": flat(1, 6)}
    twice = ("A", 2, "delisting", 90.0), ("A", 4, "delisting", 80.0)
    assert refused(rows, *twice) == ("ends_twice", 2)
    assert refused(rows, ("A", 2, "delisting", 90.0), ("A", 4, "delisting", 90.0)) == (
        "ends_twice", 2,
    )  # fmt: skip


def test_a_name_that_is_used_again_can_end_again() -> None:
    rows = {"A": [*flat(100, 2), None, *flat(50, 1), None], "B": flat(1, 5)}
    ends = ("A", 2, "delisting", 90.0), ("A", 4, "delisting", 40.0)
    result, warnings = run(rows, *ends, script={0: buy("A", 10)})
    assert warnings == {"traded_after_delisting": 1}
    assert equity(result)[-1] == 9_900
    # What ends after the last bar may have traded again by then.
    ended = {"A": flat(100, 2), "B": flat(1, 3)}
    assert run(ended, ("A", 2, "delisting", 90.0), ("A", 9, "delisting", 80.0))[1] == {}


def test_of_equal_rows_one_is_compared_with_the_price() -> None:
    from ml4t.backtest import Catalog
    from scripted import NAMES, price_table

    prices = price_table({"A": [*flat(100, 2), *flat(40, 2)]}, NAMES, [day(t) for t in range(4)])
    actions = source(*[("A", 2, "dividend", 60.0)] * 2)["actions"]
    catalog = Catalog().register("prices", prices)
    catalog.register("actions", actions, on_bad_rows="drop")
    prepared = catalog.validate()
    assert (prepared.dropped, prepared.warnings) == ({"actions": {"duplicate_rows": 1}}, [])


# -- dividends, and what does nothing ------------------------------------------------------------


def test_equal_dividends_that_another_column_tells_apart_are_paid_with_a_warning() -> None:
    happened = ("A", 2, "dividend", 0.5), ("A", 2, "dividend", 0.5)
    result, warnings = run(
        {"A": flat(100, 4)}, *happened, note=["regular", "special"], script={0: buy("A", 10)}
    )
    assert warnings == {"dividend_repeated": 2}
    assert equity(result)[-1] == 10_010
    assert refused({"A": flat(100, 4)}, *happened) == ("duplicate_rows", 1)


@pytest.mark.parametrize(
    ("action", "warnings"),
    [
        (("A", 90, "dividend", 1.0), {}),  # after the run
        (("A", -90, "split", 4.0), {}),  # before it
        (("ZZZ", 2, "dividend", 1.0), {"no_common_asset": 1}),
        ((" a", 2, "dividend", 1.0), {"asset_spelled_otherwise": 1, "no_common_asset": 1}),
    ],
)
def test_a_source_without_an_action_of_the_run_does_nothing(
    action: Act, warnings: dict[str, int]
) -> None:
    result, found = run({"A": flat(100, 4)}, action, script={0: buy("A", 10)})
    assert found == warnings
    assert equity(result) == [10_000] * 4


# -- contracts ----------------------------------------------------------------------------------


def test_financing_of_contracts_is_refused_and_contracts_alone_and_shares_are_not() -> None:
    terms = {"assets": {"asset_id": ["A"], "multiplier": [50.0]}}
    rates = Financing(debit_rate=0.06, credit_rate=0.04)
    with pytest.raises(ConfigError, match="'A' has a multiplier of 50; where it is settled daily"):
        play(flat(100, 3), {}, sources=terms, financing=rates)
    assert len(equity(play(flat(100, 3), {}, sources=terms))) == 3
    plain = {"assets": {"asset_id": ["A"], "multiplier": [1.0]}}
    assert len(equity(play(flat(100, 3), {}, sources=plain, financing=rates))) == 3


def test_a_borrow_fee_on_a_contract_is_refused() -> None:
    terms = {"assets": {"asset_id": ["A"], "multiplier": [50.0]}}
    for fee, is_bad in ((0.01, True), (0.0, False)):
        fees = {"borrow": {"timestamp": [day(0)], "asset_id": ["A"], "fee": [fee]}}
        sources = {**terms, **fees}
        if is_bad:
            with pytest.raises(DataError, match="fee_of_contract, 1 rows"):
                play(flat(100, 3), {}, sources=sources, account=MarginAccount())
        else:
            play(flat(100, 3), {}, sources=sources, account=MarginAccount())


def test_a_currency_is_refused_where_it_is_not_that_of_an_asset() -> None:
    with pytest.raises(DataError, match="source 'actions' has a column 'currency'"):
        run({"A": flat(100, 3)}, ("A", 2, "dividend", 1.0), currency=["EUR"])
