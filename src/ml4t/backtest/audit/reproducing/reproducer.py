"""Reproducer: what was found to be left of a difference, and what it is of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ml4t.backtest.audit.comparing import Found
from ml4t.backtest.data.stream.period import Bound
from ml4t.backtest.walking import RunSetup

# What differs where no source does.
THE_RUN = "the run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproducer:
    """The least data over which a difference still shows, and where it was written.

    Attributes
    ----------
    script : Path
        ``reproduce.py``: it runs alone, and exits with 1 as long as the two values differ.
    place, column : str
        Of the cell: ``signals`` or ``market``; of a run that differs alone, one of its tables.
    bar : str
    asset_id : str or None
    whole, known : str or None
        Its value over all rows that are left, and over those of them that were known at the bar.
    cause : str
        The first source of which a row that was known at the bar differs too; `THE_RUN`: none.
    sources : tuple of str
        Those without which it does not differ.
    n_bars, n_assets, n_rows : int
        What is left: bars and assets of the prices, rows of all files.
    n_tries : int
        Pieces of the data over which it was computed.
    """

    script: Path
    place: str
    column: str
    bar: str
    asset_id: str | None
    whole: str | None
    known: str | None
    cause: str
    sources: tuple[str, ...]
    n_bars: int
    n_assets: int
    n_rows: int
    n_tries: int

    def __str__(self) -> str:
        """Say what differs, over how little, and what runs it."""
        where = self.bar if self.asset_id is None else f"{self.bar}, asset {self.asset_id}"
        others = ", ".join(name for name in self.sources if name != self.cause)
        column = f".{self.column}" if self.column else ""
        begins = f"{self.cause} is where it begins"
        if self.cause == THE_RUN:
            begins = "no source differs, but what the run decides"
        elif others:
            begins += f", and {others} must be there"
        return (
            f"{self.place}{column} at {where} is {self.whole} over all rows and {self.known} over "
            f"those known then; {begins}; left: {counted(self.n_bars, 'bar')}, "
            f"{counted(self.n_assets, 'asset')}, {counted(self.n_rows, 'row')}; "
            f"run: python {self.script}"
        )


class Leak(NamedTuple):
    """A difference of an audit.

    Attributes
    ----------
    found : Found
    cut : str
        The bar at which the sources were cut.
    is_poisoned : bool
        Later rows lie.
    """

    found: Found
    cut: str
    is_poisoned: bool


class Audited(NamedTuple):
    """What was audited.

    Attributes
    ----------
    setup : RunSetup
        As it was before any run.
    bounds : tuple of Bound or None
        The first and the last bar of the run.
    seed : int
        Of poison.
    """

    setup: RunSetup
    bounds: tuple[Bound | None, Bound | None]
    seed: int


def leaks_of(rows: Mapping[str, Sequence[tuple[Any, ...]]]) -> list[Leak]:
    """Return the differences of an audit, by the rows of its tables, in their order."""
    n = len(Found._fields)
    return [
        Leak(Found(*row[1 : n + 1]), row[0], table == "poisoned")
        for table in ("differences", "poisoned")
        for row in rows.get(table, ())
        if row[1] is not None
    ]


def counted(n: int, noun: str) -> str:
    """Return a number of things in words."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
