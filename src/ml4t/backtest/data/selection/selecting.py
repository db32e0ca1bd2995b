"""Selecting: from what a strategy asks for to a `Selection` per decision bar.

1. `plan_selection` checks a ranking, or a query (`query_plan`), before the run.
2. `select` answers for an era: a ranking through `rank`, a query through `_answer`, which gives
   its ``signals``, ``market`` and ``ranked`` the rows at hand and takes back numbers.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NoReturn

import numpy as np

from ml4t.backtest.core.batch import Selection
from ml4t.backtest.core.ranking import Ranking
from ml4t.backtest.core.selecting import Query, QueryKind
from ml4t.backtest.core.tolerances import FULLY_INVESTED
from ml4t.backtest.data.asof.bar_tables import BarTables
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.database import Arrays, Database, EngineError, TempTable
from ml4t.backtest.data.selection.cross_section import (
    JoinedBars,
    collect_bars,
    decide,
    joined,
)
from ml4t.backtest.data.selection.query_plan import OWN, QueryPlan, answered_query, plan_query
from ml4t.backtest.data.selection.ranking import RankingPlan, plan_ranking, rank, ranked_query
from ml4t.backtest.data.selection.witness import Witness
from ml4t.backtest.data.sql_files import columns, join_numbers, quote, read, render
from ml4t.backtest.errors import DataError, ExpressionError

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
        kept = [item for name, item in rows.items.items() if name.lower() not in OWN]
        relations["ranked"] = render(
            "selecting/ranked",
            chosen=chosen,
            bars=rows.bars,
            columns=", ".join([*kept, columns(OWN, "chosen")]),
            joins=rows.joins,
        )
    return answered_query(plan, relations), chosen


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
