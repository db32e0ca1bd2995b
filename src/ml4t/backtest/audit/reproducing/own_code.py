"""OwnCode: what a script needs of the user's own code, as lines of Python.

Classes and functions that stand in a module which can be imported are imported. Those of a main
program, of a notebook or inside a function come as their text, with what it names. What has no
text, or names something that is no plain data, is listed: the script says what to fill in.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import io
import pickle
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from textwrap import dedent
from types import FunctionType, ModuleType
from typing import Any

from ml4t.backtest.core.owners import is_users, is_users_module

_PLAIN = (int, float, str, bytes, bool, type(None), tuple, list, dict, set, frozenset)


class OwnCode:
    """Lines that a script has before it uses what is the user's.

    Attributes
    ----------
    folders : list of str
        In which Python finds modules of the user's.
    imports : list of str
    texts : list of str
        Of classes, functions and constants, each after what it names.
    missing : dict of str to str
        What is not there, by the name under which the script must have it, and why.
    """

    def __init__(self) -> None:
        self.folders: list[str] = []
        self.imports: list[str] = []
        self.texts: list[str] = []
        self.missing: dict[str, str] = {}
        self._done: dict[str, object] = {}

    def add(self, code: Any) -> str:
        """Have a class or a function be there, and return the name that it has."""
        name = str(code.__name__)
        if not name.isidentifier():
            name = f"own_{len(self._done)}"  # a lambda
        if name not in self._done:
            self._done[name] = code
            if is_importable(code):
                self._import(code.__module__, code.__name__, name)
            else:
                self._write(code, name)
        elif self._done[name] is not code:
            self.missing[name] = f"there is another {name}, {_place_of(code)}"
        return name

    def pickled(self, value: object) -> bytes:
        """Return a value as `pickle` has it, what is the user's own by its name in the script.

        Raises
        ------
        Exception
            What pickling raises: something of it is an open file, a lock, a connection.
        """
        target = io.BytesIO()
        _Pickler(target, self).dump(value)
        return target.getvalue()

    def _import(self, module: str, name: str, known_as: str) -> None:
        said = f"from {module} import {name}"
        said += "" if known_as == name else f" as {known_as}"
        if said not in self.imports:
            self.imports.append(said)
        self._find(module)

    def _find(self, module: str) -> None:
        """Have Python find a module that is no installed one."""
        file = getattr(sys.modules.get(module), "__file__", None)
        if file is None or not is_users_module(module, ()):
            return
        above = module.count(".") + (Path(file).name == "__init__.py")
        folder = str(Path(file).resolve().parents[above])
        if folder not in self.folders:
            self.folders.append(folder)

    def _write(self, code: Any, name: str) -> None:
        try:
            text = dedent(inspect.getsource(code))
            tree = ast.parse(text).body[0]
        except (OSError, TypeError, SyntaxError, IndexError):
            tree = None
        if not isinstance(tree, (ast.FunctionDef, ast.ClassDef)) or tree.name != name:
            self.missing[name] = f"Python has no text of {_place_of(code)} by itself"
            return
        known = _names_around(code)
        for named in _named(tree):
            if named in known and named != name:
                self._need(named, known[named])
        self.texts.append(text.strip())

    def _need(self, name: str, value: object) -> None:
        """Have a name of the user's be there with its value."""
        if isinstance(value, ModuleType):
            said = f"import {value.__name__}"
            said += "" if value.__name__ == name else f" as {name}"
            if said not in self.imports:
                self.imports.append(said)
            self._find(value.__name__)
        elif isinstance(value, (type, FunctionType)):
            if is_importable(value):
                self._import(value.__module__, value.__name__, name)
            elif self.add(value) != name:
                self.texts.append(f"{name} = {value.__name__}")
        elif is_plain(value) or isinstance(value, PurePath):
            said = f"Path({str(value)!r})" if isinstance(value, PurePath) else repr(value)
            if f"{name} = {said}" not in self.texts:
                self.texts.append(f"{name} = {said}")
        elif hasattr(value, "__module__") and _is_exported(value, name):
            self._import(value.__module__, name, name)
        else:
            self.missing[name] = f"it is a {type(value).__name__}, and no plain data"


class _Pickler(pickle.Pickler):
    """Names what is the user's own and cannot be imported, in place of pickling it."""

    def __init__(self, target: io.BytesIO, own: OwnCode) -> None:
        super().__init__(target)
        self._own = own

    def persistent_id(self, value: Any) -> str | None:
        if not isinstance(value, (type, FunctionType)) or not is_users(value):
            return None
        return self._own.add(value)


def is_importable(code: Any) -> bool:
    """Say whether another process finds a class or a function by its module and its name."""
    module, name = getattr(code, "__module__", None), getattr(code, "__qualname__", "")
    if module in (None, "__main__") or "." in name:
        return False
    return getattr(sys.modules.get(str(module)), name, None) is code


def is_plain(value: object) -> bool:
    """Say whether what Python prints of a value makes the same again."""
    if isinstance(value, (tuple, list, set, frozenset)) and type(value) in _PLAIN:
        return all(map(is_plain, value))
    if type(value) is dict:
        return all(map(is_plain, value)) and all(map(is_plain, value.values()))
    return type(value) in _PLAIN and value == value


def _is_exported(value: object, name: str) -> bool:
    return getattr(sys.modules.get(str(value.__module__)), name, None) is value


def _place_of(code: Any) -> str:
    return f"{getattr(code, '__module__', '')}.{getattr(code, '__qualname__', code)}"


def _named(tree: ast.AST) -> Iterator[str]:
    """Yield the names that a text reads, each once, in their order."""
    found = {
        node.id: None
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and not hasattr(builtins, node.id)
    }
    yield from found


def _names_around(code: Any) -> Mapping[str, object]:
    """Return what names stand for where a class or a function was written."""
    module = sys.modules.get(str(code.__module__))
    known: dict[str, object] = dict(vars(module)) if module is not None else {}
    functions = [code] if isinstance(code, FunctionType) else list(vars(code).values())
    for one in map(inspect.unwrap, filter(callable, functions)):
        if isinstance(one, FunctionType):
            known |= one.__globals__
            cells = zip(one.__code__.co_freevars, one.__closure__ or (), strict=False)
            for name, cell in cells:
                if name != "__class__":
                    known[name] = cell.cell_contents
    return known
