"""Look-ahead: what an expression may not say, and what it may.

Prices rise from bar to bar, so that an expression which sees a later bar sees a higher number.
"""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from ml4t.backtest import Catalog, ExpressionError
from ml4t.backtest.core.ranking import Ranking
from ml4t.backtest.data.selection.ranking import plan_ranking
from ml4t.backtest.data.stream.batches import batches, plan_batches
from ml4t.backtest.data.user_sql.expressions import analyse
from ml4t.backtest.data.user_sql.names import Names

DAYS = [date(2024, 1, 2) + timedelta(days=t) for t in range(4)]
ASSETS = ["AAPL", "MSFT", "TSLA"]
CLOSES = [10.0 * t + i for t in range(1, 5) for i in range(3)]
PRICES = {
    "timestamp": [day for day in DAYS for _ in ASSETS],
    "asset_id": ASSETS * len(DAYS),
    "open": CLOSES,
    "close": CLOSES,
}
FEATURES = {
    "timestamp": [DAYS[0]] * 3, "asset_id": ASSETS,
    "momentum": [0.1, 0.2, 0.3], "sector": ["tech", "tech", "energy"], "level": [1, 2, 3],
}  # fmt: skip
CONTEXT = {"timestamp": [DAYS[0]], "vix": [13.0], "level": [5]}


def new_catalog(n_bars: int = len(DAYS)) -> Catalog:
    rows = {name: values[: n_bars * len(ASSETS)] for name, values in PRICES.items()}
    return (
        Catalog(threads=1)
        .register("prices", rows)
        .register("features", FEATURES)
        .register("context", CONTEXT)
    )


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return new_catalog()


@pytest.fixture(scope="module")
def past() -> Catalog:
    """The same rows, without the last two bars."""
    return new_catalog(2)


def check(catalog: Catalog, text: str) -> set[str]:
    """Analyse `text` as a score; return the columns of signals that it reads."""
    prepared = catalog.prepare()
    market = set(prepared.market_columns) - {"timestamp"}
    return analyse(text, Names(signals=prepared.signal_columns, market=market), prepared.database)


def scores(catalog: Catalog, text: str) -> dict[int, list[tuple[int, float]]]:
    """Rank by `text`: the scores by bar and asset."""
    prepared = catalog.prepare()
    ranking = plan_ranking(Ranking(n=9, by=text), prepared)
    plan = plan_batches(prepared, has_levels=False, features=())
    return {
        t: sorted(zip(found.sids.tolist(), found.scores.tolist(), strict=True))
        for chunk in batches(plan, ranking, prepared)
        for t, found in chunk.selections.items()
    }


# -- what is refused -----------------------------------------------------------------------

REFUSED = {
    "lead": ("lead(close) over (partition by timestamp order by asset_id)", "lead.. reads a later"),
    "lead over an asset": (
        "lead(close) over (partition by asset_id order by timestamp)",
        "looks ahead|leaves its timestamp",
    ),
    "lead with an offset": (
        "lead(close, 5, 0.0) over (partition by asset_id order by timestamp)",
        "looks ahead|leaves its timestamp",
    ),
    "a frame that follows": (
        "sum(close) over (partition by asset_id order by timestamp "
        "rows between current row and 1 following)", "looks ahead|leaves its timestamp",
    ),
    "a frame to the end": (
        "max(close) over (partition by asset_id order by timestamp "
        "rows between unbounded preceding and unbounded following)",
        "looks ahead|leaves its timestamp",
    ),
    "lag backwards": (
        "lag(close) over (partition by asset_id order by timestamp desc)",
        "looks ahead|leaves its timestamp",
    ),
    "last value of an asset": (
        "last_value(close) over (partition by asset_id order by timestamp)", "leaves its timestamp",
    ),
    "window over an asset": ("avg(close) over (partition by asset_id)", "leaves its timestamp"),
    "window over everything": ("rank() over (order by close)", "leaves its timestamp"),
    "empty window": ("max(close) over ()", "leaves its timestamp"),
    "named window": ("max(close) over w", "leaves its timestamp"),
    "named window with its clause": (
        "max(close) over w window w as (partition by asset_id)", "single SQL expression",
    ),
    "partition by the text timestamp": (
        "max(close) over (partition by 'timestamp')", "leaves its timestamp",
    ),
    "aggregate": ("max(close)", "aggregates over all timestamps"),
    "aggregate inside a sum": ("close / max(close)", "aggregates over all timestamps"),
    "aggregate with a filter": ("max(close) filter (where close > 1)", "aggregates over all"),
    "aggregate of a window": (
        "sum(max(close)) over (partition by timestamp)", "aggregates over all timestamps",
    ),
    "count of all": ("count(*)", "aggregates over all timestamps"),
    "aggregate DuckDB alone knows": ("kurtosis_pop(close)", "aggregates over all timestamps"),
    "list": ("list(close)[1]", "aggregates over all timestamps"),
    "arg_max": ("arg_max(close, timestamp)", "aggregates over all timestamps"),
    "lag without a window": ("close / lag(close, 252) - 1", "needs history as a feature"),
    "first value": ("first_value(close)", "needs history as a feature"),
    "subquery": ("(select max(close) from prices)", "subquery"),
    "from first": ("(from prices select max(close))", "subquery"),
    "table": ("(table prices)", "subquery"),
    "exists": ("exists(select 1)", "subquery"),
    "in a subquery": ("close in (select close from prices)", "subquery"),
    "any of a subquery": ("close >= all(select close from prices)", "subquery"),
    "array of a subquery": ("array(select close from prices)[1]", "subquery"),
    "subquery in a window": (
        "sum((select 1)) over (partition by timestamp)", "subquery",
    ),
    "subquery in a list": ("[(select max(close) from prices)][1]", "subquery"),
    "subquery in a struct": ("{'a': (select max(close) from prices)}.a", "subquery"),
    "with": ("(with a as (select 1) select * from a)", "subquery"),
    "insert in a with": (
        "(with a as (insert into prices values (1) returning 1) from a)", "statement|parse",
    ),
    "delete": ("(delete from prices returning close)", "statement|parse"),
    "two statements": ("close; drop table prices", "single SQL expression"),
    "second statement after a comment": ("close --\n; delete from prices", "single SQL"),
    "from": ("close from prices", "single SQL expression, without from"),
    "union": ("close union select 1", "single SQL expression"),
    "where": ("close where true", "single SQL expression, without where"),
    "limit": ("close limit 1", "single SQL expression, without limit"),
    "distinct": ("distinct close", "single SQL expression, without distinct"),
    "qualify": ("close qualify true", "single SQL expression, without qualify"),
    "two expressions": ("close, open", "must be a single SQL expression"),
    "a semicolon": ("close > 1;", "without a semicolon"),
    "alias": ("close as score", "without a name of its own"),
    "alias without as": ("close score", "without a name of its own"),
    "star": ("*", "star"),
    "star of a table": ("signals.*", "star|unknown"),
    "star of columns": ("columns(*)", "star"),
    "parameter": ("$1", "parameter"),
    "question mark": ("close > ?", "parameter"),
    "nothing": ("", "single SQL expression|parse"),
    "only a comment": ("-- close", "single SQL expression|parse"),
    "unparsable": ("close +* 2", "does not parse|star"),
    "open bracket": ("(close", "does not parse"),
    "closed bracket": ("close) or (true", "does not parse"),
    "open string": ("'close", "does not parse"),
    "open comment": ("close /* no end", "does not parse|single"),
    "table function": ("read_csv('/etc/passwd')", "read_csv.., which reads outside the row"),
    "text of a file": ("read_text('/etc/passwd')", "reads outside the row"),
    "query": ("query('select 1')", "reads outside the row"),
    "query of a table": ("query_table('prices')", "reads outside the row"),
    "environment": ("length(getenv('HOME'))", "getenv"),
    "variable": ("getvariable('x')", "getvariable"),
    "setting": ("length(current_setting('threads'))", "current_setting"),
    "random": ("random()", "repeated"),
    "random inside": ("close + 0 * random()", "repeated"),
    "random in capitals": ("RANDOM()", "repeated"),
    "quoted random": ('"random"()', "repeated"),
    "random in an order": (
        "row_number() over (partition by timestamp order by random())", "repeated",
    ),
    "seed": ("setseed(0.5)", "repeated"),
    "uuid": ("hash(uuid())", "repeated"),
    "gen_random_uuid": ("hash(gen_random_uuid())", "repeated"),
    "now": ("epoch(now())", "repeated"),
    "today": ("epoch(today())", "repeated"),
    "current_date": ("epoch(current_date)", "repeated"),
    "current_timestamp": ("epoch(current_timestamp)", "repeated"),
    "current_time": ("extract(second from current_time)", "repeated"),
    "localtimestamp": ("epoch(localtimestamp)", "repeated"),
    "localtime": ("extract(second from localtime)", "repeated"),
    "get_current_time": ("extract(second from get_current_time())", "repeated"),
    "current_localtime": ("extract(second from current_localtime())", "repeated"),
    "age to today": ("extract(day from age(timestamp))", "repeated"),
    "sequence": ("nextval('s')", "repeated"),
    "sleep": ("sleep_ms(1000)", "repeated"),
    "log": ("length(write_log('x'))", "repeated"),
    "several rows from one": ("unnest([close, -close])", "unnest"),
    "several rows by subscripts": ("generate_subscripts([1, 2], 1)", "generate_subscripts"),
    "unknown function": ("momentun(close)", "momentun"),
    "unknown column": ("momentun", r"unknown column 'momentun'; did you mean 'momentum'\?"),
    "unknown column of a table": ("signals.cloze", r"'cloze'; did you mean 'close'\?"),
    "another table": ("prices.close", "names table 'prices'; only signals and market"),
    "hidden row number": ("rowid", "unknown column 'rowid'"),
    "bar number": ("t", "unknown column 't'"),
    "a column by position": ("#1", "#1"),
    "columns by pattern": ("columns('.*')", "columns"),
    "a row as a whole": ("hash(signals)", "unknown column 'signals'"),
    "both in signals and market": (
        "level", r"'level', which is in both signals and market; write signals\.level or",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_an_expression_that_leaves_its_row_is_refused(kind: str, catalog: Catalog) -> None:
    text, says = REFUSED[kind]

    with pytest.raises(ExpressionError, match=says) as error:
        check(catalog, text)
    assert error.value.expression == text


SPANS = [
    "timestamp is null",
    "timestamp is not null",
    "timestamp > '2000-01-01'",
    "year(timestamp)",
    "date_trunc('year', timestamp)",
    "extract(year from timestamp)",
    "timestamp - timestamp",
    "nullif(timestamp, timestamp)",
    "case when timestamp is null then timestamp end",
    "timestamp::varchar[1:4]",
    "least(timestamp, date '2000-01-01')",
    "[timestamp, timestamp][3]",
    "{'timestamp': 1}.timestamp",
    "(timestamp, 1)[2]",
    "asset_id, timestamp is null",
]


@pytest.mark.parametrize("span", SPANS)
def test_a_partition_that_only_mentions_timestamp_is_refused(span: str, catalog: Catalog) -> None:
    with pytest.raises(ExpressionError, match=r"leaves its timestamp|names|parse"):
        check(catalog, f"max(close) over (partition by {span})")


@pytest.mark.parametrize(
    "text",
    [
        "[max(close) over (partition by timestamp) for timestamp in [1]][1]",
        "list_transform([1], lambda timestamp: max(close) over (partition by timestamp))[1]",
    ],
)
def test_a_local_name_cannot_pose_as_timestamp(text: str, catalog: Catalog) -> None:
    with pytest.raises(ExpressionError, match=r"may not hold|leaves its timestamp"):
        check(catalog, text)


@pytest.mark.parametrize("place", ["by", "where", "when", "weight", "within"])
@pytest.mark.parametrize(
    "text",
    [
        "(select max(close) from prices) > 0",
        "max(close) over (partition by asset_id) > 0",
        "random() > 0.5",
        "epoch(current_timestamp) > 0",
        "nowhere > 0",
        "close as x",
    ],
)
def test_every_place_of_a_ranking_is_checked_before_the_run(
    place: str, text: str, catalog: Catalog
) -> None:
    ranking = Ranking(**({"n": 1, "by": "close"} | {place: text}))  # type: ignore[arg-type]

    with pytest.raises(ExpressionError):
        plan_ranking(ranking, catalog.prepare())


@pytest.mark.parametrize(
    "name", ["peek", '"%peek"', "abs"], ids=["by name", "by quoted name", "in place of a function"]
)
def test_a_macro_cannot_carry_a_query_into_an_expression(name: str) -> None:
    catalog = new_catalog()
    statement = f"create macro {name}(a) as (select max(close) from prices)"
    catalog.prepare().database.execute(statement)

    with pytest.raises(ExpressionError):
        check(catalog, f"{name}(close)")


def test_score_and_rank_exist_in_weights_only(catalog: Catalog) -> None:
    prepared = catalog.prepare()

    assert plan_ranking(Ranking(n=1, by="close", weight="score * 0 + rank"), prepared)
    for place in ("by", "where", "within"):
        with pytest.raises(ExpressionError, match="unknown column 'rank'"):
            plan_ranking(Ranking(**({"n": 1, "by": "close"} | {place: "rank"})), prepared)  # type: ignore[arg-type]


# -- what is allowed -----------------------------------------------------------------------

ALLOWED = {
    "close": {"close"},
    '"close"': {"close"},
    "CLOSE": {"close"},
    "signals.close": {"close"},
    "-close": {"close"},
    "(close - open) / open * 100 % 7": {"close", "open"},
    "close ** 2 + close // 3": {"close"},
    "0.5 * momentum + 0.5 * close": {"momentum", "close"},
    "vix": set(),
    "close / market.vix": {"close"},
    "signals.level + market.level": {"level"},
    "close > 1 and not (open < 1 or momentum is null)": {"close", "open", "momentum"},
    "case when close > open then 1 when close < open then -1 else 0 end": {"close", "open"},
    "if(close > 1, 1, 0)": {"close"},
    "coalesce(momentum, 0)": {"momentum"},
    "ifnull(momentum, 0)": {"momentum"},
    "nullif(close, 0)": {"close"},
    "greatest(close, open) - least(close, open)": {"close", "open"},
    "abs(close)": {"close"},
    "ln(close) + log10(close) + exp(momentum) + sqrt(close) + power(close, 2)": {
        "close", "momentum",
    },
    "round(close, 2) + floor(close) + ceil(close) + sign(close) + close.abs()": {"close"},
    "close::integer + cast(open as double) + try_cast(asset_id as double)": {
        "close", "open", "asset_id",
    },
    "asset_id in ('AAPL', 'MSFT')": {"asset_id"},
    "asset_id like 'A%' and asset_id not ilike '%z'": {"asset_id"},
    "length(asset_id) + strlen(upper(asset_id))": {"asset_id"},
    "close between 1 and 100": {"close"},
    "isfinite(close) and not isnan(close)": {"close"},
    "extract(dow from timestamp)": {"timestamp"},
    "month(timestamp) + dayofweek(timestamp)": {"timestamp"},
    "timestamp >= date '2024-01-03'": {"timestamp"},
    "date_diff('day', date '2020-01-01', timestamp)": {"timestamp"},
    "hash(asset_id) % 10": {"asset_id"},
    "len([close, open])": {"close", "open"},
    "rank() over (partition by timestamp order by close)": {"timestamp", "close"},
    "dense_rank() over (partition by timestamp order by close desc)": {"timestamp", "close"},
    "percent_rank() over (partition by timestamp order by close)": {"timestamp", "close"},
    "cume_dist() over (partition by timestamp order by close)": {"timestamp", "close"},
    "ntile(10) over (partition by timestamp order by close, asset_id)": {
        "timestamp", "close", "asset_id",
    },
    "row_number() over (partition by timestamp order by close, asset_id)": {
        "timestamp", "close", "asset_id",
    },
    "(close - avg(close) over (partition by timestamp)) "
    "/ nullif(stddev_samp(close) over (partition by timestamp), 0)": {"timestamp", "close"},
    "momentum - avg(momentum) over (partition by timestamp, sector)": {
        "timestamp", "momentum", "sector",
    },
    "close - median(close) over (partition by (signals.timestamp))": {"timestamp", "close"},
    "quantile_cont(close, 0.5) over (partition by timestamp)": {"timestamp", "close"},
    "sum(close) filter (where close > 20) over (partition by timestamp)": {"timestamp", "close"},
    "count(*) over (partition by timestamp)": {"timestamp"},
    "max(close) over (partition by timestamp)": {"timestamp", "close"},
    "close -- a comment": {"close"},
    "close /* a /* nested */ comment */": {"close"},
    "'; drop table prices --' || asset_id": {"asset_id"},
}  # fmt: skip


@pytest.mark.parametrize("text", ALLOWED)
def test_an_expression_over_one_cross_section_is_allowed(text: str, catalog: Catalog) -> None:
    assert check(catalog, text) == ALLOWED[text]


@pytest.mark.parametrize("text", [text for text in ALLOWED if "||" not in text])
def test_what_is_allowed_does_not_change_when_the_future_does(
    text: str, past: Catalog, catalog: Catalog
) -> None:
    """The scores of the first two bars are the same, whether or not two more bars follow."""
    short = scores(past, f"({text}\n)::double")
    whole = scores(catalog, f"({text}\n)::double")

    assert short == {t: whole[t] for t in (0, 1)}
    # Each expression scores something: the comparison is not one of empty sets.
    assert any(short.values()) or "try_cast" in text


def test_the_rank_of_the_first_bar_is_that_of_its_own_prices(catalog: Catalog) -> None:
    text = "rank() over (partition by timestamp order by close desc)"

    assert scores(catalog, text) == {t: [(0, 3.0), (1, 2.0), (2, 1.0)] for t in range(4)}
