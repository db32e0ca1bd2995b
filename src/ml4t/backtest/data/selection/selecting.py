"""Selecting: from what a strategy asks for to a `Selection` per decision bar.

1. `plan_selection` checks a ranking or a query before the run.
2. `select` answers for an era: a ranking through `rank`, a query through `_answer`, which gives
   its ``signals``, ``market`` and ``ranked`` the rows at hand and takes back numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NoReturn

import numpy as np

from ml4t.backtest.core.batch import Selection
from ml4t.backtest.core.ranking import Ranking
from ml4t.backtest.core.selecting import KINDS, Query, QueryKind
from ml4t.backtest.core.tolerances import FULLY_INVESTED
from ml4t.backtest.data.asof.bar_tables import BarTables
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
from ml4t.backtest.data.selection.ranking import RankingPlan, plan_ranking, rank, ranked_query
from ml4t.backtest.data.selection.witness import Witness
from ml4t.backtest.data.sources.schema import is_numeric
from ml4t.backtest.data.sql_files import columns, join_numbers, quote, read, render, rows_of
from ml4t.backtest.errors import DataError, ExpressionError, did_you_mean

# Columns of `ranked` that are the ranking's own, whatever the sources have.
_OWN = ("score", "rank", "weight")
# Stands in for a relation that a query does not name.
_UNREAD = "(values (true)) as unread (is_unread)"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryPlan:
    """A checked query with the columns it needs.

    Attributes
    ----------
    query : Query
    text : str
        The query in a total order.
    kind : {"weight", "quantity", "signal"}
    columns : tuple of str
        What it yields, in lower case.
    section : CrossSection
        Columns of ``signals`` that it or its ranking reads.
    market_columns : tuple of str
        Beside ``timestamp``.
    relations : frozenset of str
        Which of ``signals``, ``market`` and ``ranked`` it reads.
    ranking : RankingPlan or None
    long_only : bool
        Weights are from 0 to 1 in all, quantities not negative.
    due : tuple of int or None
        The bars of a schedule in words.
    begin_t : int
        The first bar of the run, from which bars are counted.
    """

    query: Query
    text: str
    kind: QueryKind
    columns: tuple[str, ...]
    section: CrossSection
    market_columns: tuple[str, ...]
    relations: frozenset[str]
    ranking: RankingPlan | None
    long_only: bool
    due: Due
    begin_t: int


SelectionPlan = RankingPlan | QueryPlan


def plan_selection(
    ranking: Ranking | None,
    query: Query | None,
    prepared: Prepared,
    *,
    long_only: bool = True,
    begin_t: int = 0,
    end_t: int | None = None,
) -> SelectionPlan | None:
    """Check what a strategy asks for; a query goes before a ranking.

    Parameters
    ----------
    begin_t, end_t : int
        The first bar of the run, from which a schedule counts, and the last one.

    Raises
    ------
    ExpressionError
        Something in it cannot be used.
    """
    if query is not None:
        return plan_query(query, prepared, long_only=long_only, begin_t=begin_t, end_t=end_t)
    if ranking is not None:
        return plan_ranking(ranking, prepared, long_only=long_only, begin_t=begin_t, end_t=end_t)
    return None


def plan_query(
    query: Query,
    prepared: Prepared,
    *,
    long_only: bool = True,
    begin_t: int = 0,
    end_t: int | None = None,
) -> QueryPlan:
    """Check a query and find what it reads.

    Parameters
    ----------
    long_only, begin_t, end_t
        As in `plan_selection`.

    Raises
    ------
    ExpressionError
        It does not parse, names what is not there, mixes timestamps, or yields something else
        than timestamp, asset_id and one of weight, quantity and signal.
    """
    from ml4t.backtest.data.user_sql.queries import (
        prove_local,  # its parser loads beside the checks
    )

    given = {"signals": list(prepared.signal_columns), "market": list(prepared.market_columns)}
    ranking = None
    if query.ranking is not None:
        ranking = plan_ranking(
            query.ranking, prepared, long_only=False, begin_t=begin_t, end_t=end_t
        )
        kept = [name for name in given["signals"] if name.lower() not in _OWN]
        given["ranked"] = [*kept, *_OWN]
    elif query.when is not None:
        plan_ranking(query.schedule, prepared, begin_t=begin_t, end_t=end_t)
    local = prove_local(query.text, given, prepared.database)
    kind = _kind(query, local.columns)
    used = {"asset_id"} | local.reads.get("signals", set())
    used |= {name for name in local.reads.get("ranked", ()) if name not in _OWN}
    if ranking is not None:
        used |= set(ranking.section.names)
    plan = QueryPlan(
        query=query,
        text=local.text + "\n",
        kind=kind,
        columns=local.columns,
        section=cross_section(used, prepared),
        # In their own order, which a star or a set operation goes by.
        market_columns=tuple(
            name
            for name in prepared.market_columns
            if name != "timestamp" and name in local.reads.get("market", ())
        ),
        relations=frozenset(local.reads),
        ranking=ranking,
        long_only=long_only,
        due=due_bars(query.schedule, prepared.database, begin_t=begin_t, end_t=end_t),
        begin_t=begin_t,
    )
    _require_types(plan, prepared)
    return plan


def _kind(query: Query, found: tuple[str, ...]) -> QueryKind:
    text = query.text
    kinds = [kind for kind in KINDS if kind in found]
    if len(kinds) > 1:
        raise ExpressionError(text, f"yields both {kinds[0]} and {kinds[1]}; keep one")
    if not kinds:
        hints = [did_you_mean(name, KINDS) for name in found]
        near = next((hint for hint in hints if "did you mean" in hint), "")
        raise ExpressionError(
            text, f"yields no weight, quantity or signal but {', '.join(found)}{near}"
        )
    if "asset_id" not in found:
        raise ExpressionError(text, "yields no asset_id")
    if kinds[0] not in query.kinds:
        way = "it needs a position_sizer, which says how much to enter"
        if kinds[0] != "signal":
            way = "the position_sizer is for a signal; leave it out"
        raise ExpressionError(text, f"yields {kinds[0]}; {way}")
    return kinds[0]


def _require_types(plan: QueryPlan, prepared: Prepared) -> None:
    """Let DuckDB bind the query to empty relations, and look at the types it would yield."""
    views = {
        "signals": rows_of("main.signals", columns(prepared.signal_columns)),
        "market": rows_of("main.market", columns(prepared.market_columns)),
        "ranked": rows_of(
            "main.signals",
            f"{columns(n for n in prepared.signal_columns if n.lower() not in _OWN)}, "
            "0::double as score, 0::bigint as rank, 0::double as weight",
        ),
    }
    text = plan.query.text
    try:
        found = prepared.database.schema(_answered(plan, views))
    except EngineError as error:
        raise ExpressionError(text, f"cannot be run: {str(error).splitlines()[0]}") from error
    if tuple(name.lower() for name in found) != plan.columns:
        raise ExpressionError(
            text, "yields columns that cannot be followed; write each as ... as name"
        )
    kinds = {name.lower(): kind for name, kind in found.items()}
    asset_type = prepared.database.schema(rows_of("main.prices", "asset_id"))["asset_id"]
    if kinds["asset_id"] != asset_type:
        raise ExpressionError(
            text, f"yields asset_id as {kinds['asset_id']}; in prices it is {asset_type}"
        )
    for name in (plan.kind, "score", "rank"):
        if name in kinds and not is_numeric(kinds[name]):
            raise ExpressionError(text, f"yields {name} as {kinds[name]}; it must be a number")


def select(
    plan: SelectionPlan,
    market: TempTable,
    database: Database,
    first_t: int,
    last_t: int,
    witness: Witness | None = None,
) -> dict[int, Selection]:
    """Select at the decision bars from `first_t` to `last_t`.

    Parameters
    ----------
    market : TempTable
        As `market_rows` makes it.
    witness : Witness, optional
        Takes what was read at them.

    Returns
    -------
    dict of int to Selection
        By bar. A query without any row at a bar has said nothing: there is no selection.

    Raises
    ------
    DataError
        A value of the query or the ranking cannot be used; it names bar and asset.
    """
    if isinstance(plan, RankingPlan):
        return rank(plan, market, database, first_t, last_t, witness)
    try:
        decisions, decision_ts = decide(
            plan.query.schedule, plan.due, market, database, first_t, last_t, begin_t=plan.begin_t
        )
        if not decision_ts:
            return {}
        at = collect_bars(plan.section, decisions, database)
        rows = joined(plan.section, at, database)
        answered, chosen = _collect(plan, at, rows, market, database)
        if witness is not None:
            witness.take(rows, decision_ts)
        found = database.numpy(_answer(plan, answered, at, chosen))
        is_strange = np.isnan(found["sid"])
        if is_strange.any():
            _refuse_strangers(answered, at.bars, database)
    except EngineError as error:
        first = str(error).splitlines()[0]
        raise ExpressionError(plan.query.text, f"failed on the data: {first}") from error
    if plan.kind == "signal":
        found = {name: values[found["amount"] == found["amount"]] for name, values in found.items()}
    _require_usable(plan, found, database)
    return _split(plan.kind, found)


def _collect(
    plan: QueryPlan, at: BarTables, rows: JoinedBars, market: TempTable, database: Database
) -> tuple[str, TempTable | None]:
    """Return the query over what is known at the decision bars, and what a ranking chose."""
    market_items = [f"market.{quote(name)}" for name in plan.market_columns]
    relations = {
        "signals": render(
            "selecting/signals",
            bars=rows.bars,
            columns=", ".join(rows.items.values()),
            joins=rows.joins,
        ),
        "market": render(
            "selecting/market",
            decisions=at.times,
            market=market,
            columns=", ".join(["decisions.timestamp", *market_items]),
        ),
    }
    chosen = None
    if plan.ranking is not None:
        ranked = ranked_query(plan.ranking, rows, market)
        chosen = database.make_table("chosen", "selecting/chosen", ranked=ranked)
        kept = [item for name, item in rows.items.items() if name.lower() not in _OWN]
        relations["ranked"] = render(
            "selecting/ranked",
            chosen=chosen,
            bars=rows.bars,
            columns=", ".join([*kept, columns(_OWN, "chosen")]),
            joins=rows.joins,
        )
    return _answered(plan, relations), chosen


def _answered(plan: QueryPlan, relations: Mapping[str, str]) -> str:
    """Return the query over the relations that it reads."""
    places = {
        name: relations[name] if name in plan.relations else rows_of(_UNREAD)
        for name in ("signals", "market", "ranked")
    }
    return render("selecting/answered", query=plan.text, **places)


def _answer(plan: QueryPlan, answered: str, at: BarTables, chosen: TempTable | None) -> str:
    own = {"score": "null", "rank": "null"}
    for name in own:
        if name in plan.columns:
            own[name] = f"answered.{name}"
        elif chosen is not None:
            own[name] = f"chosen.{name}"
    return render(
        "selecting/answer",
        answered=answered,
        decisions=at.times,
        bars=at.bars,
        value=f"answered.{plan.kind}",
        score=own["score"],
        rank=own["rank"],
        joins="" if chosen is None else join_numbers(chosen, "chosen", "bars"),
    )


def _refuse_strangers(answered: str, bars: TempTable, database: Database) -> NoReturn:
    sample = database.records(render("selecting/strangers", answered=answered, bars=bars))
    raise DataError(
        "query", "assets",
        "names an asset without a bar at that time, or that is no member of the universe; "
        "join signals using (timestamp, asset_id)",
        n_rows=sample[0].pop("n_rows"),
        sample=[{name: row[name] for name in ("bar", "asset_id")} for row in sample],
    )  # fmt: skip


def _require_usable(plan: QueryPlan, found: Arrays, database: Database) -> None:
    t, sid, amount = found["t"].astype(np.int64), found["sid"].astype(np.int64), found["amount"]
    kind = plan.kind

    def refuse(is_bad: np.ndarray, rule: str, message: str) -> None:
        if is_bad.any():
            at = int(is_bad.argmax())
            names = {"t": int(t[at]), "sid": int(sid[at])}
            bar, asset_id = database.rows(read("selecting/names"), names)[0]
            raise DataError(
                "query", rule, message, n_rows=int(is_bad.sum()),
                sample=[{"bar": bar, "asset_id": asset_id, kind: float(amount[at])}],
            )  # fmt: skip

    order = np.lexsort((sid, t))
    is_twin = np.zeros(len(t), dtype=bool)
    is_twin[order[1:]] = (np.diff(t[order]) == 0) & (np.diff(sid[order]) == 0)
    refuse(is_twin, "duplicates", "names an asset twice at one bar; yield one row for each, as by "
           "group by timestamp, asset_id")  # fmt: skip
    refuse(~np.isfinite(amount), f"{kind}s", f"gave a {kind} that is NULL, NaN or infinite; leave "
           f"such rows out with where isfinite({kind}), or give them 0")  # fmt: skip
    if plan.long_only and kind != "signal":
        refuse(amount < 0, f"{kind}s", f"gave a negative {kind}; a cash account holds no shorts, a "
               "MarginAccount may")  # fmt: skip
    if plan.long_only and kind == "weight" and len(t):
        sums = np.bincount(t, weights=amount)
        is_over = sums > 1 + FULLY_INVESTED
        refuse(is_over[t], "weights", "gave weights that sum to more than 1 at one bar, "
               f"{sums.max():.6g} at the worst; divide them by sum(weight) over (partition by "
               "timestamp), or use a MarginAccount")  # fmt: skip


def _split(kind: QueryKind, found: Arrays) -> dict[int, Selection]:
    t, sids = found["t"].astype(np.int64), found["sid"].astype(np.int64)
    edges = [*np.flatnonzero(np.diff(t, prepend=-1)).tolist(), len(t)]
    nothing = np.full(len(t), np.nan)
    amounts = found["amount"]
    return {
        int(t[start]): Selection(
            sids=sids[start:end],
            scores=found["score"][start:end],
            weights=(amounts if kind == "weight" else nothing)[start:end],
            kind=kind,
            amounts=None if kind == "weight" else amounts[start:end],
        )
        for start, end in pairwise(edges)
    }
