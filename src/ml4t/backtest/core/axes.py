"""Axes: what the integers of a run stand for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True, kw_only=True)
class Axes:
    """The run's bars and assets, by number.

    Attributes
    ----------
    timestamps : int array
        Ticks since 1970: microseconds, for TIMESTAMP_NS nanoseconds.
    timestamp_type, asset_type : str
        DuckDB types of ``prices``.
    sessions : int array
        Each bar's calendar date (in the run's zone where bars have one), as days since 1970.
    asset_ids : array
        As text.
    offsets : int array, optional
        Seconds that the clocks of the run's zone were ahead of UTC at each bar; none: UTC.
    """

    timestamps: NDArray[np.int64]
    timestamp_type: str
    sessions: NDArray[np.int64]
    asset_ids: NDArray[np.object_]
    asset_type: str
    offsets: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        # A strategy sees them; what it writes would be the times and names of the results.
        for array in (self.timestamps, self.sessions, self.asset_ids, self.offsets):
            if array is not None:
                array.setflags(write=False)

    @cached_property
    def ids(self) -> tuple[object, ...]:
        """The assets' ids as prices have them: whole numbers as int, others as text."""
        names = self.asset_ids.tolist()
        is_whole = self.asset_type.endswith(("INT", "INTEGER"))
        return tuple(int(name) for name in names) if is_whole else tuple(names)

    @cached_property
    def elapsed_days(self) -> NDArray[np.float64]:
        """The time from each bar's predecessor to it, in days; 0 at the first."""
        per_day = 86_400 * (10**9 if self.timestamp_type == "TIMESTAMP_NS" else 10**6)
        return np.diff(self.timestamps, prepend=self.timestamps[:1]) / per_day

    def time(self, t: int) -> str:
        """Return a bar's time as text (UTC where bars have a zone and the run names none)."""
        if self.offsets is not None:
            return self.moment(t).isoformat()
        if self.timestamp_type == "DATE":
            return str(self.sessions[t].astype("datetime64[D]"))
        unit = "ns" if self.timestamp_type == "TIMESTAMP_NS" else "us"
        text = str(self.timestamps[t].astype(f"datetime64[{unit}]"))
        return text.rstrip("0").rstrip(".")

    def moment(self, t: int) -> datetime:
        """Return a bar's time: midnight of a date, with a zone where bars have one, no nanoseconds.

        The zone is UTC or the offset of the run's zone at that bar: with the zone itself Python
        would take the two hours of one name in autumn for one, and a day with 23 hours for 24.
        """
        ticks = self.timestamps.item(t)
        if self.timestamp_type == "TIMESTAMP_NS":
            ticks //= 1_000
        moment = EPOCH + timedelta(microseconds=ticks)
        if "ZONE" not in self.timestamp_type:
            return moment
        moment = moment.replace(tzinfo=UTC)
        if self.offsets is None:
            return moment
        return moment.astimezone(timezone(timedelta(seconds=self.offsets.item(t))))
