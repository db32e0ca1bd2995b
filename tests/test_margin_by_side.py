"""Margins of shorts beside those of longs, and how time is counted: each with its arithmetic."""

from __future__ import annotations

from typing import Any

import pytest

from ml4t.backtest import BacktestResult, ConfigError, DataError, Financing, MarginAccount
from scripted import Action, at, day, fills, flat, flows, play

# FINRA Rule 4210 asks for 25% of longs and 30% of shorts.
RULE_4210 = MarginAccount(short_maintenance_margin=0.3)


def calls(result: BacktestResult) -> list[tuple[Any, ...]]:
    """Each margin call: day, asset, what of the position is kept, equity, what was needed."""
    return result.sql(
        """
        select (timestamp - date '2024-01-01')::integer, asset_id, level, features['equity'],
            features['required']
        from decisions where rule = 'margin_call' order by all
        """
    ).fetchall()


def assets(**columns: Any) -> dict[str, Any]:
    """Terms of asset A."""
    return {"assets": {"asset_id": ["A"], **{name: [value] for name, value in columns.items()}}}


# -- maintenance -----------------------------------------------------------------------------

# 200 sold at 50 on 10,000: cash is 20,000. At 77 equity is 20,000 - 15,400 = 4,600; a quarter of
# the short is 3,850, three tenths are 4,620. Half of it, the initial margin, is 7,700.
SHORT_CALLED = [(2, "A", pytest.approx(4_600 / 7_700), 4_600, pytest.approx(4_620))]
SHORT = {0: lambda s: s.sell("A", 200)}


@pytest.mark.parametrize(
    ("account", "source", "called"),
    [
        (MarginAccount(), {}, []),
        (RULE_4210, {}, SHORT_CALLED),
        (MarginAccount(), assets(short_maintenance_margin=0.3), SHORT_CALLED),
        # What an asset says of both sides goes before what the account says of shorts.
        (RULE_4210, assets(maintenance_margin=0.25), []),
        (RULE_4210, assets(maintenance_margin=0.2, short_maintenance_margin=0.3), SHORT_CALLED),
    ],
)
def test_a_short_is_held_to_the_maintenance_margin_of_shorts(
    account: MarginAccount, source: dict[str, Any], called: list[Any]
) -> None:
    result = play([*flat(50, 2), *flat(77, 2)], SHORT, account=account, sources=source)
    assert calls(result) == called
    # 200 * 4,600 / 7,700 stay, the others are bought back at the next open.
    bought = [(3, "A", pytest.approx(200 - 200 * 46 / 77), 77)] if called else []
    assert fills(result)[1:] == bought


def test_a_long_is_not() -> None:
    # 200 at 100 on 10,000: a debt of 10,000. At 69 equity is 3,800, a quarter of 13,800 is 3,450;
    # three tenths were 4,140.
    long: dict[int, Action] = {0: lambda s: s.buy("A", 200)}
    assert calls(play([*flat(100, 2), *flat(69, 2)], long, account=RULE_4210)) == []


def test_both_sides_add_up() -> None:
    # 100 of A bought and 100 of B sold at 100 on 10,000: cash stays 10,000. At 80 and 155 equity
    # is 10,000 + 8,000 - 15,500 = 2,500; needed are 0.25 * 8,000 + 0.3 * 15,500 = 6,650. Of
    # 0.5 * 23,500 = 11,750 as initial margin 2,500 is kept.
    bars = {"A": [*flat(100, 2), *flat(80, 2)], "B": [*flat(100, 2), *flat(155, 2)]}
    script: Any = {0: [lambda s: s.buy("A", 100), lambda s: s.sell("B", 100)]}
    kept = pytest.approx(2_500 / 11_750)
    assert calls(play(bars, script, account=RULE_4210)) == [
        (2, name, kept, 2_500, pytest.approx(6_650)) for name in "AB"
    ]


# -- initial ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("account", "source"),
    [
        (MarginAccount(short_initial_margin=1.0), {}),
        (MarginAccount(), assets(short_initial_margin=1.0)),
    ],
)
def test_a_short_sale_needs_the_initial_margin_of_shorts(
    account: MarginAccount, source: dict[str, Any]
) -> None:
    bars = flat(100, 2)
    # 10,000 carry 10,000 sold short at 100%, and 20,000 bought at 50%.
    for asked, filled in ((-100, [-100]), (-101, []), (200, [200]), (201, [])):
        script: Any = {0: lambda s, asked=asked: s.order_target("A", asked)}
        result = play(bars, script, account=account, sources=source)
        assert [row[2] for row in fills(result)] == filled


@pytest.mark.parametrize(("asked", "filled"), [(2_500, -2_500), (2_501, -1_500)])
def test_what_turns_a_position_frees_the_one_margin_and_needs_the_other(
    asked: int, filled: int
) -> None:
    # 1,500 at 10 on 10,000 tie up 7,500, and 2,500 are free. To close them frees 7,500, so that
    # 10,000 carry 1,000 shares short at 100%; of an order for more what closes is filled alone.
    script: Any = {0: lambda s: s.buy("A", 1_500), 1: lambda s: s.sell("A", asked)}
    account = MarginAccount(short_initial_margin=1.0)
    result = play(flat(10, 3), script, account=account)
    assert [row[2] for row in fills(result)] == [1_500, filled]


# -- refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"short_maintenance_margin": 0.6},
         r"^short_maintenance_margin must be from 0 to initial_margin = 0.5, was 0.6$"),
        ({"short_initial_margin": 0.2},
         r"^maintenance_margin must be from 0 to short_initial_margin = 0.2, was 0.25$"),
        ({"short_initial_margin": 30}, "short_initial_margin must be .* 0.15 is 15%"),
        ({"short_initial_margin": 0.4, "short_maintenance_margin": 0.45},
         r"^short_maintenance_margin must be from 0 to short_initial_margin = 0.4, was 0.45$"),
    ],
)  # fmt: skip
def test_margins_at_which_every_short_sale_is_a_call_are_refused(
    settings: dict[str, float], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        MarginAccount(**settings)


def test_so_are_those_of_assets() -> None:
    # 0.25 of both sides is more than the 0.2 at which a short may be opened.
    source = assets(maintenance_margin=0.25, short_initial_margin=0.2)
    with pytest.raises(DataError, match="short_maintenance_margin outside"):
        play(flat(10, 2), {}, account=MarginAccount(), sources=source)


# -- time ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "interest"), [("actual/360", 1.0), ("actual/365", 360 / 365)])
def test_interest_is_counted_by_a_year_of_360_or_365_days(count: Any, interest: float) -> None:
    financing = Financing(credit_rate=0.036, day_count=count)
    result = play(flat(10, 2), {}, financing=financing)
    # 10,000 * 0.036 / 360 is 1.
    assert flows(result) == [(1, None, "interest", pytest.approx(interest, abs=1e-8))]


def test_so_are_borrow_fees() -> None:
    financing = Financing(borrow_rate=0.1, day_count="actual/360")  # type: ignore[arg-type]
    script: Any = {0: lambda s: s.sell("A", 360)}
    result = play(flat(10, 3), script, account=MarginAccount(), financing=financing)
    # 3,600 * 0.1 / 360.
    assert flows(result) == [(2, "A", "borrow", -1)]


def test_hours_of_a_day_count_where_they_shall() -> None:
    times = [at(10), at(12), at(16), at(10, 1)]
    script: Any = {0: lambda s: s.sell("A", 365), 2: lambda s: s.buy("A", 365)}
    financing = Financing(borrow_rate=0.1, credit_rate=0.1, accrual="elapsed")  # type: ignore[arg-type]
    result = play(
        flat(10, 4), script, times=times, account=MarginAccount(), financing=financing
    )  # fmt: skip
    # A day of the short costs 3,650 * 0.1 / 365 = 1, four hours 1/6, eighteen 3/4. Cash of 10,000
    # earns 1,000 / 365 a day, a twelfth of it in two hours; then it is 13,650 and that interest.
    day = 1_000 / 365
    first = day / 12
    second = (13_650 + first) / 3_650 / 6
    third = (13_650 + first - 1 / 6 + second) / 3_650 * 3 / 4
    assert [row[1:] for row in flows(result)] == [
        (None, "interest", pytest.approx(first, abs=1e-8)),
        ("A", "borrow", pytest.approx(-1 / 6, abs=1e-8)),
        (None, "interest", pytest.approx(second, abs=1e-8)),
        ("A", "borrow", pytest.approx(-3 / 4, abs=1e-8)),
        (None, "interest", pytest.approx(third, abs=1e-8)),
    ]


def test_of_dates_both_ways_are_one() -> None:
    times = [day(2), day(3), day(8)]
    found = [
        flows(play(flat(10, 3), {}, times=times, financing=Financing(
            credit_rate=0.0365, accrual=accrual,
        )))
        for accrual in ("overnight", "elapsed")
    ]  # fmt: skip
    assert found[0] == found[1] == [
        (1, None, "interest", 1), (2, None, "interest", pytest.approx(5.0005)),
    ]  # fmt: skip
