"""Lazy names: a package whose modules are loaded when one of their names is first used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module


def names_of(
    package: str, homes: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package (PEP 562).

    Parameters
    ----------
    package : str
    homes : mapping of str to sequence of str
        Module inside the package -> the names that it gives to the package; none: itself.
    """
    home = {name: module for module, names in homes.items() for name in names}
    inner = {module.rpartition(".")[2]: module for module, names in homes.items() if not names}

    def get(name: str) -> object:
        if name not in home and name not in inner:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = import_module(f"{package}.{home.get(name) or inner[name]}")
        value: object = getattr(module, name) if name in home else module
        setattr(sys.modules[package], name, value)  # asked once
        return value

    return get, lambda: sorted({*vars(sys.modules[package]), *home, *inner})
