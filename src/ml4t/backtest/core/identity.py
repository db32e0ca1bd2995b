"""Identity of code and state: a hash that is the same in every process for the same of both.

A run's identity is made of what its parts print. The name of a rule or a function alone would
hide that its body, a constant in it or a value that it closes over was changed.

1. `_Walk.text` writes a value as text without addresses; code that has a name of its own is
   named there, and put aside.
2. `_Walk.code` writes all code that was put aside, and what it names in turn, as one set: the
   order in which it was found does not matter, nor who names whom.
"""

from __future__ import annotations

import dis
import random
import sys
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from datetime import date, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import cached_property, partial, partialmethod
from hashlib import blake2b
from operator import attrgetter, itemgetter, methodcaller
from pathlib import PurePath
from re import Pattern
from types import CodeType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any
from uuid import UUID

import numpy as np

OURS = "ml4t.backtest."
PLAIN = (bool, int, float, complex, str, bytes, type(None))
# What prints all that it is, the same in every process.
VALUES = (
    date, time, timedelta, tzinfo, Decimal, Fraction, PurePath, Pattern, UUID, Enum, range, slice,
    attrgetter, itemgetter, methodcaller, np.generic, np.dtype,
)  # fmt: skip
# Frames and series of these packages are read cell by cell.
FRAMES = ("pandas", "polars", "pyarrow")
# What a run itself puts on a strategy.
OF_A_RUN = ("has_run", "_broker")
# Values after which only types are told: a graph may be larger than what moves a number.
MOST_VALUES = 200_000


def identity(function: object) -> str:
    """Return the qualified name of a callable and a hash of what it does.

    The hash is made of bytecode and constants, defaults, closed-over values and the globals that
    the code names; of an object, of its class and attributes. Two Python versions may hash one
    function differently.

    Returns
    -------
    str
        Such as ``my_rules.is_weak#1f0c5a77d2``.
    """
    return f"{_name(function)}#{_Walk(function).digest()}"


def state_identity(*values: object) -> str:
    """Return a hash of values: code and state of whatever they hold."""
    return _Walk(*values).digest()


def user_identity(*values: object) -> str | None:
    """Return a hash of code and state where a user wrote some of the code; None where none.

    State is every attribute, private ones and slots too. An object of another library, such as a
    model, counts by its class and the attributes that Python sees; what has none, such as a
    connection, by its class alone.
    """
    walk = _Walk(*values)
    found = walk.digest()
    return found if walk.is_users else None


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
    return {name: one for name, one in sorted(found.items()) if name not in OF_A_RUN}


def is_users(code: object, beside: Collection[str] = ()) -> bool:
    """Say whether a class or function is a user's own code, not that of an installed library.

    Parameters
    ----------
    beside : collection of str
        Top-level packages that are the user's, installed or not.
    """
    module = str(getattr(code, "__module__", None) or "")
    # A rule of a library is a rule that somebody wrote for this package.
    is_of_ours = isinstance(code, type) and any(
        base.__module__.startswith(OURS) for base in code.__mro__
    )
    return not f"{module}.".startswith(OURS) and (is_of_ours or _is_users_module(module, beside))


def _is_users_module(module: str, beside: Collection[str]) -> bool:
    top = _top(module)
    if f"{module}.".startswith(OURS):
        return False
    if top in beside or top == "__main__":
        return True
    if _is_library(top):
        return False
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    return not {"site-packages", "dist-packages"} & set(PurePath(file).parts)


def _top(module: object) -> str:
    return str(module or "").partition(".")[0]


def _is_library(top: str) -> bool:
    return top in sys.stdlib_module_names or top in ("ml4t", "numpy", *FRAMES)


def _is_private(name: str) -> bool:
    return name.startswith("__") and not name.endswith("__")


def _name(value: object) -> str:
    if isinstance(value, partial):
        return _name(value.func)
    named = value if hasattr(value, "__name__") else type(value)
    name = getattr(named, "__qualname__", getattr(named, "__name__", ""))
    return f"{getattr(named, '__module__', None)}.{name}"


def _hashed(text: str | bytes) -> str:
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return blake2b(raw, digest_size=5).hexdigest()


class _Walk:
    """Writes values as text; remembers whose code it met."""

    def __init__(self, *values: object) -> None:
        self.is_users = False
        self._values = values
        # Installed or not, what lies beside a user's object is the user's.
        self._beside: frozenset[str] = frozenset()
        self._begin(_top(getattr(_origin(value), "__module__", None)) for value in values)

    def _begin(self, tops: Iterable[str]) -> None:
        self._beside |= {top for top in tops if not _is_library(top)}
        self._met: dict[int, object] = {}
        self._waiting: deque[object] = deque()
        self._n = 0

    def digest(self) -> str:
        while True:
            texts = [self.text(value, ()) for value in self._values]
            texts += sorted(self._code())
            known = len(self._beside)
            self._begin([_top(getattr(code, "__module__", None)) for code in self._met.values()])
            if len(self._beside) == known:
                return _hashed("\n".join(texts))

    def _code(self) -> set[str]:
        """Return the text of all code that was put aside, and of what it names in turn."""
        found = set()
        while self._waiting:
            code = self._waiting.popleft()
            inside = self._of_class(code) if isinstance(code, type) else self._of_function(code)
            found.add(f"{_name(code)}={inside}")
        return found

    def text(self, value: object, above: tuple[int, ...]) -> str:
        """Return a value as text; what stands above it already is told by how far above."""
        if isinstance(value, PLAIN) and type(value) in PLAIN:
            return repr(value)
        self._n += 1
        if id(value) in above:
            return f"^{len(above) - above.index(id(value))}"
        if self._n > MOST_VALUES:
            return f"{_name(type(value))}(...)"
        above = (*above, id(value))
        return self._container(value, above) or self._callable(value, above) or self._object(
            value, above
        )  # fmt: skip

    def _container(self, value: object, above: tuple[int, ...]) -> str | None:
        if isinstance(value, (tuple, list, deque)):
            if all(type(one) in PLAIN for one in value):
                return f"{_name(type(value))}{list(value)!r}{self._own(value, above)}"
            inside = ",".join([self.text(one, above) for one in value])
            return f"{_name(type(value))}({inside}){self._own(value, above)}"
        if isinstance(value, (set, frozenset)):
            return f"set({','.join(sorted(self.text(one, above) for one in value))})"
        is_plain = isinstance(value, (dict, MappingProxyType))
        if is_plain or (isinstance(value, Mapping) and is_users(type(value), self._beside)):
            assert isinstance(value, Mapping)
            pairs = sorted(
                (self.text(key, above), self.text(one, above)) for key, one in value.items()
            )
            return f"map({pairs}){self._own(value, above)}"
        if isinstance(value, np.ndarray):
            if value.dtype == object:
                return f"array({value.shape},{self.text(value.tolist(), above)})"
            content = _hashed(np.ascontiguousarray(value).tobytes())
            return f"array({value.dtype.str},{value.shape},{content})"
        return None

    def _own(self, value: object, above: tuple[int, ...]) -> str:
        """Return what a user's own kind of container has beside its items."""
        return self._object(value, above) if is_users(type(value), self._beside) else ""

    def _callable(self, value: object, above: tuple[int, ...]) -> str | None:
        parts: tuple[object, ...]
        if isinstance(value, CodeType):
            # Names of files and numbers of lines are left out: a moved function does the same.
            parts = (value.co_code, value.co_names, value.co_consts, value.co_exceptiontable,
                     value.co_argcount, value.co_kwonlyargcount)  # fmt: skip
        elif isinstance(value, FunctionType):
            if value.__closure__ or "<" in value.__qualname__:
                # Several may have one name: what each does is told where it stands.
                self.is_users |= is_users(value, self._beside)
                return f"{_name(value)}({self._of_function(value, above)})"
            return self._put_aside(value)
        elif isinstance(value, type):
            return self._put_aside(value)
        elif isinstance(value, MethodType):
            parts = (value.__func__, value.__self__)
        elif isinstance(value, (partial, partialmethod)):
            parts = (value.func, value.args, value.keywords)
        elif isinstance(value, (staticmethod, classmethod)):
            parts = (value.__func__,)
        elif isinstance(value, property):
            parts = (value.fget, value.fset)
        elif isinstance(value, cached_property):
            parts = (value.func,)
        elif callable(value) and (inner := _wrapped(value)) is not None:
            parts = (inner,)
        else:
            return None
        return f"{_name(value)}({','.join(self.text(part, above) for part in parts)})"

    def _object(self, value: object, above: tuple[int, ...]) -> str:
        kind = type(value)
        name = _name(kind)
        if is_users(kind, self._beside):
            self._put_aside(kind)
            if isinstance(value, PLAIN):  # a number or text of the user's own kind
                base: Any = next(one for one in PLAIN if isinstance(value, one))
                name = f"{name}={base.__repr__(value)}"
        elif isinstance(value, ModuleType) or (callable(value) and hasattr(value, "__name__")):
            return _name(value)
        elif isinstance(value, VALUES):
            return f"{name}({value!r})"
        elif kind.__module__.partition(".")[0] in FRAMES:
            return f"{name}({self._frame(value, above)})"
        elif isinstance(value, random.Random):
            return f"{name}({self.text(value.getstate(), above)})"
        elif isinstance(value, np.random.Generator):
            return f"{name}({self.text(value.bit_generator.state, above)})"
        elif isinstance(value, np.random.RandomState):
            return f"{name}({self.text(value.get_state(legacy=False), above)})"
        elif kind.__module__.partition(".")[0] in sys.stdlib_module_names:
            return name  # a lock, a logger, a file: nothing that says what is computed
        return f"{name}({self.text(attributes(value), above)})"

    def _frame(self, value: Any, above: tuple[int, ...]) -> str:
        """Return the cells of a frame or series; nothing of what is none, or not read yet."""
        if not hasattr(value, "__array__"):
            return ""
        names = getattr(value, "column_names", getattr(value, "columns", None))
        index = getattr(value, "index", None) if _top(type(value).__module__) == "pandas" else None
        cells = [value]
        if names is not None:
            method = next(
                one for one in ("itercolumns", "iter_columns", "items") if hasattr(value, one)
            )
            cells = list(getattr(value, method)())
            cells = [one[1] if isinstance(one, tuple) else one for one in cells]
        parts = (None if names is None else list(names), None if index is None else list(index))
        return self.text((*parts, *(np.asarray(one) for one in cells)), above)

    def _put_aside(self, code: object) -> str:
        """Return the name of a class or function; a user's is written out once."""
        if is_users(code, self._beside):
            self.is_users = True
            if id(code) not in self._met:
                self._met[id(code)] = code
                self._waiting.append(code)
        return _name(code)

    def _of_class(self, kind: type) -> str:
        said = {
            name: value
            for name, value in vars(kind).items()
            # Of what Python itself notes on a class only methods do anything.
            if not (name.startswith("__") and name.endswith("__"))
            or isinstance(value, (FunctionType, staticmethod, classmethod, property))
        }
        said = {name: said[name] for name in sorted(said) if name != "_abc_impl"}
        bases = tuple(base for base in kind.__mro__[1:] if base is not object)
        return self.text((bases, said), (id(kind),))

    def _of_function(self, function: object, above: tuple[int, ...] = ()) -> str:
        assert isinstance(function, FunctionType)
        above = (*above, id(function))
        cells = []
        for cell in function.__closure__ or ():
            try:
                cells.append(cell.cell_contents)
            except ValueError:  # named before it is given a value
                cells.append(None)
        parts = [function.__defaults__, function.__kwdefaults__, cells]
        texts = [self.text(part, above) for part in parts]
        if is_users(function, self._beside):
            code, known = function.__code__, function.__globals__
            texts.append(self.text(code, above))
            names = _names(code)
            texts += [
                f"{name}={self._global(known[name], names, above)}"
                for name in sorted(_globals(code) & known.keys())
            ]
        return ",".join(texts)

    def _global(self, value: object, names: set[str], above: tuple[int, ...]) -> str:
        """Return a global as text; of objects of libraries only the class: they may be anything."""
        if isinstance(value, ModuleType):
            if not _is_users_module(value.__name__, self._beside):
                return _name(value)
            inside = {name: vars(value)[name] for name in sorted(names & vars(value).keys())}
            return self.text(inside, above)
        is_known = isinstance(
            value, (*PLAIN, *VALUES, tuple, list, set, frozenset, dict, np.ndarray)
        )
        if is_known or callable(value) or is_users(type(value), self._beside):
            return self.text(value, above)
        return self.text(value, above) if type(value).__module__.startswith(FRAMES) else _name(
            type(value)
        )  # fmt: skip


def _wrapped(value: object) -> FunctionType | None:
    """Return the function that numba compiles, or that a cache calls."""
    found = (getattr(value, name, None) for name in ("py_func", "__wrapped__"))
    return next((one for one in found if isinstance(one, FunctionType)), None)


def _origin(value: object) -> object:
    """Return the class or function that says whose a value is."""
    if isinstance(value, partial):
        return _origin(value.func)
    value = _wrapped(value) or getattr(value, "__func__", value)
    return value if isinstance(value, (type, FunctionType)) else type(value)


def _names(code: CodeType) -> set[str]:
    """Return the names that code reads, inner functions included."""
    inner = (const for const in code.co_consts if isinstance(const, CodeType))
    return set(code.co_names).union(*(_names(one) for one in inner))


def _globals(code: CodeType) -> set[str]:
    """Return the names of globals that code reads, inner functions included."""
    inner = (const for const in code.co_consts if isinstance(const, CodeType))
    own = {
        step.argval
        for step in dis.get_instructions(code)
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    }
    return own.union(*(_globals(one) for one in inner))
