"""Bars stamped at their open: what is known at them is what is known at their end."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ml4t.backtest import BacktestEngine, Catalog, ConfigError, DataError, TopN
from ml4t.backtest.runfile import engine_of

OPEN = datetime(2024, 1, 2, 9, 30)
TIMES = [OPEN + timedelta(days=day, minutes=5 * i) for day in range(2) for i in range(4)]


def prices(times: list[Any]) -> pl.DataFrame:
    closes = [10.0 + i for i in range(len(times))]
    return pl.DataFrame({"timestamp": times, "asset_id": "A", "open": closes, "close": closes})


@pytest.mark.parametrize("unit", ["us", "ns", "ms"])
@pytest.mark.parametrize("zone", [None, "UTC"])
def test_a_bar_stamped_at_its_open_is_complete_at_its_end(unit: Any, zone: str | None) -> None:
    frame = prices(TIMES).with_columns(
        pl.col("timestamp").cast(pl.Datetime(unit)).dt.replace_time_zone(zone)
    )
    moved = Catalog().register("prices", frame, stamp="open")
    ended = Catalog().register("prices", frame.with_columns(pl.col("timestamp").dt.offset_by("5m")))
    query = "select * from signals order by timestamp"
    assert moved.sql(query).fetchall() == ended.sql(query).fetchall()
    assert moved.sql(query).types == ended.sql(query).types
    assert moved.describe()[0]["changes"] == [
        "timestamp: bars of 00:05:00 stamped at their open, moved to their end (8 rows)"
    ]
    assert ended.describe()[0]["changes"] == []


def test_what_is_known_within_the_bar_is_joined_to_it_and_nothing_later() -> None:
    """The bar of 9:30 to 9:35 sees what came at 9:32 and at 9:35, not at 9:36."""
    news = {
        "timestamp": [OPEN + timedelta(minutes=m) for m in (0, 2, 5, 6)],
        "asset_id": ["A"] * 4,
        "score": [0.0, 2.0, 5.0, 6.0],
    }
    known = {}
    for stamp in ("close", "open"):
        catalog = Catalog().register("prices", prices(TIMES), stamp=stamp)
        catalog.register("features", news)
        catalog.register("context", {"timestamp": news["timestamp"], "vix": news["score"]})
        query = "select score from signals order by timestamp limit 3"
        known[stamp] = [row[0] for row in catalog.sql(query).fetchall()]
        query = "select vix from market order by timestamp limit 3"
        assert [row[0] for row in catalog.sql(query).fetchall()] == known[stamp]
    assert known == {"close": [0.0, 5.0, 6.0], "open": [5.0, 6.0, 6.0]}


def test_a_run_says_so_and_is_another_than_one_without() -> None:
    runs = []
    for stamp in ("close", "open"):
        catalog = Catalog().register("prices", prices(TIMES), stamp=stamp)
        runs.append(BacktestEngine(catalog, TopN(1, by="close")).run())
    ids = {run.sql("select run_id from runs").fetchall()[0][0] for run in runs}
    assert len(ids) == 2
    first = "select min(timestamp) from equity"
    assert runs[1].sql(first).fetchall() == [(OPEN + timedelta(minutes=5),)]
    # The same bars in the same order: the same money.
    assert runs[0]["final_value"] == runs[1]["final_value"]


@pytest.mark.parametrize(
    ("times", "must"),
    [
        ([date(2024, 1, 2), date(2024, 1, 3)], "has daily bars, whose date names the session"),
        ([datetime(2024, 1, 2), datetime(2024, 1, 3)], "leave out stamp='open'"),
        ([OPEN], "which does not say how long a bar is"),
        ([OPEN, OPEN + timedelta(minutes=2), OPEN + timedelta(minutes=5)],
         "has bars of unequal length: times within a day .* 00:02:00 apart"),
    ],
)  # fmt: skip
def test_bars_that_do_not_say_when_they_end_are_refused(times: list[Any], must: str) -> None:
    catalog = Catalog()
    with pytest.raises(DataError, match=must):
        catalog.register("prices", prices(times), stamp="open")
    catalog.register("prices", prices(times))  # the name is free again
    assert catalog.sql("select count(*) from signals").fetchall() == [(len(times),)]


def test_what_is_no_stamp_is_refused_with_what_to_write() -> None:
    with pytest.raises(ConfigError, match="stamp must be 'close' or 'open', was 'start'"):
        Catalog().register("prices", prices(TIMES), stamp="start")
    with pytest.raises(ConfigError, match="pass lag='5 minutes'"):
        Catalog().register("features", prices(TIMES), stamp="open")


def test_a_run_file_says_stamp(tmp_path: Path) -> None:
    prices(TIMES).write_parquet(tmp_path / "p.parquet")
    run_file = tmp_path / "run.toml"
    run_file.write_text(
        '[sources.prices]\npath = "p.parquet"\nstamp = "open"\n'
        '[strategy]\nkind = "TopN"\nn = 1\nby = "close"\n'
    )
    first = engine_of(run_file).run().sql("select min(timestamp) from equity").fetchall()
    assert first == [(OPEN + timedelta(minutes=5),)]
