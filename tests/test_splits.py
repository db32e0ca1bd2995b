"""Splits of time: where folds begin and end, and what is purged, against plain loops."""

from __future__ import annotations

import doctest
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise, product
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from blocks_of_time import Blocks
from conftest import SHARED_DATA
from ml4t.backtest import ConfigError
from ml4t.backtest.sweep import walk_forward
from ml4t.backtest.sweep.folds import Fold
from ml4t.backtest.sweep.lengths import length_of, shifted
from ml4t.backtest.sweep.rows import reach_of
from ml4t.backtest.sweep.timeline import timeline_of
from ml4t.backtest.sweep.walk_forward import WalkForward

DAY = np.datetime64("2024-01-01")
NEW_YORK = ZoneInfo("America/New_York")
# The first case of a process loads Arrow.
no_deadline = settings(deadline=None)


def days(n: int, first: np.datetime64 = DAY) -> np.ndarray:
    return first + np.arange(n)


def weekdays(first: str, last: str) -> list[date]:
    every = np.arange(first, np.datetime64(last) + 1, dtype="datetime64[D]")
    return every[np.is_busday(every)].tolist()


def bars(fold: Fold) -> tuple[list[int], list[int]]:
    return fold.train_bars.tolist(), fold.test_bars.tolist()


def intraday(n_days: int, per_day: int) -> list[datetime]:
    return [
        datetime(2024, 3, 4, 9, 30, tzinfo=NEW_YORK) + timedelta(days=day, minutes=30 * i)
        for day in range(n_days)
        for i in range(1, per_day + 1)
    ]


# -- a walk, in bars ------------------------------------------------------------------------


def plain_walk(n: int, walk: WalkForward) -> list[tuple[list[int], list[int]]]:
    """Ten lines: bar by bar."""
    found = []
    step = walk.step or walk.test
    for first in range(walk.train, n, step):
        test = [t for t in range(n) if first <= t < first + walk.test]
        train = [
            t for t in range(first)
            if t + walk.purge + walk.embargo < first and (walk.anchored or t >= first - walk.train)
        ]  # fmt: skip
        if walk.partial or len(test) == walk.test:
            found.append((train, test))
    return found


@no_deadline
@given(data=st.data())
def test_a_walk_in_bars_is_that_of_a_plain_loop(data: st.DataObject) -> None:
    draw = lambda least, most: data.draw(st.integers(least, most))  # noqa: E731
    train, test = draw(1, 12), draw(1, 8)
    walk = WalkForward(
        train=train,
        test=test,
        step=data.draw(st.sampled_from([None, test, test + 3])),
        anchored=data.draw(st.booleans()),
        purge=draw(0, 4),
        embargo=draw(0, 4),
        partial=data.draw(st.booleans()),
        warm_up=draw(0, train),
    )
    n = draw(2, 40)
    expected = plain_walk(n, walk)
    assume(expected and all(train for train, _ in expected))
    folds = walk.folds(days(n))
    assert [bars(fold) for fold in folds] == expected
    for number, fold in enumerate(folds, start=1):
        (span,), (warm,) = fold.test, fold.warm_up
        assert fold.number == number
        assert (span.start, span.end) == (
            DAY.item() + timedelta(span.first_t),
            DAY.item() + timedelta(span.last_t),
        )
        run = span.first_t - walk.warm_up
        assert (warm is None) == (walk.warm_up == 0)
        assert warm is None or (warm.first_t, warm.last_t) == (run, span.first_t - 1)
        assert fold.run_starts == (DAY.item() + timedelta(run),)


@pytest.fixture(scope="module")
def selection() -> ModuleType:
    reason = "scikit-learn is not installed; see the extra 'examples'"
    return pytest.importorskip("sklearn.model_selection", reason=reason)


@pytest.mark.parametrize("rolling", [False, True])
def test_a_walk_in_bars_is_that_of_scikit_learn(selection: ModuleType, rolling: bool) -> None:
    for n_splits, test, gap, size in product((2, 5), (1, 4), (0, 3), (7, 10)):
        n = size + gap + n_splits * test
        peer = selection.TimeSeriesSplit(
            n_splits, test_size=test, gap=gap, max_train_size=size if rolling else None
        )
        walk = WalkForward(train=size + gap, test=test, purge=gap, anchored=not rolling)
        assert [bars(fold) for fold in walk.folds(days(n))] == [
            (train.tolist(), test.tolist()) for train, test in peer.split(np.empty(n))
        ]


# -- a walk, in words -----------------------------------------------------------------------


def months_later(day: date, n: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + n, 12)
    for last in (day.day, 30, 29, 28):
        try:
            return date(year, month + 1, last)
        except ValueError:
            continue
    raise AssertionError


def plain_calendar_walk(there: list[date], train: int, test: int, purge: int) -> list[Any]:
    """Months before and in a test part, days of labels; test parts begin with months."""
    border = there[0].replace(day=1)
    while months_later(border, -train) < there[0] - timedelta(days=7):
        border = months_later(border, 1)
    found = []
    while border <= there[-1]:
        begin, end = months_later(border, -train), months_later(border, test)
        tested = [day for day in there if border <= day < end]
        limit = tested[0] - timedelta(days=purge) if tested else border
        found.append(([day for day in there if begin <= day < limit], tested))
        border = end
    return [(one, other) for one, other in found if other]


@no_deadline
@given(
    first=st.dates(date(1999, 1, 1), date(2003, 12, 31)),
    n=st.integers(200, 900),
    gaps=st.sets(st.integers(5, 800), max_size=200),
    train=st.integers(1, 13),
    test=st.integers(1, 7),
    purge=st.integers(0, 9),
)
def test_a_walk_in_months_is_that_of_a_plain_loop(first, n, gaps, train, test, purge) -> None:
    there = [first + timedelta(days=i) for i in range(n) if i not in gaps]
    expected = plain_calendar_walk(there, train, test, purge)
    assume(expected and all(trained for trained, _ in expected))
    walk = WalkForward(train=f"{train} months", test=f"{test} months", purge=f"{purge} days")
    assert [
        tuple([there[t] for t in part] for part in bars(fold)) for fold in walk.folds(there)
    ] == expected


def test_a_year_tests_years_of_the_calendar_and_twelve_months_any_twelve() -> None:
    there = weekdays("1999-11-01", "2004-06-30")
    by_year = WalkForward(train="2 years", test="1 year").folds(there)
    assert [str(fold) for fold in by_year] == [
        "fold 1: train 2000-01-03 to 2001-12-31; test 2002-01-01 to 2002-12-31",
        "fold 2: train 2001-01-01 to 2002-12-31; test 2003-01-01 to 2003-12-31",
        "fold 3: train 2002-01-01 to 2003-12-31; test 2004-01-01 to 2004-06-30",
    ]
    by_month = WalkForward(train="24 months", test="12 months", partial=False).folds(there)
    assert [str(fold) for fold in by_month] == [
        "fold 1: train 1999-11-01 to 2001-10-31; test 2001-11-01 to 2002-10-31",
        "fold 2: train 2000-11-01 to 2002-10-31; test 2002-11-01 to 2003-10-31",
    ]


@pytest.mark.parametrize(
    ("first", "tested"),
    [("2001-01-08", "2002-01-01"), ("2001-01-09", "2003-01-01"), ("2000-12-29", "2002-01-01")],
)
def test_a_year_may_lack_its_first_seven_days(first: str, tested: str) -> None:
    walk = WalkForward(train="1 year", test="1 year")
    assert str(walk.folds(weekdays(first, "2003-12-31"))[0].test[0].start) == tested


@pytest.mark.parametrize(("last", "n_folds"), [("2003-12-24", 2), ("2003-12-23", 1)])
def test_a_last_year_may_lack_its_last_seven_days(last: str, n_folds: int) -> None:
    walk = WalkForward(train="1 year", test="1 year", partial=False)
    assert len(walk.folds(weekdays("2001-01-01", last))) == n_folds


@pytest.mark.parametrize(
    ("train", "first", "start"),
    [
        ("1 month", "2024-02-08", "2024-03-01"),
        ("1 month", "2024-02-09", "2024-04-01"),
        ("1 week", "2024-02-08", "2024-03-01"),
        # A week before 1 March begins on 23 February, and may lack three days.
        ("1 week", "2024-02-26", "2024-03-01"),
        ("1 week", "2024-02-27", "2024-04-01"),
        ("20 days", "2024-02-13", "2024-03-01"),
        ("20 days", "2024-02-14", "2024-04-01"),
        ("2 sessions", "2024-02-28", "2024-03-01"),
        ("2 sessions", "2024-02-29", "2024-04-01"),
        (3, "2024-02-27", "2024-03-01"),
        (3, "2024-02-28", "2024-04-01"),
        # Nothing is before the first bar, however little a train part may have.
        ("3 days", "2024-02-01", "2024-03-01"),
    ],
)
def test_a_first_test_part_has_a_whole_train_part_before_it(train, first, start) -> None:
    walk = WalkForward(train=train, test="1 month")
    assert str(walk.folds(weekdays(first, "2024-04-26"))[0].test[0].start) == start


@pytest.mark.parametrize(
    ("test", "n_bars", "n_tested"),
    [
        ("1 hour", 3, 0),
        ("1 hour", 4, 1),
        (timedelta(minutes=90), 4, 0),
        ("5400 seconds", 5, 1),
        ("1 session", 12, 1),
        ("2 sessions", 12, 0),
        ("2 sessions", 18, 1),
        (3, 4, 0),
        (3, 5, 1),
    ],
)
def test_a_last_test_part_that_is_not_whole_can_be_left_out(test, n_bars, n_tested) -> None:
    times = intraday(3, 6)[:n_bars]  # every half hour
    train = "1 session" if "session" in str(test) else "60 minutes"
    walk = WalkForward(train=train, test=test, anchored=True, partial=False)
    found = walk.folds(times)[:1] if n_tested else ()
    if not n_tested:
        with pytest.raises(ConfigError, match=r"whole \(partial=False\)"):
            walk.folds(times)
    assert len(found) == n_tested


def test_a_run_may_begin_with_the_first_bar_and_not_before_it() -> None:
    times = intraday(3, 6)
    for train, exact, beyond in (
        ("1 session", "1 session", "2 sessions"),
        ("2 hours", "120 minutes", "7201 seconds"),
        (4, 4, 5),
    ):
        settings: dict[str, Any] = {"train": train, "test": 6, "anchored": True}
        assert WalkForward(**settings, warm_up=exact).folds(times)[0].run_starts == (times[0],)
        with pytest.raises(ConfigError, match="goes back beyond the first bar"):
            WalkForward(**settings, warm_up=beyond).folds(times)


def test_a_walk_in_days_begins_with_a_session() -> None:
    folds = WalkForward(train=7, test="2 days").folds(intraday(6, 5))
    assert [fold.test[0].first_t for fold in folds] == [10, 20]


def test_a_week_begins_on_monday_or_on_sunday_where_there_are_no_saturdays() -> None:
    every = days(42)  # from a Monday
    walk = WalkForward(train="2 weeks", test="1 week")
    for left_out, weekday in ((set(), 0), ({4, 5}, 6), ({5, 6}, 0)):
        there = [day for day in every.tolist() if day.weekday() not in left_out]
        starts = {fold.test[0].start.weekday() for fold in walk.folds(there)}
        assert starts == {weekday}


def test_sizes_in_sessions_count_sessions_and_not_bars_or_days() -> None:
    times = intraday(12, 5)
    walk = WalkForward(
        train="4 sessions", test="2 sessions", purge="1 session", warm_up="2 sessions"
    )
    folds = walk.folds(times)
    assert [bars(fold) for fold in folds] == [
        (list(range(5 * s, 5 * s + 15)), list(range(5 * s + 20, 5 * s + 30))) for s in (0, 2, 4, 6)
    ]
    assert [fold.warm_up[0].first_t for fold in folds] == [10, 20, 30, 40]


def test_a_walk_that_is_counted_in_bars_tests_whole_sessions_where_its_steps_are_sessions() -> None:
    folds = WalkForward(train=7, test="3 sessions", anchored=True).folds(intraday(8, 5))
    assert [bars(fold)[1] for fold in folds] == [list(range(10, 25)), list(range(25, 40))]
    assert bars(folds[0])[0] == list(range(10))


def test_time_that_passes_leaves_out_parts_without_bars() -> None:
    times = intraday(2, 6)  # 10:00 to 12:30, twice
    walk = WalkForward(train="1 hour", test=timedelta(hours=1), purge="30 minutes", anchored=True)
    assert [bars(fold) for fold in walk.folds(times)] == [
        ([0], [2, 3]),
        ([0, 1, 2], [4, 5]),
        # Over night nothing is tested, and no label of the day before reaches the morning.
        ([0, 1, 2, 3, 4, 5], [6, 7]),
        ([0, 1, 2, 3, 4, 5, 6], [8, 9]),
        ([0, 1, 2, 3, 4, 5, 6, 7, 8], [10, 11]),
    ]
    rolling = WalkForward(train="1 hour", test="1 hour")
    with pytest.raises(ConfigError, match="no bars within train='1 hour' before the test part"):
        rolling.folds(times)


def test_the_sessions_that_are_given_count_and_not_the_dates() -> None:
    # Sunday evening is of Monday's session.
    times = [datetime(2024, 1, 7, 20) + timedelta(hours=12 * i) for i in range(12)]
    sessions = [(time + timedelta(hours=6)).date() for time in times]
    walk = WalkForward(train="1 session", test="1 session")
    assert [bars(f) for f in walk.folds(times, sessions=sessions)] == [
        ([2 * s, 2 * s + 1], [2 * s + 2, 2 * s + 3]) for s in range(5)
    ]
    assert bars(walk.folds(times)[0]) == ([0], [1, 2])


def test_a_month_later_is_the_last_day_of_a_shorter_month() -> None:
    every = np.arange("2023-12-01", "2024-04-01", dtype="datetime64[D]")
    for n, sign in product((0, 1, 2, 13), (1, -1)):
        found = shifted(every, length_of("x", f"{n} months"), sign)
        assert found.tolist() == [months_later(day, sign * n) for day in every.tolist()]
    assert (
        shifted(every, length_of("x", "1 quarter")).tolist()
        == shifted(every, length_of("x", "3 months")).tolist()
    )
    assert (shifted(every, length_of("x", "2 weeks"), -1) == every - 14).all()


# -- purging and embargo --------------------------------------------------------------------


def plain_purged(t: list[int], ends: list[int], first: int, stop: int, embargo: int) -> list[int]:
    """Lopez de Prado 2018, 7.4: what begins, ends or lasts inside the test part is left out."""
    reached = max(end for bar, end in zip(t, ends, strict=True) if first <= bar < stop) + embargo
    return [
        i for i, (bar, end) in enumerate(zip(t, ends, strict=True))
        if not (first <= bar <= reached or first <= end <= reached or bar < first <= reached < end)
    ]  # fmt: skip


@no_deadline
@given(data=st.data())
def test_labels_are_purged_as_the_book_has_it(data: st.DataObject) -> None:
    n, n_blocks = data.draw(st.integers(12, 30)), data.draw(st.integers(2, 4))
    horizons = data.draw(st.lists(st.integers(0, 6), min_size=n, max_size=n))
    embargo = data.draw(st.integers(0, 3))
    ends = [min(t + horizon, n - 1) for t, horizon in enumerate(horizons)]
    edges = np.linspace(0, n, n_blocks + 1).astype(int).tolist()
    expected = [plain_purged(list(range(n)), ends, *edge, embargo) for edge in pairwise(edges)]
    assume(all(expected))
    folds = Blocks(n=n_blocks, embargo=embargo).folds(days(n), label_end=days(n)[ends])
    assert [fold.train_bars.tolist() for fold in folds] == expected


@no_deadline
@given(purge=st.integers(0, 4), embargo=st.integers(0, 4), n=st.integers(15, 40))
def test_a_purge_of_bars_is_that_of_labels_which_end_so_many_bars_later(purge, embargo, n) -> None:
    later = np.minimum(np.arange(n) + purge, n - 1)
    for make in (Blocks, WalkForward):
        own = {"n": 3} if make is Blocks else {"train": 9, "test": 4}
        by_size = make(**own, purge=purge, embargo=embargo)
        by_label = make(**own, embargo=embargo).folds(days(n), label_end=days(n)[later])
        assert by_size.folds(days(n)) == by_label


def test_a_label_that_ends_between_bars_reaches_the_bar_before() -> None:
    there = weekdays("2024-01-01", "2024-01-19")
    walk = WalkForward(train=5, test=5)
    at_sunday, at_monday = ([day + timedelta(days=n) for day in there] for n in (2, 3))
    # The test part begins on Monday, 8 January: what Friday's label ends at decides.
    assert walk.folds(there, label_end=at_sunday)[0].train[-1].last_t == 4
    assert walk.folds(there, label_end=at_monday)[0].train[-1].last_t == 3


def test_a_train_part_with_a_hole_is_several_spans() -> None:
    _, fold, _ = Blocks(n=3, purge=1, embargo=2).folds(days(12))
    assert [(span.first_t, span.last_t) for span in fold.train] == [(0, 2), (11, 11)]
    assert fold.train[0].n_bars == 3


# -- real sessions --------------------------------------------------------------------------


@pytest.mark.skipif(
    not SHARED_DATA.is_dir(), reason="the real market data is not next to this checkout"
)
def test_folds_fall_on_the_sessions_of_the_sp500() -> None:
    found = duckdb.sql(
        f"select distinct timestamp::date from '{SHARED_DATA}/sp500_daily.parquet' order by 1"
    ).fetchall()
    sessions = [day for (day,) in found]
    walk = WalkForward(train="3 years", test="1 year", purge=10, embargo=5, warm_up="6 months")
    folds = walk.folds(sessions)
    for year, fold in zip(range(2003, 2016), folds, strict=True):
        train, test = bars(fold)
        assert [sessions[t] for t in test] == [day for day in sessions if day.year == year]
        before = [i for i, day in enumerate(sessions) if year - 3 <= day.year < year]
        assert train == before[:-15]
        assert fold.warm_up[0].start == next(day for day in sessions if day >= date(year - 1, 7, 1))
    # The week of 11 September 2001 has one session, and the next begins on a Monday again.
    weeks = WalkForward(train="4 weeks", test="1 week").folds(sessions)
    spans = {fold.test[0].start: fold.test[0] for fold in weeks}
    assert spans[date(2001, 9, 10)].end == date(2001, 9, 10)
    assert spans[date(2001, 9, 17)].n_bars == 5


# -- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("walk", "message"),
    [
        ({"train": 0, "test": 1}, "train must be a whole number of at least 1, was 0"),
        ({"train": "5 moons", "test": 1}, "train was '5 moons', of no unit that is known; write"),
        ({"train": "long", "test": 1}, "train was 'long'; write a number of bars, a text such as"),
        ({"train": 5, "test": "0 days"}, "test was '0 days', and counts from 1; write"),
        (
            {"train": 5, "test": 1, "purge": -1},
            "purge must be a whole number of at least 0, was -1",
        ),
        ({"train": 5, "test": 1, "embargo": timedelta(-1)}, "embargo must not be negative"),
        ({"train": 5, "test": timedelta(0)}, "test must not be negative or nothing, was"),
        ({"train": True, "test": 1}, "train must be a whole number of at least 1, was True"),
        ({"train": 5, "test": 1, "step": 0}, "step must be a whole number of at least 1, was 0"),
        ({"train": 5, "test": 1, "anchored": "no"}, "anchored must be True or False, was 'no'"),
    ],
)
def test_a_size_that_is_none_is_refused(walk: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        WalkForward(**walk)


@pytest.mark.parametrize(
    ("walk", "message"),
    [
        (
            {"train": 20, "test": 1},
            "train=20 and test=1 need more than the 20 bars from 2024-01-01 to 2024-01-20; shorten",
        ),
        ({"train": 18, "test": 3, "partial": False}, r"test=3, whole \(partial=False\) need more"),
        ({"train": "1 year", "test": "1 year"}, "train='1 year' and test='1 year' need more than"),
        (
            {"train": 5, "test": 3, "purge": 5},
            "nothing is left to train on in fold 1, tested on 2024-01-06 to 2024-01-08: purge=5, "
            ".* take all of the 5 bars from 2024-01-01 on; shorten them, or lengthen train",
        ),
        (
            {"train": 5, "test": 3, "step": 2},
            "step of 2 bars is shorter than test of 3: a test part ends at 2024-01-08, and the "
            "next begins at 2024-01-08; .* lengthen step",
        ),
        (
            {"train": 5, "test": 3, "warm_up": 6},
            "warm_up=6 goes back beyond the first bar, 2024-01-01, from a test part that begins "
            "at 2024-01-06; shorten it",
        ),
    ],
)
def test_bars_that_do_not_do_are_refused(walk: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        WalkForward(**walk).folds(days(20))


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([], "timestamps are empty"),
        ([DAY, DAY], "2024-01-01 twice, at places 0 and 1; .* split"),
        ([DAY + 1, DAY], "not ascending: 2024-01-01 at place 1 follows 2024-01-02; sort them"),
        ([DAY.item(), None], "timestamps have none at place 1; fill it in or leave out its row"),
        (["2024-01-01"], "timestamps must be dates or times, were string; read them first"),
        ([1, 2], "timestamps must be dates or times, were int64; give the column of timestamps"),
        (object(), "timestamps must be dates or times, one per row: .* was object"),
    ],
)
def test_timestamps_that_are_none_or_not_in_order_are_refused(times: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        WalkForward(train=1, test=1).folds(times)


def test_sessions_that_do_not_fit_their_bars_are_refused() -> None:
    walk = WalkForward(train=1, test=1)
    with pytest.raises(ConfigError, match="one per timestamp: 2 of 3 were given"):
        walk.folds(days(3), sessions=days(2))
    with pytest.raises(ConfigError, match="sessions must not go back in time"):
        walk.folds(days(3), sessions=days(3)[::-1])


@pytest.mark.parametrize(
    ("ends", "message"),
    [
        (days(5), "label_end must be one per row: 5 were given for 6"),
        (days(6) - 1, "label_end 2023-12-31 at place 0 is before the row's own timestamp"),
        ([datetime(2024, 2, 1, tzinfo=UTC)] * 6, "give both with a zone, or both without"),
    ],
)  # fmt: skip
def test_label_ends_that_do_not_fit_their_rows_are_refused(ends: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        WalkForward(train=3, test=1).folds(days(6), label_end=ends)


# -- times ----------------------------------------------------------------------------------


def test_the_times_of_a_span_are_those_of_its_bars() -> None:
    zoned = intraday(2, 3)
    nanos = np.datetime64("2024-01-01T10:00:00.000000001") + np.arange(6)
    plain = [time.replace(tzinfo=None) for time in zoned]
    arrow = pa.chunked_array([plain[:2], plain[2:]])
    for times, expected in (
        (zoned, zoned), (nanos, list(nanos)), (plain, plain), (arrow, plain), (list(nanos), nanos)
    ):  # fmt: skip
        fold = WalkForward(train=3, test=2).folds(times)[0]
        assert [fold.train[0].start, fold.test[0].end] == [expected[0], expected[4]]
    # 20:30 in New York is the next day in UTC.
    late = [time + timedelta(hours=10) for time in zoned]
    assert timeline_of(late).sessions.tolist() == [time.date() for time in late]


def test_label_ends_are_compared_to_the_nanosecond() -> None:
    nanos = np.datetime64("2024-01-01T10:00:00.000000001") + 600 * np.arange(8)
    micros = nanos[0].astype("datetime64[us]") + np.arange(1, 9)
    every = np.arange(8)
    for times, ends in (
        (nanos, nanos), (nanos, nanos + 1199), (nanos, nanos + 1200), (nanos, micros),
        (micros, micros.astype("datetime64[ns]") + 999),
        (micros, micros.astype("datetime64[ns]") + 1001),
    ):  # fmt: skip
        plain = [max(t for t in every if times[t] <= end) for end in ends]
        assert reach_of(ends, every, timeline_of(times)).tolist() == plain


def test_the_example_of_the_docstring_is_so() -> None:
    found = doctest.testmod(walk_forward)
    assert (found.attempted, found.failed) == (5, 0)
