"""Table: the declaration of a result table, of which recorder, store and schema follow.

1. A `Table` says which events of the journal make its rows, and lists its columns.
2. A `Column` has a name, a `Kind`, what it means, and the attribute of the event that holds it:
   one value for all rows of the event, or one each. What no event holds the table's own statement
   under ``sql/results`` computes.
3. A `Kind` is a type: what DuckDB calls it, what holds it until the end of the run (`staging`), and
   what stands for a value that is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from ml4t.backtest.core.event import NAN


class Means(Enum):
    """What the whole numbers of a run stand for, and what else is held in a way of its own."""

    ITSELF = "itself"
    BAR = "bar"  # number of a bar, read as its time; -1: none
    SESSION = "session"  # number of a bar, read as its trading date
    ASSET = "asset"  # number of an asset, read as its id; -1: none
    MULTIPLIER = "multiplier"  # number of an asset, read as what its price is multiplied with
    MOMENT = "moment"  # a time of the wall clock, in UTC
    JSON = "json"  # a mapping or list, read as its text
    FINITE = "finite"  # a number that is missing where it is infinite
    NUMBER_OR_NONE = "number or none"  # a whole number, -1: none


class Kind(NamedTuple):
    """A type of columns.

    Attributes
    ----------
    types : tuple of str
        What DuckDB may call it: one name, but for what has the type that `prices` has.
        None at all: any.
    held : type
        Of the entries of the array that holds a column until the end of the run.
    missing : object
        Stands for a value that is missing.
    means : Means
        How an entry is read.
    """

    types: tuple[str, ...]
    held: type
    missing: Any
    means: Means = Means.ITSELF


TIME_TYPES = ("DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS",
         "TIMESTAMP WITH TIME ZONE")  # fmt: skip

BAR = Kind(TIME_TYPES, int, -1, Means.BAR)
ASSET = Kind((), int, -1, Means.ASSET)
SESSION = Kind(("DATE",), int, -1, Means.SESSION)
MULTIPLIER = Kind(("DOUBLE",), int, -1, Means.MULTIPLIER)
TEXT = Kind(("VARCHAR",), object, None)
JSON = Kind(("VARCHAR",), object, None, Means.JSON)
NUMBER = Kind(("DOUBLE",), float, NAN)
FINITE = Kind(("DOUBLE",), float, NAN, Means.FINITE)
COUNT = Kind(("INTEGER",), int, -1)
ID = Kind(("BIGINT",), int, -1)
ID_OR_NONE = Kind(("BIGINT",), int, -1, Means.NUMBER_OR_NONE)
FLAG = Kind(("BOOLEAN",), bool, False)
MOMENT = Kind(("TIMESTAMP WITH TIME ZONE",), object, None, Means.MOMENT)
FEATURES = Kind(("MAP(VARCHAR, DOUBLE)",), object, None)

# What a column is of, where it is no attribute of an event: the row's own number, from 0 in the
# order in which rows were made; what the table's statement computes; what is found out of all rows
# once they are there, see `Recorder.add`.
ROW, COMPUTED, ADDED = "row", "computed", "added"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a result table.

    Attributes
    ----------
    comment : str
        What it means, with unit and sign; written into the table.
    of : str
        Attribute of the event that holds it, `ROW`, `COMPUTED` or `ADDED`; the column's own name by
        default.
    is_later : bool
        Earlier files lack it, and NULL says of them what is so.
    """

    name: str
    kind: Kind
    comment: str
    of: str = ""
    is_later: bool = False

    def __post_init__(self) -> None:
        if not self.of:
            object.__setattr__(self, "of", self.name)


class Table(NamedTuple):
    """A result table.

    Attributes
    ----------
    columns : tuple of Column
        In order, after ``run_id``, which every table has.
    events : tuple of type
        Classes whose instances make its rows.
    counted : str or None
        Attribute of an event with one entry per row. None: an event is one row.
    gathered : callable or None
        Makes the events that have the columns' attributes of all events of the run, where a row
        is not a part of one event.
    parted : callable or None
        Cuts the events of the run, of which rows are made and written part by part: of a table with
        many rows, none of which needs another.
    helpers : tuple of Column
        What only the statement reads.
    beside : Table or None
        Another one, of whose rows the statement reads what they hold.
    order : tuple of str
        Columns or helpers that the rows are sorted by; as they were made by default.
    is_later : bool
        Earlier files lack it, and to have no rows says of them what is so.
    """

    name: str
    columns: tuple[Column, ...]
    events: tuple[type, ...]
    counted: str | None = None
    gathered: Callable[[Sequence[Any]], Sequence[Any]] | None = None
    parted: Callable[[Sequence[Any]], Iterator[Sequence[Any]]] | None = None
    helpers: tuple[Column, ...] = ()
    beside: Table | None = None
    order: tuple[str, ...] = ()
    is_later: bool = False

    @property
    def held(self) -> tuple[Column, ...]:
        """Columns and helpers that are there before its statement."""
        return tuple(one for one in (*self.columns, *self.helpers) if one.of != COMPUTED)

    @property
    def statement(self) -> str:
        """File under ``sql/`` that makes its rows."""
        is_computed = any(one.of == COMPUTED for one in self.columns)
        return f"results/{self.name}" if is_computed else "results/rows"
