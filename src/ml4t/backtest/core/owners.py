"""Owners: whose a class or function is, a user's or a library's, and how it is named."""

from __future__ import annotations

import sys
from collections.abc import Collection
from functools import partial
from pathlib import PurePath
from types import FunctionType, ModuleType

OURS = "ml4t.backtest."
# Frames and series of these packages are read cell by cell.
FRAMES = ("pandas", "polars", "pyarrow")
# Folders of what is installed.
INSTALLED = frozenset({"site-packages", "dist-packages"})


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
        str(base.__module__).startswith(OURS) for base in code.__mro__
    )
    return not f"{module}.".startswith(OURS) and (is_of_ours or is_users_module(module, beside))


def is_users_module(module: str, beside: Collection[str]) -> bool:
    """Say whether a module is a user's own."""
    top = top_of(module)
    if f"{module}.".startswith(OURS):
        return False
    if top in beside or top == "__main__":
        return True
    if is_library(top):
        return False
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    return not INSTALLED & set(PurePath(file).parts)


def is_library(top: str) -> bool:
    """Say whether a top-level package is a library wherever it lies."""
    return top in sys.stdlib_module_names or top in ("ml4t", "numpy", *FRAMES)


def top_of(module: object) -> str:
    """Return the top-level package of a module's name."""
    return str(module or "").partition(".")[0]


def release_of(code: object) -> str:
    """Return module, name and version of code of a library; Python's own says no version.

    A function of a library is known by its name: what it computes is another matter in another
    version of it.
    """
    named = code.__name__ if isinstance(code, ModuleType) else getattr(code, "__module__", None)
    top = top_of(named)
    version = getattr(sys.modules.get(top), "__version__", None)
    is_said = isinstance(version, str) and top not in sys.stdlib_module_names
    name = code.__name__ if isinstance(code, ModuleType) else name_of(code)
    return f"{name} {version}" if is_said else name


def name_of(value: object) -> str:
    """Return module and qualified name of code, or of an object's class."""
    if isinstance(value, partial):
        return name_of(value.func)
    named = value if hasattr(value, "__name__") else type(value)
    name = getattr(named, "__qualname__", getattr(named, "__name__", ""))
    return f"{getattr(named, '__module__', None)}.{name}"


def origin(value: object) -> object:
    """Return the class or function that says whose a value is."""
    if isinstance(value, partial):
        return origin(value.func)
    value = wrapped(value) or getattr(value, "__func__", value)
    return value if isinstance(value, (type, FunctionType)) else type(value)


def wrapped(value: object) -> FunctionType | None:
    """Return the function that numba compiles, or that a cache calls."""
    found = (getattr(value, name, None) for name in ("py_func", "__wrapped__"))
    return next((one for one in found if isinstance(one, FunctionType)), None)
