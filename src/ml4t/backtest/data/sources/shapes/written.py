"""Written: an axis of texts or whole numbers that `date_format` says how to read.

Shapes are put in the order of their times, so that these are read before, each once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from ml4t.backtest.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pyarrow as pa

_TIME_OF_DAY = frozenset("HIMSfpTXcz")


def read_axis(
    axis: pa.Array, date_format: str, what: str, refusal: Callable[[str, str], DataError]
) -> pa.Array:
    """Return an axis as dates, as times where the format has a time of day.

    Parameters
    ----------
    axis : pyarrow.Array
        Of text, or of whole numbers.
    date_format : str
        In the directives of ``strptime``.
    what : str
        As a refusal names the axis.
    refusal : callable
        Makes an error of a fact and its rule.

    Raises
    ------
    ConfigError
        The format cannot be used.
    DataError
        A value is not written so.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    # DuckDB's directives without leading zeros read what Python's with them do.
    directives = date_format.replace("%-", "%")
    unique = pc.unique(axis)
    found: list[datetime | None] = []
    for value in unique.to_pylist():
        try:
            found.append(None if value is None else datetime.strptime(str(value), directives))
        except ValueError as error:
            if "format" in str(error) and "does not match" not in str(error):
                raise ConfigError(f"date_format {date_format!r} cannot be used: {error}") from error
            raise refusal(
                f"has {what} with {value!r}, which is not written as date_format={date_format!r} "
                "says",
                "types",
            ) from error
    has_time = any(part[:1] in _TIME_OF_DAY for part in directives.split("%")[1:])
    times = found if has_time else [None if one is None else one.date() for one in found]
    return pa.array(times).take(pc.index_in(axis, value_set=unique))
