"""Zones: what a date, an hour and a session mean next to bars with a zone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ml4t.backtest.data.database import Database

MACHINES = ("UTC", "Asia/Kolkata", "America/New_York")


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> dict[str, list[dict[str, object]]]:
    """What the zoned cases print on machines of three zones."""
    found = {}
    for zone in MACHINES:
        # Equal paths, for what is told of a file.
        folder = tmp_path_factory.mktemp("zones", numbered=True)
        done = subprocess.run(
            [sys.executable, Path(__file__).with_name("zoned_cases.py"), str(folder)],
            env=os.environ | {"TZ": zone},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        lines = done.stdout.replace(str(folder), "FOLDER").splitlines()
        found[zone] = [json.loads(line) for line in lines]
    return found


@pytest.mark.parametrize("zone", MACHINES[1:])
def test_no_number_depends_on_the_zone_of_the_machine(told, zone: str) -> None:
    ours, theirs = told["UTC"], told[zone]
    assert ours[0] == theirs[0]  # what callbacks saw
    assert len(ours[1]) >= 18  # no case has got lost
    for case, expected in ours[1].items():
        assert theirs[1][case] == expected, case


@pytest.mark.parametrize("zone", MACHINES)
def test_a_date_next_to_zoned_bars_is_midnight_utc(told, zone: str) -> None:
    shown = told[zone][1]

    # Member from 4 January 00:00 UTC: decided at 02:00, filled at 14:00.
    assert shown["universe"]["fills"][0][2] == "2024-01-04 14:00:00+00:00"
    assert shown["universe"]["metrics"]["final_value"] == pytest.approx(103_582.89, abs=0.005)
    for case in ("date in when", "date in where", "query"):
        assert shown[case]["fills"][0][2] == "2024-01-04 14:00:00+00:00"
    # Actions of a day come before its first bar; a DAY order ends with its day.
    flows = shown["actions"]["cash_flows"]
    assert [row[0] for row in flows if row[2] == "dividend"] == ["2024-01-04 02:00:00+00:00"]
    resting = [seen.split()[-1] for seen in told[zone][0]]
    assert resting == ["0", "1", "0"] + ["1", "2", "0"] * 3
    assert shown["run.duckdb"][0] == shown["universe"]
    assert shown["run"][0] == shown["universe"]


def test_every_session_of_a_database_has_its_zone() -> None:
    for zone in ("UTC", "Asia/Kolkata"):
        database = Database(timezone=zone)
        for session in (database, database.cursor(), database.cursor().cursor()):
            assert session.rows("select current_setting('timezone')") == [(zone,)]
