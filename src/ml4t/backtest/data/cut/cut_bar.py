"""CutBar: the bar after which, or before which, nothing is known."""

from __future__ import annotations

from typing import NamedTuple

from ml4t.backtest.data.sql_files import Sql, literal, render

# Before all bars.
FOREVER = "-infinity"


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
        return f"{time} >= {self.sql}" if self.is_first else self.knows(time)

    def knows(self, time: str) -> str:
        """Return the condition that a row of a time is not later."""
        return f"{time} <= {self.sql}"


class EachBar(CutBar):
    """A bar that variables of the session tell, so that one statement is of any of them."""

    __slots__ = ()

    @property
    def sql(self) -> str:
        """It in a statement: where that is of several bars, in place of it stands theirs."""
        return self._told_by("the_bar")

    def keeps(self, time: str) -> str:
        """Return the condition that a row of a time, an expression, stays."""
        # The ends of several bars by themselves: of theirs DuckDB knows too late what to read.
        first, last = map(self._told_by, ("the_first_bar", "the_last_bar"))
        return f"{self.knows(time)} and {time} between {first} and {last}"

    def telling(self, bar: str, last: str, first: str = FOREVER) -> list[Sql]:
        """Return the statements that tell a bar, the last of several, and where history begins."""
        values = {"the_bar": bar, "the_last_bar": last, "the_first_bar": first}
        return [
            render("audit/the_bar", variable=name, value=f"cast({literal(text)} as {self.kind})")
            for name, text in values.items()
        ]

    def _told_by(self, variable: str) -> str:
        return f"cast(getvariable({literal(variable)}) as {self.kind})"
