"""Rolls: which contract is left when, and the series of all of them for signals."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from ml4t.backtest import BacktestConfig, BacktestEngine, Catalog, MarginAccount, TopN
from ml4t.backtest.data import continuous_prices, roll_schedule
from ml4t.backtest.errors import ConfigError, DataError
from scripted import FREE, day

EXPIRIES = {"H": day(5), "M": date(2024, 3, 1), "U": date(2024, 6, 1)}
INTEREST = {"H": [9, 9, 4, 3, 2, 1], "M": [1, 2, 5, 6, 7, 8, 9, 9], "U": [0] * 8}
GAPS = {"H": 0.0, "M": 10.0, "U": 20.0}


def contracts(interest: dict[str, list[Any]] = INTEREST, **columns: Any) -> dict[str, list[Any]]:
    """Three contracts: closes of 100, 101, ... and 10 more for each month further."""
    rows = [
        (day(t), name, "ES", EXPIRIES[name], 100.0 + t + GAPS[name], value)
        for name, values in interest.items()
        for t, value in enumerate(values)
        if value is not None
    ]
    names = ("timestamp", "asset_id", "root", "expiry", "close", "open_interest")
    table = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    return table | {name: [value] * len(rows) for name, value in columns.items()}


def rolls(*args: Any, **options: Any) -> list[tuple[Any, ...]]:
    """(bar, old, new) of each roll."""
    return [
        ((row["timestamp"] - day(0)).days, row["asset_id"], row["new_asset_id"])
        for row in roll_schedule(*args, **options).to_pylist()
    ]


def test_a_contract_is_left_so_many_days_before_its_expiry() -> None:
    assert rolls(contracts(), days=2) == [(3, "H", "M")]
    assert rolls(contracts(), days=0) == [(5, "H", "M")]
    assert rolls(contracts(), days=30) == [(0, "H", "M")]


def test_a_day_without_a_bar_of_both_contracts_is_none_to_roll_at() -> None:
    interest = {**INTEREST, "M": [1, 2, 5, None, 7, 8, 9, 9], "U": [0, 0, 0, None, 0, 0, 0, 0]}
    assert rolls(contracts(interest), days=2) == [(4, "H", "M")]


def test_a_contract_beside_which_none_trades_is_not_rolled() -> None:
    assert rolls(contracts({"H": [1] * 6}), days=2) == []


def test_open_interest_counts_from_the_bar_after() -> None:
    # M has more at bar 2 (5 against 4), which is published after that close.
    assert rolls(contracts(), by="open_interest", days=0) == [(3, "H", "M")]
    later = {**INTEREST, "H": [9] * 6, "M": [1, 2, 3, 4, 9.5, 9, 9, 9]}
    assert rolls(contracts(later), by="open_interest", days=0) == [(5, "H", "M")]


def test_the_contract_of_most_open_interest_is_the_next() -> None:
    skipped = {**INTEREST, "U": [0, 0, 20, 20, 20, 20, 20, 20]}
    assert rolls(contracts(skipped), by="open_interest", days=0)[0] == (3, "H", "U")


def test_no_later_bar_moves_a_roll_by_open_interest() -> None:
    whole = rolls(contracts(), by="open_interest", days=0)
    for end in range(3, 8):
        cut = {name: values[: end + 1] for name, values in INTEREST.items()}
        known = [row for row in whole if row[0] <= end]
        assert rolls(contracts(cut), by="open_interest", days=0) == known


def test_without_more_open_interest_a_contract_is_left_before_its_expiry() -> None:
    for none in (0, float("nan")):
        quiet = {"H": [9] * 6, "M": [none] * 8}
        assert rolls(contracts(quiet), by="open_interest", days=1) == [(4, "H", "M")]


def test_a_continuous_series_takes_off_what_the_roll_added() -> None:
    made = continuous_prices(contracts(), roll_schedule(contracts(), days=2)).to_pylist()
    assert [row["asset_id"] for row in made] == ["H"] * 3 + ["M"] * 5
    # From bar 3 on M - 10: 113 - 10, 114 - 10, ...
    assert [row["continuous"] for row in made] == [100.0 + t for t in range(8)]


def test_a_continuous_series_by_ratio_keeps_returns() -> None:
    made = continuous_prices(contracts(), roll_schedule(contracts(), days=2), method="ratio")
    values = made["continuous"].to_pylist()
    # At the roll M is 113 where H is 103, so that 114 of M count as 114 * 103 / 113.
    assert values[4] == pytest.approx(114 * 103 / 113)
    assert values[5] / values[4] == pytest.approx(115 / 114)


def test_no_later_bar_moves_a_continuous_price() -> None:
    made = continuous_prices(contracts(), roll_schedule(contracts(), days=2)).to_pylist()
    for end in range(1, 8):
        cut = contracts({name: values[: end + 1] for name, values in INTEREST.items()})
        known = [row for row in made if row["timestamp"] <= day(end)]
        assert continuous_prices(cut, roll_schedule(cut, days=2)).to_pylist() == known


def test_roots_are_apart_and_bars_may_have_a_zone() -> None:
    one, other = contracts(), contracts(root="NQ")
    other["asset_id"] = [f"N{name}" for name in other["asset_id"]]
    both = {name: one[name] + other[name] for name in one}
    both["timestamp"] = [
        datetime(each.year, each.month, each.day, 21, tzinfo=UTC) for each in both["timestamp"]
    ]
    schedule = roll_schedule(both, days=2)
    assert schedule["new_asset_id"].to_pylist() == ["M", "NM"]
    made = continuous_prices(both, schedule).to_pylist()
    assert [row["root"] for row in made] == ["ES"] * 8 + ["NQ"] * 8
    assert made[12]["continuous"] == 104.0


def ranked(every: int) -> Any:
    """Hold the front contract by its rank, chosen again after so many bars."""
    given = contracts()
    schedule = roll_schedule(given, days=1)
    names = ("timestamp", "asset_id", "close")
    catalog = (
        Catalog()
        .register("prices", {**{one: given[one] for one in names}, "open": given["close"]})
        .register("features", continuous_prices(given, schedule))
        .register("rolls", schedule)
        .register("assets", {
            "asset_id": list("HMU"), "instrument": ["future"] * 3,
            "expiry": [EXPIRIES[name] for name in "HMU"],
        })
    )  # fmt: skip
    config = BacktestConfig(
        account=MarginAccount(initial_margin=0.2, maintenance_margin=0.1), **FREE
    )
    strategy = TopN(1, by="continuous", every=every)
    return BacktestEngine(catalog, strategy, config=config).run()


def test_what_is_chosen_now_and_then_is_rolled_in_between() -> None:
    # Chosen at bar 2, filled at 103; rolled at bar 4, filled at the open of the last session of H.
    result = ranked(every=3)
    rows = result.sql("select timestamp, asset_id, price from fills order by fill_id").fetchall()
    n = 100_000 / 103
    assert rows[:3] == [(day(3), "H", 103.0), (day(5), "H", 105.0), (day(5), "M", 115.0)]
    assert result.sql("select quantity from fills where asset_id = 'M'").fetchall()[0] == (n,)
    # 2 points of H and 1 of M until the next choice fills at 116, and one more of what it keeps.
    left = (100_000 + 3 * n) / 116
    assert result["final_value"] == pytest.approx(100_000 + 3 * n + left)


def test_target_weights_at_the_bar_of_a_roll_decide_alone() -> None:
    result = ranked(every=1)
    query = "select asset_id, tag, status from orders order by order_id"
    assert result.sql(query).fetchall()[:3] == [
        ("H", "rebalance", "filled"), ("H", "rebalance", "filled"), ("M", "rebalance", "filled"),
    ]  # fmt: skip
    assert result.sql("select count(*) from orders where tag = 'roll'").fetchall() == [(0,)]


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: roll_schedule(contracts(), by="volume"), ConfigError, "by must be"),
        (lambda: roll_schedule(contracts(), days=-1), ConfigError, "days"),
        (lambda: roll_schedule({"timestamp": [day(0)]}), DataError, "no column 'asset_id'"),
        (lambda: continuous_prices(contracts(), {}), DataError, "source 'rolls' has no column"),
        (
            lambda: continuous_prices(contracts(), {}, method="panama"), ConfigError,
            "method must be",
        ),
    ],
)  # fmt: skip
def test_what_makes_no_schedule_is_refused(call: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        call()


def test_a_contract_without_open_interest_is_not_the_one_of_most() -> None:
    missing = {**INTEREST, "U": [float("nan")] * 8}
    assert rolls(contracts(missing), by="open_interest", days=0)[0] == (3, "H", "M")
