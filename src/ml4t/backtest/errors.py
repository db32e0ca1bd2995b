"""Every error the package raises on purpose; each leaf keeps its facts as attributes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from numbers import Integral
from pathlib import Path

import numpy as np

# Assets that a message names; the error holds all of them.
N_NAMED = 5
# A URL, also as `Path` spells it; a letter alone is a disk.
_URL = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)
# Characters of an expression that a message shows; the error holds all of it.
N_SHOWN = 200
# What is a number in a setting or an order; True and False are none.
NUMBERS = (int, float, np.integer, np.floating)
# Of an error what does not leave its process: a result, which is open files.
_STAYS = frozenset({"_result"})


class BacktestError(Exception):
    """Base of all errors that a user can cause and mend."""

    def __reduce__(self) -> tuple[object, ...]:
        """Go to another process as what it says, with its facts: it is not made again."""
        facts = {name: one for name, one in vars(self).items() if name not in _STAYS}
        return _said_again, (type(self), self.args, facts)


def _said_again(
    kind: type[BacktestError], args: tuple[object, ...], facts: dict[str, object]
) -> BacktestError:
    error = kind.__new__(kind)
    error.args = args
    vars(error).update(facts)
    return error


class ConfigError(BacktestError, ValueError):
    """A setting was outside what it may be; raised when the setting is made."""


class DataError(BacktestError, ValueError):
    """A source broke a rule of its contract.

    Attributes
    ----------
    source : str
        Registered name of the source.
    rule : str
        Name of the check, the stem of its file under ``sql/checks``.
    n_rows : int
        How many rows broke the rule; 0 where the rule is not about rows.
    sample : tuple of dict
        The first offending rows.
    query : str
        The SQL that selects the offending rows.
    """

    def __init__(
        self,
        source: str,
        rule: str,
        message: str,
        *,
        n_rows: int = 0,
        sample: Sequence[dict[str, object]] = (),
        query: str = "",
    ) -> None:
        self.source, self.rule, self.n_rows = source, rule, n_rows
        self.sample, self.query = tuple(sample), query
        lines = [f"source '{source}' {message}"]
        if n_rows:
            lines[0] += f" (rule {rule}, {n_rows:,} rows)"
        lines += [f"    {_row_text(row)}" for row in self.sample]
        super().__init__("\n".join(lines))


class ExpressionError(BacktestError, ValueError):
    """A ranking expression did not parse, named an unknown column or looks ahead.

    Attributes
    ----------
    expression : str
        The text as the user wrote it.
    message : str
        What is wrong with it.
    """

    def __init__(self, expression: str, message: str) -> None:
        self.expression, self.message = expression, message
        shown = " ".join(expression.split())
        if len(shown) > N_SHOWN:
            shown = f"{shown[:N_SHOWN]}..."
        super().__init__(f"expression {shown!r} {message}")


class SmellError(BacktestError, ValueError):
    """What was to be free of smells is not.

    Attributes
    ----------
    smells : tuple of str
        Each with where it is, what shows it and what to do.
    """

    def __init__(self, smells: Sequence[str]) -> None:
        self.smells = tuple(smells)
        n = len(self.smells)
        lines = [f"there {'is' if n == 1 else 'are'} {n:,} smell{'' if n == 1 else 's'}"]
        super().__init__("\n".join([*lines, *(f"    {one}" for one in self.smells)]))


class SignalError(BacktestError, KeyError):
    """A strategy read a signal or a context value that is not there.

    Attributes
    ----------
    name : str
        As the strategy spelled it.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str] | None = None) -> None:
        self.name = name
        if known is None:
            way_out = f"read it with .get({name!r}), which is None then"
            super().__init__(f"{kind} {name!r} has no value here; {way_out}")
        else:
            super().__init__(f"there is no {kind} {name!r}{did_you_mean(str(name), known)}")

    @classmethod
    def undeclared(cls, name: str, declared: Iterable[str]) -> SignalError:
        """Return the error of a feature that is read and that nobody declared."""
        error = cls("feature", name)
        known = ", ".join(map(repr, declared)) or "none"
        error.args = (
            f"{name!r} is no feature here, which has {known}; declare what is read, "
            f"features = ({name!r},) in the class, and it is looked for before the run",
        )
        return error

    def __str__(self) -> str:
        return str(self.args[0])  # a KeyError would quote it


class CostError(BacktestError, ValueError):
    """A cost model could not tell what a fill costs; an unknown cost is never taken to be zero.

    Attributes
    ----------
    sids : tuple of int
        Numbers of the assets concerned, as the model saw them; empty where it did not know them.
    timestamp : str
        Bar of the fill; empty before the run has named it.
    asset_ids : tuple
        The assets concerned.
    """

    def __init__(self, message: str, *, sids: Iterable[int] | None = None) -> None:
        self.sids = () if sids is None else tuple(int(sid) for sid in sids)
        self.timestamp = ""
        self.asset_ids: tuple[object, ...] = ()
        super().__init__(message)

    def locate(self, timestamp: str, asset_ids: Sequence[object]) -> None:
        """Say when and for which assets; ``asset_ids`` are all of the run's, by number."""
        self.timestamp = timestamp
        self.asset_ids = tuple(asset_ids[sid] for sid in self.sids)
        of = f" ({', '.join(map(str, self.asset_ids[:N_NAMED]))})" if self.sids else ""
        self.args = (f"at {timestamp}{of}: {self.args[0]}",)


class ResultError(BacktestError, ValueError):
    """A saved run could not be read, or a result was asked for what it does not hold."""

    _result: object = None

    def __init__(self, message: str, result: object = None) -> None:
        # Not among the facts that a program is told: they are texts and numbers.
        self._result = result
        super().__init__(message)

    @property
    def result(self) -> object:
        """The run that could not be kept where it was to be, if it is that."""
        return self._result


def require_number(name: str, value: object, *, above: float, below: float) -> None:
    """Raise a `ConfigError` unless `value` is a number strictly between two bounds."""
    if not above < as_float(value) < below:
        bounds = f"above {above:g}" + ("" if below == float("inf") else f" and below {below:g}")
        raise ConfigError(f"{name} must be a number {bounds}, was {value!r}")


def require_whole(
    name: str, value: object, *, least: int | None = None, most: int | None = None
) -> int:
    """Return a whole number within bounds as an int; NumPy's are whole numbers, booleans none.

    Raises
    ------
    ConfigError
        It is none, or out of bounds.
    """
    if isinstance(value, Integral) and not isinstance(value, bool):
        number = int(value)
        if (least is None or number >= least) and (most is None or number <= most):
            return number
    bounds = "" if least is None else f" of at least {least:,}"
    if least is not None and most is not None:
        bounds = f" from {least:,} to {most:,}"
    raise ConfigError(f"{name} must be a whole number{bounds}, was {value!r}")


def require_column(name: str, value: object) -> None:
    """Raise a `ConfigError` unless `value` is a text that may name a column."""
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{name} must be the name of a column, was {value!r}")


def require_text(name: str, value: object) -> None:
    """Raise a `ConfigError` unless `value` is a text that says something."""
    if not isinstance(value, str) or not value.strip() or not _is_encodable(value):
        raise ConfigError(f"{name} must be SQL text, was {value!r}")


def _is_encodable(text: str) -> bool:
    """Return whether a text is one of Unicode; half of a pair of surrogates is none."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def require_path(name: str, value: object, what: str) -> Path:
    """Return a path with its ``~`` filled in.

    Raises
    ------
    ConfigError
        It is no path, or a URL, or in the home folder of nobody; `what` says of what it must be.
    """
    text = str(value)
    is_name = bool(text.strip()) and "\0" not in text and _is_encodable(text)
    if not isinstance(value, (str, Path)) or not is_name:
        raise ConfigError(f"{name} must be {what}, was {value!r}")
    if _URL.match(text):
        raise ConfigError(
            f"{name} must be {what}, was {text.partition(':')[0]!r} of a URL; name a folder of "
            "this machine, and copy what is in it"
        )
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise ConfigError(
            f"{name} is {str(value)!r}, and there is no such user's home folder; write "
            f"{f'./{value}'!r} for a folder of that name"
        ) from error


def require_columns(name: str, value: object) -> tuple[str, ...]:
    """Return a list or tuple of column names as a tuple; one text alone is not taken apart.

    Raises
    ------
    ConfigError
        It is no list, or holds what is no name.
    """
    names = require_list(name, value, "column names")
    for one in names:
        require_column(f"each of {name}", one)
    return tuple(str(one) for one in names)


def require_list(name: str, value: object, of: str) -> tuple[object, ...]:
    """Return a list or tuple as a tuple.

    Raises
    ------
    ConfigError
        It is neither; `of` says what it must hold.
    """
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"{name} must be a list of {of}, was {value!r}")
    return tuple(value)


def require_flags(settings: object, *names: str) -> None:
    """Raise a `ConfigError` unless attributes are True or False: a word such as "no" is truthy."""
    for name in names:
        require_flag(name, getattr(settings, name))


def require_flag(name: str, value: object) -> None:
    """Raise a `ConfigError` unless a value is True or False."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name} must be True or False, was {value!r}")


def require_within(
    name: str, value: object, *, least: float = 0.0, below: float = float("inf")
) -> None:
    """Raise a `ConfigError` unless ``least <= value < below``; NaN and booleans are no numbers."""
    if not least <= as_float(value) < below:
        bounds = f"from {least:g} to " + (
            "below infinity" if below == float("inf") else f"below {below:,g}"
        )
        raise ConfigError(f"{name} must be a number {bounds}, was {value!r}")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Suggest the nearest known name, or list the known ones.

    Returns
    -------
    str
        ``"; did you mean 'momentum'?"``, or the known names when none is near.
    """
    names = sorted(known)
    listed = f"; known: {', '.join(names)}" if names else ""
    return _nearest(word, names) or listed


def require_choice(name: str, value: object, known: Iterable[str]) -> str:
    """Return what is one of some words; an unknown one never means a default.

    Raises
    ------
    ConfigError
        It is none of them.
    """
    words = list(known)
    # What is no text may compare itself with one in ways of its own.
    if isinstance(value, str) and value in words:
        return value
    raise ConfigError(
        f"{name} must be one of {', '.join(map(repr, words))}, was {value!r}"
        f"{_nearest(str(value), words)}"
    )


def _nearest(word: str, names: Iterable[str]) -> str:
    from difflib import get_close_matches

    lowered = {name.lower(): name for name in names}
    near = get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)
    return f"; did you mean '{lowered[near[0]]}'?" if near else ""


def briefly(value: object) -> str:
    """Return what was given as it is written, or its class where that is long, as of a table."""
    text = repr(value)
    is_short = len(text) <= N_SHOWN and "\n" not in text
    return text if is_short else f"a {type(value).__name__}"


def as_float(value: object) -> float:
    """Return a number as a float; NaN, which is in no range, for what is none or too large.

    `NUMBERS` are taken: one kind of arithmetic, so a Decimal and a Fraction are none.
    """
    if isinstance(value, bool) or not isinstance(value, NUMBERS):
        return float("nan")
    try:
        return float(value)
    except OverflowError:
        return float("nan")


def _row_text(row: dict[str, object]) -> str:
    return ", ".join(f"{key}={value}" for key, value in row.items())
