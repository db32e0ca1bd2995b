"""Preview: what a strategy would hold at one bar, and why it would not hold the rest.

1. Find the bar, and whether the strategy's schedule makes it a decision bar.
2. `select` there, as a run does.
3. Score every asset once more with nothing left out, so that each can be told why.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ml4t.backtest.core.batch import Selection
from ml4t.backtest.core.ranking import Ranking
from ml4t.backtest.core.selecting import RuleQuery, Selects, asked_of
from ml4t.backtest.data.asof.bar_tables import BarTables, every_bar, market_rows
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.calendars.schedules import Due
from ml4t.backtest.data.database import Arrays, Database, EngineError, Relation, TempTable
from ml4t.backtest.data.selection.conditions import plan_conditions
from ml4t.backtest.data.selection.cross_section import (
    CrossSection,
    JoinedBars,
    collect_bars,
    decide,
    joined,
)
from ml4t.backtest.data.selection.ranking import RankingPlan, ordered, scored_query
from ml4t.backtest.data.selection.selecting import plan_selection, select
from ml4t.backtest.data.sql_files import Sql, first_failing, literal, number_kept, render, rows_of
from ml4t.backtest.data.user_sql.expressions import conjuncts
from ml4t.backtest.errors import ConfigError

# What is chosen, under the name by which the session reads it.
_CHOSEN = "preview_chosen"


def preview(
    strategy: Selects, timestamp: object, prepared: Prepared, *, begin_t: int = 0
) -> Relation:
    """Return one row per asset with a bar at a timestamp: would it be held, and why not.

    Parameters
    ----------
    begin_t : int
        The first bar of the run, from which a schedule counts.

    Raises
    ------
    ConfigError
        There is no bar at the timestamp, or the strategy has no ranking, query or rules.
    ExpressionError
        Something that it asks for cannot be used.
    """
    if isinstance(strategy, type) or not callable(getattr(type(strategy), "rules", None)):
        raise ConfigError(f"strategy must be a Strategy, was {strategy!r}")
    asked = asked_of(strategy)
    if asked.rules is not None:
        # Refuses what cannot be used.
        plan_conditions((*strategy.expressions, *strategy.conditions), prepared)
        return _ruled(asked.rules, timestamp, prepared)
    database = prepared.database.cursor()
    market = market_rows(database)
    t = _bar(timestamp, prepared, database)
    # As a run that ends there: a calendar need not know the days after it.
    plan = plan_selection(
        asked.ranking, asked.query, prepared, long_only=False, begin_t=begin_t, end_t=t
    )
    if plan is None:
        name = type(strategy).__name__
        raise ConfigError(f"{name} has no ranking, query or rules; there is nothing to preview")
    ranking = plan if isinstance(plan, RankingPlan) else plan.ranking
    schedule = plan.ranking if isinstance(plan, RankingPlan) else plan.query.schedule
    _, decision_ts = decide(schedule, plan.due, market, database, t, t, begin_t=begin_t)
    is_decision = bool(decision_ts)
    selection = select(plan, market, database, t, t).get(t) if is_decision else None
    skipped = None
    if not is_decision:
        is_on = _is_on(schedule, plan.due, t - begin_t if plan.due is None else t)
        spoken = asked.ranking if asked.query is None else asked.query.schedule
        when = spoken.when if spoken is not None else None
        skipped = f"when: {when}" if is_on else "no decision bar"
    elif selection is None:
        skipped = "no row of the query: what is held stays"
    at = collect_bars(plan.section, every_bar(database, t, t), database)
    asked_for = ranking.ranking if ranking else None
    placed = _score(asked_for, plan.section, at, market, database)
    values = {
        "kind": "weight" if isinstance(plan, RankingPlan) else plan.kind,
        "skipped": skipped,
        "is_ranked": asked_for is not None,
        "within": asked_for.within if asked_for else None,
    }
    told = _tell(at, placed, _arrays(selection), values, database)
    return database.sql(render("preview/shown", preview=told))


def _is_on(schedule: Ranking, due: Due, t: int) -> bool:
    """Say whether a bar is one of the schedule, whatever its condition says."""
    if isinstance(schedule.every, str):
        return due is not None and t in due
    return (t + 1 - schedule.offset) % schedule.every == 0


def _ruled(rules: RuleQuery, timestamp: object, prepared: Prepared) -> Relation:
    """Return one row per asset: may it enter or leave, and which entry rule says no."""
    database = prepared.database.cursor()
    _bar(timestamp, prepared, database)
    query = evaluated(rules, f"timestamp = {literal(str(timestamp))}::{prepared.timestamp_type}")
    try:
        return database.sql(query)
    except EngineError as error:
        first = str(error).splitlines()[0]
        raise ConfigError(f"the rules cannot be previewed: {first}") from error


def evaluated(rules: RuleQuery, chosen: str) -> Sql:
    """Return the query of what rules say of the rows that are chosen; `reason`: who says no."""
    return render(
        "signals/rules",
        previous=rules.previous,
        may_enter=rules.may_enter,
        may_exit=rules.may_exit,
        more=f", {first_failing(rules.entry_rules)} as reason",
        chosen=chosen,
    )


def _bar(timestamp: object, prepared: Prepared, database: Database) -> int:
    """Return the number of the bar at a timestamp."""
    moment = f"{literal(str(timestamp))}::{prepared.timestamp_type}"
    try:
        found = database.rows(render("preview/bar", moment=moment))
    except EngineError as error:
        raise ConfigError(f"timestamp must be a time, was {timestamp!r}") from error
    if found:
        return int(found[0][0])
    before, after = database.rows(render("preview/nearest", moment=moment))[0]
    nearest = " and ".join(bar for bar in (before, after) if bar is not None)
    raise ConfigError(f"there is no bar at {timestamp}; the nearest are {nearest}")


def _score(
    ranking: Ranking | None,
    section: CrossSection,
    at: BarTables,
    market: TempTable,
    database: Database,
) -> TempTable:
    """Make a table of what the ranking says of every asset with a bar."""
    if ranking is None:
        unscored = ("null::double as __score", "null::varchar as __filter", "null as __group")
        scored = rows_of(at.bars, ", ".join(["sid", *unscored, "false as __is_eligible"]))
    else:
        scored = scored_with_filters(ranking, joined(section, at, database), market)
    direction = "asc" if ranking is not None and ranking.ascending else "desc"
    n = 0 if ranking is None else ranking.n
    return database.make_table(
        "placed",
        "preview/placed",
        scored=scored,
        direction=direction,
        n=number_kept(n, "__group, __is_ranked"),
        share=literal(f" ({n:g} of " if isinstance(n, float) else ""),
    )


def scored_with_filters(ranking: Ranking, rows: JoinedBars, market: TempTable) -> Sql:
    """Return the query of what a ranking says of each asset, and the first filter that it fails."""
    filters = conjuncts(ranking.where) if ranking.where else ()
    failing = first_failing((part, ordered(part)) for part in filters)
    return scored_query(ranking, rows, market, more=f", ({failing})::varchar as __filter")


def _arrays(selection: Selection | None) -> Arrays:
    """Return what is chosen as arrays by asset, best first."""
    nothing = np.empty(0)
    amounts = nothing
    if selection is not None:
        amounts = selection.weights if selection.amounts is None else selection.amounts
    sids = nothing if selection is None else selection.sids
    return {
        "sid": sids.astype(np.int64),
        "position": np.arange(1, len(sids) + 1),
        "score": nothing if selection is None else selection.scores,
        "amount": amounts,
    }


def _tell(
    at: BarTables,
    placed: TempTable,
    chosen: Arrays,
    values: Mapping[str, object],
    database: Database,
) -> TempTable:
    """Make a table of every asset with a bar: is it held, and why not."""
    shown = database.make_table("shown", "preview/rows", times=at.times, bars=at.bars)
    database.register(_CHOSEN, chosen)
    told = database.make_table(
        "preview",
        "preview/preview",
        values,
        shown=shown,
        placed=placed,
        chosen=_CHOSEN,
        kind=str(values["kind"]),
    )
    database.unregister(_CHOSEN)
    return told
