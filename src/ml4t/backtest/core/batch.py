"""Batch: one timestamp as the loop sees it. Chunk: consecutive timestamps, read together.

Assets and timestamps are small integers here: `sid` counts assets in the order of
``asset_id``, `t` counts bars from 0. A chunk is dense, ``[bars, assets]``, NaN where an
asset has no bar, so that the loop reads any held asset by plain indexing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.selecting import Counted, QueryKind
from ml4t.backtest.core.values import Columns, Value
from ml4t.backtest.errors import ConfigError, SignalError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The ranked candidates of one decision bar, best first.

    Attributes
    ----------
    sids : int array
    scores, weights : float array
        Weights are fractions of equity, NaN where amounts say what is wanted.
    kind : {"weight", "quantity", "signal"}
        What is said of each asset.
    amounts : float array or None
        Shares (positive = long), or signals (above 0 enters, below 0 leaves); None for weights.
    shortage : tuple of Counted
        At the first of some bars that had less to choose from than was asked for: how often each
        thing that lets a row be ranked was true at them.
    """

    sids: Ints
    scores: Floats
    weights: Floats
    kind: QueryKind = "weight"
    amounts: Floats | None = None
    shortage: tuple[Counted, ...] = ()

    def where(self, chosen: NDArray[np.bool_]) -> Selection:
        """Return the candidates that a mask keeps."""
        return Selection(
            sids=self.sids[chosen],
            scores=self.scores[chosen],
            weights=self.weights[chosen],
            kind=self.kind,
            amounts=None if self.amounts is None else self.amounts[chosen],
            shortage=self.shortage,
        )

    def alone(self) -> Selection:
        """Return the same with arrays of its own, behind which no other bar stands."""
        return replace(
            self,
            sids=alone(self.sids),
            scores=alone(self.scores),
            weights=alone(self.weights),
            amounts=None if self.amounts is None else alone(self.amounts),
        )


@dataclass(frozen=True, slots=True, kw_only=True)  # what fills at this close is read after `decide`
class Batch:
    """Everything known at the close of bar `t`; arrays are indexed by `sid`.

    Attributes
    ----------
    t : int
    open, high, low, close : float array
        NaN where the asset has no bar at `t`; `open`, `high` and `low` also where the bar has no
        volume, since nothing can trade there. `high` and `low` are None when nobody reads them;
        `open` is all NaN of prices that have none.
    features : mapping of str to float array
        As-of values that rules, limits, cost models or the strategy asked for, NaN where missing;
        columns of prices (``volume``, ``vwap``, ``limit_up``) are this bar's own.
    selection : Selection or None
        None when `t` is no decision bar.
    lending : mapping of str to float array
        ``fee`` and ``available`` (1 or 0) where lenders said so since the bar before, NaN where
        they did not; also of assets without a bar. Empty where nobody asks.
    more : BarReader or None
        Reads any other column of this bar; None for a bar made by hand.
    traded_close : float array or None
        Of prices without opens: the closes of bars with volume.
    """

    t: int
    open: Floats
    high: Floats | None
    low: Floats | None
    close: Floats
    features: Mapping[str, Floats]
    selection: Selection | None
    lending: Mapping[str, Floats] = field(default_factory=dict)
    more: BarReader | None = None
    traded_close: Floats | None = None

    @property
    def traded(self) -> Floats:
        """A price of what traded in the bar, NaN of all else: says whether, not at which price."""
        return self.open if self.traded_close is None else self.traded_close

    def alone(self) -> Batch:
        """Return the same as others than the engine are handed it: with arrays of its own.

        Those of a chunk are rows of all its bars: behind each stand the bars to come.
        """
        own = object.__new__(BatchAlone)
        object.__setattr__(own, "_of", self)
        return own


class BatchAlone(Batch):
    """A bar that copies an array of another when it is first asked for it."""

    __slots__ = ("_of",)
    _of: Batch

    def __getattr__(self, name: str) -> Any:
        """Take a field over that nobody has asked for: a slot without a value is no attribute."""
        if name not in Batch.__slots__:
            raise AttributeError(f"a Batch has no attribute {name!r}")
        value = getattr(self._of, name)
        if isinstance(value, (np.ndarray, Selection)):
            value = alone(value) if isinstance(value, np.ndarray) else value.alone()
        elif isinstance(value, Features):
            value = Features((key, alone(each)) for key, each in value.items())
        elif isinstance(value, dict):
            value = {key: alone(each) for key, each in value.items()}
        object.__setattr__(self, name, value)
        return value


def alone(values: NDArray[Any]) -> NDArray[Any]:
    """Return a copy that can only be read; what is computed where it is read stays as it is."""
    if not isinstance(values, np.ndarray):
        return values
    own = values.copy()
    own.setflags(write=False)
    return own


class Features(dict[str, Floats]):
    """The features of one bar by name; one that nobody declared is an error that says so.

    Read only: rules, limits and cost models of the same bar read them after the strategy.
    """

    __slots__ = ()

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise ConfigError(
            "the features of a bar cannot be written, they are read only; "
            "call dict(batch.features) for a copy of your own"
        )

    __setitem__ = __delitem__ = __ior__ = _refuse
    update = pop = popitem = setdefault = clear = _refuse

    def __reduce__(self) -> tuple[type[Features], tuple[dict[str, Floats]]]:
        return Features, (dict(self),)  # a copy would be put together by writing

    def __missing__(self, name: str) -> Floats:
        raise SignalError.undeclared(name, self)


class BarReader:
    """Reads what a batch does not hold, of its own bar alone.

    Parameters
    ----------
    chunk : Chunk
    row : int
        The bar's place in it.
    """

    __slots__ = ("_chunk", "_row")

    def __init__(self, chunk: Chunk, row: int) -> None:
        self._chunk, self._row = chunk, row

    @property
    def signal_names(self) -> Collection[str]:
        """The columns of ``signals``."""
        return self._chunk.signals.names

    @property
    def market_names(self) -> Collection[str]:
        """The columns of ``market``."""
        return self._chunk.market.names

    def signal(self, name: str) -> NDArray[Any]:
        """Return a column of ``signals`` at this bar, by `sid`."""
        return alone(self._chunk.signals.at(name, self._row))

    def market(self, name: str) -> Value:
        """Return the value of a column of ``market`` at this bar."""
        return self._chunk.market.at(name, self._row)

    @property
    def computed(self) -> Callable[[int], Mapping[str, Value]] | None:
        """Returns more values of an asset, by `sid`; None: nothing computes."""
        of = self._chunk.computed
        return None if of is None else partial(of, self._chunk.first_t + self._row)

    @property
    def market_computed(self) -> Callable[[int], Mapping[str, Value]] | None:
        """Returns more market-wide values, whatever it is given; None: nothing computes."""
        of, t = self._chunk.market_computed, self._chunk.first_t + self._row
        return None if of is None else lambda _: of(t)


class Considered(NamedTuple):
    """What a strategy that chooses in SQL has read at decision bars.

    Attributes
    ----------
    ts : int array
        The bars, ascending.
    columns : mapping of str to array
        ``[len(ts), assets]``: numbers NaN, texts None where missing.
    """

    ts: Ints
    columns: Mapping[str, NDArray[Any]]


NOTHING_CONSIDERED = Considered(ts=np.empty(0, dtype=np.int64), columns={})


def _nothing_more() -> Columns:
    return Columns.of({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Bars ``first_t .. first_t + n_bars - 1`` for all assets; bounded in memory.

    Attributes
    ----------
    first_t : int
    prices : mapping of str to float array
        ``[bars, assets]``, as the broker sees them.
    features : mapping of str to float array
        ``[bars, assets]``, what was planned.
    selections : mapping of int to Selection
        By bar.
    lending : mapping of str to float array
        ``[bars, assets]``, what lenders said between two bars.
    signals : Columns
        Any column of ``signals``, ``[bars, assets]``: numbers NaN, others None where missing. One
        that was not planned is read when it is asked for, and from then on with every chunk.
    market : Columns
        Any column of ``market``, ``[bars]``, likewise.
    computed : callable or None
        ``computed(t, sid)`` returns more values of one asset at one bar.
    market_computed : callable or None
        ``market_computed(t)`` returns more market-wide values of one bar.
    traded_close : float array or None
        ``[bars, assets]``, of prices without opens: the closes of bars with volume.
    volume : float array or None
        ``[bars, assets]``, shares that all traded; None: it was not read beside the others.
    considered : Considered
        Of the decision bars of the chunk, and of others.
    """

    first_t: int
    prices: Mapping[str, Floats]
    features: Mapping[str, Floats]
    selections: Mapping[int, Selection]
    lending: Mapping[str, Floats] = field(default_factory=dict)
    signals: Columns = field(default_factory=_nothing_more)
    market: Columns = field(default_factory=_nothing_more)
    computed: Callable[[int, int], Mapping[str, Value]] | None = None
    market_computed: Callable[[int], Mapping[str, Value]] | None = None
    traded_close: Floats | None = None
    volume: Floats | None = None
    considered: Considered = NOTHING_CONSIDERED

    def __post_init__(self) -> None:
        # Who sees a bar must not change what fills at the next.
        for array in (*self.prices.values(), *self.features.values(), *self.lending.values()):
            if isinstance(array, np.ndarray):
                array.setflags(write=False)

    @property
    def n_bars(self) -> int:
        """How many bars there are."""
        return len(self.prices["close"])

    def part(self, first: int, stop: int) -> Chunk:
        """Return the bars from one place up to another; `considered` is that of all."""

        def some(columns: Mapping[str, Floats]) -> dict[str, Floats]:
            return {name: values[first:stop] for name, values in columns.items()}

        def read(columns: Columns) -> Columns:
            part = Columns(columns.names, lambda name: columns[name][first:stop])
            part.update({name: values[first:stop] for name, values in columns.items()})
            return part

        bars = range(self.first_t + first, self.first_t + stop)
        return replace(
            self,
            first_t=bars.start,
            prices=some(self.prices),
            features=some(self.features),
            selections={t: one for t, one in self.selections.items() if t in bars},
            lending=some(self.lending),
            signals=read(self.signals),
            market=read(self.market),
            traded_close=None if self.traded_close is None else self.traded_close[first:stop],
            volume=None if self.volume is None else self.volume[first:stop],
        )

    def is_read(self, feature: str) -> bool:
        """Whether a feature is an array, and not computed where somebody asks for it."""
        return isinstance(self.features[feature], np.ndarray)

    def held(self, column: Floats, row: int, n_bars: int, sids: Ints) -> Floats:
        """Return a column of some bars at some assets, ``[bars, sids]``, row after row in memory.

        A sum over a row is that over the same values of one bar, to the last bit.
        """
        return column[row : row + n_bars].take(sids, axis=1)

    def batch_of(
        self, rows: Ints, sids: Ints, features: Sequence[str], *, has_range: bool
    ) -> Batch:
        """Return what is asked for of some assets, each at a bar of its own; of all others NaN.

        Parameters
        ----------
        features : sequence of str
            Those that the batch has.
        has_range : bool
            It has highs and lows, where the chunk has them; no other prices.
        """

        def of(column: Floats) -> Floats:
            own = np.full(column.shape[1], np.nan)
            own[sids] = column[rows, sids]
            return own

        highs, lows = (self.prices.get(name) if has_range else None for name in ("high", "low"))
        missing = np.full(self.prices["close"].shape[1], np.nan)
        return Batch(
            t=self.first_t + int(rows[0]),
            open=missing,
            high=None if highs is None else of(highs),
            low=None if lows is None else of(lows),
            close=missing,
            features=Features((name, of(self.features[name])) for name in features),
            selection=None,
        )

    def opens_at(self, rows: Ints, sids: Ints) -> Floats:
        """Return the opens of some assets, each at a bar of its own."""
        if self.traded_close is not None:
            return np.full(len(sids), np.nan)
        return self.prices["open"][rows, sids]

    def batches(self) -> Iterator[Batch]:
        """Yield one `Batch` per bar, in time order."""
        return map(self.batch, range(self.n_bars))

    def batch(self, row: int) -> Batch:
        """Return the bar at a place; its arrays are views that can only be read."""
        prices, traded, t = self.prices, self.traded_close, self.first_t + row
        highs, lows = prices.get("high"), prices.get("low")
        close = prices["close"][row]
        return Batch(
            t=t,
            open=prices["open"][row] if traded is None else np.broadcast_to(np.nan, close.shape),
            high=None if highs is None else highs[row],
            low=None if lows is None else lows[row],
            close=close,
            features=Features((name, values[row]) for name, values in self.features.items()),
            selection=self.selections.get(t),
            lending={name: values[row] for name, values in self.lending.items()},
            more=BarReader(self, row),
            traded_close=None if traded is None else traded[row],
        )
