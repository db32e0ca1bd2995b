"""Six small made-up markets for users' tests: bars, scores and context that keep stated figures.

Steps of `make_scenario`: returns of the market and of each asset -> closes -> the bar around each
close -> scores -> VIX and regimes -> a frame and a context. Drift, volatility, VIX and accuracy
are not drawn at random: each random path is moved and stretched until it has them. Every step
and asset draws from a stream of its own. A large market on disk is `ml4t.backtest.synthetic`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import sqrt
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.batch import Floats
from ml4t.backtest.errors import ConfigError, did_you_mean, require_whole

if TYPE_CHECKING:
    import polars as pl
    from numpy.random import Generator

YEAR = 252
"""Bars of a year."""
FIRST_SESSION = "2024-01-02"
FIRST_CLOSE = 100.0
FIRST_SPY = 400.0
# Two bars have no volatility; in more than 20 years a price may fall below what 4 decimals show.
LEAST_BARS, MOST_BARS = 3, 20 * YEAR
MOST_ASSETS = 1_000
# Correlation of an asset's shocks with those of the market, which SPY follows alone.
MARKET_SHARE = 0.7
DRAWS = {"market": 0, "asset": 1, "bars": 2, "scores": 3, "vix": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a scenario states, and keeps whatever its seed and length.

    Attributes
    ----------
    drift : float
        Compound return of a year from close to close, 0.20 is +20%. Every asset and SPY have it:
        ``(last close / first close) ** (252 / (n_bars - 1)) - 1``.
    vix : float
        Mean of VIX over all bars, in percent a year. It is also the realised volatility of every
        asset and of SPY: 15.0 is a standard deviation of log returns of 15% / sqrt(252) a bar.
    vix_spread : float
        The highest VIX is ``vix + vix_spread``; none is below ``vix - vix_spread``.
    accuracy : float
        Share of an asset's bars whose `prediction` is on the right side of 0.5, the last bar left
        out: above 0.5 where the next close is higher, else below. The share is off by half a bar
        at most.
    momentum : float
        Part of a bar's move that the next bar repeats; above 0 the market trends.
    reversion : float
        Part of the way back to its usual level that a price goes on each bar.
    regimes : tuple of str
        Values of `regime`, in turn for equally many bars each.
    """

    drift: float
    vix: float
    vix_spread: float
    accuracy: float
    momentum: float = 0.0
    reversion: float = 0.0
    regimes: tuple[str, ...] = ("bull",)


SCENARIOS: Mapping[str, Figures] = MappingProxyType(
    {
        "bull": Figures(drift=0.20, vix=15.0, vix_spread=4.0, accuracy=0.80),
        "bear": Figures(
            drift=-0.075, vix=28.0, vix_spread=8.0, accuracy=0.65, regimes=("bear",)
        ),
        "high_volatility": Figures(
            drift=0.0, vix=38.0, vix_spread=7.0, accuracy=0.60, regimes=("bear",)
        ),
        "low_volatility": Figures(drift=0.06, vix=12.0, vix_spread=2.5, accuracy=0.85),
        "trending": Figures(drift=0.30, vix=17.0, vix_spread=4.0, accuracy=0.82, momentum=0.4),
        "mean_reverting": Figures(
            drift=0.0, vix=20.0, vix_spread=6.0, accuracy=0.68, reversion=0.2,
            regimes=("bull", "bear", "bull", "bear"),
        ),
    }
)  # fmt: skip
"""The six scenarios by name."""
NEUTRAL = Figures(
    drift=0.08, vix=20.0, vix_spread=13.0, accuracy=0.70, regimes=("bull", "bear", "bull")
)
"""The ordinary year, made by the name ``'neutral'``; its VIX passes 30 at least once."""
# A scenario's place here is part of its random streams: new ones go to the end.
_FIGURES = {"neutral": NEUTRAL, **SCENARIOS}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scenario:
    """A made-up market, as `make_scenario` returns it.

    Attributes
    ----------
    name : str
    data : polars.DataFrame
        Bars and scores, sorted by (timestamp, asset_id); to be registered as ``"prices"``.
    context : dict of datetime to dict
        ``{timestamp: {"VIX": 15.2, "SPY": 401.7, "regime": "bull"}}`` for each timestamp of
        `data`; to be given as ``context_data``.
    stated : Figures
        What holds of `data` and `context`.
    """

    name: str
    data: pl.DataFrame
    context: dict[datetime, dict[str, float | str]]
    stated: Figures

    def __repr__(self) -> str:
        return f"Scenario({self.name!r}, {len(self.context)} bars)"


def make_scenario(name: str, *, n_bars: int = YEAR, n_assets: int = 1, seed: int = 42) -> Scenario:
    """Make one of the scenarios.

    Bars are business days from 2024-01-02 without a zone, assets ``S0000``, ``S0001``, ...; no
    bar is missing. The columns of `Scenario.data`:

    - timestamp, asset_id
    - open, high, low, close: account currency, 4 decimals; each asset's first close is 100
    - volume: whole shares
    - prediction: from 0.05 to 0.95, never 0.5; above 0.5: the next close is higher
    - confidence: from 0.5 to 0.95, higher for predictions far from 0.5; it knows nothing of
      whether the prediction is right

    Parameters
    ----------
    name : str
        A key of `SCENARIOS`, or ``'neutral'``.
    n_bars : int
        From 3 to 5,040, a year of 252 by default. Over a few bars momentum and reversion do not
        show; all other stated figures hold.
    n_assets : int
        From 1 to 1,000. More assets leave the first ones as they are.
    seed : int
        At least 0. The same arguments give the same scenario on every machine, as far as numpy
        keeps the streams of its generators from version to version.

    Returns
    -------
    Scenario

    Raises
    ------
    ConfigError
        There is no such scenario, or a number is outside what it may be.

    Examples
    --------
    >>> from ml4t.backtest.scenarios import make_scenario
    >>> bear = make_scenario("bear", n_bars=60)
    >>> bear
    Scenario('bear', 60 bars)
    >>> bear.stated.accuracy
    0.65
    """
    if not isinstance(name, str) or name not in _FIGURES:
        raise ConfigError(f"there is no scenario {name!r}{did_you_mean(str(name), _FIGURES)}")
    n_bars = require_whole("n_bars", n_bars, least=LEAST_BARS, most=MOST_BARS)
    n_assets = require_whole("n_assets", n_assets, least=1, most=MOST_ASSETS)
    seed = require_whole("seed", seed, least=0)
    figures = _FIGURES[name]
    streams = _Streams(seed=seed, scenario=list(_FIGURES).index(name))
    days = np.busday_offset(FIRST_SESSION, np.arange(n_bars), roll="forward")
    timestamps = days.astype("datetime64[us]")
    shocks = streams.of("market").standard_normal(n_bars - 1)
    return Scenario(
        name=name,
        data=_frame(timestamps, shocks, figures, n_assets, streams),
        context=_context(timestamps, shocks, figures, streams),
        stated=figures,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Streams:
    """Random numbers, one stream per scenario, step and asset."""

    seed: int
    scenario: int

    def of(self, step: str, asset: int = 0) -> Generator:
        return np.random.default_rng([self.seed, self.scenario, DRAWS[step], asset])


def _frame(
    timestamps: NDArray[Any], market: Floats, figures: Figures, n_assets: int, streams: _Streams
) -> pl.DataFrame:
    """Put the assets' columns side by side, then in the order of (timestamp, asset_id)."""
    import polars as pl

    assets = [_asset(market, figures, asset, streams) for asset in range(n_assets)]
    columns = {
        name: np.column_stack([asset[name] for asset in assets]).ravel() for name in assets[0]
    }
    names = [f"S{asset:04d}" for asset in range(n_assets)]
    keys = {"timestamp": np.repeat(timestamps, n_assets), "asset_id": names * len(timestamps)}
    return pl.DataFrame({**keys, **columns})


def _asset(
    market: Floats, figures: Figures, asset: int, streams: _Streams
) -> dict[str, NDArray[Any]]:
    """Make one asset's columns, one value per bar."""
    own = streams.of("asset", asset).standard_normal(len(market))
    shocks = MARKET_SHARE * market + sqrt(1.0 - MARKET_SHARE**2) * own
    closes = _closes(shocks, figures, FIRST_CLOSE)
    prediction, confidence = _scores(closes, figures.accuracy, streams.of("scores", asset))
    bars = _bars(closes, figures, streams.of("bars", asset))
    return {**bars, "prediction": prediction, "confidence": confidence}


def _closes(shocks: Floats, figures: Figures, first: float) -> Floats:
    """Walk from the first close so that mean and deviation of the log returns are the stated ones.

    Before that, r[t] = shock[t] + momentum * r[t-1] - reversion * (r[0] + ... + r[t-1]).
    """
    returns = np.empty(len(shocks))
    last = level = 0.0
    for t, shock in enumerate(shocks.tolist()):
        last = shock + figures.momentum * last - figures.reversion * level
        level += last
        returns[t] = last
    returns -= returns.mean()
    returns *= _volatility(figures) / returns.std()
    returns += np.log1p(figures.drift) / YEAR
    path = np.exp(np.concatenate([[0.0], np.cumsum(returns)]))
    return np.asarray(first * path).round(4)


def _volatility(figures: Figures) -> float:
    """Return the standard deviation of one bar's log return."""
    return figures.vix / 100.0 / sqrt(YEAR)


def _bars(closes: Floats, figures: Figures, stream: Generator) -> dict[str, NDArray[Any]]:
    """Dress closes as bars; rounding keeps the order of low, open, close and high."""
    volatility = _volatility(figures)
    before = np.concatenate([closes[:1], closes[:-1]])
    gap = 0.2 * volatility * stream.standard_normal(len(closes))
    up, down = 0.4 * volatility * np.abs(stream.standard_normal((2, len(closes))))
    opens = (before * np.exp(gap)).round(4)
    return {
        "open": opens,
        "high": (np.maximum(opens, closes) * np.exp(up)).round(4),
        "low": (np.minimum(opens, closes) * np.exp(-down)).round(4),
        "close": closes,
        "volume": np.exp(stream.normal(14.0, 0.4, len(closes))).round().astype(np.int64),
    }


def _scores(closes: Floats, accuracy: float, stream: Generator) -> tuple[Floats, Floats]:
    """Point to the side of the next close on exactly as many bars as stated, on random ones."""
    n_scored = len(closes) - 1
    is_right = stream.permutation(np.arange(n_scored) < round(accuracy * n_scored))
    is_up = (closes[1:] > closes[:-1]) == is_right
    # Nobody knows what follows the last bar: its side is drawn.
    is_up = np.append(is_up, stream.random() < 0.5)
    strength = stream.uniform(0.01, 0.45, len(closes))
    noise = stream.normal(0.0, 0.05, len(closes))
    prediction = np.where(is_up, 0.5 + strength, 0.5 - strength).round(4)
    return prediction, np.clip(0.5 + strength + noise, 0.5, 0.95).round(4)


def _context(
    timestamps: NDArray[Any], market: Floats, figures: Figures, streams: _Streams
) -> dict[datetime, dict[str, float | str]]:
    n_bars = len(timestamps)
    vix = _vix(figures, n_bars, streams.of("vix"))
    spy = _closes(market, figures, FIRST_SPY)
    spells = len(figures.regimes)
    return {
        timestamp: {
            "VIX": vix[t],
            "SPY": level,
            "regime": figures.regimes[t * spells // n_bars],
        }
        for t, (timestamp, level) in enumerate(zip(timestamps.tolist(), spy.tolist(), strict=True))
    }


def _vix(figures: Figures, n_bars: int, stream: Generator) -> list[float]:
    """Revert to the stated mean, with the highest value at the end of its range."""
    shocks = stream.standard_normal(n_bars)
    values = np.empty(n_bars)
    value = 0.0
    for t, shock in enumerate(shocks.tolist()):
        value = 0.85 * value + shock
        values[t] = value
    values -= values.mean()
    # The farthest value is made a high one: VIX jumps up, not down.
    values /= values[np.abs(values).argmax()]
    found: list[float] = (figures.vix + figures.vix_spread * values).round(2).tolist()
    return found
