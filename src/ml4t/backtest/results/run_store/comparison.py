"""Comparison: the metrics of runs side by side, and in which parameters they differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ml4t.backtest.data.database import Relation


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Runs side by side.

    Attributes
    ----------
    metrics : Relation
        One row per run, in the order in which they were asked for; columns as of `RunStore.runs`.
    run_ids : tuple of str
        Which they are.
    parameters : list of tuple
        Settings, versions and data in which they differ: name, then the text of each run, None
        where it has none.
    """

    metrics: Relation
    run_ids: tuple[str, ...]
    parameters: list[tuple[str | None, ...]]

    def __repr__(self) -> str:
        """Show a line per metric and per parameter that differs, a column per run."""
        rows = self.metrics.fetchall()
        left = ("run_id", "parameters", "tags", "strategy", "problem", "created_at")
        lines = [("", *self.run_ids)]
        lines += [
            (name, *(_text(row[place]) for row in rows))
            for place, name in enumerate(self.metrics.columns)
            if name not in left
        ]
        lines += [(f"{row[0]}", *(_text(one) for one in row[1:])) for row in self.parameters]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])])
            for line in lines
        )


def differing(parameters: Mapping[str, Mapping[str, str]]) -> list[tuple[str | None, ...]]:
    """Return the parameters that are not the same in all runs: name, then the text of each."""
    names = dict.fromkeys(name for one in parameters.values() for name in one)
    rows = [(name, *(one.get(name) for one in parameters.values())) for name in names]
    return [row for row in rows if len(set(row[1:])) > 1]


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,.6g}" if isinstance(value, float) else str(value)
