"""Query plan: a strategy's own query, checked before any bar, and what it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from ml4t.backtest.core.selecting import KINDS, Query, QueryKind
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.calendars.schedules import Due, due_bars
from ml4t.backtest.data.database import EngineError
from ml4t.backtest.data.selection.cross_section import CrossSection, cross_section
from ml4t.backtest.data.selection.history import OF_HISTORY, query_with_history
from ml4t.backtest.data.selection.ranking import RankingPlan, plan_ranking
from ml4t.backtest.data.sources.schema import is_numeric
from ml4t.backtest.data.sql_files import columns, null_of, quote, render, rows_of
from ml4t.backtest.errors import ExpressionError, did_you_mean

# Columns of `ranked` that are the ranking's own, whatever the sources have.
OWN = ("score", "rank", "weight")
# Stands in for a relation that a query does not name.
_UNREAD = "(values (true)) as unread (is_unread)"


class QueryPlan(NamedTuple):
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

    text, prepared, windows = query_with_history(query.text, prepared)
    given = {"signals": list(prepared.signal_columns), "market": list(prepared.market_columns)}
    ranking = None
    if query.ranking is not None:
        ranking = plan_ranking(
            query.ranking, prepared, long_only=False, begin_t=begin_t, end_t=end_t
        )
        kept = [name for name in given["signals"] if name.lower() not in OWN]
        given["ranked"] = [*kept, *OWN]
        query = replace(query, ranking=ranking.ranking)
    elif query.when is not None:
        schedule = plan_ranking(query.schedule, prepared, begin_t=begin_t, end_t=end_t)
        query = replace(query, when=schedule.ranking.when)
    try:
        local = prove_local(text, given, prepared.database)
    except ExpressionError as error:
        message = error.message
        for column, window in windows.items():
            message = message.replace(column, window)
        raise ExpressionError(query.text, message) from None
    kind = _kind(query, local.columns)
    used = {"asset_id"} | local.reads.get("signals", set())
    used |= {name for name in local.reads.get("ranked", ()) if name not in OWN}
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
        due=due_bars(query.schedule, prepared, begin_t=begin_t, end_t=end_t),
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
    given = prepared.signal_columns
    own = {name: kind for name, kind in given.items() if name.lower() not in OWN}
    views = {
        "signals": rows_of("main.signals", _typed(given)),
        "market": rows_of("main.market", columns(prepared.market_columns)),
        "ranked": rows_of(
            "main.signals",
            f"{_typed(own)}, 0::double as score, 0::bigint as rank, 0::double as weight",
        ),
    }
    text = plan.query.text
    try:
        found = prepared.database.schema(answered_query(plan, views))
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


def _typed(kinds: Mapping[str, str]) -> str:
    """Return columns of ``signals`` by name, and those that no view has by type."""
    return ", ".join(
        null_of(kind, quote(name)) if name.startswith(OF_HISTORY) else quote(name)
        for name, kind in kinds.items()
    )


def answered_query(plan: QueryPlan, relations: Mapping[str, str]) -> str:
    """Return the query over the relations that it reads."""
    places = {
        name: relations[name] if name in plan.relations else rows_of(_UNREAD)
        for name in ("signals", "market", "ranked")
    }
    return render("selecting/answered", query=plan.text, **places)
