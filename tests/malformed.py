"""Malformed inputs: wrong values for every public parameter, what is right, and how to judge.

1. `VALUES` are the values that each parameter is given, right for some and wrong for most.
2. A `Kind` says, independently of the package, which values a parameter takes.
3. `verdict` compares: a right value is taken, a wrong one refused by an error of ours that names
   subject and value and says what it must be.
"""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from numbers import Integral
from typing import Any

import numpy as np
import polars as pl

from ml4t.backtest import BacktestError

INF = math.inf


class Stranger:
    """An object that is nothing in particular."""

    def __repr__(self) -> str:
        return "Stranger()"


VALUES: dict[str, object] = {
    "None": None,
    "True": True,
    "NumPy's False": np.bool_(False),
    "0": 0,
    "-1": -1,
    "1": 1,
    "2": 2,
    "500": 500,
    "2.5": 2.5,
    "0.5": 0.5,
    "-0.5": -0.5,
    "NaN": math.nan,
    "infinity": INF,
    "-infinity": -INF,
    "1e300": 1e300,
    "10 to the power of 400": 10**400,
    "a whole number of NumPy": np.int64(2),
    "a number of NumPy": np.float64(0.5),
    "a short number of NumPy": np.float32(0.25),
    "a NaN of NumPy": np.float64("nan"),
    "Decimal": Decimal("0.5"),
    "Fraction": Fraction(1, 2),
    "complex": 1j,
    "a number as text": "0.5",
    "a word": "xyzzy",
    "blank": " ",
    "empty text": "",
    "bytes": b"x",
    "empty list": [],
    "list": [1, 2],
    "list of None": [None],
    "list of texts": ["xyzzy"],
    "nested list": [[1, 2, 3]],
    "tuple": (0.1, 0.2),
    "set": {1},
    "dict": {"xyzzy": 1},
    "array": np.array([0.5, 0.25]),
    "a column of polars": pl.Series("x", [1]),
    "timedelta": timedelta(days=1),
    "date": date(2024, 1, 2),
    "datetime": datetime(2024, 1, 2),
    "class": Stranger,
    "object": Stranger(),
    "function": len,
}


@dataclass(frozen=True, slots=True)
class Kind:
    """Which values a parameter takes.

    Attributes
    ----------
    name : str
    takes : callable
        Says so of one value, without the package.
    """

    name: str
    takes: Callable[[Any], bool]

    def __or__(self, other: Kind) -> Kind:
        return Kind(
            f"{self.name} or {other.name}", lambda value: self.takes(value) or other.takes(value)
        )


def is_number(value: object) -> bool:
    """Whether a value is a float or a whole number other than NaN, that a float can hold.

    Decimals and fractions are of an arithmetic of their own, which a run cannot mix with floats.
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (float, np.floating, Integral)):
        return False
    try:
        return not math.isnan(float(value))
    except OverflowError:
        return False


def above(low: float, below: float = INF) -> Kind:
    """Numbers strictly between two bounds."""
    # As Python's own: a short number of NumPy would take a large bound for infinite.
    return Kind(f"a number above {low}", lambda v: is_number(v) and low < float(v) < below)


def at_least(low: float, below: float = INF, most: float = INF) -> Kind:
    """Numbers from a bound on, below or up to another."""
    return Kind(
        f"a number of at least {low}", lambda v: is_number(v) and low <= v < below and v <= most
    )


def whole(least: float = -INF, most: float = INF) -> Kind:
    """Whole numbers within bounds."""
    return Kind(
        "a whole number",
        lambda v: isinstance(v, Integral) and not isinstance(v, bool) and least <= v <= most,
    )


def words(*allowed: str) -> Kind:
    """Some words."""
    return Kind(f"one of {allowed}", lambda v: isinstance(v, str) and v in allowed)


def instance(*kinds: type) -> Kind:
    """Objects of a class."""
    return Kind(f"of {kinds}", lambda v: isinstance(v, kinds))


def listed(of: Callable[[Any], bool], *, empty: bool = True) -> Kind:
    """Lists and tuples of something."""
    return Kind(
        "a list",
        lambda v: isinstance(v, (list, tuple)) and (empty or len(v) > 0) and all(map(of, v)),
    )


NONE = Kind("None", lambda v: v is None)
FLAG = Kind("a flag", lambda v: isinstance(v, bool))
NAME = Kind("the name of a column", lambda v: isinstance(v, str) and bool(v.strip()))
NAMES = listed(lambda v: isinstance(v, str) and bool(v.strip()))
ANYTHING = Kind("anything", lambda v: True)
NOTHING = Kind("nothing of these", lambda v: False)
RATE = at_least(0, below=10_000)
FRACTION = above(0, 1)

# What an error says beside subject and value: what it must be, or the way out.
_WAY_OUT = re.compile(
    r"must|cannot|; |did you mean|known: |there is no|takes|write|pass |give |must be|has no"
)


def show(value: object) -> list[str]:
    """How an error may show a value: as Python does, or its class where it is long."""
    shown = [repr(value)[:60], type(value).__name__]
    shown.append(reprlib.repr(value))
    if isinstance(value, Integral):
        shown.append(str(value)[:60])
    if isinstance(value, str):
        shown += [f"'{value}'", "empty"] if not value.strip() else [value]
    if callable(value):
        shown.append(getattr(value, "__name__", ""))
    if isinstance(value, (list, tuple, set, dict)):
        shown += [text for one in value for text in (repr(one), str(one), type(one).__name__)]
        shown += [] if value else ["empty"]
    return shown


def is_clear(error: BaseException, subjects: Iterable[str], value: object) -> bool:
    """Whether an error names its subject, shows the value, and says what it must be."""
    text = str(error)
    names = any(re.search(rf"\b{re.escape(one)}", text) for one in subjects)
    return names and any(one in text for one in show(value)) and _WAY_OUT.search(text) is not None


def verdict(
    kind: Kind, subjects: Iterable[str], value: object, use: Callable[[Any], object]
) -> str:
    """Return ``"right"``, or what is wrong with what `use` does with a value."""
    try:
        use(value)
    except BacktestError as error:
        if kind.takes(value):
            return f"refused: {error}"
        return "right" if is_clear(error, subjects, value) else f"unclear: {error}"
    except Exception as error:
        return f"raw: {type(error).__name__}: {error}"
    return "right" if kind.takes(value) else "accepted"
