"""Rank: turn a `Ranking` into SQL once, then run it chunk by chunk."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ml4t.backtest.core.batch import Selection
from ml4t.backtest.core.ranking import Ranking
from ml4t.backtest.core.selecting import Counted
from ml4t.backtest.core.tolerances import FULLY_INVESTED
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.calendars.schedules import Due, due_bars
from ml4t.backtest.data.database import Arrays, Database, EngineError, TempTable
from ml4t.backtest.data.selection.cross_section import (
    CrossSection,
    JoinedBars,
    collect_bars,
    cross_section,
    decide,
    joined,
)
from ml4t.backtest.data.selection.history import with_history
from ml4t.backtest.data.selection.witness import Witness
from ml4t.backtest.data.sql_files import (
    Sql,
    equal_weight,
    is_true,
    join,
    number_kept,
    quote,
    read,
    render,
    rows_of,
    times_true,
)
from ml4t.backtest.data.user_sql.expressions import analyse, conjuncts, in_total_order
from ml4t.backtest.data.user_sql.names import Names
from ml4t.backtest.errors import DataError, ExpressionError

# Where no more than one asset in so many is kept, a bound of each bar costs less than to sort it.
BOUNDED_BELOW = 4


class RankingPlan(NamedTuple):
    """A checked ranking with the columns it needs.

    Attributes
    ----------
    ranking : Ranking
    section : CrossSection
        Columns of ``signals`` that its expressions read.
    market_columns : tuple of str
        Columns of ``market`` that a weight can name.
    long_only : bool
        Weights are from 0 to 1 in all.
    due : tuple of int or None
        The bars of a schedule in words.
    begin_t : int
        The first bar of the run, from which bars are counted.
    n_assets : int
        Of the run.
    """

    ranking: Ranking
    section: CrossSection
    market_columns: tuple[str, ...]
    long_only: bool
    due: Due
    begin_t: int
    n_assets: int

    def may_decide(self, t: int) -> bool:
        """Say whether a bar is one of the schedule, whatever the condition on it says."""
        if self.due is not None:
            place = bisect_left(self.due, t)
            return place < len(self.due) and self.due[place] == t
        every, bar = self.ranking.every, t + 1 - self.begin_t
        assert isinstance(every, int)
        return (bar - self.ranking.offset) % every == 0

    @property
    def least(self) -> int:
        """Below which a bar is short of candidates; of shares, all and groups there is some one."""
        n = self.ranking.n
        return n if isinstance(n, int) and self.ranking.within is None else 1


def plan_ranking(
    ranking: Ranking,
    prepared: Prepared,
    *,
    long_only: bool = True,
    begin_t: int = 0,
    end_t: int | None = None,
) -> RankingPlan:
    """Check every expression of a ranking and find what it reads.

    Parameters
    ----------
    long_only : bool
        The account can hold weights from 0 to 1 in all; else they may be negative, and the
        account's own margin bounds them.
    begin_t, end_t : int
        The first and the last bar of the run.

    Raises
    ------
    ExpressionError
        An expression does not parse, names an unknown column or looks ahead.
    """
    asked = ranking
    ranking, prepared = with_history(ranking, prepared)
    database = prepared.database
    market = set(prepared.market_columns) - {"timestamp"}
    names = Names(signals=prepared.signal_columns, market=market)
    used = analyse(ranking.by, names, database)
    if ranking.where is not None:
        used |= analyse(ranking.where, names, database)
    if ranking.within is not None:
        used |= analyse(ranking.within, names, database)
    if ranking.weight != "equal":
        kept = Names(signals=prepared.signal_columns, market=market, extra=("score", "rank"))
        used |= analyse(ranking.weight, kept, database)
    if ranking.when is not None and ranking.when == asked.when:
        analyse(ranking.when, Names(signals=("timestamp",), market=market), database)
    return RankingPlan(
        ranking=ranking,
        section=cross_section(used, prepared),
        # In a weight, score and rank are the ranking's own, whatever the market has.
        market_columns=tuple(sorted(n for n in market if n.lower() not in ("score", "rank"))),
        long_only=long_only,
        due=due_bars(ranking, prepared, begin_t=begin_t, end_t=end_t),
        begin_t=begin_t,
        n_assets=prepared.n_assets,
    )


def rank(
    plan: RankingPlan,
    market: TempTable,
    database: Database,
    first_t: int,
    last_t: int,
    witness: Witness | None = None,
) -> dict[int, Selection]:
    """Rank the decision bars from `first_t` to `last_t`.

    Parameters
    ----------
    witness : Witness, optional
        Takes what was read at them.

    Returns
    -------
    dict of int to Selection
        By bar; a decision bar on which nothing is eligible has an empty selection. Where some had
        less to choose from than was asked for, the first of them says what was true there.

    Raises
    ------
    DataError
        A weight is negative, not finite, or a bar's weights sum to more than one.
    """
    return rank_each(plan, (plan,), market, database, first_t, last_t, witness)[0]


def rank_each(
    widest: RankingPlan,
    plans: Sequence[RankingPlan],
    market: TempTable,
    database: Database,
    first_t: int,
    last_t: int,
    witness: Witness | None = None,
) -> list[dict[int, Selection]]:
    """Rank once for plans that differ in how many they keep and when, and select for each.

    Parameters
    ----------
    widest : RankingPlan
        Keeps all that one of them keeps, as `widest_of` returns it.
    """
    try:
        decisions, decision_ts = decide(
            widest.ranking, widest.due, market, database, first_t, last_t, begin_t=widest.begin_t
        )
        if not decision_ts:
            return [{} for _ in plans]
        at = collect_bars(widest.section, decisions, database)
        rows = joined(widest.section, at, database)
        ranked = database.numpy(ranked_query(widest, rows, market))
        if witness is not None:
            witness.take(rows, decision_ts)
    except EngineError as error:
        first = str(error).splitlines()[0]
        failing = _failing(widest, database)
        raise ExpressionError(failing, f"failed on the data: {first}") from error
    _require_weights(ranked, database, long_only=widest.long_only)
    whole = _split(decision_ts, ranked)
    told: dict[tuple[int, ...], tuple[Counted, ...]] = {}
    chosen = []
    for plan in plans:
        selections = whole if plan is widest else _cut(whole, plan)
        # More than there are assets is short of assets: no filter can help it.
        least = plan.least if plan.least <= plan.n_assets else 1
        short = tuple(t for t, one in selections.items() if len(one.sids) < least)
        if short:
            if short not in told:
                told[short] = tuple(parts_true(plan.ranking, rows, market, database, short))
            found = replace(selections[short[0]], shortage=told[short])
            selections = selections | {short[0]: found}
        chosen.append(selections)
    return chosen


def go_together(one: RankingPlan, other: RankingPlan) -> bool:
    """Say whether one ranking does for two plans.

    They ask for numbers of assets at equal weights, by the same score among the same rows, each at
    bars of its own.
    """
    return all(
        isinstance(plan.ranking.n, int)
        and plan.ranking.weight == "equal"
        and plan.ranking.within is None
        for plan in (one, other)
    ) and _apart(one) == _apart(other)


def widest_of(plans: Sequence[RankingPlan], last_t: int) -> RankingPlan:
    """Return the plan of which the selections of plans that go together are parts.

    Parameters
    ----------
    last_t : int
        The last bar of the run.
    """
    first = plans[0]
    bars = range(first.begin_t, last_t + 1)
    due = sorted({t for plan in plans for t in bars if plan.may_decide(t)})
    n = max(plan.ranking.n for plan in plans if isinstance(plan.ranking.n, int))
    return first._replace(ranking=replace(first.ranking, n=n, every=1, offset=0), due=tuple(due))


def _apart(plan: RankingPlan) -> RankingPlan:
    """Return what plans must have in common to be parts of one."""
    ranking = replace(plan.ranking, n=1, every=1, offset=0, min_trade=0.0, band=0.0)
    return plan._replace(ranking=ranking, due=None)


def _cut(selections: Mapping[int, Selection], plan: RankingPlan) -> dict[int, Selection]:
    """Return what a plan keeps of what is kept of more assets at more bars, at equal weights."""
    n = plan.ranking.n
    assert isinstance(n, int)
    found = {}
    for t, one in selections.items():
        if plan.may_decide(t):
            kept = min(n, len(one.sids))
            weights = np.full(kept, 1 / n)
            found[t] = Selection(sids=one.sids[:kept], scores=one.scores[:kept], weights=weights)
    return found


def parts_true(
    ranking: Ranking, rows: JoinedBars, market: TempTable, database: Database, ts: Sequence[int]
) -> list[Counted]:
    """Count at some bars what lets a row be ranked: filters one by one, score, group."""
    filters = conjuncts(ranking.where) if ranking.where else []
    named = [(part, f"__part_{i}") for i, part in enumerate(filters)]
    more = "".join(f", {is_true(ordered(part))} as {name}" for part, name in named)
    named.append((f"{ranking.by} is a number", "isfinite(__score)"))
    if ranking.within is not None:
        named.append((f"{ranking.within} is not NULL", "__group is not null"))
    query = render(
        "ranking/parts_true",
        scored=scored_query(ranking, rows, market, more=more),
        counts=times_true(name for _, name in named),
    )
    try:
        n_rows, *times = database.rows(query, {"bars": list(ts)})[0]
    except EngineError:
        return []  # a part may fail where the whole does not; what is counted ends no run
    return [Counted(label, n, n_rows) for (label, _), n in zip(named, times, strict=True)]


def ranked_query(plan: RankingPlan, rows: JoinedBars, market: TempTable) -> str:
    """Return the query that ranks bars.

    Its rows are ``(t, sid, rank, score, weight)``, ordered, best first.
    """
    ranking = plan.ranking
    if ranking.weight != "equal":
        weight = ordered(ranking.weight)
    else:
        weight = equal_weight(ranking.n, is_grouped=ranking.within is not None)
    kept = [name for name in rows.items if name.lower() not in ("score", "rank")]
    return render(
        "ranking/ranked",
        scored=scored_query(ranking, rows, market),
        joins=_bounded(plan),
        market=market,
        kept_columns="".join(f", {quote(name)}" for name in kept),
        market_columns="".join(f", {quote(name)}" for name in plan.market_columns),
        n=number_kept(ranking.n, "t, __group"),
        direction="asc" if ranking.ascending else "desc",
        weight=weight,
    )


def _bounded(plan: RankingPlan) -> Sql | str:
    """Return the join by which only rows are sorted that may be among the best of a bar."""
    ranking, n = plan.ranking, plan.ranking.n
    is_few = isinstance(n, int) and n * BOUNDED_BELOW <= plan.n_assets
    if not is_few or ranking.within is not None:
        return ""
    if ranking.ascending:
        best, last, at_least = "min", "list_max", "<="
    else:
        best, last, at_least = "max", "list_min", ">="
    bounds = render("ranking/bounds", eligible="eligible", best=best, last=last, n=str(n))
    on = f"eligible.t = bounds.t and eligible.__score {at_least} bounds.__bound"
    return join("inner", f"({bounds})", "bounds", on)


def scored_query(ranking: Ranking, rows: JoinedBars, market: TempTable, *, more: str = "") -> Sql:
    """Return the query of what a ranking says of each bar of an asset.

    Parameters
    ----------
    more : str
        Further columns of it, each led by a comma.
    """
    return render(
        "ranking/scored",
        bars=rows.bars,
        market=market,
        columns="".join(f", {item}" for item in rows.items.values()),
        joins=rows.joins,
        score=ordered(ranking.by),
        # Under which a row can be ranked at all.
        eligible=f"coalesce(({ordered(ranking.where or 'true')}), false)",
        grouping=ordered(ranking.within or "0"),
        more=more,
    )


def ordered(expression: str) -> str:
    """Return a user's expression with ordered windows; its last comment ends with its line."""
    return in_total_order(expression) + "\n"


def _failing(plan: RankingPlan, database: Database) -> str:
    """Return the expression that DuckDB does not take, or all where each is fine by itself."""
    ranking = plan.ranking
    views = ((ranking.by, "signals"), (ranking.where, "signals"), (ranking.when, "market"))
    spoken = [(part, view) for part, view in views if part]
    for part, view in spoken:
        try:
            database.schema(rows_of(f"main.{view}", f"({part}\n)"))
        except EngineError:
            return part
    # A weight reads score and rank too, which are in no view.
    weight = [ranking.weight] if ranking.weight != "equal" else []
    return "; ".join([*(part for part, _ in spoken), *weight])


def _require_weights(ranked: Arrays, database: Database, *, long_only: bool) -> None:
    """Refuse weights that are none, or that the account cannot hold."""
    t, weight = ranked["t"], ranked["weight"]

    def refuse(bad: np.ndarray, message: str) -> None:
        if bad.any():
            at = int(bad.argmax())
            named = {"t": int(t[at]), "sid": int(ranked["sid"][at])}
            bar, asset_id = database.rows(read("selecting/names"), named)[0]
            sample = {"bar": bar, "asset_id": asset_id, "weight": float(weight[at])}
            raise DataError("signals", "weights", message, n_rows=int(bad.sum()), sample=[sample])

    refuse(~np.isfinite(weight), "gave a weight that is not finite; leave such rows out with "
           "where, or give them 0")  # fmt: skip
    if not long_only or not len(t):
        return
    refuse(weight < 0, "gave a negative weight; a cash account holds weights from 0 to 1, a "
           "MarginAccount may go short")  # fmt: skip
    sums = np.bincount(t, weights=weight)
    is_over = sums > 1 + FULLY_INVESTED
    refuse(is_over[t], f"gave weights that sum to {sums.max():.6g} at one bar; a cash account "
           "holds at most 1")  # fmt: skip


def _split(decision_ts: list[int], ranked: dict[str, np.ndarray]) -> dict[int, Selection]:
    edges = np.searchsorted(ranked["t"], [*decision_ts, decision_ts[-1] + 1])
    sids = ranked["sid"].astype(np.int64)
    return {
        t: Selection(
            sids=sids[start:end],
            scores=ranked["score"][start:end],
            weights=ranked["weight"][start:end],
        )
        for t, start, end in zip(decision_ts, edges[:-1], edges[1:], strict=True)
    }
