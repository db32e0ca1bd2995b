"""Roles: one spec is all that the data side needs to know of one."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import get_args

import pytest

from ml4t.backtest import BacktestEngine, Catalog, DataError, TopN
from ml4t.backtest.data import sql_files
from ml4t.backtest.data.sources.roles import ROLES, Role
from ml4t.backtest.data.sources.roles.check import CLOCKED, NULL_TIMESTAMP, Check, has
from ml4t.backtest.data.sources.roles.spec import RoleSpec

DAYS = [date(2024, 1, day) for day in (2, 3, 4)]
# As a later role of exchange rates could be: of the market, known as of a time, in checks of ours
# and three of its own, which are these files.
STATEMENTS = {
    "rate_not_positive": "select * from :source where rate <= 0",
    "rate_jumps": "select * from :source qualify rate > 2 * lag(rate) over (order by :time)",
    "bid_above_ask": "select * from :source where bid > ask",
}
NOT_POSITIVE = Check(rule="rate_not_positive", text="has rates of zero or less; remove them")
JUMPS = Check(
    rule="rate_jumps", text="has rates that more than double; compare both", severity="warning",
    places=lambda rows: {"time": rows.times[0]},
)  # fmt: skip
BID_ABOVE_ASK = Check(
    rule="bid_above_ask", text="has bids above the ask; mend them", severity="contradiction",
    applies=has("bid", "ask"),
)  # fmt: skip
SWAPS = RoleSpec(
    name="swaps",
    required=("timestamp", "rate"),
    doubles=("rate",),
    key=("timestamp",),
    checks=(NULL_TIMESTAMP, NOT_POSITIVE, JUMPS, BID_ABOVE_ASK, *CLOCKED),
    is_single=True,
    is_clocked=True,
    has_signals=True,
    prefix="swaps_",
)


@pytest.fixture(autouse=True)
def _declared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(ROLES, "swaps", SWAPS)
    (tmp_path / "checks").mkdir()
    for rule, statement in STATEMENTS.items():
        (tmp_path / "checks" / f"{rule}.sql").write_text(statement)
    roots = (tmp_path, *sql_files._roots())
    monkeypatch.setattr(sql_files, "_roots", lambda: roots)


def catalog(
    rates: list[float],
    days: list[date | None] | None = None,
    on_bad_rows: str = "raise",
    **more: list[float],
) -> Catalog:
    """Three bars of one asset, and rates."""
    found = Catalog()
    found.register("prices", {"timestamp": DAYS, "asset_id": ["A"] * 3, "close": [10.0, 11.0, 12.0],
                              "open": [10.0, 11.0, 12.0]})  # fmt: skip
    rows = {"timestamp": days or DAYS, "rate": rates, **more}
    return found.register("swaps", rows, on_bad_rows=on_bad_rows)  # type: ignore[arg-type]


def test_a_role_that_is_one_spec_is_registered_described_and_known_at_its_bars() -> None:
    found = catalog([1.1, 1.2, 1.3])
    assert [record["role"] for record in found.describe()] == ["prices", "swaps"]
    rows = found.sql("select swaps_rate from market order by timestamp").fetchall()
    assert rows == [(1.1,), (1.2,), (1.3,)]


def test_a_role_that_is_one_spec_is_held_to_its_checks() -> None:
    rules = [one.rule for one in catalog([1.1, 1.2, 1.3]).checks() if one.source == "swaps"]
    ours = ["rate_not_positive", "rate_jumps"]
    assert rules == ["null_timestamp", *ours, "infinite_time", "duplicate_keys"]
    with pytest.raises(DataError, match="more than one row for a key"):
        catalog([1.1, 1.2, 1.3], [DAYS[0], DAYS[0], DAYS[2]]).validate()
    with pytest.raises(DataError, match="has no column 'rate'"):
        Catalog().register("swaps", {"timestamp": DAYS})  # type: ignore[arg-type]


def failed(found: Catalog) -> list[tuple[str, int, bool]]:
    """What the checks say: rule, rows, and whether it is a warning."""
    return [(one.rule, one.n_rows, one.is_warning) for one in found.checks() if not one.passed]


def test_what_a_check_of_a_role_refuses_is_refused_with_the_way_out() -> None:
    found = catalog([1.1, 0.0, -1.0])
    assert failed(found) == [("rate_not_positive", 2, False)]
    with pytest.raises(DataError) as error:
        BacktestEngine(found, TopN(1, by="close")).run()
    assert str(error.value) == (
        "source 'swaps' has rates of zero or less; remove them, or register it with "
        "on_bad_rows='drop' (rule rate_not_positive, 2 rows)\n"
        "    timestamp=2024-01-03, rate=0.0\n"
        "    timestamp=2024-01-04, rate=-1.0"
    )
    assert found.sql(error.value.query).fetchall() == [(DAYS[1], 0.0), (DAYS[2], -1.0)]


def test_what_a_check_of_a_role_refuses_can_be_dropped() -> None:
    found = catalog([1.1, -1.0, 1.3], on_bad_rows="drop")
    assert found.validate().dropped == {"swaps": {"rate_not_positive": 1}}
    rows = found.sql("select swaps_rate from market order by timestamp").fetchall()
    assert rows == [(1.1,), (1.1,), (1.3,)]


def test_what_a_check_of_a_role_warns_of_is_used_and_written_to_the_run() -> None:
    found = catalog([1.1, 9.9, 9.9])
    assert failed(found) == [("rate_jumps", 1, True)]
    result = BacktestEngine(found, TopN(1, by="close")).run()
    told = json.loads(result.sql("select warnings from runs").fetchall()[0][0])
    assert told == [{"source": "swaps", "rule": "rate_jumps", "rows": 1,
                     "text": "has rates that more than double; compare both"}]  # fmt: skip


def test_what_a_check_of_a_role_finds_to_contradict_itself_cannot_be_dropped() -> None:
    quotes = {"bid": [1.0, 1.3, 1.2], "ask": [1.2, 1.2, 1.4]}
    found = catalog([1.1, 1.2, 1.3], on_bad_rows="drop", **quotes)
    assert failed(found) == [("bid_above_ask", 1, False)]
    with pytest.raises(DataError, match="has bids above the ask"):
        found.validate()


def test_a_role_that_is_one_spec_is_part_of_what_identifies_a_run() -> None:
    runs = []
    for rate in (1.1, 9.9):
        engine = BacktestEngine(catalog([rate, 1.2, 1.3]), TopN(1, by="close"))
        runs.append(engine.run().sql("select run_id, sources from runs").fetchall()[0])
    assert "swaps" in str(runs[0][1])
    assert runs[0][0] != runs[1][0]


def test_every_role_has_its_name_in_the_type_of_roles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(ROLES, "swaps")
    assert get_args(Role) == tuple(ROLES) == tuple(spec.name for spec in ROLES.values())


@pytest.mark.parametrize("role", ["prices", "features", "borrow"])
def test_a_check_that_the_gate_of_a_role_does_not_count_is_run(
    role: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    above = Check(rule="bid_above_ask", text="has bids above the ask; mend them")
    spec = ROLES[role]._replace(checks=(*ROLES[role].checks, above))
    monkeypatch.setitem(ROLES, role, spec)
    rows = {"timestamp": DAYS, "asset_id": ["A"] * 3, "bid": [1.0, 1.3, 1.2], "ask": [1.2] * 3}
    prices = {"timestamp": DAYS, "asset_id": ["A"] * 3, "close": [10.0, 11.0, 12.0]}
    needed = {"prices": {"close": prices["close"]}, "borrow": {"fee": [0.1] * 3}}
    given = {"prices": prices, role: rows | needed.get(role, {})}
    found = Catalog()
    for name, source in given.items():
        found.register(name, source)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="bids above the ask"):
        found.validate()
