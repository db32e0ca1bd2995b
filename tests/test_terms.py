"""Terms and conditions: instruments, actions by bar, halted bars, conditions, borrow fees.

The mapping of actions and the values of conditions are held against a few lines of plain Python
and against the SQL of the ``signals`` view.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from effort import examples
from ml4t.backtest import Catalog, ConfigError, DataError, ExpressionError, Ranking
from ml4t.backtest.core.batch import Batch
from ml4t.backtest.core.terms import ACTION_KINDS, OF_PRICES, Action
from ml4t.backtest.data.selection.ranking import plan_ranking
from ml4t.backtest.data.stream.batches import batches, plan_batches

NAN = math.nan
# Tuesday to Friday and the Monday after: a weekend and nothing else is missing.
DAYS = [date(2024, 1, day) for day in (2, 3, 4, 5, 8)]
ASSETS = ("AAPL", "MSFT", "TSLA")


def prices(
    times: Sequence[date] = DAYS, assets: Sequence[str] = ASSETS, **columns: Sequence[object]
) -> pa.Table:
    """One bar per time and asset, at 10, 11, ...; `columns` go on top."""
    n = len(times) * len(assets)
    closes = [10.0 + i for i in range(n)]
    return pa.table(
        {
            "timestamp": [time for time in times for _ in assets],
            "asset_id": list(assets) * len(times),
            "open": closes,
            "high": [close + 1 for close in closes],
            "low": [close - 1 for close in closes],
            "close": closes,
            **columns,
        }
    )


def without_a_bar() -> pa.Table:
    """The prices of `prices`, but for the bar of AAPL on day 2."""
    table = prices()
    place = 2 * len(ASSETS)
    return pa.concat_tables([table.slice(0, place), table.slice(place + 1)])


def seen(catalog: Catalog, *, cells: int = 1 << 19, **plan: object) -> Iterator[Batch]:
    """The batches of a run that trades nothing."""
    prepared = catalog.validate()
    ranking = plan_ranking(Ranking(n=1, by="close"), prepared)
    wanted = plan_batches(prepared, **{"has_levels": False, "features": (), **plan})  # type: ignore[arg-type]
    for chunk in batches(wanted, ranking, prepared, chunk_cells=cells):
        yield from chunk.batches()


def action_rows(*rows: tuple[object, ...]) -> pa.Table:
    names = ("asset_id", "ex_date", "kind", "value", "pay_date", "new_asset_id")
    full = [(*row, *[None] * (len(names) - len(row))) for row in rows]
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in full])


def actions_of(table: pa.Table, rows: pa.Table) -> list[Action]:
    catalog = Catalog().register("prices", table).register("actions", rows)
    catalog.validate()
    return catalog.actions()


def plain(actions: Sequence[Action]) -> list[tuple[object, ...]]:
    """Actions that compare, but for what new kinds say: NaN is not equal to itself."""
    return [(*a[:3], None if math.isnan(a.value) else a.value, *a[4:6]) for a in actions]


# -- instruments ---------------------------------------------------------------------------


def test_without_a_source_every_asset_is_a_plain_share() -> None:
    terms = Catalog().register("prices", prices()).instruments()

    assert terms.multiplier.tolist() == [1.0] * 3
    assert terms.lot_size.tolist() == terms.tick_size.tolist() == [0.0] * 3
    assert np.isnan([terms.initial_margin, terms.maintenance_margin]).all()
    assert np.isnan([terms.short_initial_margin, terms.short_maintenance_margin]).all()
    assert (terms.groups, terms.group_names) == ({}, {})


def test_terms_come_in_the_order_of_the_assets_and_what_is_missing_is_plain() -> None:
    rows = {
        "asset_id": ["TSLA", "AAPL", "GOOG"], "lot_size": [100, None, 7],
        "Tick_Size": [0.01, None, 0.5], "multiplier": [None, 50.0, 2.0],
        "initial_margin": [0.5, None, 0.1], "maintenance_margin": [0.25, None, 0.1],
    }  # fmt: skip
    terms = Catalog().register("prices", prices()).register("assets", rows).instruments()

    assert terms.lot_size.tolist() == [0.0, 0.0, 100.0]
    assert terms.tick_size.tolist() == [0.0, 0.0, 0.01]
    assert terms.multiplier.tolist() == [50.0, 1.0, 1.0]
    assert terms.initial_margin.tolist()[2] == 0.5
    assert terms.maintenance_margin.tolist()[2] == 0.25
    assert np.isnan(terms.initial_margin[:2]).all()


def test_text_columns_are_groups_of_the_assets_in_prices() -> None:
    rows = pa.table(
        {
            "asset_id": ["AAPL", "TSLA", "GOOG"],
            "sector": pa.array(["Tech", "Autos", "Media"]).dictionary_encode(),
            "Home Country": ["US", None, "US"],
            "employees": [160_000, 140_000, 180_000],
        }
    )
    terms = Catalog().register("prices", prices()).register("assets", rows).instruments()

    assert terms.group_names == {"sector": ("Autos", "Tech"), "Home Country": ("US",)}
    assert {name: codes.tolist() for name, codes in terms.groups.items()} == {
        "sector": [1, -1, 0], "Home Country": [0, -1, -1],
    }  # fmt: skip


# -- actions by bar ------------------------------------------------------------------------

BARS = {
    "DATE": lambda day: day,
    "TIMESTAMP": lambda day: datetime(day.year, day.month, day.day),
    "TIMESTAMP at the close": lambda day: datetime(day.year, day.month, day.day, 16),
    "TIMESTAMPTZ": lambda day: datetime(day.year, day.month, day.day, 21, tzinfo=UTC),
}


@pytest.mark.parametrize("kind", BARS)
def test_an_action_counts_from_the_first_bar_at_or_after_its_ex_date(kind: str) -> None:
    rows = action_rows(
        ("AAPL", date(2024, 1, 1), "split", 2.0),  # before the first bar
        ("AAPL", date(2024, 1, 2), "split", 3.0),  # on it
        ("TSLA", date(2024, 1, 6), "split", 4.0),  # on a Saturday
        ("AAPL", date(2024, 1, 8), "dividend", 0.5),  # on the last bar
        ("AAPL", date(2024, 1, 9), "delisting", 9.0),  # after it
        ("GOOG", date(2024, 1, 3), "split", 5.0),  # of an asset without prices
    )
    if kind == "TIMESTAMPTZ":
        # A date has no zone; it is midnight UTC next to bars that have one.
        assert rows.schema.field("ex_date").type == pa.date32()

    found = actions_of(prices([BARS[kind](day) for day in DAYS]), rows)

    assert plain(found) == [
        (0, 0, "split", 3.0, 0, -1),
        (4, 2, "split", 4.0, 4, -1),
        (4, 0, "dividend", 0.5, 4, -1),
    ]


def test_on_intraday_bars_an_action_counts_from_its_own_time() -> None:
    times = [datetime(2024, 1, day, hour) for day in (2, 3) for hour in (10, 11, 12)]
    rows = action_rows(
        ("AAPL", datetime(2024, 1, 2), "dividend", 1.0),  # midnight before the first bar
        ("AAPL", datetime(2024, 1, 2, 10, 30), "split", 2.0),
        ("AAPL", datetime(2024, 1, 2, 12), "split", 3.0),
        ("AAPL", datetime(2024, 1, 2, 12, 0, 0, 1), "split", 4.0),  # overnight
        ("AAPL", datetime(2024, 1, 1, 23), "split", 5.0),  # the evening before
    )
    assert [(a.t, a.value) for a in actions_of(prices(times), rows)] == [
        (0, 1.0), (1, 2.0), (2, 3.0), (3, 4.0),
    ]  # fmt: skip


def test_a_dividend_is_paid_at_the_first_bar_at_or_after_its_pay_date() -> None:
    rows = action_rows(
        ("AAPL", DAYS[1], "dividend", 1.0),  # no pay date: with the ex-date
        ("MSFT", DAYS[1], "dividend", 2.0, DAYS[3]),
        ("TSLA", DAYS[1], "dividend", 3.0, date(2024, 1, 6)),  # a Saturday
        ("AAPL", DAYS[2], "dividend", 4.0, date(2024, 2, 1)),  # after the end
        ("MSFT", DAYS[2], "split", 3.0, DAYS[1]),  # splits are not paid
    )
    assert [(a.value, a.t, a.pay_t) for a in actions_of(prices(), rows)] == [
        (1.0, 1, 1), (2.0, 1, 3), (3.0, 1, 4), (4.0, 2, 5), (3.0, 2, 2),
    ]  # fmt: skip


def test_actions_of_one_bar_come_by_kind_and_asset() -> None:
    rows = action_rows(
        ("MSFT", DAYS[1], "split", 2.0),
        ("MSFT", DAYS[1], "delisting", None),
        ("AAPL", DAYS[1], "rename", None, None, "TSLA"),
        ("AAPL", DAYS[1], "split", 3.0),
        ("AAPL", DAYS[1], "dividend", 0.5),
    )
    # Unchecked: the prices of these two are their own.
    assert plain(Catalog().register("prices", prices()).register("actions", rows).actions()) == [
        (1, 0, "dividend", 0.5, 1, -1),
        (1, 0, "split", 3.0, 1, -1),
        (1, 1, "split", 2.0, 1, -1),
        (1, 0, "rename", None, 1, 2),
        (1, 1, "delisting", None, 1, -1),
    ]


def test_actions_that_fall_on_one_bar_come_date_by_date() -> None:
    rows = action_rows(
        ("AAPL", date(2024, 1, 6), "split", 4.0), ("AAPL", date(2024, 1, 7), "dividend", 0.25),
        ("MSFT", date(2024, 1, 7), "split", 4.0), ("MSFT", date(2024, 1, 6), "dividend", 0.25),
    )  # fmt: skip
    assert plain(actions_of(prices(), rows)) == [
        (4, 1, "dividend", 0.25, 4, -1),
        (4, 0, "split", 4.0, 4, -1),
        (4, 0, "dividend", 0.25, 4, -1),
        (4, 1, "split", 4.0, 4, -1),
    ]


def test_dividends_of_one_day_are_each_an_action_and_splits_too() -> None:
    rows = action_rows(
        ("AAPL", date(2024, 1, 6), "split", 4.0), ("AAPL", date(2024, 1, 6), "split", 0.5),
        ("AAPL", date(2024, 1, 7), "dividend", 5.5), ("AAPL", date(2024, 1, 7), "dividend", 0.25),
    )  # fmt: skip
    assert plain(actions_of(prices(), rows)) == [
        (4, 0, "split", 0.5, 4, -1),
        (4, 0, "split", 4.0, 4, -1),
        (4, 0, "dividend", 0.25, 4, -1),
        (4, 0, "dividend", 5.5, 4, -1),
    ]


def test_assets_may_be_numbers_and_ex_dates_may_have_a_zone() -> None:
    table = prices([BARS["TIMESTAMPTZ"](day) for day in DAYS], assets=[7, 11])  # type: ignore[list-item]
    evening = datetime(2024, 1, 3, 22, tzinfo=UTC)
    rows = {"asset_id": [11, 7], "kind": ["rename", "split"], "value": [None, 2.0],
            "new_asset_id": [7, None], "ex_date": [evening] * 2}  # fmt: skip
    short = {name: values[1:] for name, values in rows.items() if name != "new_asset_id"}

    # The split of the name that 11 takes on that evening is of 11's shares too.
    assert plain(actions_of(table, pa.table(rows))) == [
        (2, 1, "rename", None, 2, 0), (2, 0, "split", 2.0, 2, -1),
    ]  # fmt: skip
    assert plain(actions_of(table, pa.table(short))) == [(2, 0, "split", 2.0, 2, -1)]


def test_without_a_source_there_are_no_actions() -> None:
    assert Catalog().register("prices", prices()).actions() == []


ACTION = st.tuples(
    st.sampled_from([*ASSETS, "GOOG"]), st.integers(-5, 40),
    st.sampled_from([kind for kind in ACTION_KINDS if kind not in OF_PRICES]),
    st.none() | st.integers(0, 20),
)  # fmt: skip


@settings(max_examples=examples(8), deadline=None)
@given(
    bars=st.sets(st.integers(0, 30), min_size=1, max_size=90),
    rows=st.lists(ACTION, min_size=1, max_size=90, unique_by=lambda row: row[:3]),
    kind=st.sampled_from(sorted(BARS)),
)
def test_actions_fall_on_the_bars_that_plain_python_finds(
    bars: set[int], rows: list[tuple[str, int, str, int | None]], kind: str
) -> None:
    start = date(2024, 1, 1)
    days = sorted(bars)
    renames = [
        (ASSETS.index(asset), bisect_left(days, ex_day), ex_day)
        for asset, ex_day, name, _ in rows
        if name == "rename" and asset in ASSETS and ex_day >= days[0]
    ]
    expected: list[tuple[tuple[int, ...], tuple[object, ...]]] = []
    for asset, ex_day, name, delay in rows:
        t = bisect_left(days, ex_day)
        if asset not in ASSETS or ex_day < days[0] or t == len(days):
            continue
        is_paid_later = name in ("dividend", "return_of_capital", "cash") and delay is not None
        pay_t = bisect_left(days, ex_day + (delay or 0)) if is_paid_later else t
        value = None if name == "rename" else 1.0
        sid = ASSETS.index(asset)
        new_sid = (sid + 1) % 3 if name == "rename" else -1
        moves = ACTION_KINDS.index(name) < ACTION_KINDS.index("rename")
        # What a name loses by its rename comes before it, what a name gains by one after it.
        lost = [day for old, at, day in renames if moves and (old, at) == (sid, t)]
        gained = moves and ((sid - 1) % 3, t, ex_day) in renames
        place = (t, min([ex_day, *lost]), name == "delisting", gained, ACTION_KINDS.index(name),
                 sid, ex_day)  # fmt: skip
        expected.append((place, (t, sid, name, value, pay_t, new_sid)))
    table = action_rows(*(
        (asset, start + timedelta(ex_day), name, 1.0,
         None if delay is None else start + timedelta(ex_day + delay),
         ASSETS[(ASSETS.index(asset) + 1) % 3] if name == "rename" and asset in ASSETS else "GE")
        for asset, ex_day, name, delay in rows
    ))  # fmt: skip
    catalog = Catalog(threads=1).register("actions", table)
    catalog.register("prices", prices([BARS[kind](start + timedelta(day)) for day in days]))

    assert plain(catalog.actions()) == [action for _, action in sorted(expected)]


# -- axes and last bars --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stamp", "session"),
    [
        (date(2024, 1, 2), 19724),
        (datetime(2024, 1, 2, 23, 59, 59, 999_999), 19724),
        (datetime(2024, 1, 2, 23, 30, tzinfo=UTC), 19724),
        (date(1969, 12, 31), -1),
        (datetime(1969, 12, 31, 12), -1),
    ],
)
def test_a_session_is_the_date_of_its_bar(stamp: date, session: int) -> None:
    axes = Catalog().register("prices", prices([stamp])).axes()

    assert axes.sessions.tolist() == [session]


def test_sessions_of_nanosecond_bars_are_days() -> None:
    table = prices([datetime(2024, 1, 2, 10), datetime(2024, 1, 3, 10)])
    nanos = table.set_column(0, "timestamp", table["timestamp"].cast(pa.timestamp("ns")))

    assert Catalog().register("prices", nanos).axes().sessions.tolist() == [19724, 19725]


# -- halted bars ---------------------------------------------------------------------------


@pytest.mark.parametrize("cells", [1, 6, 1 << 19])
@pytest.mark.parametrize("kind", [pa.float64(), pa.int64()])
def test_a_bar_without_volume_has_a_close_and_nothing_to_trade_at(
    cells: int, kind: pa.DataType
) -> None:
    volume = pa.array([5, 0, None, *[7] * 11, 0], kind)
    catalog = Catalog().register("prices", prices(volume=volume))

    found = list(seen(catalog, cells=cells, has_levels=True, features=("volume", "open")))

    halted = np.array([[False, True, False], *[[False] * 3] * 3, [False, False, True]])
    closes = np.array([batch.close for batch in found])
    assert not np.isnan(closes).any()
    for name in ("open", "high", "low"):
        values = np.array([getattr(batch, name) for batch in found])
        assert (np.isnan(values) == halted).all()
        assert (values[~halted] - closes[~halted]).tolist() == [
            {"open": 0.0, "high": 1.0, "low": -1.0}[name]
        ] * 13
    # A feature is the row's own value, as in signals.
    assert np.array([batch.features["open"] for batch in found]).tolist() == closes.tolist()
    assert found[4].features["volume"][2] == 0.0


def test_without_a_volume_no_bar_is_halted() -> None:
    (first, *_) = seen(Catalog().register("prices", prices()))

    assert first.open.tolist() == first.close.tolist()


# -- features of the loop ------------------------------------------------------------------


def test_optional_features_come_where_some_source_has_them() -> None:
    wanted = ("limit_up", "limit_down")
    flags = [True, None, False] * 5
    catalog = Catalog().register("prices", prices(Limit_Up=flags))
    first = next(seen(catalog, optional_features=wanted))
    assert {name: values.tolist() for name, values in first.features.items()} == {
        "limit_up": pytest.approx([1.0, NAN, 0.0], nan_ok=True)
    }


@pytest.mark.parametrize("missing", [None, (3, "MSFT")], ids=["exact", "as of"])
@pytest.mark.parametrize("cells", [1, 6, 1 << 19])
def test_there_is_no_signal_without_a_bar(cells: int, missing: tuple[int, str] | None) -> None:
    """AAPL has no bar on day 2, but a row of features."""
    keys = [(t, a) for t in range(5) for a in ASSETS if (t, a) != missing]
    features = {
        "timestamp": [DAYS[t] for t, _ in keys],
        "asset_id": [asset for _, asset in keys],
        "score": [float(t) for t, _ in keys],
    }
    catalog = Catalog().register("prices", without_a_bar()).register("features", features)
    found = [
        batch.features["score"][0] for batch in seen(catalog, cells=cells, features=("score",))
    ]
    assert found == pytest.approx([0, 1, NAN, 3, 4], nan_ok=True)


def test_an_unknown_feature_is_refused_with_the_nearest_name() -> None:
    catalog = Catalog().register("prices", prices(volume=[1.0] * 15, name=["a"] * 15))

    with pytest.raises(ConfigError, match=r"feature 'volum'; did you mean 'volume'\?"):
        next(seen(catalog, features=("volum",)))
    with pytest.raises(ConfigError, match="feature 'name' is of type VARCHAR, not a number"):
        next(seen(catalog, features=("name",)))
    with pytest.raises(ConfigError, match="not a number"):
        next(seen(catalog, optional_features=("name",)))


@pytest.mark.parametrize("cells", [1, 6, 1 << 19])
def test_a_market_column_is_the_same_for_every_asset(cells: int) -> None:
    context = {"timestamp": [DAYS[1], DAYS[3]], "vix": [13.0, None], "calm": [True, False]}
    catalog = Catalog().register("prices", prices()).register("context", context)

    found = list(seen(catalog, cells=cells, features=("vix", "calm")))

    rows = [batch.features["vix"].tolist() for batch in found]
    assert rows[1:3] == [[13.0] * 3] * 2
    assert np.isnan([rows[0], *rows[3:]]).all()
    assert found[4].features["calm"].tolist() == [0.0] * 3


def test_what_the_engine_reads_itself_is_read_from_signals() -> None:
    context = {"timestamp": DAYS, "volume": [1.0] * 5}
    catalog = Catalog().register("prices", prices(volume=[9.0] * 15))
    catalog.register("context", context)

    assert next(seen(catalog, own_features=("volume",))).features["volume"].tolist() == [9.0] * 3


@pytest.mark.parametrize("cells", [1, 6, 1 << 19])
def test_membership_is_a_feature_where_there_is_a_universe(cells: int) -> None:
    table = prices().take([0, 1, *range(3, 15)])  # TSLA has no first bar
    intervals = {
        "asset_id": ["AAPL", "AAPL", "AAPL", "TSLA", "GOOG"],
        "start_date": [DAYS[0], DAYS[0], DAYS[4], date(2023, 1, 1), DAYS[0]],
        "end_date": [DAYS[2], DAYS[1], None, date(2024, 1, 7), None],
    }
    catalog = Catalog().register("prices", table).register("universe", intervals)

    found = list(seen(catalog, cells=cells, features=("is_member",)))

    view = catalog.sql("select timestamp, asset_id, is_member from signals").fetchall()
    assert len(view) == 14
    for stamp, asset, member in view:
        value = found[DAYS.index(stamp)].features["is_member"][ASSETS.index(asset)]
        assert value == float(member)
    assert math.isnan(found[0].features["is_member"][2])


def test_without_a_ranking_no_bar_has_a_selection() -> None:
    prepared = Catalog().register("prices", prices()).validate()
    plan = plan_batches(prepared, has_levels=False, features=())

    (chunk,) = batches(plan, None, prepared)
    assert [batch.selection for batch in chunk.batches()] == [None] * 5


def test_water_marks_read_highs_and_lows_where_there_are_any() -> None:
    both = next(seen(Catalog().register("prices", prices()), has_rules=True))
    neither = next(
        seen(Catalog().register("prices", prices().drop_columns(["high", "low"])), has_rules=True)
    )

    assert both.high is not None
    assert both.low is not None
    assert neither.high is None
    assert neither.low is None


# -- conditions ----------------------------------------------------------------------------


def rich_catalog() -> Catalog:
    """Sources of every kind, with gaps, late rows, NULLs, text, flags and halted bars."""
    n = 15
    table = prices(
        volume=pa.array([0, 5, None, *range(12)], pa.int64()),
        small=pa.array([0.1, 0.2, None, *[0.1] * 12], pa.float32()),
        limit_up=[True, False, None] * 5,
        grade=["a", "b", None] * 5,
        price=pa.array([f"{i}.25" for i in range(n)]).cast(pa.decimal128(9, 2)),
    ).take([i for i in range(n) if i not in (2, 10)])
    return (
        Catalog(threads=2)
        .register("prices", table)
        .register("features", {
            "timestamp": [DAYS[0], DAYS[0], DAYS[2], DAYS[3], DAYS[4]],
            "asset_id": ["AAPL", "MSFT", "AAPL", "TSLA", "MSFT"],
            "rsi": [80.0, None, 20.0, 71.0, 90.0],
            "sector": ["Tech", "Tech", None, "Autos", "Tech"],
            "report": [DAYS[1], None, DAYS[4], DAYS[4], DAYS[4]],
        })
        .register("features", {
            "timestamp": DAYS, "asset_id": ["TSLA"] * 5, "quality": [1, 2, None, 4, 5],
        }, name="more", lag="1 day", max_age="1 day")
        .register("context", {
            "timestamp": DAYS[1:4], "vix": [13.0, 31.0, None], "regime": ["bull", "bear", None],
            "cell": [1, 2, 3],
        })
        .register("borrow", {
            "timestamp": [DAYS[0], DAYS[2]], "asset_id": ["AAPL", "AAPL"], "fee": [0.01, 0.3],
            "available": [True, False],
        })
        .register("universe", {
            "asset_id": ["AAPL", "TSLA"], "start_date": [DAYS[0], DAYS[1]],
            "end_date": [DAYS[3], None],
        })
    )  # fmt: skip


CONDITIONS = [
    "close > 15",
    "open < high and volume % 2 = 0",
    "volume / 2 > 2 -- half",
    "open >= low and volume = 0",
    "small = 0.1::float",
    "limit_up",
    "not limit_up or close > 20",
    "price > 7.2",
    "rsi > 70",
    "rsi > 70 and vix < 30",
    "rsi is null",
    "coalesce(rsi, 50) > 70 or quality >= 4",
    "quality + rsi > 75",
    "vix > 30",
    "regime = 'bear'",
    "cell = 2",
    "regime is distinct from 'bull' and close < 18",
    "signals.close > market.vix",
    "borrow_fee > 0.1",
    "not borrow_available",
    "is_member",
    "not is_member and close > 12",
    "timestamp >= date '2024-01-04'",
    "asset_id = 'TSLA'",
    "asset_id like 'A%' and timestamp > date '2024-01-03' and rsi < 30",
    "true",
    "null::boolean",
    # Text and times per asset.
    "sector = 'Tech'",
    "sector is null and close > 11",
    "sector = 'Tech' and regime = 'bear' and is_member and grade = 'a'",
    "report <= timestamp",
    "grade in ('a') and asset_id = 'AAPL' and borrow_fee > 0",
    "lower(sector) like 't%' or limit_up",
]


def expected_conditions(catalog: Catalog, text: str) -> dict[tuple[date, str], object]:
    rows = catalog.sql(
        f"""
        select signals.timestamp, signals.asset_id, ({text}
        )::integer
        from signals inner join (
            select timestamp as bar, * exclude (timestamp) from market
        ) as market on signals.timestamp = market.bar
        """
    ).fetchall()
    return {(stamp, asset): value for stamp, asset, value in rows}


@pytest.mark.parametrize("cells", [1, 7, 1 << 19])
def test_conditions_equal_the_sql_of_signals_on_every_row(cells: int) -> None:
    catalog = rich_catalog()

    found = list(seen(catalog, cells=cells, conditions=tuple(CONDITIONS)))

    for text in CONDITIONS:
        expected = expected_conditions(catalog, text)
        assert len(expected) == 13
        values = {
            (day, asset): None if math.isnan(value) else int(value)
            for day, batch in zip(DAYS, found, strict=True)
            for asset, value in zip(ASSETS, batch.features[text].tolist(), strict=True)
        }
        for key, value in values.items():
            assert value == expected.get(key), (text, key)


@pytest.mark.parametrize("text", ["rsi > 70", "rsi > 70 and sector = 'Tech'", "vix > 30"])
def test_a_nan_is_missing_in_a_condition(text: str) -> None:
    # In DuckDB NaN is above every number: an unguarded rsi would be above 70.
    catalog = Catalog().register("prices", prices())
    catalog.register(
        "features",
        {"timestamp": DAYS[:2], "asset_id": ["AAPL"] * 2, "rsi": [NAN, 80.0],
         "sector": ["Tech"] * 2},
    ).register("context", {"timestamp": DAYS[:2], "vix": [NAN, 31.0]})  # fmt: skip

    first, second, *_ = seen(catalog, conditions=(text,))
    assert math.isnan(first.features[text][0])
    assert second.features[text][0] == 1.0


def test_a_condition_reads_a_column_that_nobody_else_asked_for() -> None:
    text = "rsi > 70"
    (first, *_) = seen(rich_catalog(), conditions=(text,), features=("quality",))

    assert set(first.features) == {"quality", text}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rsi > avg(rsi) over (partition by timestamp)", "has the window .*one asset at one bar"),
        ("lead(rsi) over (partition by timestamp order by asset_id) > 1", "has the window"),
        ("avg(rsi) > 50", "has the aggregate .*as a feature"),
        ("rsii > 70", r"names unknown column 'rsii'; did you mean 'rsi'\?"),
        ("market.rsi > 70", "names unknown column"),
        ("rsi > 70; select 1", "single SQL expression"),
        ("rsi >", "does not parse"),
        ("(select max(rsi) from signals) > 70", "no subquery"),
        ("random() > 0.5", "could not be repeated"),
        ("timestamp < now()", "reads the clock or the session and is not a value of the row"),
        ("random() < 0.5", "not a value of the row"),
        ("rsi", "is of type DOUBLE; a condition is true or false"),
        ("rsi + sector", "cannot be used"),
        ("t > 3", "names unknown column 't'"),
    ],
)
def test_a_condition_that_cannot_be_is_refused_before_the_run(text: str, says: str) -> None:
    prepared = rich_catalog().validate()

    with pytest.raises(ExpressionError, match=says) as error:
        plan_batches(prepared, has_levels=False, features=(), conditions=("close > 1", text))
    assert error.value.expression == text


def test_a_condition_that_fails_on_the_data_names_itself() -> None:
    catalog = Catalog().register("prices", prices(grade=["a"] * 15))

    with pytest.raises(ExpressionError, match="failed on the data"):
        list(seen(catalog, conditions=("grade::integer > 1",)))


# -- borrow --------------------------------------------------------------------------------


def test_columns_of_borrow_carry_its_name_in_signals() -> None:
    rows = {"Timestamp": [DAYS[0]], "asset_id": ["AAPL"], "FEE": [1], "shares": [500]}
    catalog = Catalog().register("prices", prices()).register("borrow", rows, lag="1 day")

    names = catalog.sql("select * from signals").columns
    assert names[-2:] == ["borrow_fee", "borrow_shares"]
    assert catalog.sql(
        "select borrow_fee from signals where asset_id = 'AAPL' order by timestamp"
    ).fetchall() == [(None,), *[(1.0,)] * 4]


@pytest.mark.parametrize("cells", [1, 6, 1 << 19])
@pytest.mark.parametrize(
    ("max_age", "expected"),
    [(None, [0.2, NAN, 0.3, NAN, 0.6]), ("1 day", [NAN, NAN, 0.3, NAN, 0.6])],
)
def test_what_lenders_said_is_there_once_whether_or_not_there_is_a_bar(
    cells: int, max_age: str | None, expected: list[float]
) -> None:
    """The newest since the bar before: 2023, day 2 without a bar, and a weekend."""
    rows = {
        "timestamp": [date(2023, 12, 1), date(2023, 12, 31), DAYS[2], date(2024, 1, 6),
                      date(2024, 1, 7), date(2024, 1, 9)],
        "asset_id": ["AAPL"] * 6,
        "fee": [0.1, 0.2, 0.3, 0.5, 0.6, 0.7],
        "available": [True, True, False, True, None, True],
    }  # fmt: skip
    catalog = Catalog().register("prices", without_a_bar())
    catalog.register("borrow", rows, max_age=max_age)

    found = list(seen(catalog, cells=cells, has_shorts=True))
    assert [one.lending["fee"][0] for one in found] == pytest.approx(expected, nan_ok=True)
    assert [one.lending["available"][0] for one in found[2:]] == pytest.approx(
        [0, NAN, NAN], nan_ok=True
    )
    assert all(math.isnan(one.lending["fee"][1]) for one in found)
    assert [dict(one.lending) for one in seen(catalog)] == [{}] * 5  # nobody can be short


def test_a_feature_of_the_name_of_a_borrow_column_is_refused() -> None:
    catalog = Catalog().register("prices", prices(borrow_fee=[0.1] * 15))
    catalog.register("borrow", {"timestamp": [DAYS[0]], "asset_id": ["AAPL"], "fee": [0.2]})

    with pytest.raises(DataError, match="has a column 'borrow_fee', and so has 'prices'"):
        catalog.validate()


# -- registration --------------------------------------------------------------------------

ROWS: Mapping[str, dict[str, list[object]]] = {
    "actions": {"asset_id": ["AAPL"], "ex_date": [DAYS[0]], "kind": ["split"], "value": [2]},
    "assets": {"asset_id": ["AAPL"], "sector": ["Tech"]},
    "borrow": {"timestamp": [DAYS[0]], "asset_id": ["AAPL"], "fee": [0.01]},
}


@pytest.mark.parametrize("role", ROWS)
def test_there_is_one_source_of_each_kind_of_terms(role: str) -> None:
    catalog = Catalog().register("prices", prices()).register(role, ROWS[role])  # type: ignore[arg-type]

    with pytest.raises(ConfigError, match=role):
        catalog.register(role, ROWS[role])  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=f"one {role} source, under its own name"):
        catalog.register(role, ROWS[role], name="more")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="kept by the engine"):
        Catalog().register("features", ROWS["borrow"], name=role)


@pytest.mark.parametrize("role", ["actions", "assets"])
def test_actions_and_assets_take_no_lag(role: str) -> None:
    with pytest.raises(ConfigError, match=f"{role} take no lag or max_age"):
        Catalog().register(role, ROWS[role], lag="1 day")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("role", "column", "value", "says"),
    [
        ("actions", "ex_date", "02/01/2024", "must be a DATE or TIMESTAMP"),
        ("actions", "pay_date", 20240102, "must be a DATE or TIMESTAMP"),
        ("actions", "kind", 1, "must be text"),
        ("actions", "value", "2", "must be a number"),
        ("assets", "lot_size", "100", "must be a number"),
        ("borrow", "fee", "1%", "must be a number"),
        ("borrow", "available", 1, "must be a BOOLEAN"),
    ],
)
def test_a_column_of_another_type_is_refused(
    role: str, column: str, value: object, says: str
) -> None:
    with pytest.raises(DataError, match=f"'{column}' of type .*{says}"):
        Catalog().register(role, ROWS[role] | {column: [value]})  # type: ignore[arg-type]


@pytest.mark.parametrize(("role", "column"), [("actions", "kind"), ("borrow", "fee")])
def test_a_missing_column_of_the_terms_is_refused(role: str, column: str) -> None:
    rows = {name: values for name, values in ROWS[role].items() if name != column}

    with pytest.raises(DataError, match=f"has no column '{column}'"):
        Catalog().register(role, rows)  # type: ignore[arg-type]


@pytest.mark.parametrize("column", ["asset_id", "new_asset_id"])
def test_assets_of_actions_are_spelled_as_those_of_prices(column: str) -> None:
    rows = ROWS["actions"] | {column: [17]}
    catalog = Catalog().register("prices", prices()).register("actions", rows)

    with pytest.raises(DataError, match=f"has {column} of type .* next to prices with VARCHAR"):
        catalog.validate()


def test_describe_tells_the_terms_too() -> None:
    catalog = Catalog().register("prices", prices())
    for role, rows in ROWS.items():
        catalog.register(role, rows)  # type: ignore[arg-type]

    facts = {
        record["source"]: (
            record["n_rows"], record["n_assets"], record["first_timestamp"], record["known_at"],
        )
        for record in catalog.describe()[1:]
    }  # fmt: skip
    assert facts == {
        "actions": (1, 1, DAYS[0], "ex_date"),
        "assets": (1, 1, None, None),
        "borrow": (1, 1, DAYS[0], "timestamp"),
    }
    assert [entry["role"] for entry in catalog.fingerprints()[1:]] == list(ROWS)


def test_terms_registered_after_a_query_count() -> None:
    catalog = Catalog().register("prices", prices())
    assert catalog.actions() == []

    catalog.register("actions", ROWS["actions"])

    assert [action.value for action in catalog.actions()] == [2.0]
