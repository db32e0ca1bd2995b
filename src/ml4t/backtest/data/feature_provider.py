"""Feature providers: what is known of an asset, or of the market, at a time.

`PrecomputedFeatureProvider` answers from a frame that it shares with the catalog, so that
strategy, rules and hand-written loops see the same values. `CallableFeatureProvider` asks a
function of the user's, once for each (asset, timestamp).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from numbers import Real
from typing import Any, NoReturn

import numpy as np

from ml4t.backtest.core.identity import state_identity
from ml4t.backtest.core.values import Value, is_missing
from ml4t.backtest.data.asof.lookup import Clock, Lookup, read_known
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sources.attaching import attach
from ml4t.backtest.data.sources.schema import KEYS
from ml4t.backtest.data.sources.source import Source, scannable
from ml4t.backtest.data.sql_files import quote, rows_of, schema_of
from ml4t.backtest.errors import ConfigError, DataError, as_float, did_you_mean

FeatureValues = dict[str, Value]
# Timestamps whose values a provider remembers: the one at hand and the one before it.
N_REMEMBERED = 2
MARKET_ROW = "market"


class FeatureProvider(ABC):
    """Answers what is known of an asset, or of the market, at a time."""

    @abstractmethod
    def get_features(self, asset_id: object, timestamp: datetime) -> FeatureValues:
        """Return an asset's own values known at a time; what is missing has no key."""

    @abstractmethod
    def get_market_features(self, timestamp: datetime) -> FeatureValues:
        """Return the market-wide values known at a time; what is missing has no key."""


@dataclass(slots=True)
class ComputedFeatures:
    """Values in the order in which they were computed, as columns; what was missing has no row.

    Attributes
    ----------
    asset_ids : list
        None where a value is market-wide.
    timestamps : list of datetime
    names : list of str
    values : list of float or str
    """

    asset_ids: list[object] = field(default_factory=list)
    timestamps: list[datetime] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)

    def add(self, asset_id: object, timestamp: datetime, values: FeatureValues) -> None:
        """Append the values of one (asset, timestamp)."""
        self.asset_ids += [asset_id] * len(values)
        self.timestamps += [timestamp] * len(values)
        self.names += values
        self.values += values.values()

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[tuple[object, datetime, str, Value]]:
        return zip(self.asset_ids, self.timestamps, self.names, self.values, strict=True)


class PrecomputedFeatureProvider(FeatureProvider):
    """Features from a frame, as the catalog knows them.

    Rows whose asset is NULL are market-wide. A row counts from its timestamp on, or from its
    ``available_at`` where the frame has that column, until a later one takes its place: the same
    values that a run's ``signals`` and ``market`` show. NULL and NaN are missing and have no key.
    The frame is read when it is first needed.

    Parameters
    ----------
    features_df
        A Polars frame (eager or lazy), a pandas frame, an Arrow table, a dict of columns, a path
        to Parquet, or anything else that a catalog registers.
    timestamp_col, asset_col : str
        Its key columns.
    fill_value : float or str, optional
        Stands in for what is missing in a row of the frame, so that each answer has every column,
        as in earlier versions: a zero ATR is a stop at the entry price. It is for
        `get_features` and `get_market_features`; in a run what is missing stays missing. Before
        an asset's first row the answer is empty.

    Raises
    ------
    DataError
        When the frame is read: a column is missing, or has no usable type, or two rows have one
        key.

    Examples
    --------
    >>> from datetime import datetime
    >>> from ml4t.backtest.data.feature_provider import PrecomputedFeatureProvider
    >>> day = datetime(2024, 1, 2)
    >>> provider = PrecomputedFeatureProvider({
    ...     "timestamp": [day, day], "asset_id": ["AAPL", None],
    ...     "atr": [2.5, None], "vix": [None, 18.5],
    ... })
    >>> provider.get_features("AAPL", day), provider.get_market_features(datetime(2024, 1, 5))
    ({'atr': 2.5}, {'vix': 18.5})
    """

    def __init__(
        self,
        features_df: object,
        timestamp_col: str = "timestamp",
        asset_col: str = "asset_id",
        fill_value: float | str | None = None,
    ) -> None:
        if features_df is None:
            raise ConfigError("features_df must be a frame or a path, was None")
        for label, name in (("timestamp_col", timestamp_col), ("asset_col", asset_col)):
            if not isinstance(name, str) or not name:
                raise ConfigError(f"{label} must be the name of a column, was {name!r}")
        is_value = isinstance(fill_value, str) or as_float(fill_value) == as_float(fill_value)
        if fill_value is not None and not is_value:
            raise ConfigError(f"fill_value must be a number or a text, was {fill_value!r}")
        self._given = features_df
        self._named = (timestamp_col, asset_col)
        self._fill_value = fill_value

    @cached_property
    def features_df(self) -> object:
        """The frame as it was given; a path, a lazy frame or a dict as a Polars frame."""
        if not hasattr(self._given, "collect") and (
            hasattr(self._given, "columns") or hasattr(self._given, "column_names")
        ):
            return self._given
        import polars as pl

        if isinstance(self._given, pl.LazyFrame):
            return self._given.collect()
        database, _ = self._attached(scannable("features", self._given))
        return pl.from_arrow(database.arrow(rows_of('raw."features"')))

    @cached_property
    def source(self) -> object:
        """What a catalog registers as ``features``: a path, SQL, or an Arrow table."""
        given = scannable("features", self._given)
        if self._named == KEYS:
            return given
        database, found = self._attached(given)
        items = []
        for name, ours in zip(self._named, KEYS, strict=True):
            if name not in found:
                raise DataError(
                    "features", "columns", f"has no column '{name}'{did_you_mean(name, found)}"
                )
            if name != ours and ours in (key.lower() for key in found):
                raise DataError(
                    "features", "columns", f"has '{name}' for a key, and a column '{ours}' as "
                    "well; rename that one",
                )  # fmt: skip
            items.append(f"{quote(name)} as {ours}")
        items += [quote(name) for name in found if name not in self._named]
        return database.arrow(rows_of('raw."features"', ", ".join(items)))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the features, without the keys."""
        _, found = self._attached(self.source)
        return tuple(name for name in found if name.lower() not in (*KEYS, "available_at"))

    @staticmethod
    def _attached(given: object) -> tuple[Database, dict[str, str]]:
        database = Database()
        database.execute(schema_of("raw"))
        return database, attach(
            Source(role="features", name="features", given=given), database
        ).columns

    @cached_property
    def _known(self) -> tuple[Lookup | None, Lookup | None, Clock]:
        return read_known(self.source)

    @cached_property
    def _filled(self) -> FeatureValues:
        return dict.fromkeys(self.columns, self._fill_value)

    def get_features(self, asset_id: object, timestamp: datetime) -> FeatureValues:
        """Return an asset's own values known at a time.

        Parameters
        ----------
        asset_id : str or int
        timestamp : datetime
            UTC where the frame has a zone; a date is its midnight.

        Returns
        -------
        dict
            Numbers and flags as float, text as str; empty before the asset's first row.

        Raises
        ------
        ConfigError
            `timestamp` is no time, or one of it and the frame has a zone and the other has none.
        """
        per_asset, _, clock = self._known
        return self._answer(per_asset, str(asset_id), clock.tick(timestamp))

    def get_market_features(self, timestamp: datetime) -> FeatureValues:
        """Return the market-wide values known at a time; see `get_features`."""
        _, market, clock = self._known
        return self._answer(market, MARKET_ROW, clock.tick(timestamp))

    def _answer(self, lookup: Lookup | None, key: str, tick: int) -> FeatureValues:
        known = None if lookup is None else lookup.at(key, tick)
        if known is None:
            return {}
        return known if self._fill_value is None else self._filled | known

    def __repr__(self) -> str:
        return f"{type(self).__name__}({type(self._given).__name__})"


class CallableFeatureProvider(FeatureProvider):
    """Features that functions compute, each (asset, timestamp) once.

    The values of the newest timestamps are remembered, so that nothing grows with the length of a
    run; whoever goes back in time has them computed again.

    Parameters
    ----------
    compute_fn : callable
        ``compute_fn(asset_id, timestamp) -> mapping`` of name to number, text or None.
    compute_market_fn : callable, optional
        ``compute_market_fn(timestamp) -> mapping``, market-wide; nothing where it is not given.

    Raises
    ------
    ConfigError
        A function is not callable.
    DataError
        When asked: a function returned something else. What a function itself raises is raised
        on, with a note that names function, asset and timestamp.

    Examples
    --------
    >>> from datetime import datetime
    >>> from ml4t.backtest.data.feature_provider import CallableFeatureProvider
    >>> provider = CallableFeatureProvider(lambda asset, timestamp: {"n_letters": len(asset)})
    >>> provider.get_features("AAPL", datetime(2024, 1, 2))
    {'n_letters': 4.0}
    """

    def __init__(
        self,
        compute_fn: Callable[[Any, datetime], Mapping[str, Value]],
        compute_market_fn: Callable[[datetime], Mapping[str, Value]] | None = None,
    ) -> None:
        if not callable(compute_fn):
            raise ConfigError(f"compute_fn must be callable, was {compute_fn!r}")
        if compute_market_fn is not None and not callable(compute_market_fn):
            raise ConfigError(f"compute_market_fn must be callable, was {compute_market_fn!r}")
        self._compute, self._compute_market = compute_fn, compute_market_fn
        self._remembered: dict[datetime, dict[tuple[object, ...], FeatureValues]] = {}
        self._computed: ComputedFeatures | None = None
        self._names: set[str] = set()

    # -- a run ------------------------------------------------------------------------

    @property
    def names(self) -> frozenset[str]:
        """Every name that the functions have returned so far, missing values included."""
        return frozenset(self._names)

    def begin(self) -> None:
        """Start afresh: forget what was computed, and record from now on."""
        self._remembered, self._computed = {}, ComputedFeatures()

    def computed(self) -> ComputedFeatures:
        """Return what was computed since the last call, or since `begin`; empty outside a run."""
        found = self._computed
        if found is None:
            return ComputedFeatures()
        self._computed = ComputedFeatures()
        return found

    def end(self) -> None:
        """Stop recording, and forget what was computed."""
        self._remembered, self._computed = {}, None

    # -- values -----------------------------------------------------------------------

    def get_features(self, asset_id: object, timestamp: datetime) -> FeatureValues:
        """Return an asset's own values at a time, computed when first asked for."""
        return self._values(self._compute, timestamp, asset_id)

    def get_market_features(self, timestamp: datetime) -> FeatureValues:
        """Return the market-wide values at a time, computed when first asked for."""
        if self._compute_market is None:
            return {}
        return self._values(self._compute_market, timestamp)

    def _values(
        self, function: Callable[..., object], timestamp: datetime, *asset: object
    ) -> FeatureValues:
        """Return what is remembered of one asset, or of the market where none is named."""
        at = self._remembered.get(timestamp)
        if at is None:
            at = self._remembered[timestamp] = {}
            if len(self._remembered) > N_REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
        values = at.get(asset)
        if values is None:
            found = _compute(function, timestamp, *asset)
            self._names.update(found)
            # A missing value has no key.
            values = at[asset] = {
                name: value for name, value in found.items() if not is_missing(value)
            }
            if self._computed is not None:
                self._computed.add(asset[0] if asset else None, timestamp, values)
        return dict(values)

    @property
    def with_code(self) -> str:
        """The provider as text, with a hash of what its functions do: the same in every process."""
        return f"{self!r}#{state_identity(self._compute, self._compute_market)}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_name_of(self._compute)})"


def _compute(function: Callable[..., object], timestamp: datetime, *asset: object) -> FeatureValues:
    """Call a function and return its values, numbers as float."""
    where = f"for asset {asset[0]!r} at {timestamp}" if asset else f"at {timestamp}"
    name = _name_of(function)
    try:
        found = function(*asset, timestamp)
    except Exception as error:
        error.add_note(f"raised by the feature function {name} {where}")
        raise
    if not isinstance(found, Mapping):
        _refuse(name, f"returned {found!r} {where}; it must return a mapping of name to value")
    values = {}
    for key, value in found.items():
        if not isinstance(key, str):
            _refuse(name, f"returned the name {key!r} {where}; a name must be text")
        plain = _plain(value)
        if plain is not None and not isinstance(plain, (float, str)):
            must = "a value must be a number, text or None"
            _refuse(name, f"returned {key}={value!r} {where}; {must}")
        values[key] = plain
    return values


def _plain(value: object) -> object:
    """Return a number or a flag as float, all else as it is."""
    if isinstance(value, np.generic):
        value = value.item()
    return float(value) if isinstance(value, (Real, Decimal)) else value


def _name_of(function: Callable[..., object]) -> str:
    return getattr(function, "__qualname__", type(function).__name__)


def _refuse(name: str, message: str) -> NoReturn:
    raise DataError(name, "types", message)
