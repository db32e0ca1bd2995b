"""Shown: how a run's configuration prints what it was made of, the same in every process."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from types import FunctionType, MethodType

import numpy as np

from ml4t.backtest.core.identity import (
    OURS,
    PLAIN,
    VALUES,
    attributes,
    identity,
    is_users,
    state_identity,
    user_identity,
)

# What is shown by its name and a hash of what it does.
FUNCTIONS = (FunctionType, MethodType, partial, type)
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
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
        return repr(value)
    if str(getattr(kind.__repr__, "__module__", "")).startswith(OURS):
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
        return f"{type(value).__name__}({len(value)} items, #{state_identity(value)})"
    if isinstance(value, Mapping):
        pairs = sorted((shown(key, above), shown(one, above)) for key, one in value.items())
        return f"{{{', '.join(f'{key}: {one}' for key, one in pairs)}}}"
    texts = [shown(one, above) for one in value]
    if isinstance(value, (set, frozenset)):
        return f"{{{', '.join(sorted(texts))}}}"
    if isinstance(value, list):
        return f"[{', '.join(texts)}]"
    return f"({', '.join(texts)}{',' if len(texts) == 1 else ''})"
