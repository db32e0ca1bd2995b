"""As-of: what a bar sees of every source, against a few lines of plain Python.

The view ``signals`` and the run path (chunks of `batches`) must both agree with `known_value`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from effort import examples, some
from ml4t.backtest import Catalog, ConfigError, DataError, Ranking
from ml4t.backtest.data.selection.ranking import plan_ranking
from ml4t.backtest.data.stream.batches import batches, plan_batches
from split_files import split_files

START = datetime(2024, 1, 1)
ASSETS = ("AAPL", "MSFT", "TSLA")
DAY = timedelta(days=1)
QUICK = settings(
    max_examples=examples(3), deadline=None, suppress_health_check=[HealthCheck.data_too_large]
)


def day(i: int) -> datetime:
    return START + i * DAY


@dataclass(frozen=True)
class Row:
    """A feature row: what it is about, when it became known, what it says."""

    asset: str | None
    period: int
    known: int
    value: float | None


# -- the reference -------------------------------------------------------------------------


def known_value(
    rows: Sequence[Row], asset: str | None, bar: int, max_age: int | None = None
) -> float | None:
    """The newest period known at `bar`, at its newest revision known, if it is young enough."""
    known = [row for row in rows if row.asset == asset and row.known <= bar]
    if not known:
        return None
    newest_period = max(row.period for row in known)
    newest = max((row for row in known if row.period == newest_period), key=lambda row: row.known)
    is_fresh = max_age is None or bar - newest.known <= max_age
    return newest.value if is_fresh else None


# -- the two paths -------------------------------------------------------------------------


def price_table(bars: Sequence[tuple[int, str]], *, dated: bool = False) -> pa.Table:
    times = pa.array([day(t) for t, _ in bars], pa.timestamp("us"))
    return pa.table(
        {
            "timestamp": times.cast(pa.date32()) if dated else times,
            "asset_id": pa.array([asset for _, asset in bars], pa.string()),
            "open": [1.0] * len(bars),
            "close": [1.0] * len(bars),
        }
    )


def feature_table(
    rows: Sequence[Row], column: str = "x", *, clock: bool = False, dated: bool = False
) -> pa.Table:
    def times(days: list[int]) -> pa.Array:
        array = pa.array([day(i) for i in days], pa.timestamp("us"))
        return array.cast(pa.date32()) if dated else array

    columns = {
        "timestamp": times([row.period for row in rows]),
        "asset_id": pa.array([row.asset for row in rows], pa.string()),
        column: pa.array([row.value for row in rows], pa.float64()),
    }
    return pa.table(columns | ({"known": times([row.known for row in rows])} if clock else {}))


Values = dict[tuple[int, str], float | None]


def bar_number(stamp: date) -> int:
    return (date(stamp.year, stamp.month, stamp.day) - START.date()).days


def by_view(catalog: Catalog, column: str = "x") -> Values:
    """What the view ``signals`` shows."""
    found = catalog.sql(f"select timestamp, asset_id, {column} from signals").fetchall()
    return {(bar_number(stamp), asset): value for stamp, asset, value in found}


def by_run(
    catalog: Catalog, bars: Sequence[tuple[int, str]], column: str = "x", *, cells: int = 1 << 19
) -> Values:
    """What a risk rule sees; a value that is missing is NaN in the arrays and None here."""
    prepared = catalog.prepare()
    ranking = plan_ranking(Ranking(n=1, by="close"), prepared)
    plan = plan_batches(prepared, has_levels=False, features=(column,))
    numbers = sorted({t for t, _ in bars})
    assets = sorted({asset for _, asset in bars})
    values: Values = {}
    for chunk in batches(plan, ranking, prepared, chunk_cells=cells):
        for batch in chunk.batches():
            for t, asset in bars:
                if t == numbers[batch.t]:
                    value = float(batch.features[column][assets.index(asset)])
                    values[t, asset] = None if math.isnan(value) else value
    return values


def by_ranking(
    catalog: Catalog, bars: Sequence[tuple[int, str]], column: str = "x", *, cells: int = 1 << 19
) -> Values:
    """What a ranking expression sees; a missing value is not ranked."""
    prepared = catalog.prepare()
    ranking = plan_ranking(Ranking(n=1000, by=column), prepared)
    plan = plan_batches(prepared, has_levels=False, features=())
    numbers = sorted({t for t, _ in bars})
    assets = sorted({asset for _, asset in bars})
    values: Values = dict.fromkeys(bars)
    for chunk in batches(plan, ranking, prepared, chunk_cells=cells):
        for t, selection in chunk.selections.items():
            keys = [(numbers[t], assets[sid]) for sid in selection.sids]
            assert len(set(keys)) == len(keys), "an asset is ranked twice"
            values |= dict(zip(keys, selection.scores.tolist(), strict=True))
    return values


def agree(
    catalog: Catalog, bars: Sequence[tuple[int, str]], expected: Values, column: str = "x"
) -> None:
    """Hold every path, and every size of chunk, against the reference."""
    assert by_view(catalog, column) == expected
    for cells in (4 * len(ASSETS), 1 << 19):
        assert by_run(catalog, bars, column, cells=cells) == expected
        assert by_ranking(catalog, bars, column, cells=cells) == expected


# -- what hypothesis draws -----------------------------------------------------------------

VALUE = st.one_of(st.none(), st.integers(-9, 9).map(float))
BARS = st.lists(
    st.tuples(st.integers(3, 14), st.sampled_from(ASSETS)), min_size=1, max_size=24, unique=True
)


def one_clock(lag: int = 0) -> st.SearchStrategy[list[Row]]:
    return st.lists(
        st.builds(
            lambda asset, period, value: Row(asset, period, period + lag, value),
            st.sampled_from(ASSETS), st.integers(0, 16), VALUE,
        ),
        min_size=1, max_size=24, unique_by=lambda row: (row.asset, row.period),
    )  # fmt: skip


TWO_CLOCKS = st.lists(
    st.builds(
        lambda asset, period, delay, value: Row(asset, period, period + delay, value),
        st.sampled_from(ASSETS), st.integers(0, 12), st.integers(0, 8), VALUE,
    ),
    min_size=1, max_size=24, unique_by=lambda row: (row.asset, row.period, row.known),
)  # fmt: skip


def expected_values(
    rows: Sequence[Row], bars: Sequence[tuple[int, str]], max_age: int | None = None
) -> Values:
    return {(t, asset): known_value(rows, asset, t, max_age) for t, asset in bars}


# -- one clock -----------------------------------------------------------------------------


@QUICK
@given(bars=BARS, rows=one_clock())
def test_a_bar_sees_the_newest_row_up_to_its_own_time(
    bars: list[tuple[int, str]], rows: list[Row]
) -> None:
    catalog = Catalog(threads=2).register("prices", price_table(bars))
    catalog.register("features", feature_table(rows))

    agree(catalog, bars, expected_values(rows, bars))


@QUICK
@given(bars=BARS, rows=one_clock(), dated_bars=st.booleans(), dated_rows=st.booleans())
def test_a_date_compares_as_midnight(
    bars: list[tuple[int, str]], rows: list[Row], dated_bars: bool, dated_rows: bool
) -> None:
    catalog = Catalog(threads=2).register("prices", price_table(bars, dated=dated_bars))
    catalog.register("features", feature_table(rows, dated=dated_rows))

    agree(catalog, bars, expected_values(rows, bars))


@QUICK
@given(bars=BARS, lag=st.integers(0, 6), data=st.data(), dated=st.booleans())
def test_a_lag_delays_every_row(
    bars: list[tuple[int, str]], lag: int, data: st.DataObject, dated: bool
) -> None:
    rows = data.draw(one_clock(lag))
    catalog = Catalog(threads=2).register("prices", price_table(bars, dated=dated))
    catalog.register("features", feature_table(rows, dated=dated), lag=f"{lag} days")

    agree(catalog, bars, expected_values(rows, bars))


@QUICK
@given(bars=BARS, rows=one_clock(), max_age=st.integers(0, 5))
def test_a_row_older_than_max_age_is_missing(
    bars: list[tuple[int, str]], rows: list[Row], max_age: int
) -> None:
    catalog = Catalog(threads=2).register("prices", price_table(bars))
    catalog.register("features", feature_table(rows), max_age=f"{max_age} days")

    agree(catalog, bars, expected_values(rows, bars, max_age))


@pytest.mark.parametrize("dated_bars", [True, False])
@pytest.mark.parametrize("dated_rows", [True, False])
def test_max_age_counts_days_between_dates_and_times_alike(
    dated_bars: bool, dated_rows: bool
) -> None:
    bars = [(t, "AAPL") for t in range(5)]
    catalog = Catalog().register("prices", price_table(bars, dated=dated_bars))
    catalog.register(
        "features", feature_table([Row("AAPL", 1, 1, 7.0)], dated=dated_rows), max_age="2 days"
    )

    agree(catalog, bars, dict(zip(bars, [None, 7.0, 7.0, 7.0, None], strict=True)))


@QUICK
@given(bars=BARS, lag=st.integers(0, 3), max_age=st.integers(0, 4), data=st.data())
def test_age_counts_from_the_time_a_row_became_known(
    bars: list[tuple[int, str]], lag: int, max_age: int, data: st.DataObject
) -> None:
    rows = data.draw(one_clock(lag))
    catalog = Catalog(threads=2).register("prices", price_table(bars))
    catalog.register("features", feature_table(rows), lag=f"{lag} days", max_age=f"{max_age} days")

    agree(catalog, bars, expected_values(rows, bars, max_age))


def test_a_null_hides_the_older_value() -> None:
    bars = [(t, "AAPL") for t in range(1, 5)]
    rows = [Row("AAPL", 1, 1, 5.0), Row("AAPL", 3, 3, None)]
    catalog = Catalog().register("prices", price_table(bars))
    catalog.register("features", feature_table(rows))

    agree(catalog, bars, dict(zip(bars, [5.0, 5.0, None, None], strict=True)))


def test_a_lag_of_a_month_never_gives_a_bar_two_rows() -> None:
    # 29, 30 and 31 January are all known on 29 February: the newest of them is what is known.
    bars = [(58, "AAPL"), (59, "AAPL"), (60, "AAPL")]
    rows = [Row("AAPL", period, 59, float(period)) for period in (28, 29, 30)]
    catalog = Catalog().register("prices", price_table(bars))
    catalog.register("features", feature_table(rows), lag="1 month")

    agree(catalog, bars, dict(zip(bars, [None, 30.0, 30.0], strict=True)))


@pytest.mark.parametrize("lag", ["1 month -30 days", "-1 day 23 hours", "2 days -3 days"])
def test_a_lag_that_may_run_backwards_is_refused(lag: str) -> None:
    # 28 February plus a month less 30 days is 27 February: known before it happened.
    with pytest.raises(ConfigError, match="lag must not be negative"):
        Catalog().register("features", feature_table([Row("AAPL", 0, 0, 1.0)]), lag=lag)


def test_a_row_at_the_very_time_of_a_bar_is_seen_and_one_a_microsecond_later_is_not() -> None:
    prices = {"timestamp": [datetime(2024, 1, 2, 16)], "asset_id": ["AAPL"], "close": [1.0]}
    for micro, seen in ((0, 7.0), (1, None)):
        stamps = [datetime(2024, 1, 2, 12), datetime(2024, 1, 2, 16, 0, 0, micro)]
        catalog = Catalog().register("prices", prices)
        catalog.register(
            "features", {"timestamp": stamps, "asset_id": ["AAPL"] * 2, "x": [None, 7.0]}
        )
        assert catalog.sql("select x from signals").fetchall() == [(seen,)]


def test_bars_between_microseconds_are_all_read() -> None:
    nanos = pa.array([1704153600000000001, 1704240000000000001], pa.timestamp("ns"))
    catalog = Catalog().register(
        "prices",
        pa.table({"timestamp": nanos, "asset_id": ["AAPL"] * 2, "open": [1.0, 2.0],
                  "close": [1.0, 2.0]}),
    )  # fmt: skip
    prepared = catalog.validate()
    ranking = plan_ranking(Ranking(n=1, by="close"), prepared)
    plan = plan_batches(prepared, has_levels=False, features=())

    closes = [b.close.tolist() for c in batches(plan, ranking, prepared) for b in c.batches()]
    assert closes == [[1.0], [2.0]]


# -- files of several types ----------------------------------------------------------------


@settings(parent=QUICK, suppress_health_check=list(HealthCheck))
@given(bars=BARS, rows=TWO_CLOCKS, plain=one_clock(), seed=st.integers(0, 2**32))
def test_files_of_other_types_are_seen_as_one_table(
    bars: list[tuple[int, str]],
    rows: list[Row],
    plain: list[Row],
    seed: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder, choose = tmp_path_factory.mktemp("split"), random.Random(seed).choice

    def split(table: pa.Table, name: str) -> Any:
        return split_files(table, folder / name, choose)

    catalog = Catalog(threads=2).register("prices", split(price_table(bars), "prices"))
    revised = split(feature_table(rows, clock=True), "revised")
    catalog.register("features", revised, available_at="known")
    catalog.register("features", split(feature_table(plain, "y"), "plain"), name="plain")

    agree(catalog, bars, expected_values(rows, bars))
    agree(catalog, bars, expected_values(plain, bars), "y")


# -- two clocks ----------------------------------------------------------------------------


@settings(parent=QUICK, max_examples=examples(4))
@given(bars=BARS, rows=TWO_CLOCKS)
def test_a_bar_sees_the_newest_period_known_at_its_newest_revision(
    bars: list[tuple[int, str]], rows: list[Row]
) -> None:
    catalog = Catalog(threads=2).register("prices", price_table(bars))
    catalog.register("features", feature_table(rows, clock=True), available_at="known")

    agree(catalog, bars, expected_values(rows, bars))


@QUICK
@given(bars=BARS, rows=TWO_CLOCKS, max_age=st.integers(0, 5))
def test_the_age_of_a_revision_counts_from_its_own_publication(
    bars: list[tuple[int, str]], rows: list[Row], max_age: int
) -> None:
    catalog = Catalog(threads=2).register("prices", price_table(bars))
    catalog.register(
        "features", feature_table(rows, clock=True), available_at="known",
        max_age=f"{max_age} days",
    )  # fmt: skip

    agree(catalog, bars, expected_values(rows, bars, max_age))


def test_a_late_restatement_of_an_older_period_changes_nothing() -> None:
    bars = [(t, "AAPL") for t in range(3, 9)]
    rows = [
        Row("AAPL", 1, 3, 1.0),
        Row("AAPL", 2, 5, 2.0),
        Row("AAPL", 1, 6, 1.1),  # restates period 1, while period 2 is known
        Row("AAPL", 2, 8, 2.2),
    ]
    catalog = Catalog().register("prices", price_table(bars))
    catalog.register("features", feature_table(rows, clock=True), available_at="known")

    agree(catalog, bars, dict(zip(bars, [1.0, 1.0, 2.0, 2.0, 2.0, 2.2], strict=True)))


def test_a_value_that_was_withdrawn_is_missing() -> None:
    bars = [(t, "AAPL") for t in range(2, 5)]
    rows = [Row("AAPL", 1, 2, 1.0), Row("AAPL", 1, 4, None)]
    catalog = Catalog().register("prices", price_table(bars))
    catalog.register("features", feature_table(rows, clock=True), available_at="known")

    agree(catalog, bars, dict(zip(bars, [1.0, 1.0, None], strict=True)))


@pytest.mark.parametrize(
    "column", ["period", "available", "last_row", "is_known", "known_at", "t1"]
)
def test_a_revised_feature_may_have_any_name(column: str) -> None:
    bars = [(t, "AAPL") for t in range(2, 5)]
    rows = [Row("AAPL", 1, 2, 1.0), Row("AAPL", 1, 4, 1.5)]
    catalog = Catalog().register("prices", price_table(bars))
    catalog.register("features", feature_table(rows, column, clock=True), available_at="known")

    agree(catalog, bars, dict(zip(bars, [1.0, 1.0, 1.5], strict=True)), column)


# -- size of the left side, chunks -----------------------------------------------------------


@pytest.mark.parametrize("n_bars", some([1, 21, 63, 22, 64, 65, 200], 4))
def test_few_and_many_bars_see_the_same(n_bars: int) -> None:
    # Below 64 left rows DuckDB joins as-of by another plan.
    bars = [(t, asset) for t in range(n_bars) for asset in ASSETS[:2]]
    rows = [
        Row(asset, t, t, None if t % 7 == 3 else float(t * 10 + i))
        for i, asset in enumerate(ASSETS[:2])
        for t in range(0, n_bars, 3 + i)
    ]
    catalog = Catalog().register("prices", price_table(bars))
    catalog.register("features", feature_table(rows), max_age="3 days")

    agree(catalog, bars, expected_values(rows, bars, 3))


@QUICK
@given(bars=BARS, rows=TWO_CLOCKS, cells=st.integers(1, 40))
@example(bars=[(5, "AAPL"), (9, "AAPL")], rows=[Row("AAPL", 0, 6, 1.0)], cells=1)
def test_a_chunk_of_any_size_gives_the_same_values(
    bars: list[tuple[int, str]], rows: list[Row], cells: int
) -> None:
    catalog = Catalog(threads=2).register("prices", price_table(bars))
    catalog.register("features", feature_table(rows, clock=True), available_at="known")

    assert by_run(catalog, bars, cells=cells) == by_run(catalog, bars)
    assert by_ranking(catalog, bars, cells=cells) == by_ranking(catalog, bars)


# -- several sources, market, context, universe ------------------------------------------------


@QUICK
@given(bars=BARS, plain=one_clock(), revised=TWO_CLOCKS, old=one_clock())
def test_sources_do_not_disturb_each_other(
    bars: list[tuple[int, str]], plain: list[Row], revised: list[Row], old: list[Row]
) -> None:
    catalog = (
        Catalog(threads=2)
        .register("prices", price_table(bars))
        .register("features", feature_table(plain))
        .register("features", feature_table(revised, "y", clock=True), name="filings",
                  available_at="known")
        .register("features", feature_table(old, "z"), name="ratings", max_age="2 days")
    )  # fmt: skip

    agree(catalog, bars, expected_values(plain, bars))
    agree(catalog, bars, expected_values(revised, bars), "y")
    agree(catalog, bars, expected_values(old, bars, 2), "z")


def market_values(catalog: Catalog, column: str) -> dict[int, float | None]:
    found = catalog.sql(f"select timestamp, {column} from market").fetchall()
    return {bar_number(stamp): value for stamp, value in found}


@QUICK
@given(
    bars=BARS, per_asset=TWO_CLOCKS, market=TWO_CLOCKS, revised=st.booleans(),
    max_age=st.integers(0, 9),
)  # fmt: skip
def test_rows_without_an_asset_are_seen_by_all(
    bars: list[tuple[int, str]],
    per_asset: list[Row],
    market: list[Row],
    revised: bool,
    max_age: int,
) -> None:
    # A column that is never filled counts as one per asset.
    assume(any(row.value is not None for row in market))
    if not revised:  # one row per period, known at once
        per_asset = [Row(r.asset, r.period, r.period, r.value) for r in per_asset]
        per_asset = list({(r.asset, r.period): r for r in per_asset}.values())
        market = [Row(None, r.period, r.period, r.value) for r in market]
    filled_last = sorted(market, key=lambda row: row.value is not None)
    wide = {(r.period, r.known): Row(None, r.period, r.known, r.value) for r in filled_last}
    parts = [
        feature_table(per_asset, clock=revised),
        feature_table(list(wide.values()), "vix", clock=revised),
    ]
    frame = pa.concat_tables(parts, promote_options="default")
    catalog = Catalog(threads=2).register("prices", price_table(bars))
    catalog.register(
        "features", frame, max_age=f"{max_age} days", available_at="known" if revised else None
    )

    assert market_values(catalog, "vix") == {
        t: known_value(list(wide.values()), None, t, max_age) for t, _ in bars
    }
    agree(catalog, bars, expected_values(per_asset, bars, max_age))


def test_a_column_that_is_never_filled_is_still_a_column() -> None:
    frame = pa.table(
        {
            "timestamp": pa.array([day(1), day(1)], pa.timestamp("us")),
            "asset_id": pa.array(["AAPL", None], pa.string()),
            "x": [1.0, None],
            "vix": [None, 13.0],
            "empty": pa.nulls(2, pa.float64()),
        }
    )
    catalog = Catalog().register("prices", price_table([(2, "AAPL")])).register("features", frame)

    assert by_view(catalog, "empty") == {(2, "AAPL"): None}


MIXED = st.lists(
    st.tuples(st.integers(0, 9), st.none() | st.sampled_from(ASSETS[:2]), VALUE),
    min_size=2, max_size=8, unique_by=lambda row: row[:2],
)  # fmt: skip


def seen_of(
    mixed: Sequence[tuple[int, str | None, float | None]], bars: Sequence[tuple[int, str]]
) -> Values | None:
    """What a ranking by x sees of rows of assets and of the market; None: they are refused."""
    rows = [Row(asset, period, period, value) for period, asset, value in mixed]
    catalog = Catalog(threads=2).register("prices", price_table(bars))
    catalog.register("features", feature_table(rows))
    try:
        return by_ranking(catalog, bars)
    except DataError as error:
        rule = error.rule
    assert rule == "mixed_rows"
    return None


@settings(parent=QUICK, max_examples=examples(4))
@given(mixed=MIXED)
@example(mixed=[(0, None, 1.0), (1, None, 2.0), (8, "AAPL", 9.0)])
@example(mixed=[(0, "AAPL", 1.0), (1, "MSFT", 2.0), (8, None, 9.0)])
@example(mixed=[(0, "AAPL", None), (1, None, None), (8, None, 9.0)])
def test_what_a_name_means_does_not_depend_on_later_rows(
    mixed: list[tuple[int, str | None, float | None]],
) -> None:
    bars = [(t, asset) for t in range(10) for asset in ASSETS[:2]]
    whole = seen_of(mixed, bars)
    kinds = {asset is None for _, asset, value in mixed if value is not None}
    assert (whole is None) == (len(kinds) == 2)
    for cut in {period for period, _, _ in mixed}:
        earlier = seen_of([row for row in mixed if row[0] <= cut], bars)
        if whole is not None:
            assert earlier is not None
            assert {b: v for b, v in earlier.items() if b[0] <= cut} == {
                b: v for b, v in whole.items() if b[0] <= cut
            }


def test_a_column_of_assets_and_of_the_market_is_refused_with_the_ways_out() -> None:
    rows = [Row("AAPL", 1, 1, 5.0), Row(None, 1, 1, 7.0), Row(None, 2, 2, 8.0)]
    catalog = Catalog().register("prices", price_table([(2, "AAPL")]))
    catalog.register("features", feature_table(rows))

    with pytest.raises(
        DataError, match=r"values of 'x' in rows with an asset_id and in market-wide"
    ) as e:
        catalog.sql("select 1")
    assert "rename one of them, or register the market-wide rows as context" in str(e.value)
    assert (e.value.rule, e.value.n_rows) == ("mixed_rows", 2)
    assert [row["x"] for row in e.value.sample] == [7.0, 8.0]


def test_rows_of_assets_and_of_the_market_under_one_name_are_two_sources() -> None:
    own, wide = [Row("AAPL", 1, 1, 5.0)], [Row(None, 1, 1, 7.0)]
    catalog = Catalog().register("prices", price_table([(2, "AAPL")]))
    catalog.register("features", feature_table(own))
    catalog.register("context", feature_table(wide).drop_columns(["asset_id"]))

    assert by_ranking(catalog, [(2, "AAPL")], "signals.x") == {(2, "AAPL"): 5.0}
    assert by_ranking(catalog, [(2, "AAPL")], "market.x") == {(2, "AAPL"): 7.0}


@QUICK
@given(bars=BARS, rows=TWO_CLOCKS, revised=st.booleans(), max_age=st.none() | st.integers(0, 9))
def test_context_is_seen_as_of_the_bar(
    bars: list[tuple[int, str]], rows: list[Row], revised: bool, max_age: int | None
) -> None:
    wide = [Row(None, r.period, r.known if revised else r.period, r.value) for r in rows]
    wide = list({(r.period, r.known): r for r in wide}.values())
    frame = feature_table(wide, "vix", clock=revised).drop_columns(["asset_id"])
    catalog = Catalog(threads=2).register("prices", price_table(bars))
    catalog.register(
        "context", frame, available_at="known" if revised else None,
        max_age=None if max_age is None else f"{max_age} days",
    )  # fmt: skip
    expected = {t: known_value(wide, None, t, max_age) for t, _ in bars}

    assert market_values(catalog, "vix") == expected
    for cells in (1, 1 << 19):
        seen = by_ranking(catalog, bars, "vix", cells=cells)
        assert seen == {(t, asset): expected[t] for t, asset in bars}


INTERVALS = st.lists(
    st.tuples(st.sampled_from(ASSETS), st.integers(0, 14), st.none() | st.integers(0, 6)),
    min_size=1,
    max_size=5,
    unique=True,
)


def universe_table(intervals: Sequence[tuple[str, int, int | None]]) -> pa.Table:
    ends = [None if length is None else day(start + length) for _, start, length in intervals]
    return pa.table(
        {
            "asset_id": [asset for asset, _, _ in intervals],
            "start_date": pa.array([day(start) for _, start, _ in intervals], pa.timestamp("us")),
            "end_date": pa.array(ends, pa.timestamp("us")),
        }
    )


def is_member(intervals: Sequence[tuple[str, int, int | None]], bar: int, asset: str) -> bool:
    return any(
        start <= bar and (length is None or bar < start + length)
        for name, start, length in intervals
        if name == asset
    )


@QUICK
@given(bars=BARS, intervals=INTERVALS, dated=st.booleans(), cells=st.integers(1, 40))
def test_membership_includes_its_start_and_excludes_its_end(
    bars: list[tuple[int, str]],
    intervals: list[tuple[str, int, int | None]],
    dated: bool,
    cells: int,
) -> None:
    catalog = Catalog(threads=2).register("prices", price_table(bars, dated=dated))
    catalog.register("universe", universe_table(intervals))
    members = {(t, asset): is_member(intervals, t, asset) for t, asset in bars}

    assert by_view(catalog, "is_member") == members
    ranked = by_ranking(catalog, bars, "close", cells=cells)
    assert {key for key, score in ranked.items() if score is not None} == {
        key for key, member in members.items() if member
    }


def test_a_member_leaves_on_its_end_and_may_come_back() -> None:
    bars = [(t, "AAPL") for t in range(6)]
    catalog = Catalog().register("prices", price_table(bars))
    catalog.register("universe", universe_table([("AAPL", 1, 2), ("AAPL", 4, None)]))

    assert by_view(catalog, "is_member") == dict(
        zip(bars, [False, True, True, False, True, True], strict=True)
    )


def test_risk_rules_see_features_of_an_asset_that_left_the_universe() -> None:
    bars = [(t, "AAPL") for t in range(4)]
    rows = [Row("AAPL", t, t, float(t)) for t in range(4)]
    catalog = Catalog().register("prices", price_table(bars))
    catalog.register("features", feature_table(rows))
    catalog.register("universe", universe_table([("AAPL", 0, 2)]))

    assert list(by_run(catalog, bars).values()) == [0.0, 1.0, 2.0, 3.0]
    assert list(by_ranking(catalog, bars).values()) == [0.0, 1.0, None, None]


def test_without_a_universe_a_feature_called_is_member_is_a_feature() -> None:
    bars = [(t, asset) for t in range(2) for asset in ("AAPL", "MSFT")]
    frame: Mapping[str, object] = {
        "timestamp": [day(0)] * 2, "asset_id": ["AAPL", "MSFT"], "is_member": [True, False],
    }  # fmt: skip
    catalog = Catalog().register("prices", price_table(bars)).register("features", frame)
    prepared = catalog.validate()
    ranking = plan_ranking(Ranking(n=9, by="close", where="is_member"), prepared)
    plan = plan_batches(prepared, has_levels=False, features=())

    (chunk,) = batches(plan, ranking, prepared)
    assert {t: s.sids.tolist() for t, s in chunk.selections.items()} == {0: [0], 1: [0]}


# -- borrow --------------------------------------------------------------------------------

FEE = st.integers(0, 9).map(float)


@QUICK
@given(
    bars=BARS,
    rows=st.lists(
        st.builds(
            lambda asset, period, delay, fee: Row(asset, period, period + delay, fee),
            st.sampled_from(ASSETS), st.integers(0, 12), st.integers(0, 8), FEE,
        ),
        min_size=1, max_size=24, unique_by=lambda row: (row.asset, row.period, row.known),
    ),
    lag=st.none() | st.integers(0, 3), max_age=st.none() | st.integers(0, 5),
)  # fmt: skip
def test_a_borrow_fee_is_seen_as_of_the_bar(
    bars: list[tuple[int, str]], rows: list[Row], lag: int | None, max_age: int | None
) -> None:
    if lag is not None:  # one clock: known a lag after its period
        rows = [Row(r.asset, r.period, r.period + lag, r.value) for r in rows]
        rows = list({(r.asset, r.period): r for r in rows}.values())
    frame = feature_table(rows, "fee", clock=lag is None)
    catalog = Catalog(threads=2).register("prices", price_table(bars))
    catalog.register(
        "borrow", frame, available_at="known" if lag is None else None,
        lag=None if lag is None else f"{lag} days",
        max_age=None if max_age is None else f"{max_age} days",
    )  # fmt: skip

    agree(catalog, bars, expected_values(rows, bars, max_age), "borrow_fee")


# -- columns of prices as features ---------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1.5, None, 2.5], pa.float64()),
        ([1, None, 2], pa.int32()),
        ([True, None, False], pa.bool_()),
    ],
)
def test_a_null_in_a_price_column_is_missing_for_risk_rules(
    values: list[object], kind: pa.DataType
) -> None:
    bars = [(t, "AAPL") for t in range(3)]
    frame = price_table(bars).append_column("x", pa.array(values, kind))
    catalog = Catalog().register("prices", frame)

    assert list(by_run(catalog, bars).values()) == values


def test_an_asset_without_a_bar_has_no_features_at_it() -> None:
    bars = [(0, "AAPL"), (0, "MSFT"), (1, "AAPL")]
    rows = [Row("AAPL", 0, 0, 1.0), Row("MSFT", 0, 0, 2.0)]
    catalog = Catalog().register("prices", price_table(bars))
    catalog.register("features", feature_table(rows))
    prepared = catalog.validate()
    ranking = plan_ranking(Ranking(n=1, by="close"), prepared)
    plan = plan_batches(prepared, has_levels=False, features=("x",))

    (chunk,) = batches(plan, ranking, prepared)
    assert chunk.features["x"][0].tolist() == [1.0, 2.0]
    assert chunk.features["x"][1, 0] == 1.0
    assert math.isnan(chunk.features["x"][1, 1])
    assert math.isnan(chunk.prices["close"][1, 1])


def test_the_types_of_the_views_are_those_that_duckdb_says() -> None:
    bars = price_table([(t, asset) for t in range(3) for asset in ASSETS])
    known = {"timestamp": [day(0)], "asset_id": ["AAPL"]}
    catalog = Catalog().register("prices", bars.append_column("traded", pa.array([1] * 9)))
    members = {"asset_id": ["AAPL"], "start_date": [day(0)], "end_date": [day(2)]}
    catalog.register("universe", members)
    catalog.register("assets", {"asset_id": ["AAPL"], "sector": ["tech"]})
    catalog.register("borrow", known | {"fee": [0.01]})
    catalog.register("features", known | {"n": [1], "word": ["x"]}, max_age="1 day")
    catalog.register(
        "features", known | {"available_at": [day(1)], "on": [date(2024, 1, 1)]}, name="other"
    )
    catalog.register(
        "features",
        {"timestamp": [day(0)] * 2, "asset_id": ["AAPL", None], "own": [1, None], "all": [None, 2]},
        name="both",
    )
    catalog.register("context", {"timestamp": [day(0)], "vix": [1.0], "is_open": [True]})
    prepared = catalog.prepare()
    assert prepared.signal_columns == prepared.database.schema("select * from main.signals")
    assert prepared.market_columns == prepared.database.schema("select * from main.market")
    assert {"sector", "word", "on", "own", "is_member"} <= prepared.signal_columns.keys()
    assert prepared.market_columns.keys() == {"timestamp", "all", "vix", "is_open"}
