"""CutBar: the bar after which nothing is known."""

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
    """

    t: int
    text: str
    kind: str
    is_day: bool = False

    @property
    def sql(self) -> str:
        """It in a statement."""
        return f"cast({literal(self.text)} as {self.kind})"
