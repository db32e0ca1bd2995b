"""Deflation: each trial's Sharpe ratio beside the best that so many have by luck.

1. ``sql/sweep/tried.sql`` takes of `trials` what the formula needs, ``tried_counts.sql`` counts
   them.
2. Where returns were kept, ``mean_correlation.sql`` says how alike the trials are, and
   `independent` how many of another kind they are worth.
3. The probabilities are those of `results.deflated`, as of one result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.diagnostics.tables import Tables
from ml4t.backtest.data.sql_files import render, rows_of
from ml4t.backtest.results.deflated import expected_maximum, probability_above
from ml4t.backtest.sweep.contenders import contenders_of, has_returns

DEFLATED_TABLES = {"deflated": "each trial's Sharpe ratio, and how likely it is more than luck"}
# Under which the probabilities that Python computes are read.
PROBABILITIES = "deflated_probabilities"


def deflate(database: Database) -> Tables:
    """Return how likely each trial's true Sharpe ratio is above what the best of all has by luck.

    Bailey and Lopez de Prado (2014), The deflated Sharpe ratio; the formulas are in
    `ml4t.backtest.results.deflated`. With V the variance of the annual Sharpe ratios of the trials
    (over n - 1) and N their number, what the best of them has by luck is::

        SR0 = sqrt(V) * ((1 - c) * Z^-1(1 - 1 / N) + c * Z^-1(1 - 1 / (N * e)))

    and per bar SR0 / sqrt(bars per year). N is the number of trials that ran to their end: one that
    never traded could have been chosen, and counts; a failed one could not, and is told apart
    (``n_failed``). What was tried outside of the sweep is not known here: see
    `BacktestResult.deflated_sharpe`.

    Trials of one grid are alike, and N of them are not N draws: SR0 is too high for them, and the
    probability too low. The columns that end in ``_independent`` take `independent` of them
    (appendix 3 of the paper) for N; they are NULL where the sweep kept no returns. Trials that
    never traded have no correlation, and count among N there too.

    holdout-backtest 0.1.0 says the same of both; purgedcv 0.1.11 estimates independent trials by
    the autocorrelation of their Sharpe ratios in the order in which a sampler chose them; skfolio
    1.12.2 counts only trials with a Sharpe ratio; pymlfinance 0.1.1 asks for excess kurtosis and
    takes it as kurtosis; deflated-sharpe 0.1.0 asks for an annual ratio and takes it as one per
    bar.

    Parameters
    ----------
    database : Database
        With the tables ``trials`` and, unless the sweep kept metrics alone, ``trial_returns``.

    Returns
    -------
    Tables
        ``deflated``: one row per trial, the highest Sharpe ratio first. Probabilities are NULL
        where a trial has no Sharpe ratio or fewer than 4 returns, and where one alone of several
        has one: nobody knows how far apart they are. Of one trial it is the probabilistic ratio.
    """
    session = database.cursor()
    tried = session.make_table("tried", "sweep/tried")
    (counts,) = session.records(render("sweep/tried_counts", tried=tried))
    correlation = _mean_correlation(session)
    n_independent = independent(counts["n_trials"], correlation)
    maximum = expected_maximum(counts["n_trials"])
    independent_maximum = None if n_independent is None else expected_maximum(n_independent)
    spread = counts["variance"]
    if spread is None and counts["n_trials"] == 1:
        spread = 0.0

    trials = session.records(rows_of(tried))
    session.register(
        PROBABILITIES,
        {
            "trial": np.array([one["trial"] for one in trials]),
            "deflated_sharpe": _probabilities(trials, spread, maximum),
            "deflated_sharpe_independent": _probabilities(trials, spread, independent_maximum),
        },
    )
    facts = {
        **counts,
        "variance": spread,
        "mean_correlation": correlation,
        "n_independent": n_independent,
        "maximum": maximum,
        "independent_maximum": independent_maximum,
    }
    session.make_table(
        "deflated", "sweep/deflated", facts, tried=tried, probabilities=PROBABILITIES
    )
    session.unregister(PROBABILITIES)
    title = f"deflated Sharpe ratios of {counts['n_trials']:,} trials"
    return Tables(session, DEFLATED_TABLES, title)


def independent(n_trials: int, mean_correlation: float | None) -> float | None:
    """Return how many independent trials are worth `n_trials` of a mean correlation r.

    ``r + (1 - r) * n_trials``, Bailey and Lopez de Prado (2014), appendix 3: one where all are
    alike, all where they have nothing in common. Below 0, which so many cannot be by much, as 0.

    Returns
    -------
    float or None
        None where the correlation is not known.
    """
    if mean_correlation is None:
        return None
    shared = min(max(mean_correlation, 0.0), 1.0)
    return shared + (1 - shared) * n_trials


def _mean_correlation(session: Database) -> float | None:
    """Return the mean correlation of the pairs of trials whose returns can be compared."""
    if not has_returns(session):
        return None
    query = render("sweep/mean_correlation", contenders=contenders_of(session))
    ((found,),) = session.rows(query)
    return None if found is None else float(found)


def _probabilities(
    trials: Sequence[Mapping[str, Any]], variance: float | None, maximum: float | None
) -> NDArray[np.float64]:
    """Return how likely each is above the best by luck; NaN where nobody can say."""
    if variance is None or maximum is None:
        return np.full(len(trials), np.nan)
    found = (
        probability_above(one, sqrt(variance / (one["bars_per_year"] or 1.0)) * maximum)
        for one in trials
    )
    return np.array([np.nan if one is None else one for one in found])
