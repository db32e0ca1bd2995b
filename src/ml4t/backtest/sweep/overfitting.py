"""Overfitting: how often the best trial of some bars is none of the better ones of the others.

`overfitting` asks it of all ways to part blocks of bars into halves, `rank_out_of_sample` of the
bars before and after one time.
"""

from __future__ import annotations

from ml4t.backtest.core.tolerances import NO_AREA
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.diagnostics.tables import Tables
from ml4t.backtest.data.sql_files import drop_of, render, rows_of
from ml4t.backtest.data.stream.period import DateLike, bound_of
from ml4t.backtest.errors import ConfigError, require_whole
from ml4t.backtest.sweep.contenders import BARS_OF_A_RATIO, halve, require_contenders

OVERFITTING_TABLES = {
    "overfitting": "probability of backtest overfitting, of a loss, and what in-sample ratios tell",
    "splits": "the best trial of each half of the blocks, and where it is in the other half",
}
RANK_TABLES = {
    "winner": "the best trial before a time, and where it is from then on",
    "ranks": "every trial before and after it",
}
# Of 20 there are 184,756 splits.
MOST_BLOCKS = 20


def overfitting(database: Database, *, n_blocks: int = 16) -> Tables:
    """Return how likely the trial that is best in sample is below the median out of sample.

    Combinatorially symmetric cross-validation (CSCV) of Bailey, Borwein, Lopez de Prado and Zhu
    (2017), The probability of backtest overfitting, Journal of Computational Finance 20(4): bars
    are cut into S blocks; each choice c of S/2 of them is in sample once, the others are out of
    sample. With n* the trial of the highest Sharpe ratio in sample, and r its rank among N trials
    out of sample, from the worst on::

        w = r / (N + 1),  logit = ln(w / (1 - w)),  PBO = share of c with logit <= 0

    The Sharpe ratio is mean / standard deviation (over n - 1) of the excess returns per bar. Of n
    bars the first n % S blocks have one more than the others: none is left out. Ties have the mean
    of their ranks, and the first of equal best trials is taken. A bar at which a trial has
    no return is left out for it. A trial that failed, or whose returns are all alike, is not
    ranked; one that has no Sharpe ratio in one half alone has 0 there: it held nothing.

    What others do with the same returns: holdout-backtest 0.1.0 says the same, but refuses a trial
    without a deviation in some half; purgedcv 0.1.11 counts logits below 0 alone; phacker 0.1.0 and
    pypbo leave out the bars that do not fill a block; pymlfinance 0.1.1 ranks by the mean; R's pbo
    1.3.5 divides r by N, and what it calls slope is the intercept of in sample on out of sample.

    Parameters
    ----------
    database : Database
        With the tables ``trials`` and ``trial_returns``.
    n_blocks : int, default 16
        S: even, 2 to 20; of 16 there are 12,870 splits.

    Returns
    -------
    Tables
        ``overfitting``: one row, see ``sql/sweep/overfitting.sql``. ``splits``: one row per c, its
        blocks in sample (from 1) first; ``relative_rank`` is w.

    Raises
    ------
    ConfigError
        `n_blocks` is outside what it may be, the sweep kept no returns, fewer than two trials can
        be ranked, or there are fewer than two bars a block.
    """
    n_blocks = require_whole("n_blocks", n_blocks, least=2, most=MOST_BLOCKS)
    if n_blocks % 2:
        raise ConfigError(f"n_blocks must be even, for half of them are in sample, was {n_blocks}")
    session = database.cursor()
    contenders = require_contenders(session)
    bars = session.make_table(
        "blocks",
        "sweep/bars_in_blocks",
        {"n_blocks": n_blocks},
        bars=render("sweep/contended_bars", contenders=contenders),
    )
    n_bars = session.rows(render("sweep/block_sizes", bars=bars))[0][0]
    if n_bars < BARS_OF_A_RATIO * n_blocks:
        raise ConfigError(
            f"{n_bars} bars cannot be cut into {n_blocks} blocks of {BARS_OF_A_RATIO} or more; "
            f"pass a smaller n_blocks"
        )
    halves = halve(session, contenders, bars, n_blocks)
    sharpes = halves.sharpes
    values = session.make_table("best_values", "sweep/best_values", half_sharpes=sharpes)
    best = session.make_table(
        "best_trials", "sweep/best_trials", half_sharpes=sharpes, best_values=values
    )
    ranks = session.make_table(
        "best_ranks", "sweep/best_ranks", half_sharpes=sharpes, best_trials=best
    )
    splits = session.make_table(
        "splits",
        "sweep/splits",
        {"n_half": n_blocks // 2},
        halvings=halves.halvings,
        best_values=values,
        best_trials=best,
        best_ranks=ranks,
    )
    facts = {"n_bars": n_bars, "n_blocks": n_blocks, "no_area": NO_AREA}
    session.make_table("overfitting", "sweep/overfitting", facts, splits=splits)
    for table in (contenders, bars, values, best, ranks, *halves.tables):
        session.execute(drop_of("table", table))
    return Tables(session, OVERFITTING_TABLES, f"overfitting in {n_blocks} blocks of bars")


def rank_out_of_sample(database: Database, start: DateLike) -> Tables:
    """Return where the trial that is best before a time is among all from then on.

    By the Sharpe ratio per bar, mean / standard deviation (over n - 1) of the excess returns; what
    is ranked and what ties have is as in `overfitting`, of which this is one split of two unequal
    blocks. One split says little of a choice: `overfitting` asks all.

    Parameters
    ----------
    database : Database
        With the tables ``trials`` and ``trial_returns``.
    start : date, datetime or str
        The first bar out of sample is the first at or after it; a date is midnight.

    Returns
    -------
    Tables
        ``winner``: one row, see ``sql/sweep/winner.sql``. ``ranks``: one row per trial, the best in
        sample first.

    Raises
    ------
    ConfigError
        `start` is no time, or fewer than two bars are before or after it; the sweep kept no
        returns, or fewer than two trials can be ranked.
    """
    bound = bound_of("start", start)
    if bound is None:
        raise ConfigError("start must be the time from which on bars are out of sample, was None")
    session = database.cursor()
    contenders = require_contenders(session)
    kind = session.schema(rows_of("trial_returns", "timestamp"))["timestamp"]
    bars = session.make_table(
        "sides",
        "sweep/bars_around",
        is_later=bound.condition(kind),
        bars=render("sweep/contended_bars", contenders=contenders),
    )
    n_bars, n_before, first, last = session.rows(render("sweep/block_sizes", bars=bars))[0]
    if not BARS_OF_A_RATIO <= n_before <= n_bars - BARS_OF_A_RATIO:
        raise ConfigError(
            f"{bound} leaves {n_before} bars in sample and {n_bars - n_before} out of it, and a "
            f"Sharpe ratio takes {BARS_OF_A_RATIO}; trials have bars from {first} to {last}"
        )
    halves = halve(session, contenders, bars, 2)
    ranks = session.make_table("ranks", "sweep/ranks", half_sharpes=halves.sharpes)
    sizes = {"n_bars": n_bars, "n_before": n_before}
    session.make_table("winner", "sweep/winner", sizes, ranks=ranks)
    for table in (contenders, bars, *halves.tables):
        session.execute(drop_of("table", table))
    return Tables(session, RANK_TABLES, f"ranks of trials before and after {bound.text}")
