"""Recipes: weights over ``ranked``, as SQL for `SQLStrategy`.

Each is a file under ``sql/weights``, and its formula stands there. What comes back is text, to be
read, changed and handed to ``SQLStrategy(text, ranking=Ranking(...))``.

>>> from ml4t.backtest import Ranking, SQLStrategy, recipes
>>> weights = recipes.capped(0.05, of=recipes.inverse_volatility("atr"))
>>> strategy = SQLStrategy(weights, ranking=Ranking(n=25, by="ml_score", every=5))
"""

from __future__ import annotations

from ml4t.backtest.core.fractions import EXPOSURE, SHARE, WEIGHT, require_fraction
from ml4t.backtest.core.selecting import OverAll
from ml4t.backtest.core.tolerances import WHOLE
from ml4t.backtest.data.sql_files import inverse_of, quote, read, render
from ml4t.backtest.errors import ConfigError, require_whole

# More than there are assets in any market; a float holds their share.
MOST_QUANTILES = 1_000_000


def equal() -> str:
    """Return equal weights: ``w = 1 / n`` with n the assets ranked at the bar.

    Fewer than the ranking's n: they share the whole, where `TopN` leaves the rest in cash.
    """
    return read("weights/equal")


def score_proportional() -> str:
    """Return weights by score: ``w = s / sum(s)``, s being 0 for a negative score.

    Where no score is above 0 all weights are 0.
    """
    return render("weights/proportional", size="score")


def rank_weighted() -> str:
    """Return weights by rank: ``w = (m + 1 - r) / sum(m + 1 - r)``, m being the last rank."""
    return read("weights/rank_weighted")


def inverse_volatility(column: str) -> str:
    """Return weights by ``w = (1 / v) / sum(1 / v)``.

    Parameters
    ----------
    column : str
        Volatility v, a column of ``signals``. An asset whose v is missing or not above 0 gets 0.
    """
    volatility = f"{_column(column)}::double"
    return render("weights/proportional", size=inverse_of(volatility))


def per_group(column: str) -> str:
    """Return the same weight for each group of a bar, and the same for each asset within.

    ``w = 1 / (g * n)`` with g the groups of the bar and n the assets of the group.

    Parameters
    ----------
    column : str
        Such as ``sector``. An asset without a group is left out.
    """
    return render("weights/per_group", member=_column(column))


def long_short(
    fraction: float | None = None,
    *,
    quantiles: int | None = None,
    long: float = 0.5,
    short: float = 0.5,
    ascending: bool = False,
) -> str:
    """Return the best of what is ranked long, and as many of the worst short.

    The first and the last ``k = max(1, floor(fraction * m))`` of the m that are ranked: ``w =
    long / k`` and ``w = -short / k``. The ranking must keep every asset that takes part, as
    ``Ranking(n="all", by="ml_score")`` does, and any other `n`, which keeps the best alone, is
    refused where both meet in `SQLStrategy`; the account must be able to short. Of fewer assets
    than quantiles the best is long and the worst short; a bar with fewer than two is no decision.
    Equal scores go by ``asset_id``, the lower first. Where the ranking has groups (`within`), its
    ranks are those in a group, and the assets of a bar are placed by score.

    Parameters
    ----------
    fraction : float, optional
        Share of the assets on each side, 0.1 (deciles) by default; at most 0.5.
    quantiles : int, optional
        The same as ``fraction=1 / quantiles``, at least 2: 10 is long the best decile and short
        the worst.
    long, short : float
        Sums of the weights on each side, both above 0 and at most 10.
    ascending : bool
        As of the ranking; read where it has groups: True holds the lowest scores long.
    """
    if quantiles is not None:
        if fraction is not None:
            raise ConfigError("fraction and quantiles say the same; give one of them")
        fraction = 1.0 / require_whole("quantiles", quantiles, least=2, most=MOST_QUANTILES)
    fraction = require_fraction("fraction", 0.1 if fraction is None else fraction, SHARE)
    if fraction > 0.5:
        raise ConfigError(f"fraction must be at most 0.5, was {fraction!r}")
    for name, side in (("long", long), ("short", short)):
        require_fraction(name, side, EXPOSURE)
    if not isinstance(ascending, bool):
        raise ConfigError(f"ascending must be True or False, was {ascending!r}")
    text = render(
        "weights/long_short",
        direction="asc" if ascending else "desc",
        fraction=_number(fraction),
        long=_number(long),
        short=_number(short),
        tolerance=_number(WHOLE),
    )
    return OverAll(text)


def capped(cap: float, *, of: str | None = None) -> str:
    """Return another recipe's weights, none above `cap`, the excess shared out in proportion.

    ``v = min(cap, L * w)`` with L such that the sum stays what it was: what repeated capping and
    sharing out ends in, in one pass. Long and short weights are capped apart, each side keeping
    its sum. Fewer than ``sum / cap`` assets: all are at the cap and the rest stays cash. A weight
    that is NULL, NaN or infinite stays what it is, which a run refuses.

    Parameters
    ----------
    cap : float
        Fraction of equity, above 0 and below 5.
    of : str, optional
        A query that yields timestamp, asset_id and weight; `equal` by default.
    """
    require_fraction("cap", cap, WEIGHT)
    weighted = equal() if of is None else of
    if not isinstance(weighted, str) or not weighted.strip():
        raise ConfigError(f"of must be an SQL SELECT, was {of!r}")
    from ml4t.backtest.data.user_sql.total_order import (
        without_end,  # its parser loads where it is needed
    )

    text = render("weights/capped", cap=_number(cap), weighted=without_end(weighted) + "\n")
    return OverAll(text) if isinstance(weighted, OverAll) else text


def _column(name: str) -> str:
    if not isinstance(name, str) or not name.strip():
        raise ConfigError(f"column must be the name of a column, was {name!r}")
    return quote(name)


def _number(value: float) -> str:
    return f"{float(value)!r}::double"
