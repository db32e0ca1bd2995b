"""Codes: what functions and classes do, as their bytecode and all that it reads."""

from __future__ import annotations

import dis
from collections.abc import Collection, Sequence
from functools import cached_property, partial, partialmethod
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

from ml4t.backtest.core.owners import is_users, is_users_module, name_of, release_of, wrapped

# What Python itself notes on a class or module: nothing that is computed.
NOTES = frozenset({
    "__abstractmethods__", "__annotate__", "__annotate_func__", "__annotations__",
    "__annotations_cache__", "__builtins__", "__cached__", "__dataclass_fields__",
    "__dataclass_params__", "__dict__", "__doc__", "__file__", "__firstlineno__", "__loader__",
    "__match_args__", "__module__", "__orig_bases__", "__parameters__", "__path__",
    "__qualname__", "__spec__", "__static_attributes__", "__weakref__", "_abc_impl",
})  # fmt: skip


class ByName(dict[str, Any]):
    """A mapping from names in which the order of the names says nothing."""


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
                value.co_kwonlyargcount)  # fmt: skip
        return Parts(b"code" + repr(said).encode(), value.co_consts)
    if isinstance(value, FunctionType):
        return _function(value, beside)
    if isinstance(value, type):
        if is_users(value, beside):
            return Parts(b"class " + name_of(value).encode(), _class(value))
        return Parts(b"class " + release_of(value).encode())
    if isinstance(value, ModuleType):
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
        code, known = function.__code__, function.__globals__
        names = _names(code)
        said = {
            name: _read(known[name], names, beside)
            for name in _globals(code) & known.keys() - NOTES
        }
        parts += [code, ByName(said)]
    return Parts(label, parts)


def _read(value: object, names: set[str], beside: Collection[str]) -> object:
    """Return a global that code reads; of a user's module what the code may read of it."""
    if isinstance(value, ModuleType) and is_users_module(value.__name__, beside):
        return ByName({name: vars(value)[name] for name in names & vars(value).keys() - NOTES})
    return value


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
