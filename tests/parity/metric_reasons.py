"""Why a package of performance metrics says another number than ours, each looked up in its code.

What has no reason here must be equal.
"""

from __future__ import annotations

from typing import Any

TOLERANCE = 1e-9
SIGN_OF_LOSS = "has the sign of a loss"
UNADJUSTED = "of n; ours, as of pandas, are estimated from a sample"
UNCOMPOUNDED = "adds returns up unless `compounded=True`"
PER_BAR = "per bar, not annual"
NORMAL = "that of a normal distribution with the same mean and deviation"
BARS = "its `aggregate='D'` leaves bars inside a day as they are"

# By metric and package; a word after a package says how it was called.
ALWAYS: dict[tuple[str, str], str] = {
    ("max_drawdown", "ffn of closes"): "begins at the first close: what the first bar lost is none",
    ("max_drawdown", "skfolio"): UNCOMPOUNDED,
    ("value_at_risk", "quantstats"): NORMAL,
    ("value_at_risk", "skfolio"): f"the next return above, no interpolation; {SIGN_OF_LOSS}",
    ("conditional_value_at_risk", "quantstats"): f"{NORMAL}, unless `method='historical'`",
    ("conditional_value_at_risk", "skfolio"): f"weighs the last return; {SIGN_OF_LOSS}",
    ("skew", "pyfolio"): UNADJUSTED,
    ("skew", "skfolio"): UNADJUSTED,
    ("kurtosis", "pyfolio"): UNADJUSTED,
    ("kurtosis", "skfolio"): f"{UNADJUSTED}; the normal distribution has 3, not 0",
    ("probabilistic_sharpe", "skfolio"): f"skew and kurtosis {UNADJUSTED}",
    ("deflated_sharpe", "skfolio"): f"skew and kurtosis {UNADJUSTED}",
    ("ulcer_index", "skfolio"): UNCOMPOUNDED,
    ("ulcer_index", "quantstats"): "divides by n - 1",
    ("ulcer_index", "ffn"): "in percent, and the price before the first bar counts as one",
    ("drawdowns", "quantstats"): "a single one from the first bar on is missing from "
    "`drawdown_details`, though `max_drawdown` has it",
    ("drawdowns", "pyfolio"): "what the first bar lost is in none; without any there is one of 0",
    (
        "recovery_factor",
        "quantstats",
    ): "the sum of the returns, uncompounded and without its sign: above 0 for a run that lost",
    ("gain_to_pain", "quantstats monthly"): "adds the days of a month up, uncompounded",
    ("gain_to_pain", "quantstats"): "of days, which is omega - 1",
    ("rolling_beta", "pyfolio"): "its window of n has n + 1 bars",
    ("alpha", "empyrical"): "compounds the alpha of a bar over a year",
    ("information_ratio", "quantstats"): PER_BAR,
    ("information_ratio", "empyrical"): PER_BAR,
    ("information_ratio", "ffn"): PER_BAR,
    ("up_capture", "empyrical"): "of compounded annual returns of those bars",
    ("down_capture", "empyrical"): "of compounded annual returns of those bars",
}
# Of one series, by metric and package.
SOMETIMES: dict[str, dict[tuple[str, str], str]] = {
    "all alike": {
        ("sharpe", "empyrical"): "infinite: returns differ by rounding alone",
        ("sharpe", "quantstats"): "infinite: returns differ by rounding alone",
        ("sortino", "empyrical"): "infinite: no return is below 0",
        ("sortino", "ffn"): "infinite: no return is below 0",
    },
    "constant losses": {
        ("sharpe", "empyrical"): "infinite: returns differ by rounding alone",
        ("sharpe", "quantstats"): "infinite: returns differ by rounding alone",
    },
    "one bar": {("sortino", "ffn"): "infinite: no return is below 0"},
    "no volatility": {
        ("up_days", "quantstats"): "0 where nothing moved",
        ("up_months", "quantstats"): "0 where nothing moved",
    },
    "intraday": {
        (metric, "quantstats"): BARS
        for metric in ("best_day", "worst_day", "up_days", "longest_up_streak")
    },
}
# Where nothing is left of the account ours have no return, and all packages compound on.
WIPED_OUT = "wiped out"
GOES_ON = "compounds on below 0; ours are NULL from there on"


def reason(series: str, metric: str, package: str) -> str | None:
    """Return why a package may say something else of a series; None: it must say the same."""
    one = (metric, package)
    if series == WIPED_OUT:
        return GOES_ON
    return ALWAYS.get(one) or SOMETIMES.get(series, {}).get(one)


def is_equal(ours: Any, theirs: Any) -> bool:
    """Whether two numbers, or lists of them, are equal but for rounding; None is no number."""
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(is_equal, ours, theirs))
    if ours is None or theirs is None:
        return ours is None and theirs is None
    if isinstance(ours, list | str) or isinstance(theirs, list | str):
        return False
    return bool(abs(ours - theirs) <= TOLERANCE * max(abs(ours), abs(theirs), 1e-3))
