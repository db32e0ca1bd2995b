"""Codes: what functions and classes do, as their bytecode and all that it reads."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Sequence
from functools import cached_property, partial, partialmethod
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

from ml4t.backtest.core.owners import is_users, is_users_module, name_of, release_of, wrapped
from ml4t.backtest.core.reading import NOTES, ByName, contents, read_by

# Of the flags of code: it takes any arguments, by place or by name, and yields or awaits.
_KINDS = (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS | inspect.CO_GENERATOR | inspect.CO_COROUTINE
          | inspect.CO_ASYNC_GENERATOR)  # fmt: skip


class Parts(NamedTuple):
    """What a value is: a label, and the values that it is made of."""

    label: bytes
    parts: Sequence[object] = ()
    is_ordered: bool = True


def code_parts(value: Any, beside: Collection[str]) -> Parts | None:
    """Return what code does; None for what is none."""
    if isinstance(value, CodeType):
        # Names of files and numbers of lines are left out: a moved function does the same.
        said = (value.co_code, value.co_names, value.co_exceptiontable, value.co_argcount,
                value.co_posonlyargcount, value.co_kwonlyargcount, value.co_flags & _KINDS,
                _arguments(value))  # fmt: skip
        return Parts(b"code" + repr(said).encode(), value.co_consts)
    if isinstance(value, FunctionType):
        return _function(value, beside)
    if isinstance(value, type):
        if is_users(value, beside):
            return Parts(b"class " + name_of(value).encode(), _class(value))
        return Parts(b"class " + release_of(value).encode())
    if isinstance(value, ModuleType):
        if is_users_module(value.__name__, beside) and value.__name__ != "__main__":
            # Held as a value, and not read by the names in some code: all of it.
            return Parts(b"module " + value.__name__.encode(), [contents(value)])
        return Parts(b"module " + release_of(value).encode())
    if isinstance(value, BuiltinFunctionType):
        of = value.__self__
        is_of_module = isinstance(of, (ModuleType, type(None)))
        return Parts(release_of(value).encode(), [] if is_of_module else [of])
    parts: list[object]
    if isinstance(value, MethodType):
        parts = [value.__func__, value.__self__]
    elif isinstance(value, (partial, partialmethod)):
        parts = [value.func, value.args, ByName(value.keywords)]
    elif isinstance(value, (staticmethod, classmethod)):
        parts = [value.__func__]
    elif isinstance(value, property):
        parts = [value.fget, value.fset, value.fdel]
    elif isinstance(value, cached_property):
        parts = [value.func]
    elif callable(value) and (inner := wrapped(value)) is not None:
        parts = [inner]
    else:
        return None
    return Parts(b"code " + name_of(type(value)).encode(), parts)


def _function(function: FunctionType, beside: Collection[str]) -> Parts:
    is_own = is_users(function, beside)
    label = b"function " + (name_of if is_own else release_of)(function).encode()
    if not (is_own or function.__closure__ or "<" in function.__qualname__):
        return Parts(label)
    cells = []
    for cell in function.__closure__ or ():
        try:
            cells.append(cell.cell_contents)
        except ValueError:  # named before it is given a value
            cells.append(None)
    parts: list[object] = [function.__defaults__, ByName(function.__kwdefaults__ or {}), cells,
             ByName(vars(function))]  # fmt: skip
    if is_own:
        parts += [function.__code__, *read_by(function, beside)]
    return Parts(label, parts)


def _arguments(code: CodeType) -> tuple[str, ...]:
    """Return the names of arguments, by which callers may give them."""
    of_all = bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + of_all]


def _class(kind: type) -> list[object]:
    said = {
        name: value
        for name, value in vars(kind).items()
        # Of what Python or a library notes under such names only methods do anything.
        if name not in NOTES
        and (not (name.startswith("__") and name.endswith("__")) or _is_method(value))
    }
    return [*(base for base in kind.__mro__[1:] if base is not object), type(kind), ByName(said)]


def _is_method(value: object) -> bool:
    return callable(value) or hasattr(type(value), "__get__")
