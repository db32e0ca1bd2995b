"""Shortage: why a strategy had less to choose from than it asked for, or no bar to choose at.

1. `rank` counts what was true at the decisions that were short, where the rows are at hand.
2. `selection_facts` adds up what it said, and looks once more where nothing at all was chosen.
3. `rule_facts` does so for declarative rules that never let anything in.

How often each part of a condition was true is counted apart, part by part, whatever the others say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ml4t.backtest.core.batch import Selection
from ml4t.backtest.core.selecting import Counted, Selects, asked_of
from ml4t.backtest.data.asof.bar_tables import market_rows
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.database import Database, EngineError, TempTable
from ml4t.backtest.data.selection.cross_section import collect_bars, decide, joined
from ml4t.backtest.data.selection.query_plan import QueryPlan
from ml4t.backtest.data.selection.ranking import RankingPlan, parts_true
from ml4t.backtest.data.selection.selecting import SelectionPlan
from ml4t.backtest.data.sql_files import is_true, render, times_true
from ml4t.backtest.data.stream.period import Bound, Period
from ml4t.backtest.data.user_sql.expressions import conjuncts

# Rows of an era: what is looked at once more stays small, whatever the length of the run.
ROWS = 1 << 21


def selection_facts(
    plan: SelectionPlan | None,
    chosen: Mapping[int, Selection],
    prepared: Prepared,
    period: Period,
) -> dict[str, object]:
    """Return at how many bars a strategy decided, at how many it was short, and why.

    Parameters
    ----------
    plan : RankingPlan or QueryPlan or None
        None: it asks nothing of the cross-section, and nothing is said.
    chosen : mapping of int to Selection
        By the bars of the run, counted from 0.

    Returns
    -------
    dict
        ``decision_bars``, ``n``; ``fewer`` with how many decisions had fewer than that, and the
        least and the most that they had; ``n_scheduled`` and ``when`` where there was no decision
        bar, ``where`` where one was short: records of text, times true, and of how many rows.
    """
    if plan is None:
        return {}
    is_query = isinstance(plan, QueryPlan)
    schedule = plan.query.schedule if isinstance(plan, QueryPlan) else plan.ranking
    facts: dict[str, object] = {"every": schedule.every, "offset": schedule.offset}
    # How many a query wants of what it ranks is for the query to say.
    facts["n"] = None if is_query else schedule.n
    decisions = [t + period.first_t for t in chosen]
    told = _total(one.shortage for one in chosen.values())
    if is_query or not decisions:
        database = prepared.database.cursor()
        market, ends = market_rows(database), (period.first_t, period.last_t)
        begin_t = plan.begin_t
        _, decisions = decide(schedule, plan.due, market, database, *ends, begin_t=begin_t)
        if not decisions:
            # The bars of the schedule, whatever the condition on them says.
            whenever = replace(schedule, when=None)
            scheduled, bars = decide(
                whenever, plan.due, market, database, *ends, begin_t=begin_t
            )  # fmt: skip
            counted = (
                _when(schedule.when, scheduled, market, database) if schedule.when and bars else []
            )
            facts |= {"n_scheduled": len(bars), "when": _records(counted)}
        elif isinstance(plan, QueryPlan) and plan.ranking is not None and not chosen:
            told = _where(plan.ranking, decisions, market, prepared, database)
    facts["decision_bars"] = len(decisions)
    least = 1 if isinstance(plan, QueryPlan) else plan.least
    counts = {t + period.first_t: len(one.sids) for t, one in chosen.items()}
    found = [n for t in decisions if (n := counts.get(t, 0)) < least]
    if found:
        facts["fewer"] = {"decisions": len(found), "least": min(found), "most": max(found)}
    return facts | ({"where": _records(told)} if told else {})


def rule_facts(
    strategy: Selects, n_orders: int, prepared: Prepared, bounds: Iterable[Bound | None]
) -> dict[str, object]:
    """Return how often each entry rule of a strategy that sent no order was true in a period."""
    rules = asked_of(strategy).rules
    if rules is None or n_orders:
        return {}
    named = [(label, f"__rule_{i}") for i, (label, _) in enumerate(rules.entry_rules)]
    more = "".join(
        f", {is_true(text)} as {name}"
        for (_, text), (_, name) in zip(rules.entry_rules, named, strict=True)
    )
    kind = prepared.timestamp_type
    within = ["true", *(bound.condition(kind) for bound in bounds if bound is not None)]
    rows = render(
        "signals/rules", previous=rules.previous, may_enter=rules.may_enter,
        may_exit=rules.may_exit, more=more, chosen=" and ".join(within),
    )  # fmt: skip
    query = render("ranking/times_true", rows=rows, counts=times_true(name for _, name in named))
    try:
        n_rows, *times = prepared.database.cursor().rows(query)[0]
    except EngineError:
        return {}  # a rule may fail where all together do not; what is counted ends no run
    counted = [Counted(label, n, n_rows) for (label, _), n in zip(named, times, strict=True)]
    return {"rules": _records(counted)}


def _when(
    condition: str, scheduled: TempTable, market: TempTable, database: Database
) -> list[Counted]:
    """Count the parts of the condition on the market at the bars of a schedule."""
    parts = conjuncts(condition)
    counts = times_true(f"{part}\n" for part in parts)
    query = render("ranking/scheduled", scheduled=scheduled, market=market, counts=counts)
    try:
        n_bars, *times = database.rows(query)[0]
    except EngineError:
        return []  # as in rule_facts
    return [Counted(part, n, n_bars) for part, n in zip(parts, times, strict=True)]


def _where(
    plan: RankingPlan, ts: Sequence[int], market: TempTable, prepared: Prepared, database: Database
) -> list[Counted]:
    """Count what lets a row be ranked for a query, at decisions of which it made nothing."""
    step = max(1, ROWS // prepared.n_assets)
    eras = []
    for start in range(0, len(ts), step):
        some = list(ts[start : start + step])
        times = database.make_table("short_bars", "ranking/some_bars", {"bars": some})
        rows = joined(plan.section, collect_bars(plan.section, times, database), database)
        eras.append(parts_true(plan.ranking, rows, market, database, some))
    return _total(eras)


def _total(eras: Iterable[Sequence[Counted]]) -> list[Counted]:
    """Add up the counts of eras."""
    total: list[Counted] = []
    for era in filter(None, eras):
        total = [a.and_more(b) for a, b in zip(total, era, strict=True)] if total else list(era)
    return total


def _records(counted: Sequence[Counted]) -> list[dict[str, object]]:
    return [one._asdict() for one in counted]
