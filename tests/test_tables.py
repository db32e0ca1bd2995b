"""A result table is declared once: what its events hold becomes its rows, types and comments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import numpy as np
import pytest

from ml4t.backtest.core.axes import Axes
from ml4t.backtest.core.journal import AccountAtClose
from ml4t.backtest.core.terms import Instruments
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sql_files import table_of
from ml4t.backtest.results import gathered
from ml4t.backtest.results import late as writing
from ml4t.backtest.results import recorder as recording
from ml4t.backtest.results.late import Late
from ml4t.backtest.results.recorder import Recorder
from ml4t.backtest.results.run_facts import RunFacts
from ml4t.backtest.results.store import open_store
from ml4t.backtest.results.table import (
    ADDED,
    ASSET,
    BAR,
    COUNT,
    FINITE,
    FLAG,
    ID,
    ID_OR_NONE,
    NUMBER,
    ROW,
    SESSION,
    TEXT,
    Column,
    Table,
)
from ml4t.backtest.results.tables import STAGED, TABLES

NAN = float("nan")
FIRST, SECOND = datetime(2024, 1, 2, 9, 30), datetime(2024, 1, 3, 9, 30)


@dataclass
class Notes:
    """An event that no part of the package knows: one or several rows."""

    t: Any
    sid: Any
    price: Any = None
    word: Any = None
    other: Any = None
    is_late: bool = False


NOTES = Table(
    name="notes",
    events=(Notes,),
    counted="sid",
    columns=(
        Column("note_id", ID, "from 0", ROW),
        Column("timestamp", BAR, "bar", "t"),
        Column("session", SESSION, "its trading date", "t"),
        Column("asset_id", ASSET, "asset; NULL: none", "sid"),
        Column("price", NUMBER, "per share"),
        Column("bounded", FINITE, "per share; NULL: infinite", "price"),
        Column("word", TEXT, "said of it"),
        Column("other_id", ID_OR_NONE, "another note; NULL: none", "other"),
        Column("is_late", FLAG, "it came late"),
    ),
)


def unwritten(
    monkeypatch: pytest.MonkeyPatch,
    table: Table,
    *events: Any,
    timestamp_type: str = "TIMESTAMP",
    added: dict[str, Any] | None = None,
) -> Late:
    """The tables of a run in which these events were all that happened."""
    monkeypatch.setattr(recording, "STAGED", (*STAGED, table))
    tables = {**TABLES, table.name: table}
    monkeypatch.setattr(writing, "TABLES", tables)
    ticks = np.array([FIRST, SECOND], dtype="datetime64[us]")
    if timestamp_type == "TIMESTAMP_NS":
        ticks = ticks.astype("datetime64[ns]")
    axes = Axes(
        timestamps=ticks.astype(np.int64),
        timestamp_type=timestamp_type,
        sessions=ticks.astype("datetime64[D]").astype(np.int64),
        asset_ids=np.array(["A", "B"], dtype=object),
        asset_type="VARCHAR",
    )
    facts = RunFacts(
        started_at=datetime(2024, 1, 1, tzinfo=UTC), finished_at=datetime(2024, 1, 1, tzinfo=UTC),
        initial_capital=1_000.0, fill_policy="none", configuration={}, sources=[],
        rows_dropped={}, drop_rules={}, versions={}, n_assets=2, n_bars=2, activity=[], misses=[],
        selection={}, periods_per_year=None, warnings=[],
    )  # fmt: skip
    recorder = Recorder()
    for event in (*events, facts):
        recorder.record(event)
    recorder.add(table, **(added or {}))
    return Late(recorder.parts, axes, Instruments.plain(2), facts)


def stored(monkeypatch: pytest.MonkeyPatch, table: Table, *events: Any, **more: Any) -> Database:
    """The same, written; what no database held is the same, in whatever zone its writer is."""
    database, writer = open_store("America/New_York"), open_store()
    late, tables = unwritten(monkeypatch, table, *events, **more), {**TABLES, table.name: table}
    fresh = late.fresh()
    assert fresh is not None
    late.write(tables, database)
    assert late.fresh() is None
    for name in tables:
        fresh.hand_over(name, writer, partial(table_of, f"fresh_{name}"))
        kinds = database.schema(f"from {name}")
        assert fresh.kinds(name) == writer.schema(f"from fresh_{name}") == kinds
        assert writer.rows(f"from fresh_{name}") == database.rows(f"from {name}")
    return database


def test_a_table_that_is_declared_needs_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    database = stored(
        monkeypatch,
        NOTES,
        # One value is that of all rows of an event, a vector or tuple has one each.
        Notes(t=1, sid=np.array([1, 0]), price=np.array([2.5, NAN]), word=("x", None)),
        Notes(t=0, sid=-1, price=float("inf"), word="it's", other=0, is_late=True),
        Notes(t=np.array([-1, 0]), sid=np.array([0, 1]), price=4, word="y"),
    )
    rows = database.rows("select * exclude (run_id) from notes")
    assert rows == [
        (0, SECOND, date(2024, 1, 3), "B", 2.5, 2.5, "x", None, False),
        (1, SECOND, date(2024, 1, 3), "A", None, None, None, None, False),
        (2, FIRST, date(2024, 1, 2), None, float("inf"), None, "it's", 0, True),
        (3, None, None, "A", 4.0, 4.0, "y", None, False),
        (4, FIRST, date(2024, 1, 2), "B", 4.0, 4.0, "y", None, False),
    ]
    assert list(database.schema("select * from notes").items()) == [
        ("run_id", "VARCHAR"), ("note_id", "BIGINT"), ("timestamp", "TIMESTAMP"),
        ("session", "DATE"), ("asset_id", "VARCHAR"), ("price", "DOUBLE"), ("bounded", "DOUBLE"),
        ("word", "VARCHAR"), ("other_id", "BIGINT"), ("is_late", "BOOLEAN"),
    ]  # fmt: skip
    run_ids = "select run_id from notes union select run_id from runs"
    assert len(database.rows(run_ids)) == 1


def test_a_table_of_which_nothing_happened_has_its_types(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = stored(monkeypatch, NOTES).schema("select * from notes")
    assert empty == stored(monkeypatch, NOTES, Notes(t=0, sid=0)).schema("select * from notes")


def test_rows_are_sorted_by_what_the_table_says_and_a_helper_is_no_column(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = Table(
        name="notes",
        events=(Notes,),
        columns=(Column("word", TEXT, "said of it"), Column("rank", COUNT, "1 = first", "other")),
        helpers=(Column("t", COUNT, "number of the bar"),),
        order=("t", "word"),
    )
    events = [Notes(t=1, sid=0, word="b", other=3), Notes(t=1, sid=0, word="a", other=2),
              Notes(t=0, sid=0, word="c", other=1)]  # fmt: skip
    database = stored(monkeypatch, table, *events)
    assert database.rows("select * exclude (run_id) from notes") == [("c", 1), ("a", 2), ("b", 3)]
    assert database.schema("select rank from notes") == {"rank": "INTEGER"}


def test_what_is_found_out_of_all_rows_is_a_column_of_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    columns = (Column("word", TEXT, "said of it"), Column("worth", NUMBER, "of it", ADDED))
    table = Table(name="notes", events=(Notes,), columns=columns)
    events = [Notes(t=0, sid=0, word="b"), Notes(t=0, sid=0, word="a")]
    query = "select word, worth from notes"
    assert stored(monkeypatch, table, *events).rows(query) == [("b", None), ("a", None)]
    database = stored(monkeypatch, table, *events, added={"worth": np.array([2.5, NAN])})
    assert database.rows(query) == [("b", 2.5), ("a", None)]


def closed(t: int, value: Any, *, cash: float = 5.0, n_bars: int = 1) -> AccountAtClose:
    """Both assets held at a close, or at those of some bars."""
    at = np.array(value)
    return AccountAtClose(
        t=t, n_bars=n_bars, cash=cash, held=np.array([0, 1]), quantity=np.array([1.0, -2.0]),
        cost=np.array([7.0, -50.0]), mark=at, stale=at > 11, multiplier=np.array([1.0, 3.0]),
    )  # fmt: skip


@pytest.mark.parametrize("n_rows", [1, 3, 1 << 17])
def test_what_is_closed_in_a_stretch_of_bars_is_in_no_row_from_then_on(
    monkeypatch: pytest.MonkeyPatch, n_rows: int
) -> None:
    monkeypatch.setattr(gathered, "ROWS_AT_ONCE", n_rows)
    first, both = closed(0, [10.0, 20.0]), closed(0, [[10.0, 20.0], [11.0, 21.0]], n_bars=2)
    at_once = both._replace(cash=np.array([5.0, 6.0]), ends=np.array([1, 2]))
    second = AccountAtClose(
        t=1, cash=6.0, held=both.held[1:], quantity=both.quantity[1:], cost=both.cost[1:],
        mark=both.mark[1, 1:], stale=both.stale[1, 1:], multiplier=np.array([3.0]),
    )  # fmt: skip
    for table in ("positions", "equity"):
        rows = stored(monkeypatch, NOTES, at_once).rows(f"from {table}")
        assert rows == stored(monkeypatch, NOTES, first, second).rows(f"from {table}")
        assert len(rows) == {"positions": 3, "equity": 2}[table]


@pytest.mark.parametrize("n_rows", [1, 3, 1 << 17])
def test_a_stretch_of_bars_makes_the_rows_of_its_bars(
    monkeypatch: pytest.MonkeyPatch, n_rows: int
) -> None:
    monkeypatch.setattr(gathered, "ROWS_AT_ONCE", n_rows)
    at_once = stored(monkeypatch, NOTES, closed(0, [[10.0, 20.0], [11.0, 21.0]], n_bars=2))
    by_bars = stored(monkeypatch, NOTES, closed(0, [10.0, 20.0]), closed(1, [11.0, 21.0]))
    for table in ("positions", "equity"):
        assert at_once.rows(f"from {table}") == by_bars.rows(f"from {table}")
    assert at_once.rows("select * exclude (run_id) from positions") == [
        (FIRST, "A", 1.0, 10.0, 10.0, 3.0, False),
        (FIRST, "B", -2.0, 20.0, -120.0, -70.0, True),
        (SECOND, "A", 1.0, 11.0, 11.0, 4.0, False),
        (SECOND, "B", -2.0, 21.0, -126.0, -76.0, True),
    ]
    assert at_once.rows("select timestamp, equity, cash, n_positions from equity") == [
        (FIRST, -105.0, 5.0, 2), (SECOND, -110.0, 5.0, 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("DATE", "2024-01-02"),
        ("TIMESTAMP", "2024-01-02 09:30:00"),
        ("TIMESTAMP_S", "2024-01-02 09:30:00"),
        ("TIMESTAMP_MS", "2024-01-02 09:30:00"),
        ("TIMESTAMP_NS", "2024-01-02 09:30:00"),
        ("TIMESTAMP WITH TIME ZONE", "2024-01-02 04:30:00-05"),
    ],
)
def test_a_bar_is_a_time_of_the_type_that_prices_has(
    kind: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = stored(monkeypatch, NOTES, Notes(t=0, sid=0), timestamp_type=kind)
    assert database.schema("select timestamp from notes") == {"timestamp": kind}
    assert database.rows("select timestamp::varchar from notes") == [(expected,)]


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_table_says_of_every_column_what_it_means_once(table: Table) -> None:
    names = [column.name for column in (*table.columns, *table.helpers)]
    assert len(names) == len(set(names))
    assert all(column.comment.strip() for column in (*table.columns, *table.helpers))
    assert set(table.order) <= {ROW, *names}


def test_a_table_whose_writing_failed_is_written_whole_when_it_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = Recorder.parts

    def failing(recorder: Recorder, table: Table) -> Iterator[dict[str, Any]]:
        yield next(parts(recorder, table))
        raise KeyboardInterrupt

    monkeypatch.setattr(gathered, "ROWS_AT_ONCE", 1)
    database = open_store()
    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "parts", failing)
        late = unwritten(monkeypatch, NOTES, closed(0, [10.0, 20.0]), closed(1, [11.0, 21.0]))
        with pytest.raises(KeyboardInterrupt):
            late.write(["positions"], database)
    late = unwritten(monkeypatch, NOTES, closed(0, [10.0, 20.0]), closed(1, [11.0, 21.0]))
    assert late.write(["positions"], database)
    assert database.rows("select count(*) from positions") == [(4,)]
