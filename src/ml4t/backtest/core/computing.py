"""Computing: values that a provider computes when somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol, overload

import numpy as np

from ml4t.backtest.core.axes import Axes
from ml4t.backtest.core.batch import Floats, Ints
from ml4t.backtest.core.values import Value
from ml4t.backtest.errors import ConfigError, did_you_mean

# A computed value: bar and asset by number, its name, and what it is.
Placed = tuple[tuple[int, int] | None, str, Value]


class ComputesFeatures(Protocol):
    """What a run needs of a provider that computes."""

    @property
    def names(self) -> frozenset[str]:
        """Every name that it has returned so far, missing values included."""
        ...

    def get_features(self, asset_id: object, timestamp: datetime) -> Mapping[str, Value]:
        """Return an asset's own values, without the missing ones."""
        ...

    def get_market_features(self, timestamp: datetime) -> Mapping[str, Value]:
        """Return the market-wide values, without the missing ones."""
        ...

    def begin(self) -> None:
        """Start afresh, and record from now on."""
        ...

    def computed(self) -> Iterable[tuple[object, datetime, str, Value]]:
        """Return what was computed since: asset_id (None: market-wide), time, name, value."""
        ...

    def end(self) -> None:
        """Stop recording, and forget what was computed."""
        ...


class Computing:
    """A provider, asked in the numbers of a run.

    Parameters
    ----------
    provider : ComputesFeatures
    axes : Axes
    """

    def __init__(self, provider: ComputesFeatures, axes: Axes) -> None:
        self._provider, self._axes = provider, axes
        self._asset_ids = axes.ids
        self._sids = {asset_id: sid for sid, asset_id in enumerate(self._asset_ids)}
        self._bars: dict[datetime, int] | None = None

    @contextmanager
    def recorded(self, record: Callable[[Iterable[Placed]], None]) -> Iterator[None]:
        """Have the provider start afresh, and hand on what it computes in a run that ends well."""
        self._provider.begin()
        try:
            yield
            record(
                (self.place(asset_id, timestamp), name, value)
                for asset_id, timestamp, name, value in self._provider.computed()
            )
        finally:
            self._provider.end()

    def of(self, t: int, sid: int) -> Mapping[str, Value]:
        """Return an asset's own values at a bar."""
        return self._provider.get_features(self._asset_ids[sid], self._axes.moment(t))

    def market(self, t: int) -> Mapping[str, Value]:
        """Return the market-wide values at a bar."""
        return self._provider.get_market_features(self._axes.moment(t))

    def number(self, name: str, t: int, sid: int) -> float:
        """Return a value that a rule reads, NaN where missing.

        Raises
        ------
        ConfigError
            It is no number, or the provider has never returned the name.
        """
        value = self.of(t, sid).get(name)
        if value is None:
            value = self.market(t).get(name)
        if value is None:
            names = self._provider.names
            if name not in names:
                raise ConfigError(
                    f"no source has the feature '{name}', and the feature provider did not return "
                    f"it{did_you_mean(name, names)}"
                )
            return float("nan")
        if not isinstance(value, float):
            raise ConfigError(f"feature '{name}' is {value!r}, not a number")
        return value

    def place(self, asset_id: object, timestamp: datetime) -> tuple[int, int] | None:
        """Return bar and asset of a computed value by number, -1 for the market.

        None for what is no bar of the run: somebody asked the provider for it on the way.
        """
        if self._bars is None:
            n_bars = len(self._axes.timestamps)
            self._bars = {self._axes.moment(t): t for t in range(n_bars)}
        t = self._bars.get(timestamp)
        sid = -1 if asset_id is None else self._sids.get(asset_id)
        return None if t is None or sid is None else (t, sid)


class ComputedColumn:
    """A feature of a chunk that reads like an array, and is computed where it is read.

    Parameters
    ----------
    computing : Computing
    name : str
    first_t : int
        Bar of the first row.
    """

    def __init__(self, computing: Computing, name: str, first_t: int) -> None:
        self._computing, self._name, self._first_t = computing, name, first_t

    def __getitem__(self, row: int) -> ComputedRow:
        return ComputedRow(self._computing, self._name, self._first_t + row)


class ComputedRow:
    """A feature of one bar, by `sid`."""

    def __init__(self, computing: Computing, name: str, t: int) -> None:
        self._computing, self._name, self._t = computing, name, t

    @overload
    def __getitem__(self, sids: int) -> float: ...
    @overload
    def __getitem__(self, sids: Ints) -> Floats: ...
    def __getitem__(self, sids: int | Ints) -> float | Floats:
        if not isinstance(sids, np.ndarray):
            return self._computing.number(self._name, self._t, int(sids))
        values = [self._computing.number(self._name, self._t, sid) for sid in sids.tolist()]
        return np.array(values, dtype=np.float64)
