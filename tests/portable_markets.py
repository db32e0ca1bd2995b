"""Markets and rankings whose selections another engine must repeat to the last bit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import duckdb

from ml4t.backtest import BacktestConfig, BacktestEngine, Catalog, MarginAccount, TopN
from ml4t.backtest.core.ranking import Ranking
from ml4t.backtest.data.selection.ranking import plan_ranking
from ml4t.backtest.data.stream.batches import batches, plan_batches

Row = tuple[object, ...]
# Types of the bars' times, and how far they are apart.
CLOCKS = {
    "dates": ("date", "interval 1 day"),
    "times": ("timestamp", "interval 97 minute"),
    "zoned": ("timestamptz", "interval 97 minute"),
}
# Values at which engines part: no number, both zeros, both infinities, none, ties.
ODD = """
    case (hash(t, a, {salt}) % 23)::integer
        when 0 then null when 1 then 'nan'::double when 2 then 'inf'::double
        when 3 then '-inf'::double when 4 then 0.0 when 5 then -0.0 when 6 then 1.0
        when 7 then 1.0
        else ((hash(t, a, {salt}, 7) % 2000)::double - 1000) / 300
    end
"""


def write_market(
    folder: Path, clock: str, *, seed: int, n_assets: int = 9, n_bars: int = 60
) -> None:
    """Write the sources of a market: with gaps, late news, revisions and news of the market."""
    kind, step = CLOCKS[clock]
    at = f"(timestamp '2024-02-20 09:30:00' + t * {step})"
    at = "('2024-01-26'::date + t::integer)" if kind == "date" else at
    at = f"timezone('UTC', {at})" if kind == "timestamptz" else at
    grid = f"range({n_bars}) as x(t), range({n_assets}) as y(a)"
    keys = f"{at} as timestamp, 'A' || chr((97 + (a * 7) % {n_assets})::integer) as asset_id"
    late = f"interval (hash(t, a, {seed}) % 4000) minute"
    tables = {
        "prices": f"""
            select {keys}, 10 + (hash(t, a, {seed}) % 900) / 100 as close,
                close - 0.25 as open, (hash(t, a, {seed}, 1) % 5000)::bigint as volume,
                {ODD.format(salt=seed + 2)} as own
            from {grid} where hash(t, a, {seed}, 3) % 12 > 0""",
        # Sits on bars, or up to three days after; revised now and then.
        "features": f"""
            select {keys}, {ODD.format(salt=seed + 3)} as score,
                ({ODD.format(salt=seed + 4)})::float as small,
                (hash(t, a, {seed}, 4) % 3)::integer as bucket,
                hash(t, a, {seed}, 5) % 2 = 0 as flag
            from {grid} where hash(t, a, {seed}, 6) % 3 > 0""",
        "news": f"""
            select {keys}, {at}::{"timestamptz" if kind == "timestamptz" else "timestamp"} + {late}
                as available_at, {ODD.format(salt=seed + 5)} as surprise
            from {grid} where hash(t, a, {seed}, 8) % 5 = 0""",
        "context": f"""
            select {at} as timestamp, 10 + (hash(t, {seed}, 9) % 300) / 10 as vix
            from range(0, {n_bars}, 2) as x(t)""",
        "market_news": f"""
            select {at} as timestamp, null::varchar as asset_id,
                (hash(t, {seed}, 10) % 7)::integer as mood
            from range(1, {n_bars}, 5) as x(t)""",
        "universe": f"""
            select 'A' || chr(97 + a::integer) as asset_id, {at} as start_date,
                case when a % 3 > 0 then {
            at.replace("t *", f"(t + {n_bars // 2}) *").replace(
                "t::integer", f"t::integer + {n_bars // 2}"
            )
        } end as end_date
            from range({n_assets}) as y(a), range(1) as x(t) where a <> 4""",
        "assets": f"""
            select 'A' || chr(97 + a::integer) as asset_id,
                case a % 4 when 0 then 'Tech' when 1 then 'Oil' when 2 then 'tech' end as sector
            from range({n_assets}) as y(a)""",
    }
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        for name, query in tables.items():
            connection.execute(f"copy ({query}) to '{folder / name}.parquet'")


def catalog_of(folder: Path, *, timezone: str = "UTC", universe: bool = True) -> Catalog:
    """Return the catalog of a market."""
    catalog = Catalog(timezone=timezone).register("prices", str(folder / "prices.parquet"))
    catalog.register("features", str(folder / "features.parquet"), max_age="36 hours")
    catalog.register(
        "features", str(folder / "news.parquet"), name="news", available_at="available_at",
        max_age="100 hours",
    )  # fmt: skip
    catalog.register("features", str(folder / "market_news.parquet"), name="market_news")
    catalog.register("context", str(folder / "context.parquet"), lag="5 hours")
    catalog.register("assets", str(folder / "assets.parquet"))
    if universe:
        catalog.register("universe", str(folder / "universe.parquet"))
    return catalog


def write_forms(folder: Path) -> Catalog:
    """Write a market in other forms: ids that are numbers, several files, decimals, months.

    Of the last days of January a month later is one day, and counts once.
    """
    days = "range(80) as x(t), range(7) as y(a)"
    day = "(date '2023-12-20' + t::integer)"
    with duckdb.connect() as connection:
        for year in (2023, 2024):
            connection.execute(f"""
                copy (select a::bigint * 3 as "Ticker", {day} as "Date",
                    ((hash(t, a) % 90000) / 100 + 1)::decimal(9, 2) as "Close",
                    9.5::double as "Open",
                    ((hash(t, a, 1) % 90000) / 1000)::decimal(7, 3) as cents,
                    (hash(t, a, 2) % 200)::utinyint as small_count
                    from {days} where year({day}) = {year})
                to '{folder}/bars_{year}.parquet'""")
        connection.execute(f"""
            copy (select {day} as timestamp, a::integer * 3 as asset_id,
                (hash(t, a, 3) % 1000) / 7 as growth
                from {days} where hash(t, a, 4) % 3 = 0)
            to '{folder}/monthly.parquet'""")
    catalog = Catalog().register("prices", [str(folder / f"bars_{year}.parquet")
                                            for year in (2023, 2024)],
        columns={"asset_id": "Ticker", "timestamp": "Date", "close": "Close",
                 "open": "Open"})  # fmt: skip
    return catalog.register(
        "features", str(folder / "monthly.parquet"), lag="1 month 12 hours", max_age="10 days"
    )


FORMS = [
    Ranking(n=3, by="growth", weight="0.1"),
    Ranking(n=4, by="close / cents", where="small_count < 150 and cents > 20.5"),
    Ranking(n=2, by="coalesce(growth, 0) - cents / 3", within="small_count", every=3),
]


RANKINGS = {
    "plain": Ranking(n=3, by="score"),
    "ascending": Ranking(n=4, by="small", ascending=True),
    "division": Ranking(n="all", by="score / own"),
    "division_decides": Ranking(n=5, by="close", where="score / own > 1.5 or 1 / own < 0"),
    "division_of_floats": Ranking(n=5, by="small / bucket + 0.5e0", where="small / 3 <> 0.1"),
    "integers": Ranking(n=2, by="volume % 7 * bucket - volume / 3", every=2, offset=1),
    "float_literal": Ranking(n=4, by="close", where="small > 0.1 and small <= 3.33"),
    "between": Ranking(n=4, by="close", where="small between -0.1 and 2 and bucket in (0, 2)"),
    "share": Ranking(n=0.35, by="abs(score)", every=3),
    "all": Ranking(n="all", by="greatest(score, own, 0)", when="vix > 20.5"),
    "groups": Ranking(n=2, by="surprise", within="sector", where="close > 12"),
    "groups_share": Ranking(n=0.5, by="least(score, surprise)", within="bucket"),
    "weighted": Ranking(
        n=3, by="score", weight="1 / (rank + 4 * coalesce(mood, 2) + coalesce(bucket, 1))"
    ),
    "window_weight": Ranking(
        n=3, by="sqrt(close)", weight="close / sum(close) over (partition by timestamp)"
    ),
    "ranks": Ranking(
        n=4,
        by="rank() over (partition by timestamp order by score desc) "
        "+ percent_rank() over (partition by timestamp, sector order by own)",
    ),
    "sums": Ranking(
        n=4,
        by="close - avg(close) over (partition by timestamp) + sum(small) over "
        "(partition by timestamp, bucket) * 1e-3",
        where="count(score) over (partition by timestamp) > 2",
    ),
    "extremes": Ranking(
        n="all",
        by="max(own) over (partition by timestamp, sector) - min(score) over "
        "(partition by timestamp, flag)",
    ),
    "choices": Ranking(
        n=5,
        by="case when flag then score when sector like 'T%' then -own else bucket end",
        where="coalesce(flag, sector = 'Oil') and nullif(bucket, 2) is not null",
    ),
    "flag": Ranking(n=4, by="flag", where="not flag or sector < 'a'"),
    "two_times": Ranking(n=3, by="(score - surprise) * 2.5", when="mood >= 2 or vix is null"),
    "rows": Ranking(
        n=6, by="row_number() over (partition by timestamp order by bucket, asset_id desc)"
    ),
}
# Of bars without a zone.
OF_TIMES = {
    "time_parts": Ranking(n=2, by="close", when="month(timestamp) = 2", where="day(timestamp) > 3"),
    "time_literal": Ranking(n=2, by="close", where="timestamp >= '2024-02-22'"),
}
IN_WORDS = {
    "week": Ranking(n=3, by="close", every="week_start"),
    "weeks": Ranking(n=3, by="close", every="2 weeks", offset=1),
}


def rankings(clock: str) -> Iterator[tuple[str, Ranking]]:
    """Yield the rankings of a market with such bars."""
    yield from RANKINGS.items()
    yield from IN_WORDS.items()
    if clock != "zoned":
        yield from OF_TIMES.items()


NUMBERS = ["own", "small", "bucket", "volume", "close", "score", "surprise", "mood", "vix", "2",
           "0", "-1", "0.5", "1e0", "3.25", "-0.1", "0.1"]  # fmt: skip


def drawn_number(pick: Random, depth: int) -> str:
    """Return an expression of a number, at random."""
    if depth == 0:
        return pick.choice(NUMBERS)
    left, right = drawn_number(pick, depth - 1), drawn_number(pick, depth - 1)
    rank = pick.choice(["rank", "row_number", "percent_rank", "dense_rank", "cume_dist"])
    folded = pick.choice(["sum", "avg", "min", "max", "count"])
    group = pick.choice(["", ", bucket", ", sector"])
    return pick.choice([
        f"({left} + {right})", f"({left} - {right})", f"({left} * {right})", f"({left} / {right})",
        f"({left} / {right})", f"-({left})", f"abs({left})", f"sqrt({left})",
        f"greatest({left}, {right})", f"least({left}, {right})", f"coalesce({left}, {right})",
        f"nullif({left}, {right})", f"{left}::double",
        f"case when {drawn_condition(pick, depth - 1)} then {left} else {right} end",
        f"{rank}() over (partition by timestamp order by {left}{pick.choice(['', ' desc'])})",
        f"{folded}({left}) over (partition by timestamp{group})",
    ])  # fmt: skip


def drawn_condition(pick: Random, depth: int) -> str:
    """Return a condition, at random."""
    left, right = drawn_number(pick, depth), drawn_number(pick, depth)
    third = drawn_number(pick, max(depth - 1, 0))
    return pick.choice([
        f"{left} > {right}", f"{left} = {right}", f"{left} <= {right}", f"{left} is null", "flag",
        f"{left} between {right} and {third}", f"{left} in ({right}, {third})",
        f"(not flag or {left} < {right})", f"({left} <> {right} and sector >= 'Tech')",
    ])  # fmt: skip


def drawn_ranking(pick: Random) -> Ranking:
    """Return a ranking of a market, at random; of its expressions some are refused."""
    return Ranking(
        n=pick.choice([3, "all", 0.4]),
        by=drawn_number(pick, pick.choice([1, 2, 3])),
        where=drawn_condition(pick, pick.choice([0, 1, 2])) if pick.random() < 0.6 else None,
        within=pick.choice(["sector", "bucket", "flag", None, None, None]),
        ascending=pick.random() < 0.3,
    )


def selections_of(catalog: Catalog, ranking: Ranking) -> set[Row]:
    """Return what the table `selections` of a run would have, without the rest of the run."""
    prepared = catalog.validate()
    plan = plan_batches(prepared, has_levels=False, features=())
    chunks = batches(plan, plan_ranking(ranking, prepared, long_only=False), prepared)
    axes = catalog.axes()
    times = [moment for (moment,) in prepared.database.rows(
        "select timestamp::varchar from stage.timeline order by t")]  # fmt: skip
    return {
        (times[t], str(axes.asset_ids[sid]), i + 1, float(score), float(weight))
        for chunk in chunks
        for t, found in chunk.selections.items()
        for i, (sid, score, weight) in enumerate(
            zip(found.sids, found.scores, found.weights, strict=True)
        )
    }


def selections_of_run(catalog: Catalog, ranking: Ranking) -> set[Row]:
    """Return the table `selections` of a run."""
    strategy = TopN(
        ranking.n, by=ranking.by, where=ranking.where, when=ranking.when, weight=ranking.weight,
        every=ranking.every, offset=ranking.offset, within=ranking.within,
        ascending=ranking.ascending,
    )  # fmt: skip
    config = BacktestConfig(account=MarginAccount())
    result = BacktestEngine(catalog, strategy, config=config).run()
    return rows_of_table(result.sql("select * from selections"))


def rows_of_table(relation: duckdb.DuckDBPyRelation) -> set[Row]:
    """Return the rows of selections, each time as text; which must differ from each other."""
    found = relation.select(
        "timestamp::varchar, asset_id::varchar, rank::bigint, score::double, weight::double"
    ).fetchall()
    assert len(set(found)) == len(found)
    return set(found)
