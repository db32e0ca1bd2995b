"""Parts: what a value is, as a label and the values that it is made of.

1. Containers, arrays, frames and code are read as what they are.
2. An object of a user's class is its class, every attribute, and what its kind of Python holds.
3. Anything else is asked how it would be pickled, and is that.
4. What pickling refuses, and what stands for the machine, is known by its class (`KNOWN_BY_CLASS`).

The order of a dict counts, as a loop over it may; that of keyword arguments, attributes and sets
does not.
"""

from __future__ import annotations

import copyreg
import gc
import random
import sys
import warnings
import weakref
from collections.abc import Callable, Collection, Sequence
from contextvars import ContextVar
from struct import Struct
from types import GeneratorType, MappingProxyType
from typing import Any

import numpy as np

from ml4t.backtest.core.codes import Parts, code_parts
from ml4t.backtest.core.columns import array_parts, flat, frame_parts
from ml4t.backtest.core.graphs import hashed
from ml4t.backtest.core.owners import OURS, is_users, name_of, top_of
from ml4t.backtest.core.reading import ByName

# What a run itself puts on a strategy.
OF_A_RUN = ("_has_run", "_broker")
# What a catalog finds in its sources, once they are looked at.
OF_A_CATALOG = ("_prepared", "_database", "_found", "_file_facts")
# Of these modules an object is known by its class: threads, files, sockets, processes, loggers,
# caches and the environment are of one process or machine, and another each time.
KNOWN_BY_CLASS = frozenset({
    "_io", "_socket", "_thread", "_weakrefset", "asyncio", "concurrent", "logging", "mmap",
    "multiprocessing", "os", "posix", "selectors", "socket", "sqlite3", "ssl", "subprocess",
    "tempfile", "threading", "weakref",
})  # fmt: skip
# Of `_io` these hold what was written to them.
BUFFERS = ("StringIO", "BytesIO")
# What pickling refuses although it can be read.
READ: dict[type, Callable[[Any], Sequence[object]]] = {
    type({}.keys()): lambda view: [list(view)],
    type({}.values()): lambda view: [list(view)],
    type({}.items()): lambda view: [list(view)],
    type(iter(set())): lambda rest: [frozenset(rest.__reduce__()[1][0])],
    MappingProxyType: lambda proxy: [dict(proxy)],
    memoryview: lambda view: [view.format, view.shape, view.tobytes()],
    bytearray: lambda raw: [bytes(raw)],
    Struct: lambda form: [form.format],
    ContextVar: lambda variable: [variable.name, variable.get(None)],
    GeneratorType: lambda rest: [
        rest.gi_code,
        getattr(rest.gi_frame, "f_lasti", None),
        ByName(dict(getattr(rest.gi_frame, "f_locals", {}))),
    ],
    # Its functions of Python are told by the collector alone.
    np.ufunc: lambda function: [
        function.__name__,
        [one for one in gc.get_referents(function) if callable(one)],
    ],
    weakref.ReferenceType: lambda reference: [reference()],
}
# Kinds of plain values of which there may be kinds of one's own.
BASES: tuple[Any, ...] = (int, float, complex, str, bytes)
SAYS_STATE = ("__getstate__", "__getnewargs__", "__getnewargs_ex__")


def attributes(value: object) -> dict[str, object]:
    """Return all attributes of an object by name, those in slots too."""
    found: dict[str, object] = {}
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            # A private slot is stored under its class.
            own = f"_{kind.__name__.lstrip('_')}{name}" if _is_private(name) else name
            if name not in ("__dict__", "__weakref__") and hasattr(value, own):
                found[own] = getattr(value, own)
    found |= getattr(value, "__dict__", {})
    return {name: found[name] for name in sorted(found, key=str) if name not in OF_A_RUN}


def _is_shared(value: object) -> bool:
    """Say whether `random.random` or `numpy.random.rand` draws from it: it is of the process."""
    # Numpy loads its generators when they are first named: here nobody does.
    homes = ((random, "_inst"), (sys.modules.get("numpy.random.mtrand"), "_rand"))
    return value is not None and any(value is getattr(one, name, None) for one, name in homes)


def _is_private(name: str) -> bool:
    return name.startswith("__") and not name.endswith("__")


def parts_of(value: Any, beside: Collection[str]) -> Parts:
    """Return what a value is made of.

    Parameters
    ----------
    beside : collection of str
        Top-level packages whose code is the user's.
    """
    kind = type(value)
    if kind in (list, tuple, dict, set, frozenset, ByName):
        return _container(value)
    if str(kind.__module__).startswith(OURS) and not isinstance(value, type):
        # Objects of the package are what they were given.
        fields = value._asdict() if hasattr(kind, "_asdict") else attributes(value)
        own = {name: one for name, one in fields.items() if name not in OF_A_CATALOG}
        return Parts(name_of(kind).encode(), [ByName(own)])
    if kind is np.ndarray or kind is np.memmap:
        return Parts(*array_parts(value))
    if _is_shared(value):
        return Parts(b"the generator of the process")
    if (code := code_parts(value, beside)) is not None:
        return code
    label, is_own = name_of(kind).encode(), is_users(kind, beside)
    if not is_own and kind in READ:
        try:
            return Parts(label, READ[kind](value))
        except ValueError:  # a view that was let go
            return Parts(label)
    if not is_own and top_of(kind.__module__) in KNOWN_BY_CLASS and kind.__name__ not in BUFFERS:
        return Parts(label)
    cells = frame_parts(value)
    inside = _items(value) if cells is None else cells
    pickled = [] if inside else _pickled(value, beside)
    if pickled and not is_own:
        return Parts(label, pickled)
    if isinstance(value, dict) and not pickled:
        inside = [dict(dict.items(value))]
    # How a frame keeps its cells is private to it.
    own = ByName({
        name: one
        for name, one in attributes(value).items()
        if cells is None or not str(name).startswith("_")
    })  # fmt: skip
    return Parts(label, [kind, *inside, *pickled, own])


def _items(value: Any) -> list[object]:
    """Return what an object of a kind of Python's own values or containers holds as such."""
    for base in BASES:
        if isinstance(value, base):
            return [base.__getnewargs__(value)]
    if isinstance(value, (set, frozenset)):
        return [frozenset(value)]
    # Not by the user's own way to go through it.
    if isinstance(value, tuple):
        return [list(tuple.__iter__(value))]
    if isinstance(value, list):
        return [list(list.__iter__(value))]
    return [np.asarray(value)] if isinstance(value, np.ndarray) else []


def _pickler(kind: type, beside: Collection[str]) -> Callable[[Any], Any] | None:
    """Return what a library has said of how objects of a kind are pickled, beyond attributes.

    What a user says of it is not asked: it may leave out what moves a number.
    """
    if kind in copyreg.dispatch_table:
        return copyreg.dispatch_table[kind]
    said: list[Any] = [
        one for one in kind.__mro__ if one is not object and not is_users(one, beside)
    ]
    for one in said:
        if "__reduce_ex__" in vars(one):
            return lambda value: one.__reduce_ex__(value, 4)
        if "__reduce__" in vars(one):
            return lambda value: one.__reduce__(value)
    says_state = any(name in vars(one) for name in SAYS_STATE for one in said)
    return (lambda value: value.__reduce_ex__(4)) if says_state and kind in said else None


def _pickled(value: Any, beside: Collection[str]) -> list[object]:
    """Return how an object would be pickled; nothing where pickling refuses it."""
    pickler = _pickler(type(value), beside)
    if pickler is None:
        return []
    said: Any
    try:
        with warnings.catch_warnings():
            # Python 3.12 warns that iterators will lose it.
            warnings.simplefilter("ignore", DeprecationWarning)
            said = pickler(value)
    except Exception:
        return []
    if isinstance(said, str):
        return [said]
    make, arguments, state, items, pairs = (*said, None, None, None)[:5]
    if isinstance(state, tuple) and len(state) == 2:  # attributes, and those in slots
        state = tuple(_by_name(one) for one in state)
    held = [None if items is None else list(items), None if pairs is None else dict(pairs)]
    return [make, arguments, _by_name(state), *held]


def _by_name(state: Any) -> object:
    """Return a state of attributes as what has no order."""
    is_named = isinstance(state, dict) and all(isinstance(name, str) for name in state)
    return ByName(state) if is_named else state


def _container(value: Any) -> Parts:
    kind = type(value).__name__
    if isinstance(value, ByName):
        names = sorted(value, key=str)
        return Parts(f"{kind}{names}".encode("utf-8", "surrogatepass"),
                     [value[name] for name in names])  # fmt: skip
    if isinstance(value, (set, frozenset)):
        return Parts(b"set", list(value), is_ordered=False)
    columns = [list(value), list(value.values())] if isinstance(value, dict) else [value]
    label, parts = f"{kind}{len(value)}".encode(), list[object]()
    for column in columns:
        text = flat(column)
        label += b"-" if text is None else hashed(text)
        parts += column if text is None else []
    return Parts(label, parts)
