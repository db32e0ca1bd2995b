"""History: windows over earlier bars in the expressions of a ranking.

A ranking is computed at its decision bars, among the rows that are members there. A window of
history is over every bar of its asset: it is computed once, over the views, and becomes a column
as one of a source would be. A condition on bars that reads earlier ones becomes the bars at which
it is true. Only what is proved to read no later bar is taken out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from ml4t.backtest.core.ranking import Ranking
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.asof.views import Known
from ml4t.backtest.data.database import EngineError
from ml4t.backtest.data.sql_files import Sql, holds_any, quote, render, rows_of, table_of
from ml4t.backtest.data.user_sql.plain import read_plain
from ml4t.backtest.errors import ExpressionError

# By which the columns of windows begin.
OF_HISTORY = "__history_"
_OVER = re.compile(r"\bover\b", re.IGNORECASE)


def with_history(ranking: Ranking, prepared: Prepared) -> tuple[Ranking, Prepared]:
    """Return a ranking with columns in place of windows of history, and what has these columns.

    Both are as they were where there is no such window.

    Raises
    ------
    ExpressionError
        A window is proved to read later bars, or fails on the data.
    """
    texts = {"by": ranking.by, "where": ranking.where, "within": ranking.within}
    texts |= {"weight": ranking.weight} if ranking.weight != "equal" else {}
    found: dict[str, Known] = {}
    changed = {
        name: _without_windows(text, prepared, found)
        for name, text in texts.items()
        if text is not None and read_plain(text) is None
    }
    when = ranking.when
    if when is not None and read_plain(when) is None:
        when = _bars_of(when, prepared)
    if not found and when == ranking.when:
        return ranking, prepared
    spoken = replace(
        ranking,
        by=changed.get("by", ranking.by),
        where=changed.get("where", ranking.where),
        within=changed.get("within", ranking.within),
        weight=changed.get("weight", ranking.weight),
        when=when,
    )
    return spoken, _with(prepared, found)


def query_with_history(text: str, prepared: Prepared) -> tuple[str, Prepared, dict[str, str]]:
    """Return a query with columns in place of windows, what has these columns, and the windows.

    Such a window must stand in a SELECT over all of ``signals``: where that joins or filters, the
    window would be over what is left.

    Raises
    ------
    ExpressionError
        A window stands elsewhere, is not proved to read no later bar, or fails on the data.
    """
    found: dict[str, Known] = {}
    changed = _without_windows(text, prepared, found, is_query=True)
    written = {}
    for key, one in found.items():
        called, _, window = key.partition(": ")
        written[f"{called}.{quote(one.columns[0])}"] = window
    return changed, _with(prepared, found), written


def _with(prepared: Prepared, found: Mapping[str, Known]) -> Prepared:
    """Return what is prepared with the columns of windows beside those of its sources."""
    if not found:
        return prepared
    kinds = {name: kind for one in found.values() for name, kind in one.types.items()}
    return replace(prepared, signal_columns=prepared.signal_columns | kinds)


def _without_windows(
    text: str, prepared: Prepared, found: dict[str, Known], *, is_query: bool = False
) -> str:
    """Return an expression with columns for its windows of history, which are added to `found`."""
    from ml4t.backtest.data.user_sql.enclosing import alone_in
    from ml4t.backtest.data.user_sql.parsed import require_plain
    from ml4t.backtest.data.user_sql.total_order import windows_of_assets

    require_plain(text)
    done, parts = 0, list[str]()
    for place in windows_of_assets(text):
        window = text[place.start : place.stop]
        called = alone_in(text, place, "signals") if is_query else "signals"
        if called is None:
            raise ExpressionError(
                text,
                f"has {window} in a SELECT that joins, filters or groups; compute it in a SELECT "
                "over signals alone, as with past as (select timestamp, asset_id, ... from "
                "signals), and go on with that",
            )
        key = f"{quote(called)}: {window}"
        known = prepared.histories.get(key) or _column_of(text, window, called, prepared)
        found[key] = prepared.histories[key] = known
        (column,) = known.columns
        parts += [text[done : place.start], f"{quote(called)}.{quote(column)}"]
        done = place.stop
    return "".join([*parts, text[done:]])


def _column_of(text: str, window: str, called: str, prepared: Prepared) -> Known:
    """Make the table of a window that is proved to read no later bar."""
    alone = render(
        "selecting/history_alone",
        said=window,
        called=quote(called),
        signals="signals",
        market="market",
    )
    tables = {"signals": prepared.signal_columns, "market": prepared.market_columns}
    kind, about = _proved(text, alone, tables, prepared)
    if kind == "unbound":
        raise ExpressionError(text, f"has {window}, which DuckDB does not take here: {about}")
    if kind == "unproved":
        raise ExpressionError(
            text,
            f"has a window over bars of an asset that is not proved to read no later one: {about}; "
            "register what it says as a feature",
        )
    number = len(prepared.histories) + 1
    relation, column = f"stage.history_{number}", f"{OF_HISTORY}{number}"
    query = render("selecting/history", said=window, named=quote(column), called=quote(called))
    _keep(text, relation, query, prepared)
    kind = prepared.database.schema(rows_of(relation))[column]
    return Known(source=column, relation=relation, types={column: kind}, max_age=None)


def _bars_of(when: str, prepared: Prepared) -> str:
    """Return a condition on bars as the bars at which it is true, if it reads earlier ones."""
    from ml4t.backtest.data.user_sql.parsed import require_plain

    require_plain(when)
    known = prepared.histories.get(when)
    if known is None:
        alone = render("selecting/history_of_market", said=f"({when}\n)", market="market")
        kind, about = _proved(when, alone, {"market": prepared.market_columns}, prepared)
        if kind == "unbound" and _OVER.search(when):
            raise ExpressionError(when, f"is nothing that DuckDB takes here: {about}")
        if kind != "causal":
            return when  # of one bar, or refused where it is read
        relation = f"stage.history_{len(prepared.histories) + 1}"
        _keep(when, relation, render("selecting/bars_true", said=f"({when}\n)"), prepared)
        known = Known(source=relation, relation=relation, types={}, max_age=None)
        prepared.histories[when] = known
    return holds_any("market.t", known.relation, "t")


def _proved(
    text: str, alone: Sql, tables: Mapping[str, Mapping[str, str]], prepared: Prepared
) -> tuple[str, str]:
    """Return what is proved of the last column of a query, and why; refuse what looks ahead."""
    # Loads with the parser, for expressions that are more than plain.
    from ml4t.backtest.data.causality.binding import KnownTable
    from ml4t.backtest.data.causality.verdicts import LEAKS, NOT_BOUND, of_bars, prove

    known = {name: KnownTable(columns, "timestamp") for name, columns in tables.items()}
    verdict = prove(alone, known, "timestamp", are_days=not prepared.is_intraday)[-1]
    if verdict.why.startswith(NOT_BOUND):
        return "unbound", " ".join(verdict.why.removeprefix(NOT_BOUND).split())
    if verdict.verdict == LEAKS:
        verdict = verdict if "signals" in tables else of_bars(verdict)
        way = f"; write {verdict.instead}" if verdict.instead else ""
        raise ExpressionError(text, f"looks ahead: {verdict.what} {verdict.why}{way}")
    return verdict.verdict, f"{verdict.what} {verdict.why}".strip()


def _keep(text: str, relation: str, query: Sql, prepared: Prepared) -> None:
    try:
        prepared.database.execute(table_of(relation, query))
    except EngineError as error:
        first = str(error).splitlines()[0]
        raise ExpressionError(text, f"failed on the data: {first}") from error
