"""Deflated Sharpe: how much of a Sharpe ratio is left once it was the best of many trials."""

from __future__ import annotations

from collections.abc import Mapping
from math import e, sqrt
from statistics import NormalDist
from typing import Any

from ml4t.backtest.errors import ConfigError, as_float, require_whole

EULER_MASCHERONI = 0.5772156649015329
NORMAL = NormalDist()
MOST_TRIALS = 10**15  # beyond it one part of them is nothing beside 1


def deflated_sharpe(
    moments: Mapping[str, Any], bars_per_year: float | None, n_trials: int, variance: float
) -> float | None:
    """Return how likely the true Sharpe ratio is above what the best of many trials has by luck.

    Bailey and Lopez de Prado (2014), The deflated Sharpe ratio. With s the Sharpe ratio per bar, g
    the skew and k the excess kurtosis of n returns, N the normal distribution function and c the
    constant of Euler and Mascheroni::

        s0 = sqrt(variance / bars_per_year)
             * ((1 - c) * N^-1(1 - 1 / n_trials) + c * N^-1(1 - 1 / (n_trials * e)))
        N((s - s0) * sqrt(n - 1) / sqrt(1 - g * s + (k + 2) / 4 * s ** 2))

    ffn 1.4.1 has the same; skfolio 1.12.2 takes skew and kurtosis of n instead of those estimated
    from a sample.

    Parameters
    ----------
    moments : mapping
        The row of ``report.sharpe_moments``.
    bars_per_year : float or None
    n_trials : int
        1 or more, independent of each other. Of one trial it is the probabilistic Sharpe ratio.
    variance : float
        Of the annual Sharpe ratios of the trials, over n - 1; 0 or above.

    Returns
    -------
    float or None
        None where the run has no Sharpe ratio, or fewer than 4 returns.

    Raises
    ------
    ConfigError
        `n_trials` or `variance` is outside what it may be.
    """
    n_trials = require_whole("n_trials", n_trials, least=1, most=MOST_TRIALS)
    if not 0 <= as_float(variance) < float("inf"):
        raise ConfigError(f"variance must be a number, 0 or above, was {variance!r}")
    sharpe = moments["sharpe_per_bar"]
    if sharpe is None or not bars_per_year:
        return None
    skew, kurtosis = moments["skew"], moments["kurtosis"]
    spread = 1 - skew * sharpe + (kurtosis + 2) / 4 * sharpe**2
    if spread <= 0:
        return None
    luck = 0.0
    if n_trials > 1:
        # N^-1(1 - p) is -N^-1(p), and 1 - p would lose what p has beyond its digits.
        luck = -(
            (1 - EULER_MASCHERONI) * NORMAL.inv_cdf(1 / n_trials)
            + EULER_MASCHERONI * NORMAL.inv_cdf(1 / (n_trials * e))
        )
    least = sqrt(variance / bars_per_year) * luck
    return NORMAL.cdf((sharpe - least) * sqrt(moments["n_returns"] - 1) / sqrt(spread))
