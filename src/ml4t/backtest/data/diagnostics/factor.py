"""Factor: how well a signal told the returns that came after it.

1. The factor is scored at every decision bar, as a run ranks: what was known there, and no more.
2. Forward returns begin at a price that came after the decision (`RETURN_PRICES`).
3. Files under ``sql/factor`` make of the two what `FACTOR_TABLES` lists.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ml4t.backtest.core.ranking import Ranking
from ml4t.backtest.core.terms import Action
from ml4t.backtest.data.asof.bar_tables import market_rows
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.database import Database, EngineError, TempTable
from ml4t.backtest.data.diagnostics.tables import Tables
from ml4t.backtest.data.diagnostics.worth import worth
from ml4t.backtest.data.selection.cross_section import collect_bars, decide, joined
from ml4t.backtest.data.selection.ranking import RankingPlan, plan_ranking, scored_query
from ml4t.backtest.data.sql_files import Sql, count_of, drop_of, rows_of
from ml4t.backtest.data.stream.period import Period
from ml4t.backtest.errors import ConfigError, ExpressionError, require_choice, require_whole

# From which price on: how many bars after the decision, and which column of prices.
RETURN_PRICES = {"next_open": (1, "open"), "next_close": (1, "close"), "close": (0, "close")}

# Of a ranking that asks for nothing but its condition.
ANY_SCORE = "1"

FACTOR_TABLES = {
    "decay": "mean IC, its t-statistic and the spread by horizon",
    "ic": "IC and rank IC by decision and horizon",
    "quantiles": "mean return and turnover by horizon and quantile",
    "quantile_returns": "mean return by decision, horizon and quantile",
    "spread": "highest less lowest quantile, by decision and horizon",
    "turnover": "share of names new to a quantile, by decision",
    "autocorrelation": "of ranks, from decision to decision",
    "groups": "mean IC by horizon and group",
    "group_ic": "IC and rank IC by decision, horizon and group",
    "observations": "factor, quantile and forward return by decision, asset and horizon",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorSpec:
    """What is asked of a factor; checked when made.

    Attributes
    ----------
    ranking : Ranking
        Its score is the factor; its `within` what groups assets.
    horizons : sequence of int
        Bars; in order, each once.
    n_quantiles : int
    price : str
        One of `RETURN_PRICES`.
    """

    ranking: Ranking
    horizons: Sequence[int]
    n_quantiles: int
    price: str

    def __post_init__(self) -> None:
        given = self.horizons
        if isinstance(given, str) or not isinstance(given, Sequence) or not given:
            raise ConfigError(f"horizons must be numbers of bars such as (1, 5), was {given!r}")
        whole = [require_whole("horizons", one, least=1) for one in given]
        object.__setattr__(self, "horizons", tuple(sorted(set(whole))))
        quantiles = require_whole("n_quantiles", self.n_quantiles, least=2)
        object.__setattr__(self, "n_quantiles", quantiles)
        require_choice("price", self.price, RETURN_PRICES)


def factor(
    asked: FactorSpec, actions: Sequence[Action], prepared: Prepared, period: Period
) -> Tables:
    """Return the diagnostics of a factor over the decision bars of a period.

    Raises
    ------
    ConfigError
        There are too few bars for a horizon, or no finite factor at all.
    ExpressionError
        The factor cannot be used, or looks ahead.
    """
    delay, column = RETURN_PRICES[asked.price]
    if column not in prepared.price_columns:
        raise ConfigError(
            f"prices have no '{column}'; pass price='next_close' for returns from the close after"
        )
    least = asked.horizons[-1] + delay
    if least >= prepared.n_bars:
        raise ConfigError(
            f"a horizon of {asked.horizons[-1]} bars from the {asked.price.replace('_', ' ')} "
            f"needs more than {least} bars, and prices have {prepared.n_bars}; leave it out"
        )
    plan = plan_ranking(asked.ranking, prepared, begin_t=period.first_t, end_t=period.last_t)
    database = prepared.database.cursor()
    scores = score(
        plan,
        database,
        period,
        lambda scored: database.make_table(
            "factor_scores",
            "factor/scores",
            {"n_quantiles": asked.n_quantiles},
            scored=scored,
            group_name="null" if asked.ranking.within is None else "__group",
        ),
    )
    if not database.rows(count_of(rows_of(scores)))[0][0]:
        raise ConfigError(
            f"the factor {asked.ranking.by!r} is a finite number at no decision bar; "
            "catalog.profile().coverage says when its columns were known"
        )
    prices = worth(column, actions, prepared, database)
    returns = database.make_table(
        "factor_returns",
        "factor/forward_returns",
        {"delay": delay, "horizons": list(asked.horizons)},
        scores=scores,
        prices=prices,
    )
    database.execute(drop_of("table", prices))
    _make(asked, scores, returns, database)
    return Tables(database, FACTOR_TABLES, _title(asked))


def score(
    plan: RankingPlan,
    database: Database,
    period: Period,
    make: Callable[[Sql], TempTable],
) -> TempTable:
    """Make a table of what a ranking says of every asset at the decision bars of a period.

    Parameters
    ----------
    make : callable
        Makes it of the query of what the ranking says.

    Raises
    ------
    ExpressionError
        An expression fails on the data.
    """
    market = market_rows(database)
    bars = period.first_t, period.last_t
    try:
        times, _ = decide(plan.ranking, plan.due, market, database, *bars, begin_t=plan.begin_t)
        at = collect_bars(plan.section, times, database)
        table = make(scored_query(plan.ranking, joined(plan.section, at, database), market))
    except EngineError as error:
        first = str(error).splitlines()[0]
        asked = plan.ranking.where if plan.ranking.by == ANY_SCORE else plan.ranking.by
        raise ExpressionError(str(asked), f"failed on the data: {first}") from error
    # It would stand before the market of the user's queries.
    for table_of_run in (market, at.bars, at.times):
        database.execute(drop_of("table", table_of_run))
    return table


def _make(asked: FactorSpec, scores: TempTable, returns: TempTable, database: Database) -> None:
    """Make every table of `FACTOR_TABLES` of the scores and the returns."""
    values = {"n_quantiles": asked.n_quantiles}
    pairs = database.make_table(
        "factor_pairs", "factor/pairs", scores=scores, forward_returns=returns
    )
    moves = database.make_table("factor_moves", "factor/moves", scores=scores)
    ic = database.make_table("ic", "factor/ic", pairs=pairs)
    by_quantile = database.make_table("quantile_returns", "factor/quantile_returns", pairs=pairs)
    spread = database.make_table("spread", "factor/spread", values, quantile_returns=by_quantile)
    turnover = database.make_table("turnover", "factor/turnover", moves=moves)
    database.make_table("autocorrelation", "factor/autocorrelation", moves=moves)
    database.make_table(
        "quantiles", "factor/quantiles", quantile_returns=by_quantile, turnover=turnover
    )
    database.make_table("decay", "factor/decay", ic=ic, spread=spread, scores=scores)
    group_ic = database.make_table("group_ic", "factor/group_ic", pairs=pairs)
    database.make_table("groups", "factor/groups", group_ic=group_ic)
    database.make_table("observations", "factor/observations", pairs=pairs)
    for table in (scores, returns, moves):
        database.execute(drop_of("table", table))


def _title(asked: FactorSpec) -> str:
    _, column = RETURN_PRICES[asked.price]
    begins = asked.price.replace("_", " ")
    return (
        f"factor {asked.ranking.by!r}: returns from the {begins} to the {column} "
        f"{', '.join(map(str, asked.horizons))} bars later, {asked.n_quantiles} quantiles"
    )
