"""Times: timestamps of whatever package, as numbers that can be compared."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ml4t.backtest.core.batch import Ints
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.sweep.lengths import Days


class Times(NamedTuple):
    """Timestamps in the order in which they were given.

    Attributes
    ----------
    ticks : int array
        Since 1970: microseconds, or nanoseconds where microseconds do not tell them apart.
    kind : str
        As DuckDB names it: ``DATE``, ``TIMESTAMP``, ``TIMESTAMP WITH TIME ZONE``.
    per_microsecond : int
        Ticks of a microsecond: 1 or 1,000.
    days : datetime64[D] array
        Their dates, in the zone of the timestamps where they have one.
    """

    ticks: Ints
    kind: str
    per_microsecond: int
    days: Days

    def at(self, places: Ints | slice) -> Times:
        """Return those at some places."""
        return self._replace(ticks=self.ticks[places], days=self.days[places])

    def text(self, place: int) -> str:
        """Return one of them as a message shows it; UTC where they have a zone."""
        if self.kind == "DATE":
            return str(self.days[place])
        unit = "us" if self.per_microsecond == 1 else "ns"
        return str(self.ticks[place].astype(f"datetime64[{unit}]")).removesuffix(".000000")


def read_times(name: str, given: object) -> Times:
    """Read dates or times from a list, an array, a Series or an Arrow array.

    Raises
    ------
    ConfigError
        They are something else, or one is missing.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    array = _arrow(name, given)
    if not len(array):
        none = np.empty(0, dtype=np.int64)
        return Times(none, "DATE", 1, none.astype("datetime64[D]"))
    if array.null_count:
        place = pc.index(pc.is_null(array), True).as_py()
        raise ConfigError(f"{name} have none at place {place:,}; fill it in or leave out its row")
    if pa.types.is_date(array.type):
        days = array.cast(pa.date32()).to_numpy(zero_copy_only=False).astype("datetime64[D]")
        ticks = days.astype("datetime64[us]").astype(np.int64)
        return Times(ticks, "DATE", 1, days)
    if not pa.types.is_timestamp(array.type):
        raise ConfigError(f"{name} must be dates or times, were {array.type}; {_way(array.type)}")
    local = array if array.type.tz is None else pc.local_timestamp(array)
    days = local.to_numpy(zero_copy_only=False).astype("datetime64[D]")
    kind = "TIMESTAMP" if array.type.tz is None else "TIMESTAMP WITH TIME ZONE"
    ticks = array.cast(pa.int64()).to_numpy(zero_copy_only=False)
    if array.type.unit == "ns" and (ticks % 1_000).any():
        return Times(ticks, kind, 1_000, days)
    moments = ticks.view(f"datetime64[{array.type.unit}]").astype("datetime64[us]")
    return Times(moments.astype(np.int64), kind, 1, days)


def _arrow(name: str, given: Any) -> Any:
    """Return an Arrow array in one piece."""
    import pyarrow as pa

    if isinstance(given, (list, tuple)) and given and isinstance(given[0], np.datetime64):
        given = np.array(given)  # Arrow takes no list of them
    try:
        if hasattr(given, "to_arrow"):  # of Polars, whose stream Arrow 16 takes for numbers
            return given.to_arrow()
        if hasattr(given, "__arrow_c_stream__"):
            return pa.chunked_array(given).combine_chunks()
        return pa.array(given, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"{name} must be dates or times, one per row: a list, an array or a Series; was "
            f"{type(given).__name__} ({str(error).splitlines()[0][:80]})"
        ) from error


def _way(kind: object) -> str:
    if "string" in str(kind):
        return "read them first, such as with np.array(texts, dtype='datetime64[us]')"
    return "give the column of timestamps, not the number of the row"
