"""How hard the tests try: `make test` draws some cases, `make test-long` and `make audits` more.

An effort of 1 is what decides on every change: a few draws of each kind, and of a test over
combinations enough that every value of every parameter stands in one. With more all are run, and
tests marked `long`, of many runs or processes: those alone are `make test-slow`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeVar

import pytest

EFFORT = int(os.environ.get("ML4T_EFFORT", "1"))
T = TypeVar("T")


def examples(usual: int) -> int:
    """Return how many cases a test draws, of which it draws `usual` in the suite."""
    return usual * EFFORT


def some(cases: Iterable[T], usual: int) -> list[T]:
    """Return `usual` of like cases, spread evenly from the first to the last; all with effort."""
    found = list(cases)
    if EFFORT > 1 or usual >= len(found):
        return found
    step = (len(found) - 1) / max(usual - 1, 1)
    return [found[round(i * step)] for i in range(usual)]


def share(cases: Sequence[T], which: int, of: int) -> Sequence[T]:
    """Return every `of`-th of like cases, beginning with number `which`; all with effort.

    Who asks with another number each time has seen them all after `of` times.
    """
    return cases if EFFORT > 1 else cases[which % of :: of]


# Of a test over parameters that have nothing to do with each other: not their whole product.
each_value = pytest.mark.each_value


# Of many runs or processes, where quicker tests hold the same code: see `make test-slow`.
long = pytest.mark.long


def thinned(items: list[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Return the tests to run and those that wait for more effort.

    Those marked `long` wait. Of a test marked `each_value` those are run that together have every
    value of each parameter: time and again the one with most of what is not there yet.
    """
    groups: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("each_value") is not None:
            groups.setdefault(item.nodeid.partition("[")[0], []).append(item)
    waiting: set[pytest.Item] = set()
    for group in groups.values():
        # Values need not be hashable; one that stands in many combinations is one object.
        values = {
            item: {(name, id(value)) for name, value in item.callspec.params.items()}  # type: ignore[attr-defined]
            for item in group
        }
        chosen: set[pytest.Item] = set()
        seen: Counter[tuple[str, int]] = Counter()
        while missing := set().union(*values.values()) - set(seen):
            # Of equals the one whose values were seen least: all ways are met in turn.
            best = max(
                group,
                key=lambda item: (
                    len(values[item] & missing), -sum(seen[one] for one in values[item])
                ),
            )  # fmt: skip
            chosen.add(best)
            seen.update(values[best])
        waiting |= set(group) - chosen
    waiting |= {item for item in items if item.get_closest_marker("long") is not None}
    return [one for one in items if one not in waiting], [one for one in items if one in waiting]
