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
    if not bars_per_year:
        return None
    return probability_above(moments, sqrt(variance / bars_per_year) * expected_maximum(n_trials))


def expected_maximum(n_trials: float) -> float:
    """Return what the largest of `n_trials` standard normal numbers is on average, about.

    Bailey and Lopez de Prado (2014), equation 1, with c the constant of Euler and Mascheroni::

        (1 - c) * N^-1(1 - 1 / n_trials) + c * N^-1(1 - 1 / (n_trials * e))

    It is for many: of 2 it says 0.520, and 0.564 is right; of 100 2.531, and 2.508 is right. Below
    about 1.3, which an estimate of independent trials may be, it would be below 0, and is 0.

    Parameters
    ----------
    n_trials : float
        1 or more.
    """
    if n_trials <= 1:
        return 0.0
    # N^-1(1 - p) is -N^-1(p), and 1 - p would lose what p has beyond its digits.
    largest = -(
        (1 - EULER_MASCHERONI) * NORMAL.inv_cdf(1 / n_trials)
        + EULER_MASCHERONI * NORMAL.inv_cdf(1 / (n_trials * e))
    )
    return max(largest, 0.0)


def probability_above(moments: Mapping[str, Any], least: float) -> float | None:
    """Return how likely the true Sharpe ratio is above `least`, both per bar.

    Bailey and Lopez de Prado (2012), The Sharpe ratio efficient frontier; see `deflated_sharpe`.

    Returns
    -------
    float or None
        None where `moments` have no Sharpe ratio, or no skew for want of returns.
    """
    sharpe, skew, kurtosis = (moments[one] for one in ("sharpe_per_bar", "skew", "kurtosis"))
    if sharpe is None or skew is None or kurtosis is None:
        return None
    spread = 1 - skew * sharpe + (kurtosis + 2) / 4 * sharpe**2
    if spread <= 0:
        return None
    return NORMAL.cdf((sharpe - least) * sqrt(moments["n_returns"] - 1) / sqrt(spread))
