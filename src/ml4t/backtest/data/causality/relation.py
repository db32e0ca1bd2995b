"""Relations as a proof sees them: columns, and what their rows depend on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ml4t.backtest.data.causality.facts import Facts, Symbol


class Problem(NamedTuple):
    """Why a value is not known to be of the past.

    Attributes
    ----------
    is_leak : bool
        It reads what comes later; else nobody knows.
    what : str
        The expression or the relation.
    why : str
    instead : str
        What to write, where there is something.
    """

    is_leak: bool
    what: str
    why: str
    instead: str = ""


class Dependence(NamedTuple):
    """What a value, or the presence of a row, is made of.

    Attributes
    ----------
    bounds : frozenset of Symbol
        Of each row that was read the time is one of these or earlier; nothing for constants.
    of_history : bool
        PlanRows of earlier times may have been read.
    problems : tuple of Problem
    """

    bounds: frozenset[Symbol] = frozenset()
    of_history: bool = False
    problems: tuple[Problem, ...] = ()


NO_ROWS_READ = Dependence()


def both(*parts: Dependence) -> Dependence:
    """Return what values depend on that are made of several."""
    return Dependence(
        bounds=frozenset().union(*(part.bounds for part in parts)),
        of_history=any(part.of_history for part in parts),
        problems=tuple(dict.fromkeys(one for part in parts for one in part.problems)),
    )


def unclear(reads: Dependence) -> Dependence:
    """Return the same of what nobody knows what becomes of: that later rows show is not said."""
    return reads._replace(problems=tuple(one._replace(is_leak=False) for one in reads.problems))


class Cell(NamedTuple):
    """A column.

    Attributes
    ----------
    name : str
        Empty where it has none.
    symbol : Symbol
    reads : Dependence
        What its value depends on, where the row is there.
    is_end : bool
        It is the end of an interval, and NULL as long as that is still to come.
    """

    name: str
    symbol: Symbol
    reads: Dependence
    is_end: bool = False


class PlanRows(NamedTuple):
    """What a step of a plan yields.

    Attributes
    ----------
    cells : tuple of Cell
        Its columns.
    reads : Dependence
        Which rows there are depends on this.
    key : frozenset of Symbol or None
        By which no two rows are alike; None: not known.
    """

    cells: tuple[Cell, ...]
    reads: Dependence = NO_ROWS_READ
    key: frozenset[Symbol] | None = None


def seen_through(
    reads: Dependence, keys: Iterable[Symbol], facts: Facts, into: Facts | None = None
) -> tuple[Dependence, frozenset[Symbol]]:
    """Return what something depends on in the terms of some keys, and bounds that no key covers.

    A bound that equals a key is that key. One that is never later than some keys is a new symbol
    that is never later than these.

    Parameters
    ----------
    facts : Facts
        By which keys cover bounds.
    into : Facts, optional
        Takes what is known of new symbols; `facts` by default.
    """
    keys, bounds, missing, of_history = list(keys), set[Symbol](), set[Symbol](), reads.of_history
    for bound in reads.bounds:
        later = facts.not_later(bound)
        covering = [key for key in keys if key in later]
        same = next((key for key in covering if facts.are_equal(bound, key)), None)
        if same is not None:
            bounds.add(same)
        elif covering:
            of_history = True
            made = (into or facts).symbol()
            for key in covering:
                (into or facts).add(made, key)
            bounds.add(made)
        else:
            missing.add(bound)
    return Dependence(frozenset(bounds), of_history, reads.problems), frozenset(missing)
