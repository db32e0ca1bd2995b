"""Identity of code: text that is the same in every process for the same code.

A run's identity is made of what its parts print. The name of a function alone would hide that
its body, a constant in it or a value it closes over was changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial, partialmethod
from hashlib import blake2b
from types import CodeType, FunctionType, MethodType, ModuleType

import numpy as np

ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
Parts = tuple[object, ...]


def identity(function: object) -> str:
    """Return the qualified name of a callable and a hash of what it does.

    The hash is made of bytecode and constants, defaults, closed-over values and the globals that
    the code names; of an object, of what it prints or else of its attributes. Two Python versions
    may hash one function differently.

    Returns
    -------
    str
        Such as ``my_rules.is_weak#1f0c5a77d2``.
    """
    return f"{_name(function)}#{_digest(function, is_deep=True)}"


def class_identity(instance: object, but: str) -> str | None:
    """Return a hash of what the classes of an object say and of its plain attributes.

    Numbers, texts, arrays, containers of them and functions count, wherever the code names them;
    of other objects only the type does, since nobody knows what a model or a connection holds.

    Parameters
    ----------
    but : str
        Classes of modules that begin so are left out.

    Returns
    -------
    str or None
        None where no class is left.
    """
    kinds = [kind for kind in type(instance).__mro__ if not kind.__module__.startswith(but)]
    kinds = [kind for kind in kinds if kind is not object]
    if not kinds:
        return None
    skipped = ("__dict__", "__weakref__", "__doc__", "__module__", "__firstlineno__")
    said = [
        {name: value for name, value in vars(kind).items() if name not in skipped} for kind in kinds
    ]
    return _digest((said, vars(instance)), is_deep=False)


def _digest(value: object, *, is_deep: bool) -> str:
    return blake2b(_text(value, frozenset(), is_deep).encode(), digest_size=5).hexdigest()


def _name(value: object) -> str:
    if isinstance(value, partial):
        return _name(value.func)
    named = value if hasattr(value, "__name__") else type(value)
    name = getattr(named, "__qualname__", getattr(named, "__name__", ""))
    return f"{getattr(named, '__module__', None)}.{name}"


def _text(value: object, seen: frozenset[int], is_deep: bool) -> str:
    """Return `value` as text without addresses; what was seen on the way down is cut."""
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        return repr(value)
    if id(value) in seen:
        return "..."
    seen = seen | {id(value)}
    if isinstance(value, (tuple, list)):
        return f"{type(value).__name__}({','.join(_text(one, seen, is_deep) for one in value)})"
    if isinstance(value, (set, frozenset)):
        return f"set({','.join(sorted(_text(one, seen, is_deep) for one in value))})"
    if isinstance(value, Mapping):
        pairs = sorted(
            (_text(key, seen, is_deep), _text(one, seen, is_deep)) for key, one in value.items()
        )
        return f"map({pairs})"
    if isinstance(value, np.ndarray):
        if value.dtype == object:
            return f"array({value.shape},{_text(value.tolist(), seen, is_deep)})"
        content = blake2b(np.ascontiguousarray(value).tobytes(), digest_size=5).hexdigest()
        return f"array({value.dtype.str},{value.shape},{content})"
    return f"{_name(value)}({_inside(value, seen, is_deep)})"


def _inside(value: object, seen: frozenset[int], is_deep: bool) -> str:
    parts: Parts = ()
    if isinstance(value, CodeType):
        # Names of files and numbers of lines are left out: a moved function does the same.
        parts = (value.co_code, value.co_names, value.co_consts)
    elif isinstance(value, FunctionType):
        parts = _parts_of_function(value)
    elif isinstance(value, MethodType):
        parts = (value.__func__, value.__self__)
    elif isinstance(value, (partial, partialmethod)):
        parts = (value.func, value.args, value.keywords)
    elif isinstance(value, (staticmethod, classmethod)):
        parts = (value.__func__,)
    elif isinstance(value, property):
        parts = (value.fget, value.fset)
    elif hasattr(value, "py_func"):
        parts = (value.py_func,)  # what numba compiles
    elif isinstance(value, (type, ModuleType)) or (
        not is_deep and not type(value).__module__.startswith("ml4t.backtest.")
    ):
        parts = ()
    elif type(value).__repr__ is not object.__repr__:
        return ADDRESS.sub("", repr(value))
    else:
        parts = (getattr(value, "__dict__", None), _slots(value))
    return ",".join(_text(part, seen, is_deep) for part in parts)


def _parts_of_function(function: FunctionType) -> Parts:
    cells = tuple(cell.cell_contents for cell in function.__closure__ or ())
    known = function.__globals__
    named = {name: known[name] for name in _names(function.__code__) if name in known}
    return (function.__code__, function.__defaults__, function.__kwdefaults__, cells, named)


def _names(code: CodeType) -> set[str]:
    """Return the names that code reads, inner functions included."""
    inner = (const for const in code.co_consts if isinstance(const, CodeType))
    return set(code.co_names).union(*(_names(one) for one in inner))


def _slots(value: object) -> dict[str, object]:
    return {
        name: getattr(value, name)
        for kind in type(value).__mro__
        for name in getattr(kind, "__slots__", ())
        if hasattr(value, name)
    }
