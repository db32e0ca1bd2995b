"""Removed: what filters, limits and the broker kept out, and what it would have made.

1. Score every candidate of every decision bar, with the first filter that it fails; or ask entry
   rules, at every bar, for the first that says no.
2. Mark what was chosen, and of that what a run then did not buy.
3. Give each what it made from the close of its decision bar to that of the next one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from ml4t.backtest.core.batch import Selection
from ml4t.backtest.core.ranking import Ranking
from ml4t.backtest.core.selecting import RuleQuery, Selects, asked_of
from ml4t.backtest.core.terms import Action
from ml4t.backtest.data.asof.bar_tables import market_rows
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.database import Arrays, Database, Relation, TempTable
from ml4t.backtest.data.selection.conditions import plan_conditions
from ml4t.backtest.data.selection.cross_section import collect_bars, decide, joined
from ml4t.backtest.data.selection.preview import evaluated, scored_with_filters
from ml4t.backtest.data.selection.ranking import plan_ranking, rank
from ml4t.backtest.data.sql_files import literal, read, render
from ml4t.backtest.data.stream.period import Period
from ml4t.backtest.data.total_returns import Closes, Returns, total_returns
from ml4t.backtest.errors import ConfigError


class HasTables(Protocol):
    """The result of a run."""

    def sql(self, query: str) -> Any:
        """Query its tables."""


def removed(
    strategy: Selects,
    prepared: Prepared,
    period: Period,
    actions: Sequence[Action],
    result: HasTables | None = None,
) -> Relation:
    """Return one row per candidate and decision bar: what kept it out, and what it made.

    Parameters
    ----------
    actions : sequence of Action
        Of the period, in the order in which they apply.
    result : BacktestResult, optional
        Of a run of the strategy: it says what limits denied and the broker did not fill.

    Raises
    ------
    ConfigError
        The strategy has no ranking and no rules.
    """
    asked, database = asked_of(strategy), prepared.database.cursor()
    if asked.rules is not None:
        # Refuses what cannot be used.
        plan_conditions((*strategy.expressions, *strategy.conditions), prepared)
        made = _by_rules(asked.rules, prepared, period, actions, result, database)
    elif asked.ranking is not None:
        made = _by_filters(asked.ranking, prepared, period, actions, result, database)
    else:
        raise ConfigError(
            f"{type(strategy).__name__} has no ranking whose filters, and no rules that, could "
            "remove anything; removed() is for strategies such as TopN(...) and SignalStrategy(...)"
        )
    return database.sql(render("removed/shown", removed=made))


def _by_filters(
    ranking: Ranking,
    prepared: Prepared,
    period: Period,
    actions: Sequence[Action],
    result: HasTables | None,
    database: Database,
) -> TempTable:
    plan = plan_ranking(ranking, prepared, long_only=False, begin_t=period.first_t)
    market = market_rows(database)
    bars = period.first_t, period.last_t
    chosen = rank(plan, market, database, *bars)
    decisions, decision_ts = decide(
        ranking, plan.due, market, database, *bars, begin_t=plan.begin_t
    )
    rows = joined(plan.section, collect_bars(plan.section, decisions, database), database)
    frames = {
        "removed_chosen": _chosen(chosen),
        "removed_ended": _ended(result),
        "removed_forward": _forward(prepared, period, actions, decision_ts),
    }
    with _registered(frames, database):
        return database.make_table(
            "removed",
            "removed/removed",
            scored=scored_with_filters(ranking, rows, market),
            by=literal(ranking.by),
            within=literal(ranking.within or ""),
            n=literal(str(ranking.n)),
            chosen="removed_chosen",
            ended="removed_ended",
            forward="removed_forward",
        )


def _by_rules(
    rules: RuleQuery,
    prepared: Prepared,
    period: Period,
    actions: Sequence[Action],
    result: HasTables | None,
    database: Database,
) -> TempTable:
    numbers = {"first_t": period.first_t, "last_t": period.last_t}
    bars = range(period.first_t, period.last_t + 1)
    frames = {
        "removed_ordered": _ordered(result),
        "removed_ended": _ended(result),
        "removed_forward": _forward(prepared, period, actions, bars),
    }
    with _registered(frames, database):
        return database.make_table(
            "ruled",
            "removed/ruled",
            numbers,
            rules=evaluated(rules, "true"),
            is_run="true" if result is not None else "false",
            ordered="removed_ordered",
            ended="removed_ended",
            forward="removed_forward",
        )


@contextmanager
def _registered(frames: Mapping[str, Arrays], database: Database) -> Iterator[None]:
    """Have a session read frames by their names."""
    for name, frame in frames.items():
        database.register(name, frame)
    try:
        yield
    finally:
        for name in frames:
            database.unregister(name)


def _chosen(selections: dict[int, Selection]) -> Arrays:
    sids = [one.sids for one in selections.values()]
    return {
        "t": np.repeat(np.array(list(selections), dtype=np.int64), [len(one) for one in sids]),
        "sid": np.concatenate(sids) if sids else np.empty(0, dtype=np.int64),
    }


def _ended(result: HasTables | None) -> Arrays:
    """Return what a run did not buy, one reason for each asset and bar."""
    found = [] if result is None else result.sql(read("removed/ended")).fetchall()
    first: dict[tuple[str, str], str] = {}
    for timestamp, asset_id, why in found:
        first.setdefault((timestamp, asset_id), why)
    columns = [(*place, why) for place, why in first.items()] or [("", "", "")]
    names = ("timestamp", "asset_id", "why")
    return {name: np.array(values, dtype=object) for name, values in zip(
        names, zip(*columns, strict=True), strict=True)}  # fmt: skip


def _ordered(result: HasTables | None) -> Arrays:
    """Return where a run sent orders of its own, and whether they were entries."""
    found = [] if result is None else result.sql(read("removed/ordered")).fetchall()
    times, assets, entries = zip(*(found or [("", "", False)]), strict=True)
    return {
        "timestamp": np.array(times, dtype=object),
        "asset_id": np.array(assets, dtype=object),
        "is_entry": np.array(entries, dtype=bool),
    }


def _forward(
    prepared: Prepared, period: Period, actions: Sequence[Action], decision_ts: Sequence[int]
) -> Arrays:
    """Return what each asset made from each decision bar to the next, or to the last bar."""
    numbers = {"first_t": period.first_t, "last_t": period.last_t, "sids": None}
    found = prepared.database.numpy(read("benchmark/closes"), numbers)
    closes = Closes(
        t=found["t"].astype(np.int64), sid=found["sid"].astype(np.int64), close=found["close"]
    )
    made: Returns = total_returns(closes, actions)
    starts = np.array(decision_ts, dtype=np.int64) - period.first_t
    span = np.searchsorted(starts, made.t) - 1  # the decision before the return's bar
    is_after = span >= 0
    sid, span, growth = made.sid[is_after], span[is_after], 1 + made.value[is_after]
    if not len(sid):
        return {"t": sid, "sid": sid, "value": growth}
    begins = np.flatnonzero(np.diff(sid, prepend=-1) | np.diff(span, prepend=-1))
    return {
        "t": np.array(decision_ts, dtype=np.int64)[span[begins]],
        "sid": sid[begins],
        "value": np.multiply.reduceat(growth, begins) - 1,
    }
