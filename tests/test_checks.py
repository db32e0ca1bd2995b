"""Checks: every file of sql/checks refuses its rows, and only its rows."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, time

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from effort import examples
from ml4t.backtest import BacktestEngine, Catalog, DataError, TopN
from ml4t.backtest.data import panel
from ml4t.backtest.data.sources.roles import ROLES
from ml4t.backtest.data.sources.roles.prices import judged_bars
from ml4t.backtest.data.sources.roles.terms import ASSETS_ROLE
from ml4t.backtest.data.sql_files import names

DAYS = [date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 4)]
COLUMNS = ("timestamp", "asset_id", "open", "high", "low", "close", "volume")
TYPES = pa.schema(
    [("timestamp", pa.date32()), ("asset_id", pa.string())]
    + [(name, pa.float64()) for name in COLUMNS[2:]]
)
CHECKS = {check.rule: check for role in ROLES.values() for check in role.checks}
GOOD_BAR = {"open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0, "volume": 100.0}
NAN, INF = math.nan, math.inf


def bar(day: date | None, asset: str | None = "AAPL", **changes: float | None) -> dict[str, object]:
    return {"timestamp": day, "asset_id": asset, **GOOD_BAR, **changes}


def table(*rows: dict[str, object], without: tuple[str, ...] = ()) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=TYPES).drop_columns(list(without))


def prices(*bad: dict[str, object]) -> pa.Table:
    """Three good bars of MSFT, then the bad ones."""
    return table(*(bar(day, "MSFT") for day in DAYS), *bad)


def failed(catalog: Catalog) -> dict[str, int]:
    """The rules that some row breaks, with the number of rows, all sources together."""
    return {
        found.rule: found.n_rows
        for found in catalog.checks()
        if not (found.passed or found.is_warning)
    }


# -- every rule of prices ------------------------------------------------------------------

# rule -> (bad rows, all rules that these rows break)
PRICE_ROWS: dict[str, tuple[list[dict[str, object]], set[str]]] = {
    "null_timestamp": ([bar(None)], set()),
    "null_asset_id": ([bar(DAYS[0], None)], set()),
    "high_below_low": (
        [bar(DAYS[0], open=10, close=10, high=9, low=11)],
        {"open_outside_range", "close_outside_range"},
    ),
    "open_outside_range": ([bar(DAYS[0], open=12.5), bar(DAYS[1], open=8.5)], set()),
    "close_outside_range": ([bar(DAYS[0], close=12.5), bar(DAYS[1], close=8.5)], set()),
    "volume_not_valid": (
        [bar(DAYS[0], volume=-1), bar(DAYS[1], volume=NAN), bar(DAYS[2], volume=INF)],
        set(),
    ),
    "duplicate_keys": ([bar(DAYS[0]), bar(DAYS[0]), bar(DAYS[0], close=10.5)], set()),
    "open_missing": ([bar(DAYS[0], open=None)], set()),
    "high_missing": ([bar(DAYS[0], high=None)], set()),
    "low_missing": ([bar(DAYS[0], low=None)], set()),
    "close_missing": ([bar(DAYS[0], close=None)], set()),
    # NaN sorts above every number, so the range rules speak up too.
    "open_not_finite": ([bar(DAYS[0], open=NAN), bar(DAYS[1], open=INF)], {"open_outside_range"}),
    "high_not_finite": ([bar(DAYS[0], high=NAN), bar(DAYS[1], high=INF)], set()),
    "low_not_finite": (
        [bar(DAYS[0], low=NAN)],
        {"high_below_low", "open_outside_range", "close_outside_range"},
    ),
    "close_not_finite": (
        [bar(DAYS[0], close=NAN), bar(DAYS[1], close=INF)],
        {"close_outside_range"},
    ),
    "open_not_positive": (
        [bar(DAYS[0], open=0), bar(DAYS[1], open=-1)],
        {"open_outside_range"},
    ),
    "high_not_positive": (
        [bar(DAYS[0], high=0), bar(DAYS[1], high=-3)],
        {"high_below_low", "open_outside_range", "close_outside_range"},
    ),
    "low_not_positive": ([bar(DAYS[0], low=0), bar(DAYS[1], low=-1)], set()),
    "close_not_positive": (
        [bar(DAYS[0], close=0), bar(DAYS[1], close=-1)],
        {"close_outside_range"},
    ),
}


@pytest.mark.parametrize("rule", PRICE_ROWS)
def test_bad_prices_are_refused_by_their_rule_and_no_other(rule: str) -> None:
    rows, also = PRICE_ROWS[rule]
    catalog = Catalog().register("prices", prices(*rows))

    found = failed(catalog)
    assert set(found) == {rule} | also
    assert found[rule] == len(rows)


@pytest.mark.parametrize("rule", PRICE_ROWS)
def test_validation_refuses_bad_prices_with_count_sample_and_query(rule: str) -> None:
    rows, also = PRICE_ROWS[rule]
    catalog = Catalog().register("prices", prices(*rows))

    with pytest.raises(DataError, match="on_bad_rows='drop'") as error:
        catalog.validate()

    assert error.value.source == "prices"
    assert error.value.rule in {rule} | also
    if not also or error.value.rule == rule:
        assert (error.value.rule, error.value.n_rows) == (rule, len(rows))
        keys = {(row["timestamp"], row["asset_id"]) for row in rows}
        sample = [(row["timestamp"], row["asset_id"]) for row in error.value.sample]
        assert len(sample) == min(3, len(rows))
        assert set(sample) <= keys
        assert str(error.value).startswith(f"source 'prices' {CHECKS[rule].text}")
        assert len(catalog.sql(error.value.query).fetchall()) == len(rows)


@pytest.mark.parametrize("rule", PRICE_ROWS)
def test_dropping_bad_prices_leaves_out_exactly_those_rows(rule: str) -> None:
    rows, _ = PRICE_ROWS[rule]
    catalog = Catalog().register("prices", prices(*rows), on_bad_rows="drop")

    prepared = catalog.validate()

    assert sum(prepared.dropped["prices"].values()) == len(rows)
    kept = catalog.sql("select timestamp, asset_id from prices order by timestamp").fetchall()
    assert kept == [(day, "MSFT") for day in DAYS]
    assert failed(catalog) == {}


def test_good_prices_pass_every_rule() -> None:
    catalog = Catalog().register("prices", prices(*(bar(day) for day in DAYS)))

    assert catalog.validate().is_validated
    assert {found.rule for found in catalog.checks()} == {*PRICE_ROWS, "infinite_time"}
    assert failed(catalog) == {}


def test_an_unknown_volume_is_no_bad_volume() -> None:
    catalog = Catalog().register("prices", prices(bar(DAYS[0], volume=None)))

    assert catalog.validate().is_validated


@pytest.mark.parametrize(
    "row",
    [
        bar(DAYS[0], open=10, high=10, low=10, close=10, volume=0),
        bar(DAYS[0], open=12, close=9),
        bar(DAYS[0], open=1e-300, low=1e-300),
        bar(DAYS[0], high=1e300),
    ],
)
def test_bars_on_the_edge_of_their_rules_pass(row: dict[str, object]) -> None:
    catalog = Catalog().register("prices", prices(row))

    assert catalog.validate().is_validated


@pytest.mark.parametrize(
    "without", [("open",), ("high",), ("low",), ("high", "low"), ("open", "high", "low", "volume")]
)
def test_a_missing_optional_column_is_no_bad_row(without: tuple[str, ...]) -> None:
    rows = [bar(day, close=11.0) for day in DAYS]
    catalog = Catalog().register("prices", table(*rows, without=without))

    assert catalog.validate().is_validated
    assert not {f"{name}_missing" for name in without} & {found.rule for found in catalog.checks()}


def test_prices_off_their_range_by_rounding_are_in_it_and_beyond_it_are_not() -> None:
    tiny, more = 1e-9 * 0.99, 1e-9 * 1.01
    near = [
        bar(DAYS[0], open=9 * (1 - tiny), close=12 * (1 + tiny)),
        bar(DAYS[1], open=9, high=9 * (1 - tiny), low=9, close=9),
    ]
    far = [
        bar(DAYS[0], open=9 * (1 - more)),
        bar(DAYS[1], close=12 * (1 + more)),
        bar(DAYS[2], open=9, high=9 * (1 - more), low=9, close=9 * (1 - more)),
    ]

    assert failed(Catalog().register("prices", prices(*near))) == {}
    Catalog().register("prices", prices(*near)).validate()
    kept = Catalog().register("prices", prices(*near), on_bad_rows="drop").validate()
    assert kept.dropped == {}
    assert failed(Catalog().register("prices", prices(*far))) == {
        "open_outside_range": 2, "close_outside_range": 2, "high_below_low": 1,
    }  # fmt: skip


def test_bars_that_close_on_their_low_times_an_adjustment_factor_are_good_bars() -> None:
    factor = 0.7 * (1 + 1e-16)
    closes = [10.01 + i / 100 for i in range(500)]
    adjusted = [round(close * 0.7, 6) for close in closes]
    rows = [
        bar(date.fromordinal(738_000 + i), "MSFT", open=close * factor, high=close * factor,
            low=close * (adjusted[i] / close), close=adjusted[i])
        for i, close in enumerate(closes)
    ]  # fmt: skip
    rounded = [row for row in rows if not row["low"] <= row["close"] <= row["high"]]

    assert len(rounded) > 20
    result = BacktestEngine(Catalog().register("prices", table(*rows)), TopN(1, by="close")).run()
    assert result.sql("select count(*) from equity").fetchall() == [(500,)]


@pytest.mark.parametrize("time", ["infinity", "-infinity"])
@pytest.mark.parametrize("kind", ["date", "timestamp", "timestamptz"])
def test_a_bar_at_an_infinite_time_is_refused_or_dropped(kind: str, time: str) -> None:
    bars = f"select '2024-01-02'::{kind} as timestamp, 'A' as asset_id, 10.0 as open, 10.0 as close"
    both = f"{bars} union all {bars.replace('2024-01-02', time)}"

    with pytest.raises(DataError, match="'prices' has rows at an infinite time") as error:
        Catalog().register("prices", both).validate()
    assert (error.value.rule, error.value.n_rows) == ("infinite_time", 1)
    dropped = Catalog().register("prices", both, on_bad_rows="drop").validate()
    assert (dropped.n_bars, dropped.dropped) == (1, {"prices": {"infinite_time": 1}})


@pytest.mark.parametrize(
    ("role", "columns"),
    [
        ("features", "'infinity'::date as timestamp, 1 as x"),
        ("features", "date '2024-01-02' as timestamp, 'infinity'::date as available_at, 1 as x"),
        ("context", "'-infinity'::date as timestamp, 1 as x"),
        ("borrow", "'-infinity'::date as timestamp, 0.01 as fee"),
        ("actions", "'infinity'::date as ex_date, 'dividend' as kind, 1.0 as value"),
        ("actions", "date '2024-01-02' as ex_date, 'infinity'::date as pay_date, "
                    "'dividend' as kind, 1.0 as value"),
    ],
)  # fmt: skip
def test_a_row_at_an_infinite_time_is_refused_in_every_role(role: str, columns: str) -> None:
    asset_id = "" if role == "context" else ", 'AAPL' as asset_id"
    catalog = register(role, f"select {columns}{asset_id}")

    assert failed(catalog) == {"infinite_time": 1}
    with pytest.raises(DataError, match=f"'{role}' has rows at an infinite time"):
        catalog.validate()


def test_a_membership_without_an_end_may_end_at_infinity() -> None:
    catalog = register(
        "universe", "select 'AAPL' as asset_id, '-infinity'::date as start_date, "
        "'infinity'::date as end_date",
    )  # fmt: skip

    assert failed(catalog) == {}
    members = catalog.sql("select count(*) from signals where is_member").fetchall()
    assert members == [(len(DAYS),)]


# -- the rules of the other roles ----------------------------------------------------------


def register(role: str, rows: object, **settings_: str) -> Catalog:
    catalog = Catalog().register("prices", table(*(bar(day) for day in DAYS)))
    return catalog.register(role, rows, **settings_)  # type: ignore[arg-type]


FEATURE_ROWS = {
    "null_timestamp": (
        {"timestamp": [DAYS[0], None], "asset_id": ["AAPL"] * 2, "x": [1, 2]}, {}, 1,
    ),
    "duplicate_keys": (
        {"timestamp": [DAYS[0]] * 2 + [DAYS[1]], "asset_id": ["AAPL"] * 3, "x": [1, 2, 3]}, {}, 2,
    ),
    "null_available_at": (
        {"timestamp": DAYS[:2], "asset_id": ["AAPL"] * 2, "known": [None, DAYS[2]], "x": [1, 2]},
        {"available_at": "known"}, 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("rule", FEATURE_ROWS)
def test_bad_features_are_refused_by_their_rule_and_no_other(rule: str) -> None:
    rows, clock, n_rows = FEATURE_ROWS[rule]
    catalog = register("features", rows, **clock)

    assert failed(catalog) == {rule: n_rows}
    with pytest.raises(DataError) as error:
        catalog.validate()
    assert (error.value.source, error.value.rule, error.value.n_rows) == ("features", rule, n_rows)
    assert len(error.value.sample) == n_rows


@pytest.mark.parametrize("rule", FEATURE_ROWS)
def test_dropping_bad_features_leaves_out_exactly_those_rows(rule: str) -> None:
    rows, clock, n_rows = FEATURE_ROWS[rule]
    catalog = register("features", rows, on_bad_rows="drop", **clock)

    assert catalog.validate().dropped == {"features": {rule: n_rows}}
    left = catalog.sql("select count(*) from features").fetchall()
    assert left == [(len(rows["x"]) - n_rows,)]


def test_revisions_of_one_period_are_no_duplicates() -> None:
    catalog = register(
        "features",
        {"timestamp": [DAYS[0]] * 2, "asset_id": ["AAPL"] * 2, "known": DAYS[1:], "x": [1, 2]},
        available_at="known",
    )

    assert catalog.validate().is_validated


def test_two_revisions_at_one_moment_are_duplicates() -> None:
    catalog = register(
        "features",
        {"timestamp": [DAYS[0]] * 2, "asset_id": ["AAPL"] * 2, "known": [DAYS[1]] * 2, "x": [1, 2]},
        available_at="known",
    )

    assert failed(catalog) == {"duplicate_keys": 2}


def test_two_market_wide_rows_of_one_time_are_duplicates() -> None:
    catalog = register(
        "features",
        {"timestamp": [DAYS[0]] * 3, "asset_id": [None, None, "AAPL"], "x": [1, 2, None]},
    )

    with pytest.raises(DataError, match=r"duplicate_keys, 2 rows"):
        catalog.validate()


def test_nan_features_are_no_bad_rows() -> None:
    catalog = register("features", {"timestamp": DAYS, "asset_id": ["AAPL"] * 3,
                                    "x": [NAN, INF, None]})  # fmt: skip

    assert catalog.validate().is_validated


@pytest.mark.parametrize(
    ("rows", "rule", "n_rows"),
    [
        ({"timestamp": [DAYS[0], DAYS[0], DAYS[1]], "vix": [1, 2, 3]}, "duplicate_keys", 2),
        ({"timestamp": [DAYS[0], None], "vix": [1, 2]}, "null_timestamp", 1),
    ],
)
def test_bad_context_is_refused(rows: dict[str, object], rule: str, n_rows: int) -> None:
    catalog = register("context", rows)

    assert failed(catalog) == {rule: n_rows}
    with pytest.raises(DataError, match=f"source 'context' .*rule {rule}, {n_rows} rows"):
        catalog.validate()


# -- actions, assets, borrow ---------------------------------------------------------------


def action(kind: str | None, value: float | None = None, **changes: object) -> dict[str, object]:
    return {"asset_id": "AAPL", "ex_date": DAYS[1], "kind": kind, "value": value,
            "pay_date": None, "new_asset_id": None, "cash": None, "withholding": None,
            "basis_share": None, "basis": None} | changes  # fmt: skip


def asset(asset_id: str | None, **terms: float | None) -> dict[str, object]:
    plain = dict.fromkeys(ASSETS_ROLE.optional)
    return {"asset_id": asset_id, **plain, **terms}


def roll(new: str | None, **columns: object) -> dict[str, object]:
    return {"timestamp": DAYS[0], "asset_id": "AAPL", "new_asset_id": new} | columns


def loan(day: date | None, fee: float | None = 0.01, **changes: object) -> dict[str, object]:
    return {"timestamp": day, "asset_id": "AAPL", "fee": fee, "shares": None, **changes}


def session(day: date | None, opens: int = 9, closes: int = 16) -> dict[str, object]:
    hours = datetime.combine(day or DAYS[0], time())
    return {
        "session": day,
        "opens": hours.replace(hour=opens),
        "closes": hours.replace(hour=closes),
    }


# Rows that break no rule, of AAPL and of an asset that prices do not have.
GOOD_TERMS: dict[str, list[dict[str, object]]] = {
    "actions": [
        action("split", 4.0, ex_date=DAYS[0], pay_date=date(2023, 12, 29)),
        action("dividend", 0.25, ex_date=DAYS[0], pay_date=DAYS[0]),
        action("dividend", 0.0, ex_date=DAYS[2], pay_date=date(2024, 2, 1)),
        action("delisting", None, ex_date=date(2024, 2, 1)),
        action("delisting", 0.0, asset_id="TSLA"),
        action("rename", None, ex_date=DAYS[2], new_asset_id="MSFT"),
        action("rename", None, asset_id="FB", new_asset_id="META"),
        action("return_of_capital", 0.5),
        action("cash", -0.02),
        action("dividend", 0.25, ex_date=DAYS[1], withholding=0.0),
        action("merger", 0.5, asset_id="FB", new_asset_id="META"),
        action("spinoff", 0.5, asset_id="FB", new_asset_id="META"),
    ],
    "assets": [
        asset("AAPL"),
        asset("MSFT", lot_size=100.0, tick_size=0.01, multiplier=50.0, initial_margin=0.5,
              maintenance_margin=0.5),
        asset("TSLA", lot_size=0.0, tick_size=0.0, initial_margin=1.0, maintenance_margin=0.25,
              min_holding=1.0, max_order=1e6),
    ],
    "borrow": [loan(DAYS[0], 0.0), loan(DAYS[1], 7.5), loan(DAYS[0], asset_id="TSLA")],
    "rolls": [roll("MSFT"), roll("AAPL", asset_id="TSLA"), roll("MSFT", timestamp=DAYS[1])],
    "calendar": [session(day) for day in DAYS],
}  # fmt: skip
# (role, rule) -> rows that break this rule and no other
TERM_ROWS: dict[tuple[str, str], list[dict[str, object]]] = {
    ("actions", "null_asset_id"): [action("split", 2.0, asset_id=None)],
    ("actions", "null_ex_date"): [action("split", 2.0, ex_date=None)],
    ("actions", "kind_unknown"): [action(None), action("Split", 2.0), action("takeover", 1.0)],
    ("actions", "split_not_valid"): [
        action("split", value, ex_date=date(2024, 1, 3 + i))
        for i, value in enumerate([None, 0.0, -2.0, NAN, INF])
    ],
    ("actions", "dividend_not_valid"): [
        action("dividend", value, ex_date=date(2024, 2, 3 + i))
        for i, value in enumerate([None, -0.1, NAN, INF])
    ],
    ("actions", "paid_not_valid"): [
        action("return_of_capital", -0.1),
        *(
            action("cash", value, ex_date=date(2024, 2, 3 + i))
            for i, value in enumerate([None, NAN, INF])
        ),
    ],
    ("actions", "rights_not_valid"): [
        action("rights", 0.0, cash=1.0),
        action("rights", 0.5),
        action("rights", 0.5, cash=-1.0),
        action("rights", INF, cash=1.0),
    ],
    ("actions", "withholding_not_valid"): [
        action("dividend", 0.25, ex_date=date(2024, 2, 3 + i), withholding=value)
        for i, value in enumerate([-0.1, 1.0, 15.0, NAN])
    ],
    ("actions", "basis_not_known"): [
        action("dividend", 0.25, ex_date=date(2024, 2, 3 + i), basis=value)
        for i, value in enumerate(["post", "", "Old"])
    ],
    ("actions", "merger_not_valid"): [
        action("merger", 0.0),
        action("merger", -1.0, cash=1.0),
        action("merger", 0.5, new_asset_id="META"),
        action("merger", 0.5),
        action("merger", 0.0, cash=INF),
    ],
    ("actions", "spinoff_not_valid"): [
        action("spinoff", 0.5),
        action("spinoff", 0.0, new_asset_id="MSFT"),
        action("spinoff", 0.5, new_asset_id="META"),
        action("spinoff", 0.5, new_asset_id="MSFT", basis_share=20.0),
    ],
    ("actions", "delisting_not_valid"): [
        action("delisting", value, ex_date=date(2024, 2, 3 + i))
        for i, value in enumerate([-1.0, NAN, INF])
    ],
    ("actions", "rename_not_valid"): [
        action("rename", ex_date=DAYS[0]),
        action("rename", ex_date=DAYS[1], new_asset_id="AAPL"),
    ],
    ("actions", "rename_to_unknown"): [action("rename", new_asset_id="META")],
    ("actions", "pay_date_before_ex_date"): [action("dividend", 1.0, pay_date=DAYS[0])],
    ("actions", "duplicate_rows"): [
        action("split", 4.0, ex_date=DAYS[0], pay_date=date(2023, 12, 29))
    ],
    ("actions", "ends_twice"): [action("delisting", 5.0), action("delisting", 7.0)],
    ("assets", "null_asset_id"): [asset(None)],
    ("assets", "lot_size_not_valid"): [
        asset(f"A{i}", lot_size=value) for i, value in enumerate([-1.0, NAN, INF])
    ],
    ("assets", "tick_size_not_valid"): [
        asset(f"A{i}", tick_size=value) for i, value in enumerate([-0.01, NAN, INF])
    ],
    ("assets", "multiplier_not_valid"): [
        asset(f"A{i}", multiplier=value) for i, value in enumerate([0.0, -1.0, NAN, INF])
    ],
    ("assets", "initial_margin_not_valid"): [
        asset(f"A{i}", initial_margin=value) for i, value in enumerate([0.0, -0.5, 50.0, NAN])
    ],
    ("assets", "maintenance_margin_not_valid"): [
        *(asset(f"A{i}", maintenance_margin=v) for i, v in enumerate([0.0, -0.5, 25.0, NAN])),
        asset("B", initial_margin=0.25, maintenance_margin=0.5),
    ],
    ("assets", "min_holding_not_valid"): [
        asset(f"A{i}", min_holding=value) for i, value in enumerate([-1.0, 0.5, NAN, INF])
    ],
    ("assets", "short_initial_margin_not_valid"): [
        asset(f"A{i}", short_initial_margin=v) for i, v in enumerate([0.0, -0.5, 50.0, NAN])
    ],
    ("assets", "short_maintenance_margin_not_valid"): [
        *(asset(f"A{i}", short_maintenance_margin=v) for i, v in enumerate([0.0, -0.5, 25.0, NAN])),
        asset("B", short_initial_margin=0.25, short_maintenance_margin=0.5),
        asset("C", initial_margin=0.25, short_maintenance_margin=0.5),
        asset("D", maintenance_margin=0.25, short_initial_margin=0.2),
    ],
    ("assets", "instrument_not_known"): [
        asset(f"A{i}", instrument=value) for i, value in enumerate(["option", "bond", "Future", ""])
    ],
    ("assets", "currency_not_valid"): [
        asset(f"A{i}", currency=value) for i, value in enumerate(["", "U", "US dollar", "EUR/USD"])
    ],
    ("assets", "contract_margin_not_valid"): [
        *(
            asset(f"A{i}", instrument="future", contract_initial_margin=value)
            for i, value in enumerate([0.0, -1.0, NAN, INF])
        ),
        asset("B", instrument="future", contract_maintenance_margin=0.0),
        asset(
            "C", instrument="future", contract_initial_margin=9.0, contract_maintenance_margin=10.0
        ),
        asset("D", contract_initial_margin=9.0),
        asset("E", instrument="share", contract_maintenance_margin=9.0),
    ],
    ("assets", "expiry_not_valid"): [
        asset("A", expiry=date(2024, 1, 5)),
        asset("B", expiry=date(2024, 1, 5), instrument="perpetual"),
        asset("D", instrument="future", final_settlement=9.0),
        asset("E", expiry=date(2024, 1, 5), instrument="future", final_settlement=NAN),
    ],
    ("assets", "max_order_not_valid"): [
        asset(f"A{i}", max_order=value) for i, value in enumerate([0.0, -1.0, NAN, INF])
    ],
    ("assets", "duplicate_keys"): [asset("GOOG"), asset("GOOG", lot_size=100.0)],
    ("rolls", "null_timestamp"): [roll("MSFT", timestamp=None)],
    ("rolls", "null_asset_id"): [roll("MSFT", asset_id=None)],
    ("rolls", "roll_not_valid"): [
        roll(None, timestamp=DAYS[2]),
        roll("TSLA", asset_id="TSLA", timestamp=DAYS[1]),
    ],
    ("rolls", "duplicate_keys"): [roll("MSFT", timestamp=DAYS[2]), roll("X", timestamp=DAYS[2])],
    ("borrow", "null_timestamp"): [loan(None)],
    ("borrow", "null_asset_id"): [loan(DAYS[2], asset_id=None)],
    ("borrow", "fee_not_valid"): [
        loan(date(2024, 2, 3 + i), value) for i, value in enumerate([None, -0.01, NAN, INF])
    ],
    ("borrow", "shares_not_valid"): [
        loan(date(2024, 2, 3 + i), shares=value) for i, value in enumerate([-1.0, NAN, INF])
    ],
    ("borrow", "duplicate_keys"): [loan(DAYS[2]), loan(DAYS[2], 0.02)],
    ("calendar", "null_session"): [session(None)],
    ("calendar", "closes_not_after_opens"): [
        session(date(2024, 1, 5), 16, 9),
        session(date(2024, 1, 8), 9, 9),
    ],
    ("calendar", "duplicate_keys"): [session(date(2024, 1, 5)), session(date(2024, 1, 5), 10)],
}


def with_terms(role: str, rows: list[dict[str, object]], **settings_: str) -> Catalog:
    frame = pa.Table.from_pylist(rows)
    both = [bar(day, name) for day in DAYS for name in ("AAPL", "MSFT")]
    return Catalog().register("prices", table(*both)).register(role, frame, **settings_)  # type: ignore[arg-type]


@pytest.mark.parametrize("role", GOOD_TERMS)
def test_good_terms_pass_every_rule(role: str) -> None:
    catalog = with_terms(role, GOOD_TERMS[role])

    assert catalog.validate().is_validated
    ours = {
        found.rule for found in catalog.checks() if found.source == role and not found.is_warning
    }
    # Contradictions with prices have a file of their own.
    apart = {
        "infinite_time", "split_without_jump", "renamed_twice_a_day", "rename_to_another",
        "dividend_of_all",
    }  # fmt: skip
    assert ours - apart == {rule for other, rule in TERM_ROWS if other == role}
    assert failed(catalog) == {}


@pytest.mark.parametrize(("role", "rule"), TERM_ROWS)
def test_bad_terms_are_refused_by_their_rule_and_no_other(role: str, rule: str) -> None:
    rows = TERM_ROWS[role, rule]
    catalog = with_terms(role, [*GOOD_TERMS[role], *rows])

    assert failed(catalog) == {rule: len(rows)}
    with pytest.raises(DataError) as error:
        catalog.validate()
    assert ("on_bad_rows='drop'" in str(error.value)) == (CHECKS[rule].severity == "refusal")
    assert (error.value.source, error.value.rule, error.value.n_rows) == (role, rule, len(rows))
    assert str(error.value).startswith(f"source '{role}' {CHECKS[rule].text}")
    assert len(error.value.sample) == min(3, len(rows))
    assert len(catalog.sql(error.value.query).fetchall()) == len(rows)


@pytest.mark.parametrize(
    ("role", "rule"), [pair for pair in TERM_ROWS if CHECKS[pair[1]].severity == "refusal"]
)
def test_dropping_bad_terms_leaves_out_exactly_those_rows(role: str, rule: str) -> None:
    rows = TERM_ROWS[role, rule]
    catalog = with_terms(role, [*GOOD_TERMS[role], *rows], on_bad_rows="drop")

    assert catalog.validate().dropped == {role: {rule: len(rows)}}
    left = catalog.sql(f"select count(*) from {role}").fetchall()
    assert left == [(len(GOOD_TERMS[role]),)]


@pytest.mark.parametrize("rows", [
    [action("delisting", 5.0), action("delisting", 7.0)],
    [action("rename", new_asset_id="MSFT"), action("delisting", 5.0)],
])  # fmt: skip
def test_what_contradicts_itself_is_refused_where_bad_rows_are_dropped_too(
    rows: list[dict[str, object]],
) -> None:
    catalog = with_terms("actions", rows, on_bad_rows="drop")

    with pytest.raises(DataError, match=r"rule ends_twice, 2 rows"):
        catalog.validate()


def test_of_rows_that_are_equal_one_is_kept_and_of_those_that_differ_none() -> None:
    whole, rest = [bar(DAYS[0], "AAPL")] * 3, [bar(DAYS[1]), bar(DAYS[2]), bar(DAYS[2], close=10.5)]
    catalog = Catalog().register("prices", table(*whole, *rest), on_bad_rows="drop")

    dropped = {"prices": {"duplicate_rows": 2, "duplicate_keys": 2}}
    assert catalog.validate().dropped == dropped
    kept = "select timestamp, count(*) from prices group by 1 order by 1"
    assert catalog.sql(kept).fetchall() == [(DAYS[0], 1), (DAYS[1], 1)]


def test_terms_without_their_optional_columns_pass() -> None:
    for role, kept in (
        ("actions", ("asset_id", "ex_date", "kind", "value")),
        ("assets", ("asset_id", "maintenance_margin")),
    ):
        rows = [
            {name: row[name] for name in kept}
            for row in GOOD_TERMS[role]
            if row.get("kind") != "rename"
        ]
        assert with_terms(role, rows).validate().is_validated


def test_a_rename_without_a_column_that_says_whereto_is_refused() -> None:
    rows = [{"asset_id": "AAPL", "ex_date": DAYS[0], "kind": "rename", "value": None}]

    with pytest.raises(DataError, match="rule rename_not_valid, 1 rows"):
        with_terms("actions", rows).validate()


def test_two_revisions_of_a_borrow_fee_are_no_duplicates() -> None:
    rows = [loan(DAYS[0], known=DAYS[0]), loan(DAYS[0], 0.02, known=DAYS[1])]

    assert with_terms("borrow", rows, available_at="known").validate().is_validated
    with pytest.raises(DataError, match="rule null_available_at, 1 rows"):
        with_terms("borrow", [*rows, loan(DAYS[0], known=None)], available_at="known").validate()


def test_bad_membership_is_refused_and_can_be_dropped() -> None:
    rows = {
        "asset_id": ["AAPL", "AAPL", None, "MSFT", "MSFT"],
        "start_date": [DAYS[0], DAYS[2], DAYS[0], None, DAYS[1]],
        # A membership of no length is odd, not wrong.
        "end_date": [DAYS[0], DAYS[1], None, None, None],
    }

    with pytest.raises(DataError) as error:
        register("universe", rows).validate()
    assert (error.value.rule, error.value.n_rows) == ("interval_not_valid", 3)

    dropped = register("universe", rows, on_bad_rows="drop")
    assert dropped.validate().dropped == {"universe": {"interval_not_valid": 3}}
    assert dropped.sql(
        "select asset_id, start_date from universe order by asset_id"
    ).fetchall() == [("AAPL", DAYS[0]), ("MSFT", DAYS[1])]


def test_every_file_of_checks_has_a_test_and_a_way_out() -> None:
    tested = {
        *PRICE_ROWS,
        *FEATURE_ROWS,
        "interval_not_valid",
        "infinite_time",
        *(rule for _, rule in TERM_ROWS),
        "split_without_jump", "renamed_twice_a_day", "rename_to_another", "dividend_of_all",
        "rate_not_valid",  # see test_benchmark.py
        "terms_changed", "told_at_once",  # see test_announced.py
        "funding_not_valid",  # see test_perpetuals.py
        "fx_rate_not_valid", "fx_both_ways",  # see test_currencies.py
        *(rule for rule, check in CHECKS.items() if check.severity == "warning"),
    }  # fmt: skip

    assert set(names("checks")) == tested == set(CHECKS)


# -- dropping ------------------------------------------------------------------------------


def test_a_row_that_breaks_two_rules_is_dropped_once() -> None:
    catalog = Catalog().register(
        "prices", prices(bar(DAYS[0], open=-1.0, volume=-1.0)), on_bad_rows="drop"
    )

    assert catalog.validate().dropped == {"prices": {"open_not_positive": 1}}


def test_a_run_records_what_was_dropped_and_why() -> None:
    bad = [bar(DAYS[0], close=NAN), bar(DAYS[1], volume=-1), bar(DAYS[2], volume=-2)]
    catalog = Catalog().register("prices", prices(*bad), on_bad_rows="drop")

    result = BacktestEngine(catalog, TopN(1, by="close")).run()

    recorded = json.loads(result.sql("select rows_dropped from runs").fetchall()[0][0])
    assert recorded == {"prices": {"close_not_finite": 1, "volume_not_valid": 2}}
    assert [line for line in result.summary().splitlines() if line.startswith("Dropped")] == [
        "Dropped: 1 rows of source 'prices' (rule close_not_finite), which has NaN or infinite "
        "values in 'close'",
        "Dropped: 2 rows of source 'prices' (rule volume_not_valid), which has a negative, NaN or "
        "infinite volume",
    ]


def test_a_clean_run_records_that_nothing_was_dropped() -> None:
    catalog = Catalog().register("prices", prices(), on_bad_rows="drop")

    result = BacktestEngine(catalog, TopN(1, by="close")).run()

    assert json.loads(result.sql("select rows_dropped from runs").fetchall()[0][0]) == {}


def test_dropping_again_after_a_registration_counts_the_same() -> None:
    catalog = Catalog().register("prices", prices(bar(DAYS[0], close=NAN)), on_bad_rows="drop")
    before = catalog.validate().dropped

    catalog.register("context", {"timestamp": DAYS, "vix": [1.0, 2.0, 3.0]})

    assert catalog.validate().dropped == before == {"prices": {"close_not_finite": 1}}


def test_a_column_called_row_id_survives_a_drop() -> None:
    frame = prices(bar(DAYS[0], close=NAN)).append_column("row_id", pa.array([7, 8, 9, 10]))
    catalog = Catalog().register("prices", frame, on_bad_rows="drop")

    assert catalog.sql("select row_id from signals order by row_id").fetchall() == [
        (7,), (8,), (9,),
    ]  # fmt: skip


# -- the cheap gate ------------------------------------------------------------------------

ODD = st.sampled_from([None, NAN, INF, -INF, -1.0, 0.0, -0.0, 1.0, 8.0, 11.5, 20.0, 1e308,
                       8.999_999_999, 8.999_999_9, 12.000_000_001, 12.000_000_1])  # fmt: skip
# Mostly good bars with up to three odd values: rows that break one rule only are the hard ones.
ROW = st.builds(
    lambda day, asset, odd: bar(day, asset, **odd),
    st.sampled_from([*DAYS * 3, None]),
    st.sampled_from(["AAPL", "MSFT"] * 3 + [None]),
    st.dictionaries(st.sampled_from(COLUMNS[2:]), ODD, max_size=3),
)
ABSENT = st.sets(st.sampled_from(["open", "high", "low", "volume"]))


@settings(max_examples=examples(15), deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=40), absent=ABSENT)
def test_the_gate_suspects_every_row_that_some_check_selects(
    rows: list[dict[str, object]], absent: set[str]
) -> None:
    # A day of its own for each row, so that the count per bar tells which row is suspect.
    days = [date.fromordinal(738_000 + i) for i in range(len(rows))]
    spread = [row | {"timestamp": day} for row, day in zip(rows, days, strict=True)]
    frame = table(*spread, without=tuple(sorted(absent)))
    catalog = Catalog(threads=1).register("prices", frame)
    database = catalog.prepare().database

    suspects = suspected(catalog)
    # A jump like a split is looked for between bars, and refuses none.
    queries = [found.query for found in catalog.checks() if not found.is_warning]
    offenders = " union ".join(f"select timestamp from ({query})" for query in queries)
    assert set(database.rows(offenders)) <= set(suspects)


def suspected(catalog: Catalog) -> list[tuple[object, ...]]:
    """The timestamps of the rows of prices that the scan says may offend."""
    database = catalog.prepare().database
    judged = judged_bars(database.schema("select * from main.prices"))
    return database.rows(f"select timestamp from ({judged}) where __flags % 2 = 1")


@pytest.mark.parametrize("column", ["open", "close", "high", "low"])
def test_the_gate_suspects_a_missing_price(column: str) -> None:
    catalog = Catalog().register("prices", prices(bar(DAYS[0], **{column: None})))

    assert suspected(catalog) == [(DAYS[0],)]


@pytest.mark.parametrize("column", ["open", "close", "high", "low"])
@pytest.mark.parametrize("odd", [NAN, INF, -INF, -1.0, 0.0])
def test_the_gate_suspects_a_price_that_cannot_be(column: str, odd: float) -> None:
    catalog = Catalog().register("prices", prices(bar(DAYS[0], **{column: odd})))

    assert suspected(catalog) == [(DAYS[0],)]


def test_the_gate_suspects_an_empty_range_around_an_open_that_rounding_could_have_made() -> None:
    odd = bar(DAYS[0], open=100 - 9e-8, high=100 - 19e-8, low=100.0, close=100 - 9e-8)
    catalog = Catalog().register("prices", prices(odd))

    assert failed(catalog) == {"high_below_low": 1}
    assert suspected(catalog) == [(DAYS[0],)]


@settings(max_examples=examples(8), deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=10), absent=ABSENT)
def test_validation_refuses_a_source_iff_some_check_does(
    rows: list[dict[str, object]], absent: set[str]
) -> None:
    catalog = Catalog(threads=1).register("prices", table(*rows, without=tuple(sorted(absent))))

    if broken := failed(catalog):
        with pytest.raises(DataError) as error:
            catalog.validate()
        assert broken[error.value.rule] == error.value.n_rows
    else:
        assert catalog.validate().is_validated


@settings(max_examples=examples(6), deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=12))
def test_after_a_drop_no_check_selects_a_row_and_the_rest_is_whole(
    rows: list[dict[str, object]],
) -> None:
    frame = table(*rows).append_column("number", pa.array(range(len(rows))))
    checked = Catalog(threads=1).register("prices", frame)
    queries = [one.query for one in checked.checks() if not one.is_warning]
    offending = " union ".join(f"select number from ({query})" for query in queries)
    bad = {row[0] for row in checked.sql(offending).fetchall()}

    catalog = Catalog(threads=1).register("prices", frame, on_bad_rows="drop")
    prepared = catalog.prepare()

    kept = {row[0] for row in catalog.sql("select number from prices").fetchall()}
    n_dropped = sum(prepared.dropped.get("prices", {}).values())
    assert failed(catalog) == {}
    assert len(kept) + n_dropped == len(rows)
    # A key is a duplicate only among the rows that are left: more may be kept, never fewer.
    assert set(range(len(rows))) - bad <= kept


# -- duplicates ----------------------------------------------------------------------------


def keyed(keys: list[tuple[int, str]]) -> pa.Table:
    return table(*(bar(DAYS[day], asset) for day, asset in keys))


# Up to how many places have a byte, and up to how many they are marked at all.
MARKED = {"by bytes": (1 << 26, 1 << 30), "by bits": (0, 1 << 30), "by grouping": (0, 0)}


def mark(patch: pytest.MonkeyPatch, how: str) -> None:
    n_bytes, n_most = MARKED[how]
    patch.setattr(panel, "CELLS_OF_BYTES", n_bytes)
    patch.setattr(panel, "MOST_CELLS", n_most)


@pytest.mark.parametrize("how", MARKED)
@settings(max_examples=examples(5), deadline=None)
@given(
    keys=st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(["A", "B", "C"])), min_size=1, max_size=9
    )
)
def test_duplicates_are_found_by_marks_and_by_grouping(
    how: str, keys: list[tuple[int, str]]
) -> None:
    n_duplicates = sum(keys.count(key) > 1 for key in keys)
    catalog = Catalog(threads=1).register("prices", keyed(keys))

    with pytest.MonkeyPatch.context() as patch:
        mark(patch, how)
        if n_duplicates:
            with pytest.raises(DataError, match=f"rule duplicate_keys, {n_duplicates} rows"):
                catalog.validate()
        else:
            assert catalog.validate().is_validated


@pytest.mark.parametrize("how", MARKED)
def test_duplicate_features_are_found_by_marks_and_by_grouping(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark(monkeypatch, how)
    rows = {"timestamp": [DAYS[0], DAYS[1], DAYS[1]], "asset_id": ["AAPL"] * 3, "x": [1, 2, 3]}

    with pytest.raises(DataError, match=r"source 'features' .*duplicate_keys, 2 rows"):
        register("features", rows).validate()


# -- clocks and overlap --------------------------------------------------------------------


def at(*hours: int, tz: object = None) -> list[datetime]:
    return [datetime(2024, 1, 2, hour, tzinfo=tz) for hour in hours]  # type: ignore[arg-type]


def intraday(tz: object = None) -> Catalog:
    stamps = at(10, 11, 12, tz=tz)
    frame = {"timestamp": stamps, "asset_id": ["AAPL"] * 3, "close": [1.0, 2.0, 3.0]}
    return Catalog().register("prices", frame)


def dated(**extra: object) -> dict[str, object]:
    return {"timestamp": [date(2024, 1, 2)], "asset_id": ["AAPL"], "x": [1.0], **extra}


@pytest.mark.parametrize("role", ["features", "context"])
def test_dates_next_to_intraday_bars_are_refused(role: str) -> None:
    rows = {name: v for name, v in dated().items() if role == "features" or name != "asset_id"}
    catalog = intraday().register(role, rows)  # type: ignore[arg-type]

    with pytest.raises(DataError, match=r"dates next to intraday bars.*pass lag= or") as error:
        catalog.validate()
    assert (error.value.source, error.value.rule) == (role, "date_on_intraday_bars")


def test_a_lag_or_a_clock_makes_dates_on_intraday_bars_usable() -> None:
    lagged = intraday().register("features", dated(), lag="11 hours")
    known = intraday().register("features", dated(known=at(12)), available_at="known")

    query = "select x from signals order by timestamp"
    assert lagged.sql(query).fetchall() == [(None,), (1.0,), (1.0,)]
    assert known.sql(query).fetchall() == [(None,), (None,), (1.0,)]


def test_dates_next_to_midnight_bars_are_daily_bars() -> None:
    frame = {"timestamp": [datetime(2024, 1, 2), datetime(2024, 1, 3)], "asset_id": ["AAPL"] * 2,
             "close": [1.0, 2.0]}  # fmt: skip
    catalog = Catalog().register("prices", frame).register("features", dated())

    assert catalog.sql("select x from signals order by timestamp").fetchall() == [(1.0,), (1.0,)]


def test_mixed_time_zones_are_refused_either_way_round() -> None:
    aware = {"timestamp": at(10, tz=UTC), "asset_id": ["AAPL"], "x": [1.0]}
    naive = {"timestamp": at(10), "asset_id": ["AAPL"], "x": [1.0]}

    for catalog in (
        intraday().register("features", aware),
        intraday(tz=UTC).register("features", naive),
        intraday().register("features", naive | {"known": at(10, tz=UTC)}, available_at="known"),
    ):
        with pytest.raises(
            DataError, match="store both with a time zone, or both without"
        ) as error:
            catalog.validate()
        assert error.value.rule == "mixed_time_zones"


def test_a_membership_with_a_time_zone_next_to_bars_without_is_refused() -> None:
    catalog = intraday().register(
        "universe",
        {"asset_id": ["AAPL"], "start_date": at(9, tz=UTC), "end_date": at(12, tz=UTC)},
    )

    with pytest.raises(DataError, match="time zone"):
        catalog.validate()


def test_features_with_a_time_zone_next_to_dated_bars_are_refused() -> None:
    # A DATE has no zone: which bar sees the row would depend on the machine's own zone.
    catalog = Catalog().register("prices", table(*(bar(day) for day in DAYS)))
    catalog.register("features", {"timestamp": at(2, tz=UTC), "asset_id": ["AAPL"], "x": [1.0]})

    with pytest.raises(DataError, match="time zone"):
        catalog.validate()


@pytest.mark.parametrize(
    ("role", "rows", "says"),
    [
        ("features", {"timestamp": DAYS, "asset_id": ["aapl"] * 3, "x": [1, 2, 3]},
         "no asset_id in common with prices; compare the spelling"),
        ("universe", {"asset_id": ["TSLA"], "start_date": [DAYS[0]], "end_date": [DAYS[2]]},
         "no asset_id in common"),
        ("universe", {"asset_id": ["AAPL"], "start_date": [date(2030, 1, 1)],
                      "end_date": [date(2031, 1, 1)]}, "known only after the last bar"),
        ("assets", {"asset_id": ["aapl"], "lot_size": [100]}, "no asset_id in common"),
    ],
)  # fmt: skip
def test_a_source_that_never_meets_prices_is_refused(
    role: str, rows: dict[str, object], says: str
) -> None:
    with pytest.raises(DataError, match=says) as error:
        register(role, rows).validate()
    assert (error.value.source, error.value.rule) == (role, "overlap")


@pytest.mark.parametrize(
    ("rows", "hints"),
    [
        ([(DAYS[0], "TSLA")], {"no_common_asset": 1}),
        ([(DAYS[0], "aapl")], {"asset_spelled_otherwise": 1, "no_common_asset": 1}),
        ([(DAYS[0], "AAPL"), (DAYS[0], "TSLA")], {}),
        ([(date(2030, 1, 1), "AAPL")], {}),
        ([], {}),
    ],
)
def test_lenders_may_say_nothing_of_what_is_run(
    rows: list[tuple[date, str]], hints: dict[str, int]
) -> None:
    catalog = Catalog().register("prices", table(*(bar(day) for day in DAYS)))
    catalog.register("borrow", pl.DataFrame(
        {"timestamp": [row[0] for row in rows], "asset_id": [row[1] for row in rows],
         "fee": [0.01] * len(rows)},
        schema={"timestamp": pl.Date, "asset_id": pl.String, "fee": pl.Float64},
    ))  # fmt: skip
    result = BacktestEngine(catalog, TopN(1, by="close")).run()
    found = json.loads(result.sql("select warnings from runs").fetchall()[0][0])
    assert {one["rule"]: one["rows"] for one in found} == hints


LATE = {"timestamp": [date(2030, 1, 1)], "asset_id": ["AAPL"], "x": [1.0]}
KNOWN = {"timestamp": DAYS, "asset_id": ["AAPL"] * 3, "x": [1.0, 2.0, 3.0]}
NOTHING = pl.DataFrame(schema={"timestamp": pl.Date, "asset_id": pl.String, "x": pl.Float64})


@pytest.mark.parametrize(
    ("role", "rows", "clock", "n_rows"),
    [
        ("features", LATE, {}, 1),
        ("context", {"timestamp": [date(2030, 1, 1)], "x": [1.0]}, {}, 1),
        ("features", {**KNOWN, "known": [date(2030, 1, 1)] * 3}, {"available_at": "known"}, 3),
        ("features", KNOWN, {"lag": "10 years"}, 3),
        ("features", NOTHING, {}, 0),
        ("context", NOTHING.drop("asset_id"), {}, 0),
    ],
)
def test_features_and_context_that_are_not_known_yet_are_a_warning(
    role: str, rows: object, clock: dict[str, str], n_rows: int
) -> None:
    unknown = {"when" if role == "context" else "where": "x is null"}
    result = BacktestEngine(register(role, rows, **clock), TopN(1, by="close", **unknown)).run()
    (warning,) = json.loads(result.sql("select warnings from runs").fetchall()[0][0])
    assert (warning["source"], warning["rule"], warning["rows"]) == (role, "overlap", n_rows)
    assert f"Warning: source '{role}' becomes known only after the last bar" in result.summary()
    assert result.sql("select count(*) from selections").fetchall()[0][0] > 0


def test_older_features_that_still_hold_are_an_overlap() -> None:
    rows = {"timestamp": [date(2020, 1, 1)], "asset_id": ["AAPL"], "x": [1.0]}

    assert register("features", rows).validate().is_validated


# -- clocks of the terms -------------------------------------------------------------------


def test_dated_actions_next_to_intraday_bars_are_usable() -> None:
    rows = {"asset_id": ["AAPL"], "ex_date": [date(2024, 1, 2)], "kind": ["split"], "value": [2.0]}

    assert intraday().register("actions", rows).validate().is_validated


def test_a_dated_borrow_fee_next_to_intraday_bars_is_refused() -> None:
    rows = {"timestamp": [date(2024, 1, 2)], "asset_id": ["AAPL"], "fee": [0.01]}

    with pytest.raises(DataError, match="dates next to intraday bars"):
        intraday().register("borrow", rows).validate()


def test_an_ex_date_with_a_time_of_day_next_to_daily_bars_is_refused() -> None:
    # Daily bars are midnights: a split at 09:30 would count from the next day's bar.
    rows = {"asset_id": ["AAPL"], "kind": ["split"], "value": [2.0]}

    with pytest.raises(DataError, match="cast ex_date to DATE") as error:
        register("actions", rows | {"ex_date": [datetime(2024, 1, 3, 9, 30)]}).validate()
    assert error.value.rule == "time_on_daily_bars"
    midnight = register("actions", rows | {"ex_date": [datetime(2024, 1, 3)]})
    assert midnight.validate().is_validated
    assert intraday().register("actions", rows | {"ex_date": at(11)}).validate().is_validated


@pytest.mark.parametrize("column", ["ex_date", "pay_date"])
def test_an_action_with_a_time_zone_next_to_bars_without_is_refused(column: str) -> None:
    rows = {"asset_id": ["AAPL"], "ex_date": at(10), "pay_date": at(11), "kind": ["split"],
            "value": [2.0]} | {column: at(10, tz=UTC)}  # fmt: skip

    with pytest.raises(DataError, match=f"has {column} of type .*WITH TIME ZONE"):
        intraday().register("actions", rows).validate()
