"""Figure: the declaration of what is shown of a run or a profile; its query is a file."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ml4t.backtest.data.sql_files import Sql, grain, picked, read


class FigureKind(StrEnum):
    """How a figure is drawn."""

    LINES = "lines"  # y over time, or over a number
    AREA = "area"  # the same, filled to 0
    BARS = "bars"  # y of each x; `SPLIT` says which bars belong together
    HEAT = "heat"  # colour of each (x, y)
    SCATTER = "scatter"  # a point per row
    TABLE = "table"
    FACTS = "facts"  # one row, a number each
    TRADE = "trade"  # one trade on its price


class Channel(StrEnum):
    """What a column of the query is in the picture."""

    X = "x"
    Y = "y"
    COLOR = "color"
    SPLIT = "split"  # one value of it is looked at at a time
    TEXT = "text"  # not drawn; shown beside the point, and in the table


class Format(StrEnum):
    """How a value is written."""

    PERCENT = "percent"  # a fraction, shown times 100
    MONEY = "money"  # account currency
    PRICE = "price"
    NUMBER = "number"
    COUNT = "count"
    TIME = "time"
    TEXT = "text"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Encoding:
    """A column of a figure's query.

    Attributes
    ----------
    label : str
        In words, as it stands at an axis or above a column.
    """

    column: str
    label: str
    format: Format
    channel: Channel = Channel.TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure.

    Its query takes no parameter, and runs on a saved run in whatever DuckDB from 1.2 on, with its
    core functions alone: DuckDB-Wasm has no others without a network.

    Attributes
    ----------
    name : str
        Of the figure, and of its file.
    section : str
        Heading that it stands under.
    meaning : str
        What it shows, in a sentence.
    columns : tuple of Encoding
        Those of the query, in its order.
    has_log : bool
        Its y may be put on a logarithmic scale.
    is_picked : bool
        It is of one trade: `query_of` says of which.
    folder : str
        Of its file, under ``sql/``.
    """

    name: str
    section: str
    title: str
    meaning: str
    kind: FigureKind
    columns: tuple[Encoding, ...]
    has_log: bool = False
    is_picked: bool = False
    folder: str = "page"

    @property
    def query(self) -> Sql:
        """The query, as a reader runs it on a saved run."""
        return read(f"{self.folder}/{self.name}")

    def query_of(self, trade_id: int) -> Sql:
        """Return the query of a figure of one trade, of that trade."""
        return picked(self.query, trade_id)

    @property
    def grain(self) -> str:
        """What a row of it is."""
        return grain(f"{self.folder}/{self.name}")

    def on(self, channel: Channel) -> tuple[Encoding, ...]:
        """Return the columns of a channel."""
        return tuple(one for one in self.columns if one.channel is channel)
