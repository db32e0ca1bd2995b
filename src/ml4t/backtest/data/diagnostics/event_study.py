"""Event study: what prices did around the times at which a condition became true."""

from __future__ import annotations

from collections.abc import Sequence

from ml4t.backtest.core.ranking import ALL, Ranking
from ml4t.backtest.core.terms import Action
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.diagnostics.factor import ANY_SCORE, score
from ml4t.backtest.data.diagnostics.tables import Tables
from ml4t.backtest.data.diagnostics.worth import worth
from ml4t.backtest.data.selection.ranking import plan_ranking
from ml4t.backtest.data.sql_files import count_of, drop_of, rows_of
from ml4t.backtest.data.stream.period import Period
from ml4t.backtest.errors import ConfigError, require_text, require_whole

EVENT_TABLES = {
    "study": "mean and abnormal return by bars from the event",
    "paths": "cumulative and abnormal return by event and bars from it",
}


def event_study(
    condition: str,
    window: tuple[int, int],
    actions: Sequence[Action],
    prepared: Prepared,
    period: Period,
) -> Tables:
    """Return the study of the events of a condition in a period.

    Parameters
    ----------
    window : tuple of int
        Bars before and after the event.

    Raises
    ------
    ConfigError
        There is no event.
    ExpressionError
        The condition cannot be used, or looks ahead.
    """
    require_text("condition", condition)
    before, after = (
        require_whole(name, n, least=least)
        for name, n, least in zip(("before", "after"), window, (0, 1), strict=True)
    )
    asked = Ranking(n=ALL, by=ANY_SCORE, where=condition)
    plan = plan_ranking(asked, prepared, begin_t=period.first_t, end_t=period.last_t)
    database = prepared.database.cursor()
    events = score(
        plan,
        database,
        period,
        lambda scored: database.make_table("events", "event_study/events", scored=scored),
    )
    (n_events,) = database.rows(count_of(rows_of(events)))[0]
    if not n_events:
        raise ConfigError(
            f"the condition {condition!r} becomes true at no bar of an asset; look at it with "
            "catalog.sql('select ... from signals')"
        )
    prices = worth("close", actions, prepared, database)
    market = database.make_table("event_market", "event_study/market", prices=prices)
    paths = database.make_table(
        "paths",
        "event_study/paths",
        {"before": before, "after": after},
        events=events,
        prices=prices,
        market=market,
    )
    database.make_table("study", "event_study/study", paths=paths)
    for table in (events, prices, market):
        database.execute(drop_of("table", table))
    title = f"event study of {condition!r}: {n_events:,} events, close to close"
    return Tables(database, EVENT_TABLES, title)
