"""Ranking: the best n per bar, ties to the lower asset_id, nothing that is no number."""

from __future__ import annotations

import math
from datetime import date, timedelta

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from effort import EFFORT, each_value, examples, long
from ml4t.backtest import BacktestEngine, Catalog, ConfigError, DataError, ExpressionError, TopN
from ml4t.backtest.core.batch import Selection
from ml4t.backtest.core.ranking import Ranking
from ml4t.backtest.data.selection.ranking import plan_ranking
from ml4t.backtest.data.stream.batches import batches, plan_batches

START = date(2024, 1, 1)
NAN, INF = math.nan, math.inf
QUICK = settings(max_examples=examples(6), deadline=None)

Scores = list[list[float | None]]


def prices(scores: Scores, **columns: Scores | list[list[str | None]]) -> dict[str, object]:
    """Bars of assets A, B, C ... with one row of `scores` per bar."""
    cells = [(t, i) for t, row in enumerate(scores) for i in range(len(row))]
    return {
        "timestamp": [START + timedelta(days=t) for t, _ in cells],
        "asset_id": [chr(ord("A") + i) for _, i in cells],
        "open": [1.0] * len(cells),
        "close": [1.0] * len(cells),
        "x": [scores[t][i] for t, i in cells],
        **{name: [values[t][i] for t, i in cells] for name, values in columns.items()},
    }


def selections(catalog: Catalog, ranking: Ranking, *, cells: int = 1 << 19) -> dict[int, Selection]:
    prepared = catalog.validate()
    plan = plan_batches(prepared, has_levels=False, features=())
    chunks = batches(plan, plan_ranking(ranking, prepared), prepared, chunk_cells=cells)
    return {t: found for chunk in chunks for t, found in chunk.selections.items()}


def ranked(
    source: object, *, context: object = None, threads: int | None = None, **ranking: object
) -> dict[int, str]:
    """The ranked assets per decision bar, best first, such as ``{1: "BA"}``; bars from 1."""
    catalog = Catalog(threads=threads).register("prices", source)
    if context is not None:
        catalog.register("context", context)
    found = selections(catalog, Ranking(**({"n": 9, "by": "x"} | ranking)))  # type: ignore[arg-type]
    return {t + 1: "".join(chr(ord("A") + sid) for sid in s.sids) for t, s in found.items()}


def weights(source: object, **ranking: object) -> list[float]:
    """The weights of the first bar, best first."""
    catalog = Catalog().register("prices", source)
    found = selections(catalog, Ranking(**({"n": 9, "by": "x"} | ranking)))  # type: ignore[arg-type]
    return [round(weight, 9) for weight in found[0].weights.tolist()]


def flat(n_bars: int) -> dict[str, object]:
    return prices([[1.0, 2.0]] * n_bars)


# -- order ---------------------------------------------------------------------------------


def test_the_highest_score_comes_first() -> None:
    assert ranked(prices([[1.0, 3.0, 2.0], [5.0, 4.0, 6.0]])) == {1: "BCA", 2: "CAB"}


def test_ascending_puts_the_lowest_score_first() -> None:
    assert ranked(prices([[1.0, 3.0, 2.0]]), ascending=True) == {1: "ACB"}


def test_only_n_are_kept_and_fewer_where_fewer_are_eligible() -> None:
    assert ranked(prices([[1.0, 3.0, 2.0], [1.0, None, None]]), n=2) == {1: "BC", 2: "A"}


@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize("odd", [None, NAN, INF, -INF])
def test_a_score_that_is_no_number_is_never_ranked(odd: float | None, ascending: bool) -> None:
    assert ranked(prices([[1.0, odd, 1.0]]), ascending=ascending) == {1: "AC"}


@pytest.mark.parametrize("expression", ["ln(x)", "sqrt(x)", "x / nullif(x + 1, 0)"])
def test_a_score_that_becomes_no_number_is_never_ranked(expression: str) -> None:
    assert ranked(prices([[-1.0, 2.0]]), by=expression) == {1: "B"}


def test_a_bar_on_which_nothing_is_eligible_is_still_a_decision() -> None:
    assert ranked(prices([[None, NAN], [1.0, None]])) == {1: "", 2: "A"}


@pytest.mark.parametrize("ascending", [False, True])
def test_ties_go_to_the_lower_asset_id(ascending: bool) -> None:
    source = prices([[7.0] * 6])
    backwards = pa.table(source).take(list(range(5, -1, -1)))

    for frame in (source, backwards):
        assert ranked(frame, n=3, ascending=ascending) == {1: "ABC"}


def test_ties_of_categories_go_to_the_lower_asset_id_too() -> None:
    frame = pd.DataFrame(prices([[7.0, 7.0, 7.0]]))
    frame["asset_id"] = pd.Categorical(frame["asset_id"], categories=["C", "B", "A"])
    catalog = Catalog().register("prices", frame)

    result = BacktestEngine(catalog, TopN(2, by="x")).run()

    assert result.sql("select asset_id from selections order by rank").fetchall() == [
        ("A",), ("B",),
    ]  # fmt: skip


def test_ties_of_numbered_assets_go_to_the_lower_number() -> None:
    frame = pa.table(prices([[7.0, 7.0, 7.0]])).set_column(
        1, "asset_id", pa.array([100, 20, 3], pa.int64())
    )
    catalog = Catalog().register("prices", frame)

    result = BacktestEngine(catalog, TopN(2, by="x")).run()

    assert result.sql("select asset_id from selections order by rank").fetchall() == [(3,), (20,)]


# -- which bars ----------------------------------------------------------------------------


@each_value
@pytest.mark.parametrize(
    ("every", "offset", "expected"),
    [
        (1, 0, list(range(1, 13))),
        (5, 0, [5, 10]),
        (5, 1, [1, 6, 11]),
        (5, 4, [4, 9]),
        (12, 0, [12]),
        (13, 0, []),
    ],
)
@pytest.mark.parametrize("cells", [1, 6, 1 << 19])
def test_every_counts_bars_from_one_whatever_the_chunks(
    every: int, offset: int, expected: list[int], cells: int
) -> None:
    catalog = Catalog().register("prices", flat(12))
    ranking = Ranking(n=1, by="x", every=every, offset=offset)

    assert [t + 1 for t in selections(catalog, ranking, cells=cells)] == expected


VIX = {
    "timestamp": [START + timedelta(days=t) for t in range(4)],
    "vix": [20.0, 40.0, None, NAN],
}


def test_a_bar_on_which_when_is_not_true_is_no_decision() -> None:
    # NULL is not true: no trade on missing context. NaN sorts above every number.
    assert ranked(flat(4), context=VIX, when="vix <= 30") == {1: "BA"}
    assert ranked(flat(4), context=VIX, when="vix is null or vix > 30") == {
        2: "BA", 3: "BA", 4: "BA",
    }  # fmt: skip


def test_when_and_every_must_both_hold() -> None:
    assert ranked(flat(4), context=VIX, when="vix <= 100", every=2) == {2: "BA"}


def test_when_may_name_the_time_and_the_market() -> None:
    assert ranked(flat(3), context=VIX, when="timestamp > '2024-01-01' and market.vix = 40") == {
        2: "BA"
    }


def test_when_cannot_name_a_column_per_asset() -> None:
    with pytest.raises(ExpressionError, match="names unknown column 'x'"):
        ranked(flat(2), context=VIX, when="x > 1")


# -- which rows ----------------------------------------------------------------------------


def test_where_limits_rows_and_null_is_not_eligible() -> None:
    source = prices([[1.0, 2.0, 3.0]], atr=[[0.5, None, 0.0]])

    assert ranked(source, where="atr is not null") == {1: "CA"}
    assert ranked(source, where="atr > 0") == {1: "A"}


def test_where_with_an_or_binds_as_one_condition() -> None:
    assert ranked(prices([[1.0, NAN, 3.0]]), where="x > 2 or true") == {1: "CA"}


def test_each_group_is_ranked_apart_and_rows_without_a_group_are_not() -> None:
    source = prices(
        [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]],
        sector=[["tech", "tech", "tech", "energy", None, "energy"]],
    )

    assert sorted(ranked(source, n=2, within="sector")[1]) == ["B", "C", "D", "F"]
    assert sorted(ranked(source, n=1, within="sector")[1]) == ["C", "F"]


def test_equal_weights_share_alike_over_the_groups() -> None:
    source = prices([[1.0, 2.0, 3.0]], sector=[["tech", "tech", "energy"]])

    assert weights(source, n=1, within="sector") == [0.5, 0.5]


# -- weights -------------------------------------------------------------------------------


def test_equal_weights_are_one_nth_however_few_are_ranked() -> None:
    assert weights(prices([[1.0, 2.0]]), n=4) == [0.25, 0.25]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("score / sum(score) over (partition by timestamp)", [0.75, 0.25]),
        ("1.0 / count(score) over (partition by timestamp)", [0.5, 0.5]),
        ("0.5 / rank", [0.5, 0.25]),
        ("least(0.3, score)", [0.3, 0.3]),
        ("0.1 * close", [0.1, 0.1]),
        ("case when rank = 1 then 0.9 else 0 end", [0.9, 0.0]),
        ("0.5", [0.5, 0.5]),
    ],
)
def test_a_weight_expression_reads_score_rank_and_signals(
    expression: str, expected: list[float]
) -> None:
    assert weights(prices([[1.0, 3.0]]), weight=expression) == expected


def test_a_weight_sees_the_kept_rows_only() -> None:
    source = prices([[1.0, 3.0, 6.0, 10.0]])

    assert weights(source, n=2, weight="score / sum(score) over (partition by timestamp)") == [
        0.625, 0.375,
    ]  # fmt: skip


@pytest.mark.parametrize("expression", ["-0.1", "0.3 - score / 10", "'nan'::double", "null"])
def test_a_weight_that_is_negative_or_no_number_is_refused(expression: str) -> None:
    with pytest.raises(DataError, match=r"a negative weight|a weight that is not finite"):
        weights(prices([[1.0, 4.0]]), weight=expression)


def test_weights_that_sum_to_more_than_one_are_refused_with_their_bar() -> None:
    source = prices([[1.0, None], [1.0, 2.0]])

    with pytest.raises(DataError, match=r"weights that sum to 1\.2 at one bar") as error:
        weights(source, weight="0.6")
    [sample] = error.value.sample
    assert sample == {"bar": sample["bar"], "asset_id": "B", "weight": 0.6}
    assert error.value.n_rows == 2


@pytest.mark.parametrize(("expression", "asset"), [("score / 0.0 * 0", "B"), ("1.5 - score", "B")])
def test_a_weight_that_is_none_names_its_bar_and_asset(expression: str, asset: str) -> None:
    with pytest.raises(DataError, match="gave a") as error:
        weights(prices([[1.0, 2.0]]), n=2, weight=expression)
    [sample] = error.value.sample
    assert sample["asset_id"] == asset
    assert str(sample["bar"]).startswith("20")


def test_weights_that_sum_to_one_in_floats_pass() -> None:
    assert sum(weights(prices([[1.0] * 10]), n=10, weight="0.1")) == pytest.approx(1.0)


# -- expressions ---------------------------------------------------------------------------


@pytest.mark.parametrize("comment", ["-- the score", "/* the score */", "--", "-- );"])
def test_a_comment_at_the_end_of_an_expression_is_harmless(comment: str) -> None:
    with_comment = {
        name: f"{expression} {comment}"
        for name, expression in {
            "by": "x", "where": "x > 1", "when": "vix < 30", "within": "close",
            "weight": "0.1 * rank",
        }.items()
    }  # fmt: skip

    assert ranked(prices([[1.0, 3.0, 2.0]]), context=VIX, **with_comment) == {1: "BC"}


def test_an_expression_over_several_lines_is_one_expression() -> None:
    assert ranked(prices([[1.0, 3.0]]), by="\n    -x -- lowest first\n    + 1\n") == {1: "AB"}


def test_market_columns_are_at_hand_in_every_expression() -> None:
    assert ranked(prices([[1.0, 3.0]]), context=VIX, by="x - vix", where="vix = 20") == {1: "BA"}


@pytest.mark.parametrize(
    "name", ["score", "rank", "weight", "is_eligible", "ranking_group", "kept"]
)
def test_a_column_of_any_name_means_the_column_in_score_and_condition(name: str) -> None:
    source = prices([[1.0, 2.0, 3.0]], **{name: [[1.0, 2.0, 3.0]]})

    assert ranked(source, by=f"-{name}", where=f"{name} > 1") == {1: "BC"}
    assert ranked(source, by="-x", where="x < 3") == {1: "AB"}


def test_score_in_a_weight_is_the_ranked_score() -> None:
    source = prices([[1.0, 2.0]], score=[[7.0, 9.0]])

    assert weights(source, by="x", weight="score / 4") == [0.5, 0.25]


def test_score_in_a_weight_is_the_ranked_score_next_to_a_context_of_that_name() -> None:
    catalog = Catalog().register("prices", prices([[1.0, 2.0]]))
    catalog.register("context", {"timestamp": [START], "score": [9.0], "rank": [9.0]})

    found = selections(catalog, Ranking(n=2, by="x", weight="score / 4 + 0 * rank"))
    assert found[0].weights.tolist() == [0.5, 0.25]


@pytest.mark.parametrize("expression", ["unnest([x, -x])", "generate_subscripts([1, 2], 1)"])
def test_no_expression_ranks_an_asset_twice(expression: str) -> None:
    with pytest.raises(ExpressionError):
        ranked(prices([[1.0, 2.0]]), by=expression)


def test_an_expression_that_fails_on_the_data_is_named() -> None:
    with pytest.raises(ExpressionError, match="failed on the data"):
        ranked(prices([[1.0, 2.0]]), by="asset_id::double")
    with pytest.raises(ExpressionError, match=r"'\(close > 1\) & \(open > 1\)' failed on the data"):
        ranked(prices([[1.0, 2.0]]), by="close", where="(close > 1) & (open > 1)")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"n": 0}, "n must be a whole number of at least 1, was 0"),
        ({"n": True}, "n must be a whole number"),
        ({"every": 0}, "every must be a whole number"),
        (
            {"every": 5, "offset": 5},
            r"offset must be a whole number from 0 to 4, was 5",
        ),
        ({"offset": -1}, r"offset must be a whole number from 0"),
        ({"by": "  "}, "by must be an SQL expression, was '  '"),
        ({"weight": ""}, "weight must be an SQL expression, was ''"),
    ],
)
def test_a_ranking_is_valid_once_built(change: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Ranking(**({"n": 1, "by": "x"} | change))  # type: ignore[arg-type]


# -- against plain Python ------------------------------------------------------------------

SCORE = st.sampled_from([None, NAN, INF, -INF, -0.0, 0.0, 1.0, 1.0, 2.0, 3.0, -5.0])
CROSS_SECTIONS = st.integers(1, 8).flatmap(
    lambda width: st.lists(st.lists(SCORE, min_size=width, max_size=width), min_size=1, max_size=9)
)


def plain_ranking(scores: Scores, n: int, every: int, *, ascending: bool) -> dict[int, str]:
    expected = {}
    for number, row in enumerate(scores, start=1):
        if number % every == 0:
            finite = [(s, i) for i, s in enumerate(row) if s is not None and math.isfinite(s)]
            best = sorted(finite, key=lambda pair: (pair[0] if ascending else -pair[0], pair[1]))
            expected[number] = "".join(chr(ord("A") + i) for _, i in best[:n])
    return expected


@pytest.mark.parametrize("threads", [1, 2])
@QUICK
@given(scores=CROSS_SECTIONS, n=st.integers(1, 5), every=st.integers(1, 3), ascending=st.booleans())
def test_a_ranking_is_that_of_plain_python(
    threads: int, scores: Scores, n: int, every: int, ascending: bool
) -> None:
    found = ranked(prices(scores), threads=threads, n=n, every=every, ascending=ascending)

    assert found == plain_ranking(scores, n, every, ascending=ascending)


@settings(max_examples=examples(3), deadline=None)
@given(scores=CROSS_SECTIONS, cells=st.integers(1, 20))
def test_a_ranking_does_not_depend_on_the_size_of_chunks(scores: Scores, cells: int) -> None:
    catalog = Catalog(threads=2).register("prices", prices(scores))
    ranking = Ranking(n=3, by="x", weight="1.0 / count(x) over (partition by timestamp)")

    whole, parts = selections(catalog, ranking), selections(catalog, ranking, cells=cells)
    assert list(whole) == list(parts)
    for t in whole:
        assert whole[t].sids.tolist() == parts[t].sids.tolist()
        assert whole[t].weights.tolist() == parts[t].weights.tolist()


def test_one_and_two_threads_rank_many_ties_alike() -> None:
    source = prices([[float((i * 7 + t) % 3) for i in range(40)] for t in range(300)])

    assert ranked(source, threads=1, n=10) == ranked(source, threads=2, n=10)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("row_number() over (partition by timestamp order by x -- best\n desc)", "ACB"),
        ("row_number() over (partition by timestamp /* all */ order by (x)) -- end", "BCA"),
        ("row_number() OVER(PARTITION BY timestamp ORDER BY x desc nulls last)", "ACB"),
        ("row_number() over (partition by timestamp order by range)", "CBA"),
        ('row_number() over (partition by timestamp order by "rows")', "CBA"),
        ("row_number() over (partition by timestamp order by greatest(x, 2.5), asset_id)", "BCA"),
        ("max(x) over (partition by timestamp) - x", "ACB"),
        (
            "max(x) over (partition by timestamp rows between unbounded preceding "
            "and unbounded following) - x",
            "ACB",
        ),
        ("-sum(x) filter (where x > 1) over (partition by timestamp, asset_id)", "CB"),
        ("count(*) over (partition by timestamp) * x", "BCA"),
        (
            "case asset_id when 'éü漢' then 0 else x - avg(x) over (partition by timestamp) end",
            "BCA",
        ),
        (
            "2 - ntile(3) over (partition by timestamp order by x)",
            "ACB",
        ),
        (
            "case when 'over (' = 'x' then 0 else sum(x) over (partition by timestamp) * x end",
            "BCA",
        ),
    ],
)
def test_a_window_of_any_spelling_ranks_as_it_says(expression: str, expected: str) -> None:
    source = prices([[1.0, 3.0, 2.0]], range=[[1.0, 2.0, 3.0]], rows=[[1.0, 2.0, 3.0]])

    assert ranked(source, by=expression) == {1: expected}


@pytest.fixture(scope="module")
def wide() -> pa.Table:
    """2,000 assets over 20 bars, in no order: enough for several threads to share a bar."""
    cells = [(t, i) for i in range(2000) for t in range(20)]
    values = [1 + math.sin(i * 1.7 + t * 0.3) ** 2 for t, i in cells]
    return pa.table(
        {
            "timestamp": [START + timedelta(days=t) for t, _ in cells],
            "asset_id": [i * 7919 % 2000 for _, i in cells],
            "open": values,
            "close": values,
        }
    )


@pytest.mark.parametrize(
    "expression",
    [
        "avg(close) over (partition by timestamp order by round(close, 1) rows 20 preceding)",
        "sum(close) over (partition by timestamp order by asset_id rows 20 preceding)",
        "sum(distinct close) over (partition by timestamp, asset_id % 20)",
    ],
)
def test_a_score_is_to_the_last_digit_the_same_whatever_other_bars_there_are(
    expression: str, wide: pa.Table
) -> None:
    catalog = Catalog(threads=1).register("prices", wide.filter(pc.field("asset_id") < 700))
    ranking = Ranking(n=700, by=expression, weight="0")
    whole, parts = (selections(catalog, ranking, cells=cells) for cells in (1 << 19, 1))

    assert [s.scores.tolist() for s in parts.values()] == [
        s.scores.tolist() for s in whole.values()
    ]


def test_a_frame_that_excludes_rows_is_refused() -> None:
    by = "avg(x) over (partition by timestamp order by x rows 2 preceding exclude ties)"
    with pytest.raises(ExpressionError, match=r"exclude in the frame of avg\(\); take the row's"):
        ranked(flat(1), by=by)


@long
@pytest.mark.parametrize(
    "expression",
    [
        "close - avg(close) over (partition by timestamp)",
        "(close - avg(close) over (partition by timestamp)) "
        "/ stddev_samp(close) over (partition by timestamp)",
        "close / sum(close) over (partition by timestamp)",
        "close - quantile_cont(close, 0.3) over (partition by timestamp)",
        "ntile(7) over (partition by timestamp order by round(close, 1))",
        "row_number() over (partition by timestamp order by round(close, 1))",
        "sum(close) over (partition by timestamp order by round(close, 1))",
        "first_value(close) over (partition by timestamp order by round(close, 1))",
    ],
)
def test_cross_sectional_scores_depend_on_neither_threads_nor_row_order(
    expression: str, wide: pa.Table
) -> None:
    """Sums of floats depend on their order, and threads deliver rows in any order."""
    ranking = Ranking(
        n=100,
        by=expression,
        weight="abs(score) / (2 * sum(abs(score)) over (partition by timestamp))",
    )
    # One thread on reordered rows shows every time what two threads show most of the time.
    backwards = wide.take(list(range(len(wide) - 1, -1, -1)))
    first, *others = [
        [
            (t, found.sids.tolist(), found.scores.tolist(), found.weights.tolist())
            for t, found in selections(
                Catalog(threads=threads).register("prices", rows), ranking
            ).items()
        ]
        for threads, rows in ((1, wide), (1, backwards), *(((2, wide),) if EFFORT > 1 else ()))
    ]

    assert all(other == first for other in others)
