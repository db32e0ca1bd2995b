"""Preview: what would be held at a bar, and why the rest would not."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from ml4t.backtest import (
    BacktestEngine,
    Catalog,
    ConfigError,
    ExpressionError,
    Ranking,
    SQLStrategy,
    Strategy,
    TopN,
)
from ml4t.backtest.strategies import PercentSizer, Rule, SignalStrategy

START = date(2024, 1, 1)
DAYS = [START + timedelta(days=t) for t in range(8)]
ASSETS = "ABCDEFG"
SCORES = [7.0, 6.0, None, 5.0, 4.0, float("nan"), 3.0]


def new_catalog(*, universe: bool = False) -> Catalog:
    cells = [(day, i) for day in DAYS for i in range(len(ASSETS))]
    catalog = (
        Catalog()
        .register("prices", {
            "timestamp": [day for day, _ in cells], "asset_id": [ASSETS[i] for _, i in cells],
            "open": [10.0 + i for _, i in cells], "close": [10.0 + i for _, i in cells],
        })
        .register("features", {
            "timestamp": [day for day, _ in cells], "asset_id": [ASSETS[i] for _, i in cells],
            "score_of": [SCORES[i] for _, i in cells],
            "atr": [None if i == 1 else 1.0 for _, i in cells],
            "sector": [None if i == 6 else "xy"[i % 2] for _, i in cells],
        })
        .register("context", {"timestamp": DAYS, "vix": [20.0] * 6 + [40.0, 20.0]})
    )  # fmt: skip
    if universe:
        catalog.register("universe", {
            "asset_id": list("BCDEFG"), "start_date": [START] * 6, "end_date": [None] * 6,
        })  # fmt: skip
    return catalog


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return new_catalog()


def reasons(catalog: Catalog, strategy: Strategy, timestamp: object) -> dict[str, str | None]:
    found = catalog.preview(strategy, timestamp).fetchall()
    assert all(row[4] == (row[5] is None) for row in found)
    return {row[0]: row[5] for row in found}


BEST = TopN(2, by="score_of", where="atr is not null and close > 9", when="vix <= 30", every=2)


def test_every_asset_is_told_why(catalog: Catalog) -> None:
    assert catalog.preview(BEST, DAYS[1]).columns == [
        "asset_id", "score", "rank", "weight", "is_held", "reason",
    ]  # fmt: skip
    assert catalog.preview(BEST, DAYS[1]).fetchall()[:4] == [
        ("A", 7.0, 1, 0.5, True, None),
        ("D", 5.0, 2, 0.5, True, None),
        ("E", 4.0, 3, None, False, "rank 3 of 2"),
        ("G", 3.0, 4, None, False, "rank 4 of 2"),
    ]
    found = reasons(catalog, BEST, DAYS[1])
    assert found["B"] == "where: atr is not null"
    assert found["C"] == found["F"] == "score is NULL or NaN"


def test_a_filter_is_named_by_its_part(catalog: Catalog) -> None:
    where = "close between 10 and 13 -- cheap\n and atr is not null and (close < 1 or close > 0)"
    found = reasons(catalog, TopN(9, by="close", where=where), DAYS[1])

    assert [found[asset] for asset in "ABE"] == [
        None, "where: atr is not null", "where: close between 10 and 13",
    ]  # fmt: skip
    either = reasons(catalog, TopN(9, by="close", where="close < 11 or close > 15"), DAYS[1])
    assert either["B"] == "where: close < 11 or close > 15"


def test_a_bar_that_is_not_decided_on_says_so(catalog: Catalog) -> None:
    late = TopN(2, by="score_of", when="vix <= 30")

    assert set(reasons(catalog, BEST, DAYS[2]).values()) == {"no decision bar"}
    assert set(reasons(catalog, late, DAYS[6]).values()) == {"when: vix <= 30"}
    # What the ranking would have said is there all the same.
    assert catalog.preview(late, DAYS[6]).fetchall()[0][:4] == ("A", 7.0, 1, None)


def test_one_that_is_no_member_and_one_without_a_group_are_told(catalog: Catalog) -> None:
    strategy = TopN(1, by="score_of", within="sector")
    found = reasons(new_catalog(universe=True), strategy, DAYS[1])

    assert found["A"] == "no member"
    assert found["G"] == "sector is NULL"
    assert found["D"] == "rank 2 of 1"
    assert found["B"] is found["E"] is None
    assert reasons(catalog, strategy, DAYS[1])["A"] is None


def test_a_query_says_what_it_returned(catalog: Catalog) -> None:
    ranking = Ranking(n=3, by="score_of", where="atr is not null")
    text = "select timestamp, asset_id, (rank - 1) / 10 as weight from ranked where close < 14"
    found = reasons(catalog, SQLStrategy(text, ranking=ranking), DAYS[1])

    assert found["A"] == "weight 0.0"
    assert found["D"] is None
    assert found["E"] == "not returned by the query"
    assert found["B"] == "where: atr is not null"
    plain = SQLStrategy("select timestamp, asset_id, 5 as quantity from signals where close < 11")
    assert catalog.preview(plain, DAYS[1]).fetchall()[0] == ("A", None, 1, 5.0, True, None)
    assert catalog.preview(plain, DAYS[1]).columns[3] == "quantity"
    none = SQLStrategy("select timestamp, asset_id, 1 as weight from signals where close < 0")
    assert set(reasons(catalog, none, DAYS[1]).values()) == {
        "no row of the query: what is held stays"
    }


@pytest.mark.parametrize(
    "strategy",
    [
        BEST,
        TopN(3, by="score_of", weight="score / 100", ascending=True),
        SQLStrategy("select * from ranked where close > 10", ranking=Ranking(n=4, by="score_of")),
        SQLStrategy("select timestamp, asset_id, close / 100 as weight from signals", every=3),
    ],
)
def test_a_preview_agrees_with_the_selections_of_a_run(
    strategy: Strategy, catalog: Catalog
) -> None:
    result = BacktestEngine(catalog, strategy).run()
    chosen = result.sql("select timestamp, asset_id, score, weight from selections").fetchall()

    found = []
    for day in DAYS:
        rows = catalog.preview(strategy, day).fetchall()
        found += [(day, row[0], row[1], row[3]) for row in rows if row[4]]
    assert sorted(found) == sorted(chosen)
    assert found


@pytest.mark.parametrize(
    "moment", [DAYS[1], "2024-01-02", datetime(2024, 1, 2)], ids=["date", "text", "datetime"]
)
def test_a_bar_can_be_named_in_several_ways(moment: object, catalog: Catalog) -> None:
    assert reasons(catalog, BEST, moment)["A"] is None


def test_a_time_without_a_bar_names_the_nearest(catalog: Catalog) -> None:
    with pytest.raises(ConfigError, match="no bar at 2024-02-01; the nearest are 2024-01-08"):
        catalog.preview(BEST, "2024-02-01")
    with pytest.raises(ConfigError, match="timestamp must be a time, was 'soon'"):
        catalog.preview(BEST, "soon")


def test_what_cannot_be_previewed_is_refused(catalog: Catalog) -> None:
    class Still(Strategy):
        def decide(self, batch: object, broker: object) -> None: ...

    with pytest.raises(ConfigError, match="Still has no ranking, query or rules"):
        catalog.preview(Still(), DAYS[1])
    with pytest.raises(ExpressionError, match="did you mean 'atr'"):
        catalog.preview(TopN(1, by="art"), DAYS[1])


# -- rules --------------------------------------------------------------------------------------


def ruled() -> Catalog:
    """A to D on two days, with a score that A lacks on the second and a VIX of 20, then 40."""
    days, assets = [date(2024, 1, 1), date(2024, 1, 2)], "ABCD"
    rows = [(day, name) for day in days for name in assets]
    prices = {"timestamp": [day for day, _ in rows], "asset_id": [name for _, name in rows],
              **{column: [10.0] * 8 for column in ("open", "high", "low", "close")}}  # fmt: skip
    score = [0.9, 0.1, 0.9, 0.9, None, 0.9, float("nan"), 0.95]
    features = {"timestamp": prices["timestamp"], "asset_id": prices["asset_id"], "score": score}
    return (
        Catalog(threads=1).register("prices", prices).register("features", features)
        .register("context", {"timestamp": days, "vix": [20.0, 20.0]})
    )  # fmt: skip


def test_a_preview_of_rules_names_the_entry_rule_that_says_no() -> None:
    strategy = SignalStrategy(
        [Rule.context_below("vix", 30), Rule.signal_above("score", 0.8),
         Rule.crosses_above("score", 0.5), Rule.not_in_position()],
        [Rule.signal_below("score", 0.5), Rule.stop_loss(0.05)],
        position_sizer=PercentSizer(0.1),
    )  # fmt: skip
    shown = ruled().preview(strategy, "2024-01-02").fetchall()
    crossing = 'signals."score" > 0.5 and signals."__previous_score" <= 0.5'
    assert [row[1:] for row in shown] == [
        ("A", False, False, 'signals."score" > 0.8'),
        ("B", True, False, None),
        ("C", False, False, 'signals."score" > 0.8'),
        ("D", False, False, crossing),
    ]


def test_a_preview_of_rules_refuses_a_typo_and_a_time_without_a_bar() -> None:
    strategy = SignalStrategy([Rule.signal_above("scroe", 0.8)], position_sizer=PercentSizer(0.1))
    with pytest.raises(ExpressionError, match="did you mean 'score'"):
        ruled().preview(strategy, "2024-01-02")
    strategy = SignalStrategy([Rule.signal_above("score", 0.8)], position_sizer=PercentSizer(0.1))
    with pytest.raises(ConfigError, match="there is no bar at 2024-01-05; the nearest are"):
        ruled().preview(strategy, "2024-01-05")
