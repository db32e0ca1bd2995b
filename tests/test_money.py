"""The engine against the reference where money moves: orders, accounts, costs, actions, risk.

Random cases with every feature on, and with one feature at a time, so that what differs says
where. `make audits` compares many times as many of the mixed ones.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import reference as r
from effort import examples
from invariants import check_books
from ml4t.backtest import BacktestEngine, BacktestResult, TopN
from money import (
    Case,
    catalog_of,
    compared,
    currency_case,
    differences,
    engine_run,
    futures_case,
    in_utc,
    money_case,
    reference_run,
    touched_case,
    zoned_case,
)
from test_results import tables
from zoned import ZONES

# Seeds whose cases do everything together; found among the first 160.
COVERING = (1, 8, 9, 20, 21, 30, 31, 35, 47, 48, 53, 55, 60, 64, 72, 73, 74, 91, 103)
MIXED = examples(4)
SEEDS = [seed for seed in range(MIXED + len(COVERING)) if seed not in COVERING][:MIXED]
BLOCK = 4  # cases a test: enough that a run is not all overhead, few enough to share them out

# What each option is when it is off.
PLAIN: dict[str, Any] = {
    "rules": [], "limits": [], "actions": [], "reinvest_dividends": False, "borrow": None,
    "dividends_move_levels": True,
    "commission_bps": 10.0, "slippage_bps": 5.0, "commission": None, "slippage": None,
    "impact": None, "costs": {}, "margin": None, "settlement": 0, "credit_rate": 0.0,
    "debit_rate": 0.0, "terms": {}, "participation": None, "timing": "next_open",
    "reserve_costs": True, "members": None, "membership_end": "hold", "overdraft": 0.0,
    "delisting_return": 0.0, "within_range": False,
}  # fmt: skip
SHORTS = {"margin": r.Margin(initial=0.5, maintenance=0.15)}
FEATURES: dict[str, set[str]] = {
    "orders": set(),
    "cash": {"settlement", "overdraft", "reserve_costs", "credit_rate", "debit_rate"},
    "shorts": {"borrow", "credit_rate", "debit_rate", "reserve_costs"},
    "costs": {
        "commission", "slippage", "impact", "costs", "commission_bps", "slippage_bps",
        "participation", "within_range",
    },
    "actions": {
        "actions", "reinvest_dividends", "delisting_return", "dividends_move_levels", "rules",
    },
    "sizes": {"terms", "participation"},
    "timing": {"timing"},
    "rules": {"rules"},
    "limits": {"limits"},
    "members": {"members", "membership_end"},
}  # fmt: skip
ON_MARGIN = {"shorts", "sizes", "timing", "rules", "limits"}


def case_with(feature: str, seed: int) -> Case:
    """Return a case in which all but one feature is off."""
    universe, options = money_case(seed)
    kept = {name: options.get(name, PLAIN[name]) for name in FEATURES[feature]}
    options = {**PLAIN, "script": options["script"], **kept}
    if feature in ON_MARGIN:
        options |= SHORTS
    if feature == "limits":  # their groups
        options["terms"] = {a: r.Terms(group=universe.sectors.get(a)) for a in universe.assets}
    return universe, options


@pytest.fixture(autouse=True)
def _invariants() -> None:
    """Leave out what the ends of orders must be: a split or a replaced limit moves the goal."""


@pytest.mark.parametrize("feature", FEATURES)
def test_each_feature_alone_equals_the_reference(feature: str) -> None:
    for seed in range(examples(1)):
        assert compared(case_with(feature, seed)) == [], seed


@pytest.mark.parametrize("first", range(0, MIXED, BLOCK))
def test_everything_mixed_equals_the_reference(first: int) -> None:
    for seed in SEEDS[first : first + BLOCK]:
        assert compared(money_case(seed)) == [], seed


FUTURES = examples(4)  # cases with contracts that settle daily, some of which expire
COVERING_FUTURES = (13, 14, 28, 33)  # margin calls, expiries, cuts, both kinds of account


@pytest.mark.parametrize("first", range(0, FUTURES, BLOCK))
def test_futures_equal_the_reference(first: int) -> None:
    seeds = range(first, first + BLOCK) if first else COVERING_FUTURES
    acted = set[str]()
    for seed in seeds:
        case = futures_case(seed)
        expected = reference_run(*case)
        assert differences(engine_run(*case), expected) == [], seed
        acted |= {row.kind for row in expected.cash_flows}
        acted |= {row.exit_rule for row in expected.trades}
        acted |= {row.reason for row in expected.orders}
    if not first:
        assert acted >= {
            "variation_margin", "expiry", "expired", "margin_call", "insufficient cash",
            "insufficient buying power", "cut",
        }  # fmt: skip


# Cases in which all that currencies can do happens; found among the first 24.
COVERING_CURRENCIES = (5, 6, 10, 19)
CURRENCIES = examples(8)


@pytest.mark.parametrize("first", range(0, CURRENCIES, BLOCK))
def test_currencies_equal_the_reference(first: int) -> None:
    seeds = range(first, first + BLOCK) if first else COVERING_CURRENCIES
    modes, acted = set[str](), set[str]()
    for seed in seeds:
        case = currency_case(seed)
        expected = reference_run(*case)
        assert differences(engine_run(*case), expected) == [], seed
        modes.add(case[1]["fx"].cash)
        acted |= {row.kind for row in expected.cash_flows}
    if not first:
        assert modes == {"converted", "held", "borrowed"}
        assert acted >= {"fx_revaluation", "variation_margin", "dividend", "interest", "borrow"}


ZONED = examples(4)  # cases that all have zones, besides those of the mixed ones


@pytest.mark.parametrize("first", range(0, ZONED, BLOCK))
def test_bars_with_zones_equal_the_reference(first: int) -> None:
    for seed in range(first, first + BLOCK):
        assert compared(zoned_case(seed)) == [], seed


TOUCHED = examples(8)  # cases with market-if-touched and limit-on-close orders


@pytest.mark.parametrize("first", range(0, TOUCHED, 2 * BLOCK))
def test_touched_and_closing_orders_equal_the_reference(first: int) -> None:
    ends: set[tuple[str, str, str]] = set()
    for seed in range(first, first + 2 * BLOCK):
        case = touched_case(seed)
        result = engine_run(*case)
        assert differences(result, reference_run(*case)) == [], seed
        ends |= set(result.sql("select distinct order_type, status, reason from orders").fetchall())
    # They would prove little if what they are about never happened.
    for kind in ("market_if_touched", "limit_on_close"):
        assert (kind, "filled", "") in ends


def test_features_and_context_are_known_when_their_dates_have_begun(tmp_path: Path) -> None:
    for seed in range(examples(3)):
        universe, options = zoned_case(seed)
        only = {"files": options["files"]}
        catalog = catalog_of(universe, only, tmp_path / str(seed))
        query = "select timestamp, asset_id, score, atr from signals"
        shown = {(in_utc(row[0]), row[1]): row[2:] for row in catalog.sql(query).fetchall()}
        result = BacktestEngine(catalog, TopN(1, by="close", when="vix > 22")).run()
        chosen = {
            in_utc(row[0]) for row in result.sql("from selections select timestamp").fetchall()
        }

        nothing: dict[str, Any] = {}
        assert shown == {
            (time, asset): tuple(
                universe.signals.get((time, asset), nothing).get(name) for name in ("score", "atr")
            )
            for time, row in universe.bars.items() for asset in row
        }, seed  # fmt: skip
        vix = {time: universe.market.get(time, nothing).get("vix") for time in universe.bars}
        assert chosen == {time for time, known in vix.items() if (known or 0) > 22}, seed


@settings(max_examples=examples(3), deadline=None, suppress_health_check=list(HealthCheck))
@example(seed=1501)  # an immediate order in a halt, and another of its group later in the bar
@given(seed=st.integers(0, 2**32 - 1))
def test_a_case_at_random_equals_the_reference_and_keeps_its_books(seed: int) -> None:
    case = money_case(seed)
    result = engine_run(*case)
    assert differences(result, reference_run(*case)) == []
    with TemporaryDirectory() as folder:
        opened = BacktestResult.open(result.save(f"{folder}/run.duckdb"))
        assert tables(opened) == tables(result)
        assert opened.summary() == result.summary()
    check_books(result)


def test_cases_that_do_everything_equal_the_reference() -> None:
    """They would prove little if what they are about never happened."""
    tags, ends, flows, decisions, clocks = set(), set(), set(), set(), set()
    halted = """
        select sign(quantity) from cash_flows join positions using (timestamp, asset_id)
        where kind = 'dividend' and is_stale
    """
    paid_in_a_halt: set[Any] = set()
    for seed in COVERING:
        case = money_case(seed)
        result = engine_run(*case)
        assert differences(result, reference_run(*case)) == [], seed
        clocks |= clocks_of(case)
        rows = result.sql("select split_part(tag, '#', 1), status, reason from orders").fetchall()
        tags |= {tag for tag, status, _ in rows if status == "filled"}
        ends |= {(status, reason.partition(":")[0]) for _, status, reason in rows}
        paid_in_a_halt |= {row[0] for row in result.sql(halted).fetchall()}
        flows |= {row[0] for row in result.sql("select kind from cash_flows").fetchall()}
        decisions |= set(result.sql("select rule, action from decisions").fetchall())
    assert tags >= {
        "rebalance", "order", "take_profit", "stop_loss", "membership", "margin_call",
        "reinvestment", "MaxDrawdown", "StopLoss", "TakeProfit", "TrailingStop", "ScaledExit",
        "VolatilityTrailingStop", "VolatilityScaledStopLoss", "BreakevenStop", "AnyOf", "AllOf",
        "DynamicTrailingStop", "TimeBasedExit", "SignalExit",
    }  # fmt: skip
    assert paid_in_a_halt == {1, -1}  # to a long, by a short
    assert flows >= {"deposit", "dividend", "borrow", "interest", "delisting", "cash in lieu"}
    assert ends >= {
        ("filled", ""), ("partial", "cut"), ("partial", "volume limit"), ("expired", "end of day"),
        ("expired", "good till date"), ("expired", "end of data"),
        ("cancelled", "immediate or cancel"), ("cancelled", "one cancels other"),
        ("cancelled", "position closed"), ("cancelled", "cancelled by the strategy"),
        ("cancelled", "delisted"), ("rejected", "insufficient cash"),
        ("rejected", "insufficient buying power"), ("rejected", "cash account cannot short"),
        ("rejected", "not available to borrow"), ("rejected", "no bar"), ("rejected", "no volume"),
        ("rejected", "limit up"), ("rejected", "limit down"),
        ("rejected", "delisted"), ("rejected", "renamed"), ("rejected", "below one lot"),
        ("denied", "risk exit pending"),
    }  # fmt: skip
    assert {action for _, action in decisions} >= {
        "stop", "target", "exit", "edit", "deny", "reduce", "liquidate", "halt", "resume"
    }  # fmt: skip
    sources = ("features", "context", "borrow", "actions", "universe")
    assert clocks >= {
        None, *ZONES, "clocks change", "a local day in two of UTC",
        *((source, kind) for source in sources for kind in ("Date", "Datetime")),
    }  # fmt: skip


def clocks_of(case: Case) -> set[Any]:
    """Return what clocks a case has: its zone, what its days are, dates or moments by source."""
    universe, options = case
    zone = universe.timezone
    if zone is None:
        return {None}
    local = [time.astimezone(ZoneInfo(zone)) for time in universe.bars]
    found: set[Any] = {zone}
    found |= {"clocks change"} if len({one.utcoffset() for one in local}) > 1 else set()
    days = {(one.date(), time.date()) for one, time in zip(local, universe.bars, strict=True)}
    if len(days) > len({day for day, _ in days}):
        found.add("a local day in two of UTC")
    frames = {"features": universe.features, "context": universe.context}
    frames |= {"borrow": universe.borrow_frame} if options["borrow"] else {}
    frames |= {"actions": universe.actions_frame} if options["actions"] else {}
    frames |= {"universe": universe.members_frame} if options["members"] is not None else {}
    places = {"actions": "ex_date", "universe": "start_date"}
    return found | {
        (source, str(frame.schema[places.get(source, "timestamp")].base_type()))
        for source, frame in frames.items()
    }
