"""Parameters: the sets of parameters that a sweep tries: grids, lists and samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import exp, log, prod
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.errors import ConfigError, briefly, require_flags, require_whole

Parameters = dict[str, Any]
# A set that was drawn before is drawn again, so many times in a row.
MOST_DRAWS = 1000


@dataclass(frozen=True, slots=True)
class Between:
    """Numbers from `low` to `high`; whole ones, both ends included, where both are whole.

    Attributes
    ----------
    low, high : int or float
        `high` above `low`.
    is_log : bool
        Drawn so that their logarithms are uniform, for what counts in multiples: `low` above 0.
    """

    low: float
    high: float
    is_log: bool = False

    def __post_init__(self) -> None:
        require_flags(self, "is_log")
        ends = low, high = as_plain(self.low), as_plain(self.high)
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)
        if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in ends):
            raise ConfigError(f"Between takes two numbers, was {self!r}")
        if not (-float("inf") < self.low < self.high < float("inf")):
            raise ConfigError(f"Between needs finite numbers, the lower first, was {self!r}")
        if self.is_log and self.low <= 0:
            raise ConfigError(f"of logarithms the lower end is above 0, was {self!r}")

    @property
    def is_whole(self) -> bool:
        """Whether it has whole numbers alone."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def at(self, share: float) -> float:
        """Return the number below which a share, from 0 up to 1, of all draws is."""
        low, high = float(self.low), float(self.high) + self.is_whole
        if self.is_log:
            found = exp(log(low) + share * (log(high) - log(low)))
        else:
            found = low + float(share) * (high - low)  # NumPy's would print otherwise
        return min(int(found), int(self.high)) if self.is_whole else found


Space = Mapping[str, Sequence[Any] | Between]


@runtime_checkable
class Sampled(Protocol):
    """A sample of a space of parameters."""

    def sets(self) -> list[Parameters]:
        """Return the sets, each once."""
        ...


@dataclass(frozen=True)
class _Sample:
    """So many different sets out of a space.

    Attributes
    ----------
    space : mapping of str to sequence or Between
        Values to choose from, or a range, by the name of the parameter.
    n : int
        Sets.
    seed : int
        Of the generator; equal seeds draw equal sets.
    """

    space: Space
    n: int
    seed: int = 0

    def __post_init__(self) -> None:
        require_space(self.space)
        object.__setattr__(self, "n", require_whole("n", self.n, least=1))
        object.__setattr__(self, "seed", require_whole("seed", self.seed, least=0))
        sizes = [
            one.high - one.low + 1 if isinstance(one, Between) and one.is_whole
            else float("inf") if isinstance(one, Between) else len(one)
            for one in self.space.values()
        ]  # fmt: skip
        if prod(sizes) < self.n:
            raise ConfigError(
                f"the space has {int(prod(sizes)):,} sets of parameters, and n is {self.n:,}; "
                "take all of them by giving the lists themselves as the grid"
            )

    def sets(self) -> list[Parameters]:
        """Return the sets, each once."""
        generator = np.random.default_rng(self.seed)
        found: dict[tuple[Any, ...], Parameters] = {}
        for _ in range(MOST_DRAWS):
            before = len(found)
            for shares in self._shares(generator, self.n - before):
                one = {
                    name: values.at(share) if isinstance(values, Between)
                    else as_plain(values[int(share * len(values))])
                    for (name, values), share in zip(self.space.items(), shares, strict=True)
                }  # fmt: skip
                found.setdefault(set_key(one), one)
            if len(found) == self.n:
                return list(found.values())
        raise ConfigError(
            f"{self!r} found {len(found):,} different sets in {MOST_DRAWS:,} draws; ask for fewer"
        )

    def _shares(self, generator: np.random.Generator, n: int) -> NDArray[np.float64]:
        """Return ``[n, parameters]``: where in its range each value is, from 0 up to 1."""
        raise NotImplementedError


@dataclass(frozen=True)
class RandomSample(_Sample):
    """Sets drawn one by one, each parameter by itself."""

    def _shares(self, generator: np.random.Generator, n: int) -> NDArray[np.float64]:
        return generator.random((n, len(self.space)))


@dataclass(frozen=True)
class LatinHypercube(_Sample):
    """Sets that cover every parameter evenly: one in each of n equal parts of its range.

    McKay, Beckman and Conover (1979), A comparison of three methods for selecting values of input
    variables in the analysis of output from a computer code. Where sets of few values turn out
    equal, others are drawn in their place.
    """

    def _shares(self, generator: np.random.Generator, n: int) -> NDArray[np.float64]:
        parts = np.stack([generator.permutation(n) for _ in self.space], axis=1)
        return np.asarray((parts + generator.random(parts.shape)) / n)


def parameter_sets(grid: object) -> list[Parameters]:
    """Return the sets of parameters of a grid, a list of sets or a sample, in order.

    Of a grid, a mapping of names to lists, every combination; the last name changes fastest.

    Raises
    ------
    ConfigError
        It is none of these, has no set, or has one twice.
    """
    if isinstance(grid, Sampled):
        found = grid.sets()
    elif isinstance(grid, Mapping):
        require_space(grid)
        for name, values in grid.items():
            if isinstance(values, Between):
                raise ConfigError(
                    f"a grid takes lists, {name} is {values!r}; draw from it: "
                    "RandomSample(space=..., n=100)"
                )
        lists = [list(map(as_plain, values)) for values in grid.values()]
        found = [dict(zip(grid, values, strict=True)) for values in product(*lists)]
    elif isinstance(grid, Iterable) and not isinstance(grid, str):
        found = []
        for one in grid:
            if not isinstance(one, Mapping):
                raise ConfigError(f"a list of parameters has mappings, one was {briefly(one)}")
            found.append({name: as_plain(value) for name, value in one.items()})
    else:
        raise ConfigError(
            "a grid is a mapping of names to lists, a list of mappings, or a sample, was "
            f"{briefly(grid)}; write {{'n': [10, 25], 'every': [5, 20]}}"
        )
    for one in found:
        for name in one:
            _require_name(name)
    _require_once(found)
    return found


def as_plain(value: Any) -> Any:
    """Return a number of NumPy as Python's own, which prints alike on every machine."""
    return value.item() if isinstance(value, np.generic) else value


def set_key(parameters: Parameters) -> tuple[Any, ...]:
    """Return what tells a set of parameters from others."""
    return tuple((name, type(one).__name__, repr(one)) for name, one in sorted(parameters.items()))


def require_space(space: object) -> None:
    """Refuse what is no mapping of names to values or ranges."""
    if not isinstance(space, Mapping) or not space:
        raise ConfigError(f"parameters are a mapping of names to values, was {briefly(space)}")
    for name, values in space.items():
        _require_name(name)
        if isinstance(values, Between):
            continue
        if isinstance(values, str) or not isinstance(values, Sequence | np.ndarray | range):
            raise ConfigError(
                f"the values of parameter {name!r} are a list, was {briefly(values)}; "
                f"write {{{name!r}: [{values!r}]}}"
            )
        if not len(values):
            raise ConfigError(f"parameter {name!r} has no values")


def _require_name(name: object) -> None:
    if not isinstance(name, str) or not name.isidentifier():
        raise ConfigError(f"the name of a parameter is that of an argument, was {briefly(name)}")


def _require_once(sets: Sequence[Parameters]) -> None:
    if not sets:
        raise ConfigError("there is no set of parameters to try")
    seen: dict[tuple[Any, ...], int] = {}
    for number, one in enumerate(sets, start=1):
        first = seen.setdefault(set_key(one), number)
        if first != number:
            raise ConfigError(
                f"trials {first} and {number} have the same parameters, {briefly(one)}; each is "
                "tried once: leave one out"
            )
