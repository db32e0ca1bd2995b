"""Identity of code and state: a hash that is the same in every process for the same of both.

A run's identity is made of what its parts print. The name of a rule or a function alone would
hide that its body, a constant in it or a value that it closes over was changed.

1. `parts.parts_of` says what a value is made of, values and code (`codes`) alike; long ones are
   read column by column (`columns`).
2. `_Walk` follows the parts until all are known, each object once.
3. `graphs.hashes` makes one hash of them: equal parts have equal hashes, shared or not.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from types import FunctionType

from ml4t.backtest.core.codes import Parts
from ml4t.backtest.core.columns import PLAIN_KINDS, plain
from ml4t.backtest.core.graphs import Graph, hashes
from ml4t.backtest.core.owners import is_library, is_users, name_of, origin, top_of
from ml4t.backtest.core.parts import parts_of

LONG_KINDS = (list, tuple, dict)
MANY = 1_000


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
    return f"{name_of(function)}#{_Walk(function).digest()}"


def state_identity(*values: object) -> str:
    """Return a hash of values: code and state of whatever they hold."""
    return _Walk(*values).digest()


def user_identity(*values: object) -> str | None:
    """Return a hash of code and state where a user wrote some of the code; None where none.

    State is every attribute, private ones and slots too. An object of another library, such as a
    model, counts by how it would be pickled; what pickling refuses, such as a connection, by its
    class and the attributes that Python sees.
    """
    walk = _Walk(*values)
    return walk.digest() if walk.is_users else None


class _Walk:
    """Follows values to all their parts; remembers whose code it met."""

    def __init__(self, *values: object) -> None:
        self.is_users = False
        self._values = values
        self._long: dict[int, tuple[object, Parts]] = {}
        # Installed or not, what lies beside a user's object is the user's.
        self._beside: frozenset[str] = frozenset()
        self._add(getattr(origin(value), "__module__", None) for value in values)
        known = None
        while self._beside != known:
            known = self._beside
            self._graph, modules = self._follow()
            self._add(modules)

    def digest(self) -> str:
        roots = hashes(self._graph)[: len(self._values)]
        return blake2b(b"".join(roots), digest_size=5).hexdigest()

    def _add(self, modules: Iterable[object]) -> None:
        tops = {top_of(module) for module in modules}
        self._beside |= {top for top in tops if not is_library(top)}

    def _follow(self) -> tuple[Graph, set[str]]:
        """Return a node for each value, the given ones first, and the modules of users' code."""
        graph, values, modules = Graph(), list(self._values), set[str]()
        numbers: dict[int | bytes, int] = {id(value): at for at, value in enumerate(values)}
        # It grows while it is read.
        for value in values:
            if type(value) in PLAIN_KINDS:
                graph.add(b"=" + plain(value))
                continue
            label, parts, is_ordered = self._parts(value)
            if isinstance(value, (type, FunctionType)) and is_users(value, self._beside):
                self.is_users = True
                modules.add(value.__module__)
            edges = []
            for part in parts:
                key = plain(part) if type(part) in PLAIN_KINDS else id(part)
                number = numbers.setdefault(key, len(values))
                if number == len(values):
                    values.append(part)
                edges.append(number)
            graph.add(label, tuple(edges), is_ordered=is_ordered)
        return graph, modules

    def _parts(self, value: object) -> Parts:
        """Return the parts of a value; a long one is read once, whoever's code is met later."""
        if type(value) not in LONG_KINDS or len(value) < MANY:  # type: ignore[arg-type]
            return parts_of(value, self._beside)
        if id(value) not in self._long:
            self._long[id(value)] = (value, parts_of(value, self._beside))
        return self._long[id(value)][1]
