"""What a run did not do is said: in summary, `runs.selection` and the status of its orders."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    BacktestResult,
    BasisPointCommission,
    BasisPointSlippage,
    Catalog,
    ExecutionPolicy,
    Ranking,
    SQLStrategy,
    Strategy,
    TopN,
)
from ml4t.backtest.strategies import PercentSizer, Rule, SignalStrategy

DAY = date(2024, 1, 2)
N_BARS = 20


def catalog(vix: float = 20.0, **prices: Any) -> Catalog:
    """Return six assets, x from 0 to 5; y is known from the fourth bar on."""
    rows = [
        {"timestamp": DAY + timedelta(t), "asset_id": asset, "open": 10.0, "high": 10.0,
         "low": 10.0, "close": 10.0, "x": float(i), "y": None if t < 3 else 1.0, **prices}
        for t in range(N_BARS) for i, asset in enumerate("ABCDEF")
    ]  # fmt: skip
    market = pl.DataFrame({"timestamp": [DAY], "vix": [vix]})
    return (
        Catalog(threads=1).register("prices", pl.DataFrame(rows)).register("context", market)
    )  # fmt: skip


def run(strategy: Strategy, given: Catalog | None = None) -> BacktestResult:
    return BacktestEngine(catalog() if given is None else given, strategy).run()


def facts(result: BacktestResult) -> Any:
    return json.loads(result.sql("select selection from runs").fetchall()[0][0])


def lines(result: BacktestResult) -> list[str]:
    return result.summary().splitlines()


def counts(told: list[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    return {one["text"]: (one["true"], one["of"]) for one in told}


# -- decisions ------------------------------------------------------------------------------------


def test_a_schedule_beyond_the_bars_is_said() -> None:
    result = run(TopN(3, by="x", every=50))
    assert facts(result)["decision_bars"] == 0
    (line,) = [line for line in lines(result) if line.startswith("No decision bars")]
    assert "every=50 with offset=0 falls on none of 20 bars" in line


@pytest.mark.parametrize("form", ["ranking", "query"])
def test_a_condition_on_the_market_that_was_never_true_says_which_part(form: str) -> None:
    when = "vix <= 30 and vix > 10"
    strategy: Strategy = TopN(3, by="x", when=when, every=5)
    if form == "query":
        query = "select timestamp, asset_id, 0.1 as weight from signals"
        strategy = SQLStrategy(query, when=when, every=5)
    result = run(strategy, catalog(vix=40.0))
    assert counts(facts(result)["when"]) == {"vix <= 30": (0, 4), "vix > 10": (4, 4)}
    told = lines(result)
    at = told.index("No decision bars: when was never true; its parts, whatever the others say:")
    assert told[at + 1 : at + 3] == ["  vix <= 30: 0 of 4 bars", "  vix > 10: 4 of 4 bars"]


def test_a_filter_that_was_never_true_says_how_often_each_part_was() -> None:
    result = run(TopN(3, by="x", where="x > 10 and y is not null", every=2))
    found = facts(result)
    assert found["decision_bars"] == 10
    assert found["fewer"] == {"decisions": 10, "least": 0, "most": 0}
    assert counts(found["where"]) == {
        "x > 10": (0, 60), "y is not null": (54, 60), "x is a number": (60, 60)
    }  # fmt: skip
    told = lines(result)
    at = told.index("Nothing to hold at all 10 decision bars")
    assert told[at + 2] == "  x > 10: 0 of 60 rows"


def test_fewer_candidates_than_n_are_counted_at_the_bars_that_had_them() -> None:
    result = run(TopN(3, by="x", where="y is not null or x > 3"))
    found = facts(result)
    assert found["fewer"] == {"decisions": 3, "least": 2, "most": 2}
    assert counts(found["where"]) == {
        "y is not null or x > 3": (6, 18), "x is a number": (18, 18)
    }  # fmt: skip
    assert "Fewer candidates than 3 at 3 of 20 decision bars: 2" in lines(result)


def test_fewer_assets_than_n_are_said_without_a_look_at_filters() -> None:
    result = run(TopN(25, by="x", where="x >= 0"))
    assert "Fewer candidates than 25 at all 20 decision bars: 6" in lines(result)
    assert "where" not in facts(result)


def test_a_missing_score_and_a_missing_group_are_parts_too() -> None:
    result = run(TopN(0.5, by="ln(y) + x", within="nullif(x, x)"))
    assert counts(facts(result)["where"]) == {
        "ln(y) + x is a number": (102, 120), "nullif(x, x) is not NULL": (0, 120)
    }  # fmt: skip


def test_a_strategy_that_had_what_it_asked_for_is_told_nothing_more() -> None:
    result = run(TopN(3, by="x", where="x >= 0", when="vix < 30", every=5))
    assert facts(result) == {"decision_bars": 4, "every": 5, "offset": 0, "n": 3}
    assert not [line for line in lines(result) if "decision bars" in line]


def test_a_query_without_rows_says_what_its_ranking_found() -> None:
    query = "select timestamp, asset_id, 0.1 as weight from ranked where x > 9"
    result = run(SQLStrategy(query, ranking=Ranking(n="all", by="x", where="y > 0")))
    assert facts(result)["fewer"]["decisions"] == N_BARS
    assert counts(facts(result)["where"])["y > 0"] == (102, 120)


def test_rules_that_never_let_in_say_how_often_each_was_true() -> None:
    entry = [Rule.signal_above("x", 3), Rule.signal_above("y", 5)]
    result = run(SignalStrategy(entry, position_sizer=PercentSizer(0.1)))
    assert [(one["true"], one["of"]) for one in facts(result)["rules"]] == [(40, 120), (0, 120)]
    assert '  signals."y" > 5.0: 0 of 120 rows' in lines(result)


def test_a_strategy_without_a_ranking_is_told_nothing_of_decisions() -> None:
    class Idle(Strategy):
        def on_market_data(self, event: Any, context: Any = None) -> None:
            pass

    result = run(Idle())
    assert facts(result) == {}
    assert any(line.startswith("No orders") for line in lines(result))


# -- rows, orders, lots ---------------------------------------------------------------------------


def test_dropped_rows_say_what_was_wrong_with_them() -> None:
    rows = pl.DataFrame({
        "timestamp": [DAY, DAY + timedelta(1)], "asset_id": ["A", "A"], "open": [10.0, 10.0],
        "close": [10.0, -1.0],
    })  # fmt: skip
    given = Catalog(threads=1).register("prices", rows, on_bad_rows="drop")
    (line,) = [one for one in lines(run(TopN(1, by="close"), given)) if one.startswith("Dropped")]
    assert line.startswith(
        "Dropped: 1 rows of source 'prices' (rule close_not_positive), which has"
    )  # fmt: skip


def test_what_an_invested_account_trims_for_its_costs_is_no_shortage() -> None:
    result = run(TopN(5, by="x", every=21 - 2))
    ends = result.sql("select status, reason, count(*) from orders group by all").fetchall()
    assert ends == [("filled", "trimmed to fit the account", 5)]
    assert (result["n_trimmed"], result["n_partial"], result["n_unfilled"]) == (5, 0, 0)
    assert not any(line.startswith("Orders not filled whole") for line in lines(result))


@pytest.mark.parametrize(("cost", "status"), [(99.0, "filled"), (105.0, "partial")])
def test_a_cut_of_one_percent_is_one(cost: float, status: str) -> None:
    costs = BacktestConfig(
        commission=BasisPointCommission(cost), slippage=BasisPointSlippage(0)
    )  # fmt: skip
    result = BacktestEngine(catalog(), TopN(1, by="x", every=19), config=costs).run()
    reason = {"filled": "trimmed to fit the account", "partial": "cut: insufficient cash"}[status]
    assert result.sql("select status, reason from orders").fetchall() == [(status, reason)]


def test_what_the_volume_left_of_an_order_makes_it_partial_however_it_ends() -> None:
    class Sends(Strategy):
        def on_start(self) -> None:
            self.sent: list[Any] = []

        def on_timestamp_batch(self, events: Any, broker: Any, portfolio: Any) -> None:
            if not self.sent:
                self.sent = [
                    self.buy("A", 100, tif="ioc"), self.buy("B", 100),
                    self.buy("C", 100, tif="gtc"),
                    self.buy("D", 100, tif="gtc"), self.buy("E", 8, tif="gtc"),
                    self.buy("F", 100, limit=5),
                ]  # fmt: skip
            elif self.sent[3].filled_quantity and self.sent[3].is_open:
                broker.cancel(self.sent[3])

    given = catalog(volume=10.0)
    config = BacktestConfig(execution=ExecutionPolicy(participation=0.5))
    strategy = Sends()
    result = BacktestEngine(given, strategy, config=config).run()
    ends = result.sql("select asset_id, status, reason from orders order by asset_id").fetchall()
    assert ends == [
        ("A", "partial", "immediate or cancel"), ("B", "partial", "end of day"),
        ("C", "partial", "end of data"), ("D", "partial", "cancelled by the strategy"),
        ("E", "filled", ""), ("F", "expired", "end of data"),
    ]  # fmt: skip
    assert [str(order.status) for order in strategy.sent[:3]] == ["partial"] * 3
    assert (result["n_partial"], result["n_unfilled"]) == (4, 1)


def test_open_lots_are_in_the_repr() -> None:
    assert repr(run(TopN(5, by="x", every=19))).endswith(", 0 trades, 5 open lots>")
    assert repr(run(TopN(1, by="x", every=19))).endswith(", 0 trades, 1 open lot>")
    assert repr(run(TopN(1, by="x", every=50))).endswith(", 0 trades>")


def test_a_run_over_a_period_is_told_of_that_period_alone() -> None:
    start = DAY + timedelta(10)
    engine = BacktestEngine(catalog(), TopN(3, by="x", where="y > 2", every=2))
    found = facts(engine.run(start=start))
    assert (found["decision_bars"], found["fewer"]["decisions"]) == (5, 5)
    assert counts(found["where"])["y > 2"] == (0, 30)
    query = SQLStrategy("select timestamp, asset_id, 0.1 as weight from signals where x > 9")
    told = facts(BacktestEngine(catalog(), query).run(start=start))
    assert told["fewer"] == {"decisions": 10, "least": 0, "most": 0}
    rules = SignalStrategy([Rule.signal_above("y", 5)], position_sizer=PercentSizer(0.1))
    told = facts(BacktestEngine(catalog(), rules).run(start=start))
    assert [(one["true"], one["of"]) for one in told["rules"]] == [(0, 60)]
