"""PreviousBar: each asset's values at its bar before, chunk after chunk.

`values_before` has those of the bars before a run, where there are any.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np

from ml4t.backtest.core.batch import Bools, Floats
from ml4t.backtest.core.values import PREVIOUS
from ml4t.backtest.data.asof.bar_tables import BarTables
from ml4t.backtest.data.asof.memberships import IS_MEMBER
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.selection.cross_section import cross_section, joined
from ml4t.backtest.data.sources.schema import as_read
from ml4t.backtest.data.sql_files import quote, render


class PreviousBar:
    """Values one bar earlier, counted in the asset's own bars; takes chunks in time order.

    Parameters
    ----------
    names : iterable of str
        Columns whose earlier values are wanted, with the prefix that says so.
    n_assets : int
    """

    def __init__(self, names: Iterable[str], n_assets: int) -> None:
        wanted = sorted(previous_names(names))
        self._newest = {name: np.full(n_assets, np.nan) for name in wanted}

    @property
    def names(self) -> frozenset[str]:
        """The columns that must be read for it."""
        return frozenset(self._newest)

    def begin_with(self, values: Mapping[str, Floats]) -> None:
        """Take the values of each asset's last bar before the first chunk, by `sid`."""
        self._newest |= values

    def of(self, columns: Mapping[str, Floats], has_bar: Bools) -> dict[str, Floats]:
        """Return the earlier values of a chunk, NaN where there is none or it was missing."""
        if not self._newest:
            return {}
        n_bars, n_assets = has_bar.shape
        rows = np.where(has_bar, np.arange(n_bars)[:, None], -1)
        newest = np.maximum.accumulate(rows, axis=0)
        before = np.vstack([np.full((1, n_assets), -1), newest[:-1]])
        found = {}
        for name, carried in self._newest.items():
            values = columns[name]
            inside = np.take_along_axis(values, np.maximum(before, 0), axis=0)
            found[PREVIOUS + name] = np.where(before >= 0, inside, carried)
            last = values[np.maximum(newest[-1], 0), np.arange(n_assets)]
            self._newest[name] = np.where(newest[-1] >= 0, last, carried)
        return found


def previous_names(names: Iterable[str]) -> frozenset[str]:
    """Return the columns of which the values of the bar before are among some names."""
    return frozenset(name.removeprefix(PREVIOUS) for name in names if name.startswith(PREVIOUS))


def values_before(
    first: str, names: Collection[str], prepared: Prepared, database: Database
) -> dict[str, Floats]:
    """Return what each asset's last bar before a time had in columns of ``signals``, by `sid`.

    Parameters
    ----------
    first : str
        A time as SQL.
    names : collection of str
        Columns that are numbers.
    """
    section = cross_section(names, prepared)
    items = [f"prices.{quote(name)}" for name in section.price_columns]
    if section.reads_membership:
        items.append(f"{IS_MEMBER} as is_member")
    columns = "".join(f", {item}" for item in items)
    bars = database.make_table("last_bars", "batches/last_bars", first=first, columns=columns)
    times = database.make_table("last_times", "batches/times_of", bars=bars)
    rows = joined(section, BarTables(times=times, bars=bars), database)
    items = [
        f"{as_read(rows.items[name], prepared.signal_columns[name])} as {quote(name)}"
        for name in names
    ]
    query = render(
        "selecting/signals",
        bars=rows.bars,
        columns=", ".join(["bars.sid", *items]),
        joins=rows.joins,
    )
    found = database.numpy(query)
    values = {name: np.full(prepared.n_assets, np.nan) for name in names}
    for name, column in values.items():
        column[found["sid"]] = found[name]
    return values
