"""SQLStrategy: a query says what to hold, from the rows of one timestamp alone."""

from __future__ import annotations

import math
from datetime import date, timedelta

import pyarrow as pa
import pytest

from effort import long, some
from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    BacktestResult,
    Catalog,
    ConfigError,
    DataError,
    ExpressionError,
    MarginAccount,
    Ranking,
    SQLStrategy,
    TopN,
)
from ml4t.backtest.core.batch import Selection
from ml4t.backtest.core.selecting import Query
from ml4t.backtest.data.selection.query_plan import plan_query
from ml4t.backtest.data.stream.batches import batches, plan_batches
from ml4t.backtest.strategies.sizers import FixedSizer

START = date(2024, 1, 1)
N_BARS, N_ASSETS = 12, 6
ASSETS = [chr(ord("A") + i) for i in range(N_ASSETS)]


def market(n_bars: int = N_BARS, n_assets: int = N_ASSETS) -> dict[str, dict[str, list[object]]]:
    """Prices, features and context in which no two scores of a bar are alike."""
    cells = [(t, i) for t in range(n_bars) for i in range(n_assets)]
    days = [START + timedelta(days=t) for t in range(n_bars)]
    closes = [50 + 10 * math.sin(1.7 * i + 0.9 * t) + t for t, i in cells]
    return {
        "prices": {
            "timestamp": [days[t] for t, _ in cells],
            "asset_id": [chr(ord("A") + i) if n_assets < 27 else f"{i:04}" for _, i in cells],
            "open": [close * 1.001 for close in closes],
            "close": closes,
        },
        "features": {
            "timestamp": [days[t] for t, _ in cells],
            "asset_id": [chr(ord("A") + i) if n_assets < 27 else f"{i:04}" for _, i in cells],
            "ml_score": [math.sin(2.3 * i + 1.1 * t) for t, i in cells],
            "atr": [None if (i + t) % 5 == 0 else 1.0 + i for t, i in cells],
            "sector": [None if i == 5 else "xy"[i % 2] for _, i in cells],
        },
        "context": {
            "timestamp": days,
            "vix": [40.0 if t % 4 == 3 else 20.0 for t in range(n_bars)],
            "breadth": [0.1 * t for t in range(n_bars)],
        },
    }


def catalog_of(
    sources: dict[str, dict[str, list[object]]] | None = None, *, threads: int | None = None
) -> Catalog:
    catalog = Catalog(threads=threads)
    for role, rows in (sources or market()).items():
        catalog.register(role, rows)  # type: ignore[arg-type]
    return catalog


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return catalog_of()


@pytest.fixture(scope="module")
def past() -> Catalog:
    """The same rows without the last half of the bars."""
    return catalog_of(market(N_BARS // 2))


def selections(
    catalog: Catalog, query: Query, *, cells: int = 1 << 19, long_only: bool = False
) -> dict[int, Selection]:
    prepared = catalog.validate()
    plan = plan_query(query, prepared, long_only=long_only)
    chunks = batches(
        plan_batches(prepared, has_levels=False, features=()), plan, prepared, chunk_cells=cells
    )
    return {t: found for chunk in chunks for t, found in chunk.selections.items()}


def rows(found: dict[int, Selection]) -> dict[int, list[tuple[int, float, float]]]:
    return {
        t: [
            (sid, amount, -1.0 if score != score else score)
            for sid, amount, score in zip(
                one.sids.tolist(),
                (one.weights if one.amounts is None else one.amounts).tolist(),
                one.scores.tolist(),
                strict=True,
            )
        ]
        for t, one in found.items()
    }


def held(catalog: Catalog, text: str, **spec: object) -> dict[int, str]:
    """The assets named per bar, such as ``{1: "BA"}``; bars from 1."""
    found = selections(catalog, Query(text=text, **spec))  # type: ignore[arg-type]
    return {t + 1: "".join(ASSETS[sid] for sid in one.sids) for t, one in found.items()}


def check(catalog: Catalog, text: str, **spec: object) -> None:
    plan_query(Query(text=text, **spec), catalog.prepare())  # type: ignore[arg-type]


def run(catalog: Catalog, strategy: TopN | SQLStrategy, **settings: object) -> BacktestResult:
    return BacktestEngine(catalog, strategy, **settings).run()  # type: ignore[arg-type]


def trades(result: BacktestResult) -> list[tuple[object, ...]]:
    return result.sql("select * exclude (run_id) from trades order by trade_id").fetchall()


RANKING = Ranking(n=3, by="ml_score", where="atr is not null", when="vix <= 30", every=2)
PLAIN = "select timestamp, asset_id, weight from ranked"
OVER_SIGNALS = """
    select
        signals.timestamp,
        asset_id,
        1.0 / 3 as weight,
        ml_score as score,
        row_number() over (partition by signals.timestamp order by ml_score desc) as rank
    from signals
    inner join market using (timestamp)
    where atr is not null and isfinite(ml_score) and vix <= 30
    qualify rank <= 3 -- the best
"""

# -- the twin of TopN ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "strategy",
    [SQLStrategy(PLAIN, ranking=RANKING), SQLStrategy(OVER_SIGNALS, every=2)],
    ids=["over ranked", "over signals"],
)
def test_a_query_that_says_what_top_n_says_trades_as_it_does(
    strategy: SQLStrategy, catalog: Catalog
) -> None:
    top_n = run(catalog, TopN(3, by="ml_score", where="atr is not null", when="vix <= 30", every=2))
    sql = run(catalog, strategy)

    assert trades(sql) == trades(top_n)
    assert len(trades(sql)) > 5
    for table in ("selections", "equity"):
        query = f"select * exclude (run_id) from {table} order by all"
        assert sql.sql(query).fetchall() == top_n.sql(query).fetchall()


def test_a_bar_without_rows_is_no_decision_and_weights_of_zero_leave(catalog: Catalog) -> None:
    text = """
        select timestamp, asset_id, case when day(timestamp) = 5 then 0 else 1 end as weight
        from signals where asset_id = 'B' and day(timestamp) in (2, 5)
    """
    result = run(catalog, SQLStrategy(text))

    found = result.sql("select entry_timestamp, exit_timestamp from trades").fetchall()
    assert found == [(date(2024, 1, 3), date(2024, 1, 6))]


def test_a_quantity_is_what_is_held_and_what_is_not_named_is_closed(catalog: Catalog) -> None:
    text = """
        select timestamp, asset_id, case when asset_id = 'A' then 7 else 3 end as quantity
        from signals where asset_id = 'A' or asset_id = 'B' and day(timestamp) <= 3
    """
    result = run(catalog, SQLStrategy(text))

    found = result.sql(
        "select asset_id, quantity, count(*) from positions group by all order by all"
    ).fetchall()
    assert found == [("A", 7.0, 11), ("B", 3.0, 3)]
    # Named for its shares, not for a share of equity.
    assert result.sql("select count(weight) from selections").fetchall() == [(0,)]


def test_a_signal_enters_where_flat_and_leaves(catalog: Catalog) -> None:
    text = """
        select timestamp, asset_id,
            case day(timestamp) when 2 then 1 when 3 then 5 when 6 then -1 when 7 then null end
            as signal
        from signals where asset_id in ('A', 'C')
    """
    result = run(catalog, SQLStrategy(text, position_sizer=FixedSizer(10)))

    found = result.sql(
        "select asset_id, quantity, entry_timestamp, exit_timestamp from trades order by 1"
    ).fetchall()
    days = (date(2024, 1, 3), date(2024, 1, 7))
    assert found == [("A", 10.0, *days), ("C", 10.0, *days)]


def test_a_signal_needs_a_sizer_and_a_weight_takes_none(catalog: Catalog) -> None:
    text = "select timestamp, asset_id, 1 as signal from signals"
    with pytest.raises(ExpressionError, match="needs a position_sizer"):
        run(catalog, SQLStrategy(text))
    with pytest.raises(ExpressionError, match="position_sizer is for a signal"):
        run(catalog, SQLStrategy(PLAIN, ranking=RANKING, position_sizer=FixedSizer(1)))


def test_rows_are_in_the_order_of_rank_else_of_the_ranking_else_of_weight(
    catalog: Catalog,
) -> None:
    by_letter = "select timestamp, asset_id, {} as weight{} from signals where asset_id < 'D'"

    first = {
        name: held(catalog, by_letter.format(weight, rank))[1]
        for name, weight, rank in [
            ("rank", "ascii(asset_id)", ", -ascii(asset_id) as rank"),
            ("weight", "ascii(asset_id)", ""),
            ("asset", "1", ""),
        ]
    }
    assert first == {"rank": "CBA", "weight": "CBA", "asset": "ABC"}
    ranked = held(catalog, "select timestamp, asset_id, 1 as weight from ranked", ranking=RANKING)
    assert ranked == held(catalog, PLAIN, ranking=RANKING)


def test_signals_has_the_members_of_the_universe_alone() -> None:
    catalog = catalog_of().register(
        "universe", {"asset_id": ["A", "C"], "start_date": [START] * 2, "end_date": [None] * 2}
    )

    text = "select timestamp, asset_id, 0.1 as weight from signals where is_member"
    assert set(held(catalog, text).values()) == {"AC"}


# -- one timestamp at a time -----------------------------------------------------------------

LOCAL = {
    "a ranking": (PLAIN, RANKING),
    "a star": ("select * from ranked", RANKING),
    "a star without a column": (
        "select * exclude (weight, close, sector), 1.0 / rank as weight from ranked", RANKING,
    ),
    "over signals": (OVER_SIGNALS, None),
    "a semicolon": ("select timestamp, asset_id, 0.1 as weight from signals;", None),
    "upper case": ("SELECT S.TIMESTAMP, ASSET_ID, 0.1 AS WEIGHT FROM SIGNALS AS S", None),
    "groups and a join": (
        """
        with by_sector as (
            select timestamp, sector, avg(close) filter (where close > 1) as mean, count(*) as n
            from signals where sector is not null group by timestamp, sector having count(*) > 1
        )
        select s.timestamp, s.asset_id, close / mean / 100 as weight
        from signals as s inner join by_sector as g
            on s.timestamp = g.timestamp and s.sector = g.sector
        """, None,
    ),
    "a left join": (
        """
        select signals.timestamp, asset_id, coalesce(ranked.weight, 0.01) as weight
        from signals left join ranked using (timestamp, asset_id)
        """, RANKING,
    ),
    "a semi and an anti join": (
        """
        select timestamp, asset_id, 0.1 as weight from signals semi join ranked
        using (timestamp, asset_id)
        union all
        select timestamp, asset_id, -0.1 from signals anti join ranked using (timestamp, asset_id)
        """, RANKING,
    ),
    "ctes of ctes": (
        """
        with a as (with b as (select * from signals) select * from b where close > 50),
        c as materialized (select timestamp, sum(close) as total from a group by timestamp)
        select a.timestamp, a.asset_id, a.close / c.total as weight
        from a left join c on c.timestamp = a.timestamp
        """, None,
    ),
    "windows": (
        """
        select timestamp, asset_id,
            sum(close) over (partition by timestamp, sector order by round(close, -1)) / 1e4
            + ntile(3) over (partition by timestamp order by atr) / 100
            + last_value(close) over (partition by timestamp order by round(close, -1)) / 1e5
            as weight
        from signals
        """, None,
    ),
    "a fan out": (
        """
        select a.timestamp, a.asset_id, avg(a.close - b.close) / 1000 as weight
        from signals as a inner join signals as b using (timestamp)
        group by a.timestamp, a.asset_id
        """, None,
    ),
    "a set without rows of the other": (
        """
        select timestamp, asset_id, 0.1 as weight from signals
        except select timestamp, asset_id, 0.1 from ranked
        """, RANKING,
    ),
    "lists": (
        """
        with l as (select timestamp, list(asset_id) as all_of, arg_max(asset_id, ml_score) as best
                   from signals group by timestamp)
        select timestamp, asset_id, 0.01 * list_position(all_of, asset_id)
            + (asset_id = best)::integer as weight
        from signals inner join l using (timestamp)
        """, None,
    ),
    "distinct": ("select distinct timestamp, 'A' as asset_id, 0.5 as weight from signals", None),
    "a star of the market": (
        "with m as (select * from market union all select timestamp, vix * 2, breadth from market) "
        "select timestamp, 'B' as asset_id, sum(vix + breadth / 7) / 1e4 as weight from m "
        "group by timestamp", None,
    ),
    "nothing but the market": (
        "select timestamp, 'B' as asset_id, vix / 100 as weight from market", None,
    ),
    "an order": ("select * from ranked order by timestamp desc, rank", RANKING),
}  # fmt: skip


@pytest.mark.parametrize("name", LOCAL)
def test_what_is_selected_does_not_change_when_the_future_is_cut(
    name: str, catalog: Catalog, past: Catalog
) -> None:
    text, ranking = LOCAL[name]
    whole = rows(selections(catalog, Query(text=text, ranking=ranking)))
    short = rows(selections(past, Query(text=text, ranking=ranking)))

    assert short == {t: found for t, found in whole.items() if t < N_BARS // 2}
    assert short


@pytest.mark.parametrize("name", LOCAL)
def test_what_is_selected_does_not_depend_on_the_size_of_eras(name: str, catalog: Catalog) -> None:
    text, ranking = LOCAL[name]
    query = Query(text=text, ranking=ranking)

    assert rows(selections(catalog, query, cells=1)) == rows(selections(catalog, query))


@long
def test_what_is_selected_depends_on_neither_threads_nor_the_order_of_rows() -> None:
    sources = market(6, 1500)
    backwards = {
        role: pa.table(columns).take(list(range(len(columns["timestamp"]) - 1, -1, -1)))
        for role, columns in sources.items()
    }
    catalogs = [
        catalog_of(data, threads=threads)  # type: ignore[arg-type]
        for data, threads in some(((sources, 1), (sources, 4), (backwards, 3)), 2)
    ]
    ranking = Ranking(n=400, by="round(ml_score, 1)", weight="0.001")
    for name, (text, wants) in LOCAL.items():
        query = Query(text=text.replace("'A'", "'0001'").replace("'B'", "'0002'"),
                      ranking=ranking if wants else None)  # fmt: skip
        first, *others = [
            rows(selections(catalog, query))
            for catalog in catalogs
            if name != "a fan out"  # quadratic in the assets
        ] or [{}]
        assert all(other == first for other in others), name


@pytest.fixture(scope="module")
def wide() -> Catalog:
    """701 assets over 20 bars, with numbers of any size: sums of them show their order."""
    cells = [(t, i) for t in range(20) for i in range(701)]
    closes = [(1 + math.sin(i * 1.7 + t * 0.3) ** 2) * 10.0 ** (i % 7 - 3) for t, i in cells]
    return Catalog(threads=1).register("prices", {
        "timestamp": [START + timedelta(days=t) for t, _ in cells],
        "asset_id": [i for _, i in cells], "open": closes, "close": closes,
    })  # fmt: skip


@pytest.mark.parametrize(
    "window",
    [
        "avg(close) over (partition by timestamp order by round(close, 1) rows 20 preceding)",
        "sum(close) over (partition by timestamp order by asset_id rows 20 preceding)",
        "sum(close) over (partition by timestamp order by asset_id desc rows 20 preceding)",
        "sum(close) over (partition by timestamp rows 20 preceding)",
        "sum(close) over (partition by timestamp order by asset_id)",
        "sum(close) filter (where asset_id <> 7) over (partition by timestamp order by asset_id "
        "desc rows unbounded preceding)",
        "sum(distinct close) over (partition by timestamp, asset_id % 5)",
    ],
)
def test_a_window_adds_up_to_the_last_digit_alike_whatever_other_bars_there_are(
    window: str, wide: Catalog
) -> None:
    query = Query(text=f"select timestamp, asset_id, {window} as weight from signals")
    whole = selections(wide, query)

    assert rows(selections(wide, query, cells=1)) == rows(whole)
    assert len(whole) == 20


def test_a_window_of_a_range_without_an_order_is_the_whole_timestamp(catalog: Catalog) -> None:
    window = "sum(1) over (partition by timestamp range between unbounded preceding and current "
    text = f"select timestamp, asset_id, {window} row) as weight from signals"

    assert {one.weights.tolist() == [N_ASSETS] * N_ASSETS
            for one in selections(catalog, Query(text=text)).values()} == {True}  # fmt: skip


REFUSED = {
    "an exclude": (
        "select timestamp, asset_id, sum(close) over (partition by timestamp order by close "
        "rows unbounded preceding exclude current row) as weight from signals",
        r"has an exclude in the frame of sum\(\)",
    ),
    "a window of its own": (
        "select timestamp, asset_id, max(close) over () / 1e9 as weight from signals",
        "leaves its timestamp",
    ),
    "a window over an asset": (
        "select timestamp, asset_id, max(close) over (partition by asset_id) as weight "
        "from signals", "looks ahead",
    ),
    "a window by name": (
        "select timestamp, asset_id, max(close) over w as weight from signals "
        "window w as (partition by asset_id)", "may not have windows",
    ),
    "lead": (
        "select timestamp, asset_id, lead(close) over (partition by timestamp order by close) "
        "as weight from signals", "looks ahead",
    ),
    "a window behind a left join": (
        "select a.timestamp, a.asset_id, count(*) over (partition by b.timestamp) as weight "
        "from signals as a left join ranked as b using (timestamp, asset_id)",
        "leaves its timestamp",
    ),
    "a group without its timestamp": (
        "with m as (select asset_id, max(close) as top, max(timestamp) as timestamp from signals "
        "group by asset_id) select timestamp, asset_id, top as weight from m",
        "aggregates over all timestamps",
    ),
    "a group behind a left join": (
        "with m as (select b.timestamp, count(*) as n from signals as a left join ranked as b "
        "using (timestamp, asset_id) group by b.timestamp) "
        "select timestamp, asset_id, n as weight from signals join m using (timestamp)",
        "aggregates over all timestamps",
    ),
    "a rollup": (
        "select timestamp, asset_id, sum(close) as weight from signals "
        "group by rollup (timestamp, asset_id)", "groups by more than columns",
    ),
    "group by all": (
        "select timestamp, asset_id, sum(close) as weight from signals group by all",
        "groups by more than columns",
    ),
    "a timestamp that is moved": (
        "select timestamp - interval 1 day as timestamp, asset_id, 1 as weight from signals",
        "must be the timestamp of the row",
    ),
    "a timestamp that is moved in a cte": (
        "with b as (select timestamp - interval 1 day as timestamp, asset_id, close from signals) "
        "select timestamp, asset_id, close as weight from b",
        "must be the timestamp of the row",
    ),
    "another column as timestamp": (
        "with b as (select close as timestamp, timestamp as day, asset_id from signals) "
        "select timestamp, asset_id, 1 as weight from b", "must be the timestamp of the row",
    ),
    "a star that replaces it": (
        "with b as (select * replace (timestamp - interval 1 day as timestamp) from signals) "
        "select timestamp, asset_id, close as weight from b", "a star can exclude",
    ),
    "no timestamp": ("select asset_id, 1 as weight from signals", "does not yield timestamp"),
    "places that differ": (
        "select timestamp, asset_id, 1 as weight, timestamp as day from signals union all "
        "select timestamp as day, asset_id, 1, timestamp from signals",
        "twice|must be the timestamp|different places",
    ),
    "a union by name": (
        "select timestamp, asset_id, 1 as weight from signals union all by name "
        "select asset_id, timestamp, 1 as weight from signals", "may not have by_name",
    ),
    "a join without its timestamp": (
        "select a.timestamp, a.asset_id, b.close as weight from signals as a "
        "join signals as b using (asset_id)", "without its timestamp",
    ),
    "a join in which the timestamps may differ": (
        "select a.timestamp, a.asset_id, 1 as weight from signals as a join signals as b "
        "on a.timestamp = b.timestamp or a.close = b.close", "without its timestamp",
    ),
    "a join on a later timestamp": (
        "select a.timestamp, a.asset_id, b.close as weight from signals as a join signals as b "
        "on a.asset_id = b.asset_id and b.timestamp > a.timestamp", "without its timestamp",
    ),
    "a comma": ("select a.timestamp, 'A' as asset_id, 1 as weight from signals as a, market as b",
                "without its timestamp"),
    "a cross join": (
        "select a.timestamp, a.asset_id, 1 as weight from signals as a cross join market",
        "cross join",
    ),
    "an asof join": (
        "select a.timestamp, a.asset_id, 1 as weight from signals as a asof join signals as b "
        "using (asset_id, timestamp)", "asof join",
    ),
    "a right join": (
        "select b.timestamp, b.asset_id, 1 as weight from signals as a right join signals as b "
        "using (timestamp)", "right join",
    ),
    "a full join": (
        "select timestamp, asset_id, 1 as weight from signals full join ranked "
        "using (timestamp, asset_id)", "full join",
    ),
    "a natural join": (
        "select timestamp, asset_id, 1 as weight from signals natural join market", "natural",
    ),
    "a positional join": (
        "select signals.timestamp, asset_id, 1 as weight from signals positional join market",
        "positional",
    ),
    "a scalar subquery": (
        "select timestamp, asset_id, (select max(close) from signals) as weight from signals",
        "no subquery",
    ),
    "exists": (
        "select timestamp, asset_id, 1 as weight from signals where exists (select 1 from market)",
        "no subquery",
    ),
    "in a subquery": (
        "select timestamp, asset_id, 1 as weight from signals "
        "where asset_id in (select asset_id from signals)", "no subquery",
    ),
    "a subquery in from": (
        "select timestamp, asset_id, 1 as weight from (select * from signals)", "its own CTEs",
    ),
    "lateral": (
        "select timestamp, asset_id, 1 as weight from signals, lateral (select 1)", "its own CTEs",
    ),
    "a limit": ("select timestamp, asset_id, 1 as weight from signals limit 3", "qualify"),
    "an offset": ("select timestamp, asset_id, 1 as weight from signals offset 3", "offset"),
    "a sample": ("select timestamp, asset_id, 1 as weight from signals using sample 3", "sample"),
    "a sample of a relation": (
        "select timestamp, asset_id, 1 as weight from signals tablesample 10%", "name the relation",
    ),
    "distinct on": (
        "select distinct on (asset_id) timestamp, asset_id, 1 as weight from signals",
        "distinct on",
    ),
    "recursion": (
        "with recursive r as (select timestamp, asset_id, 1 as weight from signals) "
        "select * from r", "recursive",
    ),
    "another relation": ("select timestamp, asset_id, 1 as weight from prices", "reads 'prices'"),
    "a schema": ("select timestamp, asset_id, 1 as weight from main.signals", "name the relation"),
    "a file": ("select timestamp, asset_id, 1 as weight from 'x.parquet'", "reads"),
    "a table function": ("select range as timestamp, 1 as weight from range(3)", "reads|range"),
    "a statement": ("delete from signals", "must be a single SELECT"),
    "two statements": ("select 1; select 2", "must be a single SELECT"),
    "a statement in a cte": (
        "with x as (insert into signals select 1) select timestamp, asset_id, 1 as weight "
        "from signals", "may not hold|does not parse",
    ),
    "a parameter": ("select timestamp, asset_id, $a as weight from signals", "parameter"),
    "a lambda": (
        "select timestamp, asset_id, list_sum(list_transform([1], lambda x: x)) as weight "
        "from signals", "lambda",
    ),
    "chance": ("select timestamp, asset_id, random() as weight from signals", "not a value"),
    "the clock": (
        "select timestamp, asset_id, epoch(now()) as weight from signals", "not a value",
    ),
    "columns by a pattern": (
        "select timestamp, asset_id, columns('c.*') as weight from signals", "columns",
    ),
    "a cte in place of a relation": (
        "with signals as (select * from market) select timestamp, 'A' as asset_id, 1 as weight "
        "from signals", "a name that is taken",
    ),
    "a relation called timestamp": (
        "select timestamp.timestamp, asset_id, 1 as weight from signals as timestamp",
        "another name",
    ),
    "a column twice": (
        "select *, 0.5 as weight from ranked", "yields 'weight' twice",
    ),
    "a column without a name": (
        "with a as (select timestamp, asset_id, close + 1 from signals) "
        "select timestamp, asset_id, 1 as weight from a", "without a name",
    ),
    "from first": ("from signals select timestamp, asset_id, 1 as weight union all from ranked",
                   "cannot be followed|has a SELECT|cannot be run|yields"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_query_that_could_mix_timestamps_or_is_no_query_is_refused(
    name: str, catalog: Catalog
) -> None:
    text, says = REFUSED[name]
    with pytest.raises(ExpressionError, match=says):
        check(catalog, text, ranking=RANKING)


def test_a_struct_cannot_pose_as_timestamp() -> None:
    sources = market()
    sources["prices"]["s"] = [{"timestamp": 1}] * len(sources["prices"]["close"])
    catalog = catalog_of(sources)

    for text in (
        "select timestamp, asset_id, count(*) over (partition by s.timestamp) as weight "
        "from signals",
        "select timestamp, asset_id, count(*) over (partition by (s).timestamp) as weight "
        "from signals",
        "with a as (select (s).timestamp, timestamp, asset_id from signals) "
        "select timestamp, asset_id, 1 as weight from a",
    ):
        with pytest.raises(ExpressionError):
            check(catalog, text)


@pytest.mark.parametrize("name", ["abs", "peek"])
def test_a_macro_cannot_carry_a_query_into_a_query(name: str) -> None:
    catalog = catalog_of()
    statement = f"create macro {name}(a) as (select max(close) from prices)"
    catalog.prepare().database.execute(statement)

    with pytest.raises(ExpressionError):
        check(catalog, f"select timestamp, asset_id, {name}(close) as weight from signals")


# -- before the run --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("select timestamp, asset_id, 1 / atrr as weight from signals", "did you mean 'atr'"),
        ("select timestamp, asset_id, 1 / s.atrr as weight from signals s", "did you mean 'atr'"),
        ("select timestamp, aset_id, 1 as weight from signals", "did you mean 'asset_id'"),
        ("select timestamp, asset_id, 1 as weight from signals where clse > 1", "mean 'close'"),
        ("select timestamp, asset_id, 1 as weight from sginals", "did you mean 'signals'"),
        ("select timestamp, asset_id, 1 as wieght from signals", "did you mean 'weight'"),
        ("select timestamp, asset_id, 1 as weight, 2 as quantity from signals", "both weight and"),
        ("select timestamp, 1 as weight from signals", "yields no asset_id"),
        ("select timestamp, 7 as asset_id, 1 as weight from signals", "asset_id as INTEGER"),
        ("select timestamp, asset_id, 'a' as weight from signals", "weight as VARCHAR"),
        ("select timestamp, asset_id, nofun(close) as weight from signals", "does not know"),
        ("select timestamp, asset_id, from signals where", "does not parse"),
        (
            "select asset_id, timestamp, 1 as weight from signals as a join ranked as b "
            "on a.timestamp = b.timestamp", "Ambiguous|ambiguous",
        ),
        ("select timestamp, asset_id, row_number() over (partition by timestamp) as weight "
         "from signals", "without order by"),
    ],
)  # fmt: skip
def test_a_mistake_is_found_before_the_run(text: str, says: str, catalog: Catalog) -> None:
    with pytest.raises(ExpressionError, match=says):
        check(catalog, text, ranking=RANKING)


def test_ranked_needs_a_ranking(catalog: Catalog) -> None:
    with pytest.raises(ExpressionError, match=r"needs SQLStrategy\(query, ranking=Ranking"):
        check(catalog, PLAIN)


def test_a_schedule_stands_in_one_place() -> None:
    with pytest.raises(ConfigError, match="stand in the ranking"):
        SQLStrategy(PLAIN, ranking=RANKING, every=5)
    with pytest.raises(ConfigError, match=r"offset must be a whole number from 0 to"):
        SQLStrategy(PLAIN, every=2, offset=2)
    with pytest.raises(ConfigError, match="query must be an SQL SELECT"):
        SQLStrategy("  ")


def test_when_and_every_say_which_bars_are_decided(catalog: Catalog) -> None:
    text = "select timestamp, asset_id, 1 as weight from signals where asset_id = 'A'"

    assert list(held(catalog, text, every=2, when="vix <= 30")) == [2, 6, 10]
    with pytest.raises(ExpressionError, match="unknown column 'close'"):
        check(catalog, text, when="close > 1")


# -- on the data -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weight", "says"),
    [
        ("null::double", "NULL, NaN or infinite"),
        ("'nan'::double", "NULL, NaN or infinite"),
        ("'inf'::double", "NULL, NaN or infinite"),
        ("-0.1", "a negative weight; a cash account"),
        ("0.6", "sum to more than 1 at one bar, 3.6 at the worst"),
    ],
)
def test_a_weight_that_cannot_be_used_names_bar_and_asset(
    weight: str, says: str, catalog: Catalog
) -> None:
    text = f"select timestamp, asset_id, {weight} as weight from signals"
    with pytest.raises(DataError, match=says) as caught:
        selections(catalog, Query(text=text), long_only=True)

    assert caught.value.sample[0]["bar"] == "2024-01-01"
    assert caught.value.sample[0]["asset_id"] == "A"


def test_an_asset_twice_at_one_bar_is_refused(catalog: Catalog) -> None:
    text = """
        select timestamp, asset_id, 0.1 as weight from signals where asset_id = 'C'
        union all select timestamp, 'C', 0.2 from market where day(timestamp) = 4
    """
    with pytest.raises(DataError, match="names an asset twice") as caught:
        selections(catalog, Query(text=text))
    assert caught.value.sample[0] == {"bar": "2024-01-04", "asset_id": "C", "weight": 0.1}


@pytest.mark.parametrize(("asset", "bar"), [("ZZ", "2024-01-01"), ("A", "2024-01-03")])
def test_an_asset_without_a_bar_is_refused(asset: str, bar: str) -> None:
    sources = market()
    gone = 2 * N_ASSETS  # A, on the third day
    for role in ("prices", "features"):
        for values in sources[role].values():
            del values[gone]
    text = f"select timestamp, '{asset}' as asset_id, 0.1 as weight from market"

    with pytest.raises(DataError, match="an asset without a bar at that time") as caught:
        selections(catalog_of(sources), Query(text=text))
    assert caught.value.sample[0] == {"bar": bar, "asset_id": asset}


def test_an_account_with_margin_goes_short(catalog: Catalog) -> None:
    text = "select timestamp, asset_id, -0.1 as weight from signals where asset_id = 'A'"
    result = run(catalog, SQLStrategy(text), config=BacktestConfig(account=MarginAccount()))

    assert result.sql("select max(quantity) < 0 from positions").fetchall() == [(True,)]
    with pytest.raises(DataError, match="a cash account holds no shorts"):
        run(catalog, SQLStrategy(text))


def test_a_query_that_fails_on_the_data_is_named(catalog: Catalog) -> None:
    text = "select timestamp, asset_id, asset_id::double as weight from signals"
    with pytest.raises(ExpressionError, match="failed on the data"):
        selections(catalog, Query(text=text))


def test_a_strategy_shows_what_it_was_made_of() -> None:
    assert repr(SQLStrategy("select 1", every=5, when="vix < 30")) == (
        "SQLStrategy('select 1', every=5, when='vix < 30')"
    )


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("select timestamp, asset_id, map {#1: lead(close) over (partition by asset_id order by "
         "timestamp)}[#1] -- #} ([1], [1])[1]\nas weight from signals", "holds '{#'"),
        ("select timestamp, asset_id, 0.5 as weight from signals as s\u200border\u200bby\u200b"
         "timestamp\u200bdesc\u200blimit\u200b1", "ZERO WIDTH SPACE"),
        ("select timestamp, asset_id, max(close) over (partition by timestamp\x85) / 100 as weight "
         "from signals", "holds the character U"),
    ],
)  # fmt: skip
def test_text_that_could_be_read_in_two_ways_is_refused(query: str, message: str) -> None:
    prices = {"timestamp": [date(2024, 1, 1)], "asset_id": ["A"], "open": [1.0], "close": [1.0]}
    with pytest.raises(ExpressionError, match=message):
        BacktestEngine(Catalog().register("prices", prices), SQLStrategy(query)).run()


def test_a_nan_is_missing_in_where_and_when_too() -> None:
    days = [date(2024, 1, n) for n in (1, 2, 3)]
    prices = {"timestamp": days, "asset_id": ["A"] * 3, "open": [1.0] * 3, "close": [1.0] * 3,
              "x": [float("nan"), 1.0, 1.0]}  # fmt: skip
    context = {"timestamp": days, "vix": [10.0, float("nan"), 10.0]}
    catalog = Catalog().register("prices", prices).register("context", context)
    for strategy in (
        TopN(1, by="close", where="x > 0.8", when="vix > 5"),
        SQLStrategy("select timestamp, asset_id, 1.0 as weight from signals join market using "
                    "(timestamp) where x > 0.8 and vix > 5"),
    ):  # fmt: skip
        found = BacktestEngine(catalog, strategy).run().sql("select timestamp from selections")
        assert found.fetchall() == [(days[2],)]
