"""CutBar: the bar after which, or before which, nothing is known."""

from __future__ import annotations

from typing import NamedTuple

from ml4t.backtest.data.sql_files import literal


class CutBar(NamedTuple):
    """The time of a bar, exactly as the bars have it.

    Attributes
    ----------
    t : int
        Number of the bar in the sources.
    text : str
        As DuckDB writes it in the zone of the catalog.
    kind : str
        The type of the bars.
    is_day : bool
        All bars are dates, or midnights: each stands for its day.
    is_first : bool
        The sources begin with it, and end where they end; else they end with it.
    """

    t: int
    text: str
    kind: str
    is_day: bool = False
    is_first: bool = False

    @property
    def sql(self) -> str:
        """It in a statement."""
        return f"cast({literal(self.text)} as {self.kind})"

    def keeps(self, time: str) -> str:
        """Return the condition that a row of a time, an expression, stays."""
        return f"{time} {'>=' if self.is_first else '<='} {self.sql}"
