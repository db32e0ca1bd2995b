"""What comes later changes nothing: a run, and the same run with every row after a bar deleted.

At each bar the strategy writes down all that it can see of the account and of its orders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import reference as r
from effort import examples
from ml4t.backtest import BacktestResult, Order
from ml4t.backtest.core.batch import Batch
from ml4t.backtest.strategy.broker import StrategyBroker
from money import Case, Scripted, engine_run, money_case
from reference_zones import local_date, moment_of
from scripted import day, fills, orders, play
from universes import Universe

Seen = list[tuple[Any, ...]]
CLOCKS = {
    "fills": "timestamp", "equity": "timestamp", "positions": "timestamp",
    "decisions": "timestamp", "cash_flows": "timestamp", "trades": "exit_timestamp",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _invariants() -> None:
    """Leave out what the ends of orders must be: a split or a replaced limit moves the goal."""


class Watching(Scripted):
    """Carries out a script, and writes down what it sees before and after."""

    def __init__(self, script: Mapping[int, Any]) -> None:
        super().__init__(script)
        self._seen: Seen = []

    @property
    def seen(self) -> Seen:
        return self._seen

    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        self._look(batch, broker)
        super().decide(batch, broker)
        self._look(batch, broker)

    def _look(self, batch: Batch, broker: StrategyBroker) -> None:
        held = {asset: broker.position(asset) for asset in broker.held}
        sent = [order for orders in self._by_tag.values() for order in orders]
        states = [_state(one) for order in sent for one in (order, *order.children)]
        book = [order.order_id for order in broker.open_orders()]
        self._seen.append((batch.t, broker.cash, broker.equity, held, states, book))


def _state(order: Order) -> tuple[Any, ...]:
    return (
        order.order_id, order.asset, order.quantity, order.limit, order.stop, order.stop_level(),
        order.status, order.reason, order.filled_quantity, order.is_alive, order.is_triggered,
    )  # fmt: skip


def seen_and_done(case: Case, end: datetime) -> tuple[Seen, dict[str, list[Any]]]:
    """Return what a strategy saw, and every row of the results, until a bar."""
    universe, options = case
    strategy = Watching(options["script"])
    result = engine_run(universe, options, strategy)
    n_bars = sum(time <= end for time in universe.bars)
    return [one for one in strategy.seen if one[0] < n_bars], rows_until(result, end)


def rows_until(result: BacktestResult, end: datetime) -> dict[str, list[Any]]:
    literal = "timestamp" if end.tzinfo is None else "timestamptz"
    return {
        name: result.sql(
            f"select * exclude (run_id) from {name} where {clock} <= {literal} '{end}'"
        ).fetchall()
        for name, clock in CLOCKS.items()
    }


def until(case: Case, end: datetime) -> Case:
    """Return a case without any row after a bar, and without the assets that come later."""
    universe, options = case
    bars = {time: row for time, row in universe.bars.items() if time <= end}
    known = {asset for row in bars.values() for asset in row}
    zone, today = universe.timezone, local_date(end, universe.timezone)
    actions = [
        one for one in universe.actions
        if moment_of(one.ex_date, zone) <= end and one.asset in known
    ]  # fmt: skip
    assume(all(one.new_asset is None or one.new_asset in known for one in actions))

    def before(frame: pl.DataFrame, clock: str = "timestamp") -> pl.DataFrame:
        assets = pl.col("asset_id").is_in(sorted(known)) if "asset_id" in frame.columns else True
        if not frame.columns:
            return frame
        moments = pl.col(clock)
        if getattr(frame.schema[clock], "time_zone", None):  # polars compares within a zone alone
            moments = moments.dt.convert_time_zone("UTC")
        last = today if frame.schema[clock] == pl.Date else end
        return frame.filter((moments <= last) & assets)

    frames = {
        name: before(getattr(universe, name))
        for name in ("prices", "features", "context", "borrow_frame")
    }
    part = replace(
        universe, bars=bars, actions=actions, **frames,
        actions_frame=before(universe.actions_frame, "ex_date"),
        members_frame=before(universe.members_frame, "start_date"),
    )  # fmt: skip
    assume(not (options.get("borrow") and not len(part.borrow_frame)))
    changes = {
        "actions": actions if len(part.actions_frame) else [],
        "terms": {asset: one for asset, one in options["terms"].items() if asset in known},
        "members": options["members"]
        and {(time, asset) for time, asset in options["members"] if time <= end and asset in known},
    }
    return part, {**options, **changes}


def of_known(script: Mapping[int, Any], known: set[str]) -> dict[int, list[Any]]:
    """Return a script without what names an asset that the truncated run does not have."""

    def names(each: Any) -> set[str]:
        if isinstance(each, r.Targets):
            return set(each.weights)
        return {each.asset} if hasattr(each, "asset") else set()

    return {t: [each for each in row if names(each) <= known] for t, row in script.items()}


@settings(max_examples=examples(3), deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32 - 1), data=st.data())
def test_deleting_the_rows_after_a_bar_changes_nothing_until_then(
    seed: int, data: st.DataObject
) -> None:
    universe, options = money_case(seed)
    ends = session_ends(universe)[2:]
    assume(ends)  # intraday bars may fill two sessions only
    end = data.draw(st.sampled_from(ends), label="end")
    known = {asset for time, row in universe.bars.items() if time <= end for asset in row}
    options["script"] = of_known(options["script"], known)
    part = until((universe, options), end)
    assert seen_and_done(part, end) == seen_and_done((universe, options), end)


def session_ends(universe: Universe) -> list[datetime]:
    """Return the last bars of days: that a session is over is known from a calendar."""
    zone = universe.timezone
    return sorted({local_date(time, zone): time for time in sorted(universe.bars)}.values())


HALTED = [None if 3 < t < 9 else (10, 10.1, 9.9, 10) for t in range(12)]


@pytest.mark.parametrize("n_bars", [9, 12])
def test_a_strategy_cannot_tell_a_halt_from_an_end_before_anyone_could(n_bars: int) -> None:
    """B is halted from the fourth bar on; whether it comes back is only known when it does."""
    bars = {"A": [(10, 10.1, 9.9, 10)] * n_bars, "B": HALTED[:n_bars]}

    def buy_a(strategy: Any) -> None:
        if not strategy.open_orders("B"):
            strategy.buy("A", 10)

    script = {3: lambda s: s.buy("B", 10, limit=9.95, tif="gtc"), 5: buy_a}
    result = play(bars, script)
    comes_back = n_bars == 12
    assert fills(result) == ([(9, "B", 10, 9.95)] if comes_back else [])
    assert orders(result) == [("filled", "", 10) if comes_back else ("expired", "end of data", 0)]


def test_a_date_between_two_sessions_is_over_at_the_next_one() -> None:
    """Whether a Saturday has a session is not known on Friday: the order stands until Monday."""
    friday, monday = day(4), day(7)
    seen: list[int] = []
    look = [lambda s: seen.append(len(s.open_orders()))]
    script = {
        0: [lambda s: s.buy("A", 1, limit=9, tif="gtd", good_till=day(5)), *look],
        1: look, 2: look,
    }  # fmt: skip
    times = [day(3), friday, monday]
    result = play([(10, 10, 10, 10), (10, 10, 10, 10), (8, 8, 8, 8)], script, times=times)
    assert seen == [1, 1, 0]
    assert orders(result) == [("expired", "good till date", 0)]
    assert fills(result) == []
