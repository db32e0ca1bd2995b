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
        self._same: dict[Symbol, set[Symbol]] = {}
        self._blurred: set[Symbol] = set()
        self._sources: dict[Symbol, frozenset[Symbol]] = {}
        self._obscure: set[Symbol] = set()
        self._constants: set[Symbol] = set()
        self._to_come: set[Symbol] = set()

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

    def add_same(self, one: Symbol, other: Symbol) -> None:
        """Note that a symbol equals another, in those rows in which it says something.

        Nothing follows from it for the other in the rest of the rows: no path goes back.
        """
        self.add(one, other)
        self._same.setdefault(one, set()).add(other)

    def fix(self, symbol: Symbol) -> None:
        """Note that a symbol is made of constants alone."""
        self._constants.add(symbol)

    def is_constant(self, symbol: Symbol) -> bool:
        """Say whether a symbol is made of constants alone."""
        return symbol in self._constants

    def expect(self, symbol: Symbol) -> None:
        """Note that a time is NULL as long as it is still to come."""
        self._to_come.add(symbol)

    def have(self, symbol: Symbol) -> None:
        """Note that a time is there."""
        self._to_come.discard(symbol)

    def may_come(self, symbol: Symbol) -> bool:
        """Say whether a symbol is made of a time that may be NULL, for it is still to come."""
        return not self._to_come.isdisjoint(self.sources(symbol))

    def blur(self, symbols: Iterable[Symbol]) -> None:
        """Note that something was said of the order of some symbols that is not understood."""
        self._blurred |= set(symbols)

    def derive(self, made: Symbol, times: Iterable[Symbol], parts: Iterable[Symbol]) -> None:
        """Note of which times a symbol was computed, and of which parts at the last step."""
        self._sources[made] = frozenset().union(*map(self.sources, times))
        if made in self._opaque or not self._obscure.isdisjoint(parts):
            self._obscure.add(made)

    def sources(self, symbol: Symbol) -> frozenset[Symbol]:
        """Return the times of which a symbol was computed: itself, if of none."""
        return self._sources.get(symbol, frozenset({symbol}))

    def not_later(self, symbol: Symbol, *, sharp: bool = False) -> set[Symbol]:
        """Return the symbols that are never earlier than one, itself among them.

        Parameters
        ----------
        sharp : bool
            Only those that are so by more than rounding.
        """
        start = (symbol, symbol in self._constants)
        found, left = {start}, [start]
        while left:
            at, is_past_one = left.pop()
            for later, rounded in self._after[at].items():
                # From one constant to another a path leads through rows that may not be there, and
                # of no row everything is true.
                is_constant = later in self._constants
                step = (later, is_past_one or is_constant)
                if step in found or (sharp and rounded) or (is_past_one and is_constant):
                    continue
                found.add(step)
                left.append(step)
        return {at for at, _ in found}

    def are_equal(self, one: Symbol, other: Symbol) -> bool:
        """Say whether one symbol is known to equal another, wherever it says something."""
        return self._is_both_ways(one, other) or any(
            self._is_both_ways(same, other) for same in self._same.get(one, ())
        )

    def _is_both_ways(self, one: Symbol, other: Symbol) -> bool:
        return other in self.not_later(one) and one in self.not_later(other)

    def is_opaque(self, symbol: Symbol) -> bool:
        """Say whether a symbol was computed in a way that is not understood."""
        return symbol in self._opaque or symbol in self._obscure

    def reaches_opaque(self, symbol: Symbol) -> bool:
        """Say whether a symbol is bounded by something that was not understood."""
        later = self.not_later(symbol)
        return not (self._opaque.isdisjoint(later) and self._blurred.isdisjoint(later))

    def is_hidden(self, symbol: Symbol, keys: Iterable[Symbol]) -> bool:
        """Say whether some key was computed of a symbol, in a way that is not understood."""
        return any(key in self._obscure and symbol in self.sources(key) for key in keys)

    def copied(self, symbols: Iterable[Symbol]) -> dict[Symbol, Symbol]:
        """Return new symbols for some, of which the same is known among each other."""
        new = {one: self.symbol(opaque=one in self._opaque) for one in symbols}
        for one, made in new.items():
            sharp = self.not_later(one, sharp=True)
            for later in self.not_later(one):
                if later != one and later in new:
                    self.add(made, new[later], rounded=later not in sharp)
            if self.may_come(one):
                self._to_come.add(made)
            if one in self._blurred:
                self._blurred.add(made)
            if one in self._obscure:
                self._obscure.add(made)
            self._sources[made] = frozenset({new.get(of, of) for of in self.sources(one)})
            self._same[made] = {new[same] for same in self._same.get(one, ()) if same in new}
        return new

    def branch(self) -> Facts:
        """Return what is known so far, to be gone on with apart from this."""
        other = Facts()
        other._numbers, other._opaque, other._same = self._numbers, self._opaque, self._same
        other._sources, other._obscure = self._sources, self._obscure
        other._blurred, other._constants = set(self._blurred), self._constants
        other._to_come = self._to_come
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
