"""Graphs: one hash for a graph of values, whatever is shared in it and whatever points back.

1. `components` finds what points at itself over others, the deepest first.
2. `hashes` makes the hash of a node of its label and its parts' hashes. Nodes that point at each
   other are told apart step by step, as far as their labels and ways tell them apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b

# Steps times edges after which nodes that point at each other are no longer told apart by what is
# further away; the label of each counts for all of them.
MOST_WORK = 200_000
LEAST_STEPS = 8


class Graph:
    """Nodes by number: the label of each, and the numbers of the nodes that are its parts."""

    def __init__(self) -> None:
        # Lists beside each other: an object for each node would keep the collector busy.
        self.labels: list[bytes] = []
        self.parts: list[tuple[int, ...]] = []
        self.without_order: set[int] = set()

    def add(self, label: bytes, parts: tuple[int, ...] = (), *, is_ordered: bool = True) -> None:
        """Add the next node."""
        if not is_ordered:
            self.without_order.add(len(self.labels))
        self.labels.append(label)
        self.parts.append(parts)

    def hash_of(self, node: int, found: Sequence[bytes]) -> bytes:
        """Return the hash of a node by the hashes of its parts."""
        inside = [found[part] for part in self.parts[node]]
        if node in self.without_order:
            inside.sort()
        return hashed(b"".join([self.labels[node], *inside]))


def hashed(content: bytes | memoryview) -> bytes:
    """Return a hash of 16 bytes."""
    return blake2b(content, digest_size=16).digest()


def hashes(graph: Graph) -> list[bytes]:
    """Return the hash of each node."""
    found = [b""] * len(graph.labels)
    for members in components(graph.parts):
        first = members[0]
        if len(members) > 1 or first in graph.parts[first]:
            _refine(graph, members, found)
        else:
            found[first] = graph.hash_of(first, found)
    return found


def _refine(graph: Graph, members: Sequence[int], found: list[bytes]) -> None:
    """Set the hashes of nodes that point at each other.

    Each starts alike and takes in what its parts were a step before, until a step tells no more of
    them apart. No number says which was met first: copies have equal hashes.
    """
    edges = sum(len(graph.parts[member]) for member in members)
    n_kinds = 0
    for step in range(max(LEAST_STEPS, MOST_WORK // edges)):
        told = [graph.hash_of(member, found) for member in members]
        for member, one in zip(members, told, strict=True):
            found[member] = one
        n_before, n_kinds = n_kinds, len(set(told))
        if step and n_kinds == n_before:
            break
    all_of_them = hashed(b"".join(sorted({found[member] for member in members})))
    for member in members:
        found[member] = hashed(found[member] + all_of_them)


def components(parts: Sequence[Sequence[int]]) -> Iterator[Sequence[int]]:
    """Yield the nodes in groups that can reach each other, parts before what holds them.

    Tarjan, "Depth-first search and linear graph algorithms" (1972), without recursion: a chain may
    be longer than the stack of Python.
    """
    # 0: not met; else the order in which it was met, or of the first that it reaches.
    low = [0] * len(parts)
    order: dict[int, int] = {}  # of what is met and in no group yet
    n_met = 0
    path: list[int] = []
    for root in range(len(parts)):
        ways = [] if low[root] else [(root, iter(parts[root]))]
        while ways:
            at, rest = ways[-1]
            if not low[at]:
                n_met += 1
                low[at] = order[at] = n_met
                path.append(at)
            for part in rest:
                if not low[part]:
                    if parts[part]:
                        ways.append((part, iter(parts[part])))
                        break
                    low[part] = len(parts) + 1
                    yield (part,)
                elif part in order:
                    low[at] = min(low[at], order[part])
            else:
                ways.pop()
                if ways:
                    low[ways[-1][0]] = min(low[ways[-1][0]], low[at])
                if low[at] == order[at]:
                    group = [path.pop()]
                    while group[-1] != at:
                        group.append(path.pop())
                    for member in group:
                        del order[member]
                    yield group
