"""Aliases: names that the guides gave to arguments, and the words that stand for the same.

The words are these, in everything that is new: a fraction is ``fraction``, a column of a source is
``column``, a schedule is ``every`` and ``offset``. A name of the table below is the guides' own:
it stays, it is what is stored and printed, and the word is taken in its place, from Python and
from a run file. A name of `HELPERS` is one of a method, which takes no second spelling: each
call of a handler would pay for it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, TypeVar

from ml4t.backtest.errors import ConfigError

# class -> {word: the guides' name}
ALIASES: Mapping[str, Mapping[str, str]] = {
    "DynamicTrailingStop": {"fraction": "initial_trail_pct"},
    "VolatilityScaledStopLoss": {"column": "volatility_key"},
    "VolatilityTrailingStop": {"column": "volatility_key"},
    "VolumeShareSlippage": {"column": "volume_key"},
    "SquareRootImpact": {"volatility_column": "volatility_key", "volume_column": "volume_key"},
    "PercentSizer": {"fraction": "percent"},
    "ConfidenceSizer": {"max_fraction": "max_percent"},
    "VolatilitySizer": {"max_fraction": "max_percent"},
    "TopNRotationStrategy": {"n": "n_positions", "every": "rebalance_frequency", "column": "score"},
}
# method of a strategy -> its argument that is a fraction under the guides' name
HELPERS: Mapping[str, str] = {
    "buy_percent": "percent",
    "sell_percent": "percent",
    "reduce_position": "percent",
    "set_position_percent": "percent",
    "size_by_confidence": "max_percent",
}
# Arguments of a provider that the guides show, which name columns; nothing new is called so.
PROVIDER = ("timestamp_col", "asset_col")
Made = TypeVar("Made", bound=type)


def takes_words(kind: Made) -> Made:
    """Let a class be made with the words as well as with the guides' names; a decorator."""
    # It is the class itself that is decorated, never an instance.
    make = kind.__init__  # type: ignore[misc]

    @functools.wraps(make)
    def made(self: object, *args: Any, **given: Any) -> None:
        make(self, *args, **spelled(kind, given))

    kind.__init__ = made  # type: ignore[misc]
    return kind


def spelled(kind: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments of a class under the names that it stores.

    Raises
    ------
    ConfigError
        One argument is given under both of its names.
    """
    names = ALIASES.get(kind.__name__, {})
    said = {names.get(name, name): value for name, value in given.items()}
    if len(said) < len(given):
        word, name = next((w, n) for w, n in names.items() if w in given and n in given)
        raise ConfigError(f"{word} and {name} of {kind.__name__} say the same; keep one of them")
    return said
