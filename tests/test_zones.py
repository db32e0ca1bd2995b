"""Zones: what a date, an hour and a session mean next to bars with a zone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from effort import examples, some
from ml4t.backtest import BacktestEngine, BacktestResult, Catalog, Strategy, TopN
from ml4t.backtest.data.database import Database
from ml4t.backtest.errors import ConfigError, DataError
from ml4t.backtest.runfile import catalog_of

MACHINES = some(("America/New_York", "UTC", "Asia/Kolkata"), 2)
N_DRAWN = examples(1)


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> dict[str, list[dict[str, object]]]:
    """What the zoned cases, and then the drawn ones, print on machines of several zones."""
    found = {}
    for zone in MACHINES:
        # Equal paths, for what is told of a file.
        folder = tmp_path_factory.mktemp("zones", numbered=True)
        done = subprocess.run(
            [
                sys.executable,
                Path(__file__).with_name("zoned_cases.py"),
                str(folder),
                *map(str, range(N_DRAWN)),
            ],
            env=os.environ | {"TZ": zone},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        lines = done.stdout.replace(str(folder), "FOLDER").splitlines()
        found[zone] = [json.loads(line) for line in lines]
    return found


def test_no_number_depends_on_the_zone_of_the_machine(told) -> None:
    ours = told[MACHINES[0]]
    assert len(ours[1]) >= 18  # no case has got lost
    for zone in MACHINES[1:]:
        theirs = told[zone]
        assert ours[0] == theirs[0], zone  # what callbacks saw
        for case, expected in ours[1].items():
            assert theirs[1][case] == expected, (zone, case)


def test_no_drawn_case_depends_on_the_zone_of_the_machine(told) -> None:
    drawn = told[MACHINES[0]][2:]
    assert [case[0] for case in drawn] == [[]] * N_DRAWN  # as the reference says
    assert len({case[1] for case in drawn}) > 1 or N_DRAWN == 1
    for zone in MACHINES[1:]:
        assert told[zone][2:] == drawn, zone


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


# -- the exchange's zone ----------------------------------------------------------------------

NEW_YORK = "America/New_York"
ZONE = ZoneInfo(NEW_YORK)
# Clocks went forward on 10 March 2024 and back on 3 November: days with 23 and 25 hours.
CHANGES = {
    "forward": datetime(2024, 3, 9, 5, tzinfo=UTC),
    "back": datetime(2024, 11, 2, 4, tzinfo=UTC),
}


def hourly(start: datetime, n: int = 80, zone: str = NEW_YORK) -> tuple[Catalog, list[datetime]]:
    times = [start + timedelta(hours=i) for i in range(n)]
    prices = {"timestamp": times, "asset_id": ["A"] * n, "open": [10.0] * n, "close": [10.0] * n}
    return Catalog(timezone=zone).register("prices", prices), times


@pytest.mark.parametrize("change", CHANGES)
def test_hours_days_and_sessions_are_those_of_the_exchange(change: str) -> None:
    catalog, times = hourly(CHANGES[change])
    local = [moment.astimezone(ZONE) for moment in times]

    shown = catalog.sql(
        "select hour(timestamp), timestamp::date, date_trunc('day', timestamp) from signals "
        "order by timestamp"
    ).fetchall()
    axes = catalog.axes()

    assert [row[:2] for row in shown] == [(one.hour, one.date()) for one in local]
    midnights = [datetime.combine(one.date(), time(), ZONE).astimezone(UTC) for one in local]
    assert [row[2].astimezone(UTC) for row in shown] == midnights
    days = [(one.date() - date(1970, 1, 1)).days for one in local]
    assert axes.sessions.tolist() == days
    assert Counter(days)[days[0] + 1] == {"forward": 23, "back": 25}[change]
    # In Python each bar is a moment of its own, in the exchange's hours.
    moments = [axes.moment(t) for t in range(len(times))]
    assert moments == times
    assert len(set(moments)) == len(times)
    assert [one.replace(tzinfo=None) for one in moments] == [
        one.replace(tzinfo=None) for one in local
    ]
    assert moments[-1] - moments[0] == timedelta(hours=len(times) - 1)


@pytest.mark.parametrize("change", CHANGES)
def test_a_strategy_says_at_14_h(change: str) -> None:
    catalog, times = hourly(CHANGES[change])
    result = BacktestEngine(catalog, TopN(1, by="close", when="hour(timestamp) = 14")).run()
    chosen = [
        row[0] for row in result.sql("select timestamp from selections order by 1").fetchall()
    ]

    expected = [moment for moment in times if moment.astimezone(ZONE).hour == 14]
    assert len(expected) == 3
    assert [one.astimezone(UTC) for one in chosen] == expected
    assert result.sql("select distinct hour(timestamp) from selections").fetchall() == [(14,)]
    hours = catalog.preview(TopN(1, by="close"), f"{expected[1].astimezone(ZONE):%Y-%m-%d} 14:00")
    assert len(hours.fetchall()) == 1


def test_dates_of_memberships_and_actions_are_midnights_of_the_exchange() -> None:
    for zone in ("UTC", NEW_YORK, "Asia/Kolkata"):
        catalog, times = hourly(CHANGES["forward"], zone=zone)
        catalog.register(
            "universe",
            pl.DataFrame(
                {"asset_id": ["A"], "start_date": [date(2024, 3, 11)], "end_date": [None]},
                schema_overrides={"end_date": pl.Date},
            ),
        ).register(
            "actions",
            {"asset_id": ["A"], "ex_date": [date(2024, 3, 11)], "kind": ["split"], "value": [2.0]},
        )  # fmt: skip
        midnight = datetime(2024, 3, 11, tzinfo=ZoneInfo(zone))
        t = next(i for i, moment in enumerate(times) if moment >= midnight)

        selected = BacktestEngine(catalog, TopN(1, by="close")).run().selections.fetchall()

        assert [action.t for action in catalog.actions()] == [t]
        assert min(row[1] for row in selected).astimezone(UTC) == times[t]


def test_the_zone_is_part_of_a_run_and_goes_with_it(tmp_path: Path) -> None:
    runs = {}
    for zone in ("UTC", NEW_YORK):
        catalog, _ = hourly(CHANGES["back"], zone=zone)
        runs[zone] = BacktestEngine(catalog, TopN(1, by="close")).run()
    question = "select run_id, configuration->>'$.timezone' from runs"
    told = {zone: result.sql(question).fetchall()[0] for zone, result in runs.items()}

    assert {zone: one[1] for zone, one in told.items()} == {"UTC": "UTC", NEW_YORK: NEW_YORK}
    assert told["UTC"][0] != told[NEW_YORK][0]
    hours = (
        "select timestamp::date, hour(timestamp), count(*) from equity group by all order by all"
    )
    for name in ("run.duckdb", "run"):
        opened = BacktestResult.open(runs[NEW_YORK].save(tmp_path / name))
        assert opened.sql(hours).fetchall() == runs[NEW_YORK].sql(hours).fetchall()
        assert opened.sql(hours).fetchall() != runs["UTC"].sql(hours).fetchall()
        assert dict(opened) == dict(runs[NEW_YORK])


def test_callbacks_see_the_hours_of_the_exchange_and_context_is_found() -> None:
    catalog, times = hourly(CHANGES["back"])
    seen = []

    class Looks(Strategy):
        def on_market_event(self, event, context=None):
            seen.append((event.timestamp, context["vix"]))

    vix = {moment: {"vix": float(i)} for i, moment in enumerate(times)}
    BacktestEngine(catalog, Looks(), context_data=vix).run()

    assert seen == [(moment, float(i)) for i, moment in enumerate(times)]
    assert [one.hour for one, _ in seen] == [moment.astimezone(ZONE).hour for moment in times]


@pytest.mark.parametrize(
    ("zone", "message"),
    [
        ("America/New_Yrok", "did you mean 'America/New_York'"),
        ("new york", "did you mean 'America/New_York'"),
        ("kolkata", "did you mean 'Asia/Kolkata'"),
        ("EST", "must be 'UTC' or an IANA name"),
        ("america/new_york", "did you mean 'America/New_York'"),
        ("", "IANA name"),
        (None, "was None"),
        (-5, "was -5"),
    ],
)
def test_a_zone_that_is_none_is_refused_at_once(zone: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Catalog(timezone=zone)


def test_a_zone_next_to_bars_that_it_cannot_mean_is_refused() -> None:
    plain = {"asset_id": ["A"] * 2, "open": [1.0] * 2, "close": [1.0] * 2}
    naive = {"timestamp": [datetime(2024, 1, 2, 14), datetime(2024, 1, 3, 14)], **plain}
    with pytest.raises(ConfigError, match="needs bars with a zone"):
        Catalog(timezone=NEW_YORK).register("prices", naive).prepare()
    days = {"timestamp": [datetime(2024, 1, day, tzinfo=UTC) for day in (2, 3)], **plain}
    with pytest.raises(DataError, match="midnights of UTC alone"):
        Catalog(timezone=NEW_YORK).register("prices", days).prepare()


def test_days_stamped_in_utc_are_dates_in_every_zone() -> None:
    catalog, _ = hourly(CHANGES["forward"])
    days = [datetime(2024, 3, day, tzinfo=UTC) for day in (9, 10)]
    catalog.register("features", {"timestamp": days, "asset_id": ["A"] * 2, "x": [1.0, 2.0]})
    with pytest.raises(DataError, match="a date compares as midnight"):
        catalog.prepare()


def test_a_run_file_names_the_zone(tmp_path: Path) -> None:
    catalog, _ = hourly(CHANGES["back"])
    catalog.sql("select * from prices").pl().write_parquet(tmp_path / "p.parquet")
    text = '[sources.prices]\npath = "p.parquet"\n[run]\ntimezone = "America/New_York"\n'
    (tmp_path / "run.toml").write_text(text, encoding="utf-8")

    assert catalog_of(tmp_path / "run.toml").sql("select min(hour(timestamp)) from prices where "
        "timestamp = (select min(timestamp) from prices)").fetchall() == [(0,)]  # fmt: skip
