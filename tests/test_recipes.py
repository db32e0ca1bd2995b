"""Recipes: each weight formula against ten lines of Python."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from effort import examples
from ml4t.backtest import (
    Catalog,
    ConfigError,
    DataError,
    ExpressionError,
    Ranking,
    SQLStrategy,
    recipes,
)
from ml4t.backtest.core.selecting import Query
from ml4t.backtest.data.selection.query_plan import plan_query
from ml4t.backtest.data.stream.batches import batches, plan_batches

# score, volatility, sector of each asset; the ranking puts the highest score first.
Asset = tuple[float, float | None, str | None]
Weights = dict[int, float]
NUMBER = st.floats(-5, 5).map(lambda x: round(x, 2))
VOLATILITY = st.one_of(st.none(), st.sampled_from([0.0, math.nan, -1.0]), st.floats(0.1, 9))
BARS = st.lists(
    st.tuples(NUMBER, VOLATILITY, st.sampled_from(["tech", "energy", "banks", None])),
    min_size=1, max_size=15,
)  # fmt: skip
CALM = settings(max_examples=examples(3), deadline=None)


def weights(text: str, bar: list[Asset], n: int | str = "all", **ranking: object) -> Weights:
    """What a recipe gives at the only bar, by the number of the asset."""
    size = len(bar)
    catalog = Catalog(threads=1).register("prices", {
        "timestamp": [date(2024, 1, 2)] * size, "asset_id": [f"{i:03}" for i in range(size)],
        "open": [1.0] * size, "close": [1.0] * size,
        "x": [row[0] for row in bar],
        "vol": [row[1] for row in bar] if any(row[1] is not None for row in bar) else [0.0] * size,
        "sector": [row[2] or "" for row in bar],
    })  # fmt: skip
    prepared = catalog.validate()
    query = Query(text=text, ranking=Ranking(**({"n": n, "by": "x"} | ranking)))  # type: ignore[arg-type]
    plan = plan_query(query, prepared, long_only=False)
    found = {}
    for chunk in batches(plan_batches(prepared, has_levels=False, features=()), plan, prepared):
        for one in chunk.selections.values():
            found |= dict(zip(one.sids.tolist(), one.weights.tolist(), strict=True))
    return found


def by_rank(bar: list[Asset]) -> list[int]:
    return sorted(range(len(bar)), key=lambda i: (-bar[i][0], i))


def shared(sizes: Weights) -> Weights:
    total = sum(sizes.values())
    return {i: size / total if total else 0.0 for i, size in sizes.items()}


def plain_equal(bar: list[Asset]) -> Weights:
    return shared(dict.fromkeys(range(len(bar)), 1.0))


def plain_score(bar: list[Asset]) -> Weights:
    return shared({i: max(row[0], 0.0) for i, row in enumerate(bar)})


def plain_rank(bar: list[Asset]) -> Weights:
    return shared({i: float(len(bar) - place) for place, i in enumerate(by_rank(bar))})


def plain_volatility(bar: list[Asset]) -> Weights:
    return shared({i: 1 / row[1] if row[1] and row[1] > 0 else 0.0 for i, row in enumerate(bar)})


def plain_group(bar: list[Asset]) -> Weights:
    groups = [row[2] or "" for row in bar]
    return {i: 1 / len(set(groups)) / groups.count(group) for i, group in enumerate(groups)}


def plain_long_short(bar: list[Asset]) -> Weights:
    n = len(bar)
    k = max(1, math.floor(0.2 * n + 1e-9))
    order = by_rank(bar)
    return dict.fromkeys(order[:k], 0.6 / k) | dict.fromkeys(order[-k:], -0.3 / k) if n > 1 else {}


PLAIN: dict[str, tuple[str, Callable[[list[Asset]], Weights]]] = {
    "equal": (recipes.equal(), plain_equal),
    "score": (recipes.score_proportional(), plain_score),
    "rank": (recipes.rank_weighted(), plain_rank),
    "volatility": (recipes.inverse_volatility("vol"), plain_volatility),
    "group": (recipes.per_group("sector"), plain_group),
    "long short": (recipes.long_short(0.2, long=0.6, short=0.3), plain_long_short),
}


@pytest.mark.parametrize("name", PLAIN)
@CALM
@given(bar=BARS)
def test_a_recipe_is_that_of_plain_python(name: str, bar: list[Asset]) -> None:
    text, plain = PLAIN[name]
    assert weights(text, bar) == pytest.approx(plain(bar))


def plain_capped(sizes: Weights, cap: float) -> Weights:
    """Cap and share out the excess in proportion, until none exceeds."""
    total, capped = sum(sizes.values()), set[int]()
    while True:
        rest = sum(size for i, size in sizes.items() if i not in capped)
        scale = (total - cap * len(capped)) / rest if rest else 0.0
        found = {i: cap if i in capped else scale * size for i, size in sizes.items()}
        over = {i for i, weight in found.items() if i not in capped and weight > cap * (1 + 1e-12)}
        if not over:
            return found
        capped |= over


@pytest.mark.parametrize("cap", [0.05, 0.2, 0.35, 1.0])
@CALM
@given(bar=BARS)
def test_capped_weights_are_what_capping_again_and_again_ends_in(
    cap: float, bar: list[Asset]
) -> None:
    text = recipes.capped(cap, of=recipes.score_proportional())
    found = weights(text, bar)

    assert found == pytest.approx(plain_capped(plain_score(bar), cap), abs=1e-12)
    assert all(weight <= cap for weight in found.values())
    n_sized = sum(row[0] > 0 for row in bar)
    assert sum(found.values()) == pytest.approx(min(n_sized * cap, 1.0 if n_sized else 0.0))


def test_the_sides_of_a_long_short_portfolio_are_capped_apart() -> None:
    bar = [(float(i), 1.0 + i, None) for i in range(5)]
    weighted = (
        "select timestamp, asset_id, case asset_id when '000' then 0.9 when '001' then 0.1 "
        "when '002' then -0.6 when '003' then -0.2 else -0.2 end as weight from ranked"
    )
    assert weights(recipes.capped(0.5, of=weighted), bar) == pytest.approx(
        {0: 0.5, 1: 0.5, 2: -0.5, 3: -0.25, 4: -0.25}
    )


def test_capped_without_a_recipe_caps_equal_weights() -> None:
    assert weights(recipes.capped(0.3), [(1.0, None, None)] * 2) == {0: 0.3, 1: 0.3}


@pytest.mark.parametrize("odd", ["null", "'nan'::double", "'-inf'::double"])
def test_a_weight_that_is_no_number_is_refused_behind_a_cap_as_before_it(odd: str) -> None:
    bar = [(3.0, None, None), (2.0, None, None), (1.0, None, None)]
    weighted = (
        f"select timestamp, asset_id, case when rank = 1 then {odd} else 0.5 end as weight "
        "from ranked"
    )
    for text in (weighted, recipes.capped(0.3, of=weighted)):
        with pytest.raises(DataError, match=r"NULL, NaN or infinite.*rule weights, 1 rows") as e:
            weights(text, bar)
        assert e.value.sample[0]["asset_id"] == "000"


@pytest.mark.parametrize("end", [";", "; -- note", " -- note", ";\n/* note */ ;", " /* ; */"])
def test_what_is_capped_may_end_as_any_query_does(end: str) -> None:
    of = f"select timestamp, asset_id, 0.5 as weight from ranked where '-- ;' <> 'x'{end}"
    assert weights(recipes.capped(0.3, of=of), [(1.0, None, None)]) == {0: 0.3}


def test_two_queries_cannot_be_capped() -> None:
    with pytest.raises(ExpressionError, match="does not parse"):
        weights(recipes.capped(0.3, of="select 1; select 2"), [(1.0, None, None)])


def test_capped_weights_are_alike_to_the_last_digit_whatever_other_bars_there_are() -> None:
    cells = [(t, i) for t in range(12) for i in range(700)]
    catalog = Catalog(threads=1).register("prices", {
        "timestamp": [date(2024, 1, 2 + t) for t, _ in cells], "asset_id": [i for _, i in cells],
        "open": [1.0] * len(cells), "close": [1.0] * len(cells),
        "x": [(1 + math.sin(i * 1.7 + t) ** 2) * 10.0 ** (i % 7 - 3) for t, i in cells],
    })  # fmt: skip
    prepared = catalog.validate()
    query = Query(
        text=recipes.capped(0.002, of=recipes.score_proportional()),
        ranking=Ranking(n=1000, by="x"),
    )
    plan = plan_query(query, prepared)
    needs = plan_batches(prepared, has_levels=False, features=())
    whole, parts = (
        [
            one.weights.tolist()
            for chunk in batches(needs, plan, prepared, chunk_cells=size)
            for one in chunk.selections.values()
        ]
        for size in (1 << 19, 1)
    )

    assert parts == whole
    assert max(map(max, whole)) == 0.002


@pytest.mark.parametrize(
    ("ascending", "sides"), [(False, {3: 0.5, 0: -0.5}), (True, {0: 0.5, 3: -0.5})]
)
def test_the_best_and_the_worst_of_groups_are_those_of_the_timestamp(
    ascending: bool, sides: Weights
) -> None:
    bar = [(1.0, None, "a"), (2.0, None, "a"), (3.0, None, "b"), (4.0, None, "b")]
    grouped = recipes.long_short(0.25, ascending=ascending)

    assert weights(grouped, bar, within="sector", ascending=ascending) == sides
    # Without groups the rank says it all.
    assert weights(recipes.long_short(0.25), bar, ascending=ascending) == sides


@pytest.mark.parametrize(
    ("text", "bar"),
    [
        (recipes.score_proportional(), [(1e308, None, None)] * 2),
        (recipes.inverse_volatility("vol"), [(1.0, 1e-308, None)] * 2),
    ],
)
def test_sizes_that_sum_to_infinity_are_refused(text: str, bar: list[Asset]) -> None:
    with pytest.raises(DataError, match="NULL, NaN or infinite"):
        weights(text, bar)


def test_a_decile_of_a_hundred_is_ten_on_each_side() -> None:
    bar = [(float(i), None, None) for i in range(100)]
    found = weights(recipes.long_short(), bar)

    assert found == {i: 0.05 if i >= 90 else -0.05 for i in (*range(90, 100), *range(10))}
    assert len(weights(recipes.long_short(0.29), bar)) == 58


@pytest.mark.parametrize("n", [5, 0.2])
@pytest.mark.parametrize("capped", [False, True])
def test_long_short_within_the_best_is_refused(n: float, capped: bool) -> None:
    """It would be long the best and short the fifth best."""
    text = recipes.long_short(quantiles=10)
    text = recipes.capped(0.05, of=text) if capped else text
    says = rf"short the worst .* n={n} .* write n='all'.* recipes.long_short\(quantiles=10\)"
    with pytest.raises(ConfigError, match=says):
        SQLStrategy(text, ranking=Ranking(n=n, by="x"))
    strategy = SQLStrategy(text, ranking=Ranking(n="all", by="x"))
    assert type(strategy.query().text) is str
    # Whoever writes it out has it as it stands.
    assert SQLStrategy(str(text), ranking=Ranking(n=n, by="x"))


def test_an_asset_without_a_group_is_left_out() -> None:
    text = recipes.per_group("sector").replace('"sector"', "nullif(sector, '')")
    assert weights(text, [(1.0, None, "a"), (2.0, None, None)]) == {0: 1.0}


def test_a_column_that_is_not_there_is_found_before_the_run() -> None:
    with pytest.raises(ExpressionError, match="did you mean 'sector'"):
        weights(recipes.per_group("sectr"), [(1.0, None, "a")])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: recipes.long_short(0.6), "fraction must be at most 0.5"),
        (lambda: recipes.long_short(short=0), "short must be a number above 0"),
        (lambda: recipes.capped(0), "cap must be a number above 0"),
        (lambda: recipes.capped(10**400), "cap must be a number above 0"),
        (lambda: recipes.capped(0.1, of=" "), "of must be an SQL SELECT"),
        (lambda: recipes.long_short(ascending="no"), "ascending must be True or False"),  # type: ignore[arg-type]
        (lambda: recipes.per_group(""), "column must be the name of a column"),
    ],
)
def test_a_recipe_is_valid_once_made(make: Callable[[], str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        make()
