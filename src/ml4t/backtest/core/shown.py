"""Shown: how a run's configuration prints what it was made of, the same in every process."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import partial
from operator import attrgetter, itemgetter, methodcaller
from pathlib import PurePath
from types import FunctionType, MethodType
from uuid import UUID

import numpy as np

from ml4t.backtest.core.columns import PLAIN
from ml4t.backtest.core.identity import identity, state_identity, user_identity
from ml4t.backtest.core.owners import OURS, is_users
from ml4t.backtest.core.parts import attributes

# What prints all that it is, the same in every process.
VALUES = (
    date, time, timedelta, tzinfo, Decimal, Fraction, PurePath, re.Pattern, UUID, Enum, range,
    slice, attrgetter, itemgetter, methodcaller, np.generic, np.dtype,
)  # fmt: skip
# What is shown by its name and a hash of what it does.
FUNCTIONS = (FunctionType, MethodType, partial, type)
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
# What an object prints says all that it is, unless its class has `is_shown_whole` at False: what a
# catalog or an engine prints is for its reader.
# Items of a container that are printed; of more of them a hash is.
MOST_ITEMS = 20
MOST_LEVELS = 6


def shown(value: object, above: tuple[int, ...] = ()) -> str:
    """Return a value as text: without addresses, sets in order, functions with a hash.

    Parameters
    ----------
    above : tuple of int
        The `id` of each object that it is a part of.
    """
    if isinstance(value, PLAIN) and type(value) in PLAIN:
        return repr(value)
    if id(value) in above or len(above) > MOST_LEVELS:
        return "..."
    above = (*above, id(value))
    if isinstance(value, (list, tuple, set, frozenset, Mapping)):
        return _items(value, above)
    kind = type(value)
    if isinstance(value, np.ndarray):
        return f"array(shape={value.shape}, dtype={value.dtype.str}, #{state_identity(value)})"
    if isinstance(value, FUNCTIONS) or hasattr(value, "py_func"):
        return identity(value)
    if isinstance(value, (*PLAIN, *VALUES)):
        return ADDRESS.sub("", repr(value))
    is_whole = getattr(kind, "is_shown_whole", True)
    if is_whole and str(getattr(kind.__repr__, "__module__", "")).startswith(OURS):
        return ADDRESS.sub("", repr(value))
    if is_users(kind):
        return f"{kind.__name__}({shown_attributes(value, above)})"
    # Of a library: what it prints may be long, of the machine, or a query that runs.
    return f"{kind.__name__}#{state_identity([value])}"


def shown_attributes(value: object, above: tuple[int, ...] = ()) -> str:
    """Return the attributes of an object as ``name=value, ...``.

    Private ones and slots too; of the package's own classes without what they derive.
    """
    said = attributes(value)
    if not is_users(type(value)):
        said = {name: one for name, one in said.items() if not name.startswith("_")}
    return ", ".join(f"{name}={shown(one, above)}" for name, one in said.items())


def with_code(value: object) -> str:
    """Return an object as text and, where a user wrote code of it, a hash of all that it is."""
    found = user_identity(value)
    text = shown(value)
    return text if found is None else f"{text}#{found}"


def _items(value: object, above: tuple[int, ...]) -> str:
    assert isinstance(value, (list, tuple, set, frozenset, Mapping))
    if len(value) > MOST_ITEMS:
        held: object = value
        if isinstance(value, Mapping) and set(map(type, value)) in ({str}, {int}):
            # The package looks assets up: their order says nothing. To a user's code, of which
            # `with_code` hashes all, it may.
            held = {key: value[key] for key in sorted(value)}
        return f"{type(value).__name__}({len(value)} items, #{state_identity(held)})"
    if isinstance(value, Mapping):
        pairs = sorted((shown(key, above), shown(one, above)) for key, one in value.items())
        return f"{{{', '.join(f'{key}: {one}' for key, one in pairs)}}}"
    texts = [shown(one, above) for one in value]
    if isinstance(value, (set, frozenset)):
        return f"{{{', '.join(sorted(texts))}}}"
    if isinstance(value, list):
        return f"[{', '.join(texts)}]"
    return f"({', '.join(texts)}{',' if len(texts) == 1 else ''})"
