"""Facts: which of two times of a row is the later one.

A symbol stands for a value of every row: a column, or an expression of columns. What a query says
of two of them (``b.timestamp <= a.timestamp``, ``timestamp + interval '1 day'``) is an edge of a
graph, and what follows from several is a path.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from typing import NewType

Symbol = NewType("Symbol", int)


class Facts:
    """What is known of the order of symbols.

    A symbol is opaque where it was computed in a way that says nothing of its order: what lies
    before it may lie before others too, and nobody knows.
    """

    def __init__(self) -> None:
        self._numbers = count()
        self._after: dict[Symbol, dict[Symbol, bool]] = {}
        self._opaque: set[Symbol] = set()

    def symbol(self, *, opaque: bool = False) -> Symbol:
        """Return a symbol of which nothing is known."""
        made = Symbol(next(self._numbers))
        self._after[made] = {}
        if opaque:
            self._opaque.add(made)
        return made

    def add(self, earlier: Symbol, later: Symbol, *, rounded: bool = False) -> None:
        """Note that one symbol is never later than another.

        Parameters
        ----------
        rounded : bool
            It is the other, rounded down: whether they are equal depends on the data.
        """
        known = self._after[earlier].get(later, True)
        self._after[earlier][later] = known and rounded

    def equate(self, one: Symbol, other: Symbol) -> None:
        """Note that two symbols are equal."""
        self.add(one, other)
        self.add(other, one)

    def not_later(self, symbol: Symbol, *, sharp: bool = False) -> set[Symbol]:
        """Return the symbols that are never earlier than one, itself among them.

        Parameters
        ----------
        sharp : bool
            Only those that are so by more than rounding.
        """
        found, left = {symbol}, [symbol]
        while left:
            for later, rounded in self._after[left.pop()].items():
                if later not in found and not (sharp and rounded):
                    found.add(later)
                    left.append(later)
        return found

    def are_equal(self, one: Symbol, other: Symbol) -> bool:
        """Say whether two symbols are known to be equal."""
        return other in self.not_later(one) and one in self.not_later(other)

    def is_opaque(self, symbol: Symbol) -> bool:
        """Say whether a symbol was computed in a way that is not understood."""
        return symbol in self._opaque

    def reaches_opaque(self, symbol: Symbol) -> bool:
        """Say whether a symbol is bounded by something that was not understood."""
        return not self._opaque.isdisjoint(self.not_later(symbol))

    def copied(self, symbols: Iterable[Symbol]) -> dict[Symbol, Symbol]:
        """Return new symbols for some, of which the same is known among each other."""
        new = {one: self.symbol(opaque=one in self._opaque) for one in symbols}
        for one, made in new.items():
            sharp = self.not_later(one, sharp=True)
            for later in self.not_later(one):
                if later != one and later in new:
                    self.add(made, new[later], rounded=later not in sharp)
        return new

    def branch(self) -> Facts:
        """Return what is known so far, to be gone on with apart from this."""
        other = Facts()
        other._numbers, other._opaque = self._numbers, self._opaque
        other._after = _Layered(self._after)
        return other

    def pairs(self, symbols: Iterable[Symbol]) -> Iterator[tuple[Symbol, Symbol]]:
        """Yield the pairs among some symbols of which the first is never later."""
        known = set(symbols)
        for one in known:
            for later in self.not_later(one) & known - {one}:
                yield one, later


class _Layered(dict[Symbol, dict[Symbol, bool]]):
    """The edges of a branch: those of its base are copied when they are asked for."""

    def __init__(self, base: dict[Symbol, dict[Symbol, bool]]) -> None:
        super().__init__()
        self._base = base

    def __missing__(self, symbol: Symbol) -> dict[Symbol, bool]:
        self[symbol] = dict(self._base[symbol])
        return self[symbol]
