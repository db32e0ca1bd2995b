"""Random price paths and scenarios on which engines are compared.

Needs numpy only, so it also runs in the environment of each compared package.

``make_path(seed, n_bars=60)`` -> dict of 1-D arrays, one value per bar
    ``open high low close``       float, four decimals, low <= open, close <= high
    ``entry exit``                bool, wishes to open and to close a long position
    ``short_entry short_exit``    bool, the same for a short position
``signals(path, scenario)`` -> the four boolean arrays that the scenario uses (others all False)

``SCENARIOS``: name -> dict, always with these keys
    ``direction``    "long", "short" or "both" (an entry of the other side reverses the position)
    ``exits``        False: no exit signals (``signals`` clears them)
    ``stop``, ``target``, ``trail``    distance as a fraction of the price, or None
    ``commission``   None or ``{"kind": "percent" | "fixed" | "per_share", "value": float}``:
                     a fraction of the fill's value, money per fill, money per share filled
    ``slippage``     fraction by which a fill's price is worse, 0.0 for none
    ``size``         ``{"kind": "shares" | "percent", "value": float}``: shares per entry, or
                     a fraction of the equity at the entry
    ``cash``         money at the start

``make_universe(seed, n_assets=8, n_bars=40)`` -> dict of 2-D arrays (bars, assets)
    ``open high low close score``; scores of one bar are all different
``target_weights(universe, scenario)`` -> 2-D array: NaN on bars without a rebalance, else
    ``1 / top`` for the ``top`` highest scores and 0 for the rest

``UNIVERSE_SCENARIOS``: name -> dict with ``top``, ``every`` (rebalance on bars 0, every,
    2 * every, ...), ``commission``, ``slippage``, ``cash`` as above; all assets share the cash
    and sales come before purchases.

A scenario that a package cannot express is left out by that package's runner.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]
Scenario = dict[str, Any]

SEEDS = range(200)
SIGNALS = ("entry", "exit", "short_entry", "short_exit")

_PATH, _UNIVERSE = 1, 2
_VOLATILITY = 0.03
_SIGNAL_RATE = 0.1


def _bars(rng: np.random.Generator, n_bars: int, n_assets: int) -> Arrays:
    """Bars with a gap at the open, a move to the close and wicks beyond both."""
    shape = (n_bars, n_assets)
    gap = rng.normal(0.0, 0.4 * _VOLATILITY, shape)
    gap *= np.where(rng.random(shape) < 0.1, 4.0, 1.0)  # now and then a jump
    move = rng.normal(0.0, 0.9 * _VOLATILITY, shape)
    start = np.log(rng.uniform(20.0, 80.0, n_assets))
    log_close = start + np.cumsum(gap + move, axis=0)
    log_open = log_close - move
    wick = np.abs(rng.normal(0.0, 0.4 * _VOLATILITY, (2, *shape)))
    wick *= rng.random((2, *shape)) < 0.9  # some bars open or close at their extreme
    high = np.maximum(log_open, log_close) + wick[0]
    low = np.minimum(log_open, log_close) - wick[1]
    prices = {"open": log_open, "high": high, "low": low, "close": log_close}
    return {name: np.round(np.exp(logs), 4) for name, logs in prices.items()}


def make_path(seed: int, n_bars: int = 60) -> Arrays:
    """Prices and signals of one asset."""
    rng = np.random.default_rng([_PATH, seed])
    path = {name: values[:, 0] for name, values in _bars(rng, n_bars, 1).items()}
    for name in SIGNALS:
        path[name] = rng.random(n_bars) < _SIGNAL_RATE
    return path


def signals(path: Arrays, scenario: Scenario) -> Arrays:
    """Those signals of the path that the scenario uses."""
    sides = {"long": ("entry", "exit"), "short": ("short_entry", "short_exit"), "both": SIGNALS}
    used = [
        name
        for name in sides[scenario["direction"]]
        if scenario["exits"] or not name.endswith("exit")
    ]
    return {name: path[name] & (name in used) for name in SIGNALS}


def make_universe(seed: int, n_assets: int = 8, n_bars: int = 40) -> Arrays:
    """Prices and scores of several assets."""
    rng = np.random.default_rng([_UNIVERSE, seed])
    universe = _bars(rng, n_bars, n_assets)
    ranks = rng.random((n_bars, n_assets)).argsort(axis=1)
    universe["score"] = ranks / n_assets
    return universe


def target_weights(universe: Arrays, scenario: Scenario) -> np.ndarray:
    """Target weights per bar and asset, NaN where nothing is decided."""
    score = universe["score"]
    n_bars, n_assets = score.shape
    weights = np.full(score.shape, np.nan)
    for bar in range(0, n_bars, scenario["every"]):
        best = score[bar].argsort()[n_assets - scenario["top"] :]
        weights[bar] = 0.0
        weights[bar, best] = 1.0 / scenario["top"]
    return weights


def _scenario(direction: str, **changes: Any) -> Scenario:
    """Return the plain scenario of a direction with some keys changed."""
    return {
        "direction": direction,
        "exits": True,
        "stop": None,
        "target": None,
        "trail": None,
        "commission": None,
        "slippage": 0.0,
        "size": {"kind": "shares", "value": 10.0},
        "cash": 100_000.0,
    } | changes


_STOP, _TARGET, _TRAIL = {"stop": 0.05}, {"target": 0.07}, {"trail": 0.06}
_PERCENT = {"commission": {"kind": "percent", "value": 0.002}}
_FIXED = {"commission": {"kind": "fixed", "value": 1.5}}
_PER_SHARE = {"commission": {"kind": "per_share", "value": 0.01}}
_SLIPPAGE = {"slippage": 0.001}
_ALL_IN: Scenario = {"size": {"kind": "percent", "value": 1.0}, "cash": 10_000.0}
_HALF: Scenario = {"size": {"kind": "percent", "value": 0.5}, "cash": 10_000.0}

# Each of these for long, short and both.
_VARIANTS: dict[str, Scenario] = {
    "signals": {},
    "stop": _STOP,
    "target": _TARGET,
    "trail": _TRAIL,
    "bracket": _STOP | _TARGET,
    "stop_trail": _STOP | _TRAIL,
    "target_trail": _TARGET | _TRAIL,
    "stop_target_trail": _STOP | _TARGET | _TRAIL,
    "tight_bracket": {"stop": 0.015, "target": 0.015},
    "tight_trail": {"trail": 0.015},
    "no_exits_bracket": {"exits": False} | _STOP | _TARGET,
    "no_exits_trail": {"exits": False} | _TRAIL,
    "percent_fee": _PERCENT,
    "fixed_fee": _FIXED,
    "per_share_fee": _PER_SHARE,
    "slippage": _SLIPPAGE,
    "percent_fee_slippage": _PERCENT | _SLIPPAGE,
    "bracket_percent_fee_slippage": _STOP | _TARGET | _PERCENT | _SLIPPAGE,
    "trail_fixed_fee_slippage": _TRAIL | _FIXED | _SLIPPAGE,
    "bracket_per_share_fee": _STOP | _TARGET | _PER_SHARE,
    "everything": _STOP | _TARGET | _TRAIL | _PERCENT | _SLIPPAGE,
}

SCENARIOS: dict[str, Scenario] = {
    f"{direction}_{name}": _scenario(direction, **changes)
    for direction in ("long", "short", "both")
    for name, changes in _VARIANTS.items()
} | {
    "both_flips_only": _scenario("both", exits=False),
    "both_flips_only_percent_fee_slippage": _scenario("both", exits=False, **_PERCENT, **_SLIPPAGE),
    # Sized by equity.
    "long_all_in": _scenario("long", **_ALL_IN),
    "long_all_in_percent_fee_slippage": _scenario("long", **_ALL_IN, **_PERCENT, **_SLIPPAGE),
    "long_all_in_fixed_fee": _scenario("long", **_ALL_IN, **_FIXED),
    "long_all_in_bracket_percent_fee": _scenario("long", **_ALL_IN, **_STOP, **_TARGET, **_PERCENT),
    "long_half": _scenario("long", **_HALF),
    "long_half_trail_percent_fee_slippage": _scenario(
        "long", **_HALF, **_TRAIL, **_PERCENT, **_SLIPPAGE
    ),
    "short_half": _scenario("short", **_HALF),
    "short_half_bracket_percent_fee_slippage": _scenario(
        "short", **_HALF, **_STOP, **_TARGET, **_PERCENT, **_SLIPPAGE
    ),
    # Not enough cash for the wished size.
    "long_poor": _scenario("long", cash=300.0),
    "long_poor_percent_fee_slippage": _scenario("long", cash=300.0, **_PERCENT, **_SLIPPAGE),
    "long_poor_fixed_fee": _scenario("long", cash=300.0, **_FIXED),
    "short_poor_percent_fee": _scenario("short", cash=300.0, **_PERCENT),
    "both_poor": _scenario("both", cash=300.0),
    "both_poor_bracket_percent_fee_slippage": _scenario(
        "both", cash=300.0, **_STOP, **_TARGET, **_PERCENT, **_SLIPPAGE
    ),
    # A short position of many times the cash; covering it may be too dear.
    "short_broke_percent_fee": _scenario("short", cash=20.0, **_PERCENT),
    "short_broke_bracket_fixed_fee": _scenario("short", cash=20.0, **_STOP, **_TARGET, **_FIXED),
    "both_broke_trail_percent_fee_slippage": _scenario(
        "both", cash=20.0, **_TRAIL, **_PERCENT, **_SLIPPAGE
    ),
    "both_broke_flips_only": _scenario("both", exits=False, cash=20.0),
}


def _universe_scenario(**changes: Any) -> Scenario:
    """Return the plain scenario of a universe with some keys changed."""
    plain = {"top": 3, "every": 5, "commission": None, "slippage": 0.0, "cash": 10_000.0}
    return plain | changes


UNIVERSE_SCENARIOS: dict[str, Scenario] = {
    "top": _universe_scenario(),
    "top_percent_fee": _universe_scenario(**_PERCENT),
    "top_fixed_fee": _universe_scenario(**_FIXED),
    "top_per_share_fee": _universe_scenario(**_PER_SHARE),
    "top_slippage": _universe_scenario(**_SLIPPAGE),
    "top_percent_fee_slippage": _universe_scenario(**_PERCENT, **_SLIPPAGE),
    "top_one": _universe_scenario(top=1, every=3, **_PERCENT),
}
