"""Reading: what code reads beside its arguments, in its own module and in others."""

from __future__ import annotations

import dis
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from functools import cache, lru_cache
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import PurePath
from types import CodeType, FunctionType, ModuleType
from typing import Any

from ml4t.backtest.core.owners import INSTALLED, is_library, is_users_module, top_of

# What Python itself notes on a class or module: nothing that is computed.
NOTES = frozenset({
    "__abstractmethods__", "__annotate__", "__annotate_func__", "__annotations__",
    "__annotations_cache__", "__builtins__", "__cached__", "__dataclass_fields__",
    "__dataclass_params__", "__dict__", "__doc__", "__file__", "__firstlineno__", "__loader__",
    "__match_args__", "__module__", "__orig_bases__", "__parameters__", "__path__",
    "__qualname__", "__spec__", "__static_attributes__", "__weakref__", "_abc_impl",
})  # fmt: skip
# What looks a name up that a text has in it, such as `df.query("x > @LEVEL")`.
LOOKS_UP = frozenset({
    "eval", "exec", "execute", "getattr", "globals", "query", "sql", "vars", "__dict__",
})  # fmt: skip
_IMPORTS = frozenset({"__import__", "import_module"})
_IMPORT_NAME = dis.opmap["IMPORT_NAME"]
_WORD = re.compile(r"[^\W\d]\w*")
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


class ByName(dict[str, Any]):
    """A mapping from names in which the order of the names says nothing."""


def read_by(function: FunctionType, beside: Collection[str]) -> list[ByName]:
    """Return globals that a function reads by name, and modules that it imports when called.

    Of a user's module it is what the function may read of it.
    """
    code, known = function.__code__, function.__globals__
    codes = list(_codes(code))
    names = {name for one in codes for name in one.co_names}
    texts = {text for one in codes for text in one.co_consts if isinstance(text, str)}
    texts -= {function.__doc__}
    is_by_text = not names.isdisjoint(LOOKS_UP)
    words = {word for text in texts for word in _WORD.findall(text)} if is_by_text else set()
    names |= words
    imported = set(_imported(codes, known))
    if not names.isdisjoint(_IMPORTS):
        imported |= {text for text in texts if _MODULE.fullmatch(text)}
    # Before any is read: a package has a module from its import on.
    met = {name: _met(name, beside) for name in imported}
    own = {name: known[name] for name in (_globals(codes) | words) & known.keys() - NOTES}
    modules: dict[str, ByName] = {}
    return [
        ByName({name: _of_module(one, names, beside, modules) for name, one in said.items()})
        for said in ([own, met] if met else [own])
    ]


def contents(module: ModuleType) -> ByName:
    """Return all that is in a module."""
    return ByName({name: one for name, one in vars(module).items() if name not in NOTES})


def _of_module(
    value: object, names: set[str], beside: Collection[str], modules: dict[str, ByName]
) -> object:
    """Return what code may read of a user's module and of modules in it; anything else as it is."""
    if not isinstance(value, ModuleType) or not is_users_module(value.__name__, beside):
        return value
    if value.__name__ not in modules:
        # There before it is filled: modules may have each other.
        held = modules[value.__name__] = ByName()
        for name in names & vars(value).keys() - NOTES:
            held[name] = _of_module(vars(value)[name], names, beside, modules)
    return modules[value.__name__]


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield code and that of the functions and classes inside it."""
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _codes(const)


def _globals(codes: Collection[CodeType]) -> set[str]:
    return set().union(*map(_globals_of, codes))


# Of the engine's own rules and strategies each run would take the same code apart.
@lru_cache(maxsize=4_096)
def _globals_of(code: CodeType) -> frozenset[str]:
    steps = dis.get_instructions(code)
    return frozenset(step.argval for step in steps if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"))


def _imported(codes: Collection[CodeType], known: Mapping[str, Any]) -> Iterator[str]:
    """Yield full names of modules that code imports when it is called."""
    for code in codes:
        if _IMPORT_NAME not in code.co_code[::2]:
            continue
        before: list[object] = [0, None]
        for step in dis.get_instructions(code):
            if step.opname == "IMPORT_NAME":
                # Before it stand how many packages it goes up, and what is taken from the module.
                level, taken = before[-2:]
                package = ""
                if isinstance(level, int) and level:
                    package = str(known.get("__package__") or "").rsplit(".", level - 1)[0]
                else:
                    yield top_of(step.argval)
                module = ".".join(filter(None, [package, step.argval]))
                yield module
                for name in taken if isinstance(taken, tuple) else ():
                    yield f"{module}.{name}"  # it may be a module, too
            if step.opname != "EXTENDED_ARG":
                before.append(step.argval)


def _met(name: str, beside: Collection[str]) -> object:
    """Return a user's module, imported where it is not yet; of a library name and version.

    To import it is what the code does when it is called. The version of a library is asked without.
    """
    top = top_of(name)
    if top in sys.stdlib_module_names:
        return name
    if top not in beside and (is_library(top) or _is_installed(top)):
        return f"{name} {_version(top)}"
    try:
        return import_module(name)
    except Exception:  # whatever a module raises: the code may mean to catch it
        return name


@cache
def _is_installed(top: str) -> bool:
    """Say whether a package lies where libraries do."""
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        spec = None
    file = getattr(sys.modules.get(top), "__file__", None) or getattr(spec, "origin", None) or ""
    return bool(INSTALLED & set(PurePath(file).parts))


@cache
def _version(top: str) -> str:
    try:
        return metadata.version(top)
    except metadata.PackageNotFoundError:
        distributions = metadata.packages_distributions().get(top, ())
        return " ".join(sorted({metadata.version(one) for one in distributions}))
