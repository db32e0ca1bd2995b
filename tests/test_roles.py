"""Roles: one spec is all that the data side needs to know of one."""

from __future__ import annotations

from datetime import date
from typing import get_args

import pytest

from ml4t.backtest import BacktestEngine, Catalog, DataError, TopN
from ml4t.backtest.data.sources.roles import ROLES, Role
from ml4t.backtest.data.sources.roles.spec import RoleSpec

DAYS = [date(2024, 1, day) for day in (2, 3, 4)]
# As a later role of exchange rates could be: of the market, known as of a time, in checks of ours.
FX = RoleSpec(
    name="fx",
    required=("timestamp", "rate"),
    doubles=("rate",),
    key=("timestamp",),
    is_single=True,
    is_clocked=True,
    has_signals=True,
    prefix="fx_",
)


@pytest.fixture(autouse=True)
def _declared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ROLES, "fx", FX)


def catalog(rates: list[float], days: list[date | None] | None = None) -> Catalog:
    """Three bars of one asset, and rates."""
    found = Catalog()
    found.register("prices", {"timestamp": DAYS, "asset_id": ["A"] * 3, "close": [10.0, 11.0, 12.0],
                              "open": [10.0, 11.0, 12.0]})  # fmt: skip
    return found.register("fx", {"timestamp": days or DAYS, "rate": rates})  # type: ignore[arg-type]


def test_a_role_that_is_one_spec_is_registered_described_and_known_at_its_bars() -> None:
    found = catalog([1.1, 1.2, 1.3])
    assert [record["role"] for record in found.describe()] == ["prices", "fx"]
    rows = found.sql("select fx_rate from market order by timestamp").fetchall()
    assert rows == [(1.1,), (1.2,), (1.3,)]


def test_a_role_that_is_one_spec_is_held_to_its_checks() -> None:
    rules = [one.rule for one in catalog([1.1, 1.2, 1.3]).checks() if one.source == "fx"]
    assert rules == ["null_timestamp", "infinite_time", "duplicate_keys"]
    with pytest.raises(DataError, match="more than one row for a key"):
        catalog([1.1, 1.2, 1.3], [DAYS[0], DAYS[0], DAYS[2]]).validate()
    with pytest.raises(DataError, match="has no column 'rate'"):
        Catalog().register("fx", {"timestamp": DAYS})  # type: ignore[arg-type]


def test_a_role_that_is_one_spec_is_part_of_what_identifies_a_run() -> None:
    runs = []
    for rate in (1.1, 9.9):
        engine = BacktestEngine(catalog([rate, 1.2, 1.3]), TopN(1, by="close"))
        runs.append(engine.run().sql("select run_id, sources from runs").fetchall()[0])
    assert "fx" in str(runs[0][1])
    assert runs[0][0] != runs[1][0]


def test_every_role_has_its_name_in_the_type_of_roles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(ROLES, "fx")
    assert get_args(Role) == tuple(ROLES) == tuple(spec.name for spec in ROLES.values())
