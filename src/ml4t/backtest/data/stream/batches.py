"""Batches: the ordered stream of chunks, bounded in memory, read one ahead of the loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from ml4t.backtest.core.batch import Chunk
from ml4t.backtest.core.computing import Computing
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.selection.conditions import plan_conditions
from ml4t.backtest.data.selection.selecting import SelectionPlan
from ml4t.backtest.data.sources.schema import without_keys
from ml4t.backtest.data.spilled import STRETCH_CELLS
from ml4t.backtest.data.stream.feature_columns import find_feature_columns
from ml4t.backtest.data.stream.period import Period, find_period
from ml4t.backtest.data.stream.reader import BatchPlan, Reader
from ml4t.backtest.errors import ConfigError

EMPTY_TYPE = '"NULL"'
# Cells per dense array: 2 MB a column, whatever the length of the run. A chunk of a run from the
# first bar is a stretch of what is in a file.
CHUNK_CELLS = STRETCH_CELLS
# Where rows become events the loop is the slower side: small parts of a short run are read while
# the one before is walked, and fewer arrays stand at a time.
EVENT_CELLS, EVENT_PARTS = 1 << 15, 4


def plan_batches(
    prepared: Prepared,
    *,
    has_levels: bool,
    features: tuple[str, ...],
    has_rules: bool = False,
    holds_range: bool = False,
    own_features: tuple[str, ...] = (),
    optional_features: tuple[str, ...] = (),
    conditions: tuple[str, ...] = (),
    likely: frozenset[str] = frozenset(),
    has_events: bool = False,
    has_shorts: bool = False,
    computable: tuple[str, ...] = (),
    why_open: str = "",
    context: frozenset[str] = frozenset(),
) -> BatchPlan:
    """Decide which columns the loop needs, and refuse what is not there.

    Parameters
    ----------
    has_levels : bool
        Levels or resting orders act inside the bar, so that it needs a high and a low.
    features : tuple of str
        Columns of ``signals`` or ``market`` that somebody reads; of one that is in both the name
        says the view, as ``market.x``.
    has_rules : bool
        Highs and lows are followed, where there are any: by water marks, say.
    holds_range : bool
        Fills take no price outside the bar's range, so that it needs a high and a low.
    own_features : tuple of str
        Columns of ``signals`` that the engine itself reads, whatever is in ``market``. With a
        universe, ``is_member`` may be one of them.
    optional_features : tuple of str
        The same, left out where no source has them.
    conditions : tuple of str
        Boolean SQL over the columns of ``signals`` and ``market``.
    likely : frozenset of str
        Words among which are columns of ``signals`` that will be asked for on the way; those that
        are none say nothing.
    has_events : bool
        Rows become events.
    has_shorts : bool
        Shares may be borrowed, so that it needs what a ``borrow`` source says.
    computable : tuple of str
        Those of the features of which a provider is asked where no source has them.
    why_open : str
        What needs an open, and how to do without it; empty where nothing does.
    context : frozenset of str
        Columns of ``market`` to deliver beside those of the features.

    Raises
    ------
    ConfigError
        A feature is unknown, in both views or no number, or a price column is missing.
    ExpressionError
        A condition is no boolean expression over one row, or looks ahead.
    """
    has_open = "open" in prepared.price_columns
    if why_open and not has_open:
        raise ConfigError(f"source 'prices' has no column 'open', and {why_open}")
    needed = ["open", "close"] if has_open else ["close"]
    needed += ["high", "low"] if has_levels or holds_range else []
    why_range = "levels act inside the bar" if has_levels else "within_range=True holds fills to it"
    for name in needed:
        if name not in prepared.price_columns:
            raise ConfigError(
                f"source 'prices' has no column '{name}', and {why_range}; add the column"
            )
    if has_rules and "high" not in needed:
        needed += [name for name in ("high", "low") if name in prepared.price_columns]
    readable = without_keys({**prepared.market_columns, **prepared.signal_columns})
    # A column of a frame that holds no value at all has no type either.
    present = [name for name in optional_features if readable.get(name, EMPTY_TYPE) != EMPTY_TYPE]
    own = (*own_features, *present)
    places = find_feature_columns(features, prepared, own=own, computable=computable)
    return BatchPlan(
        price_columns=tuple(needed),
        features=places,
        computed=tuple(name for name in dict.fromkeys(computable) if name not in places),
        conditions=plan_conditions(conditions, prepared),
        has_events=has_events,
        has_shorts=has_shorts,
        context=context,
        likely=likely.intersection(without_keys(prepared.signal_columns)),
    )


def batches(
    plan: BatchPlan,
    ranking: SelectionPlan | None,
    prepared: Prepared,
    *,
    period: Period | None = None,
    chunk_cells: int | None = None,
    computing: Computing | None = None,
) -> Chunks:
    """Return the run's chunks in time order; the next one is read while the loop works.

    Parameters
    ----------
    ranking : SelectionPlan or None
        None: no bar has a selection.
    period : Period, optional
        All bars of the sources by default.
    chunk_cells : int, optional
        Upper bound of bars times assets in a chunk (one bar at least); as the plan needs by
        default.
    computing : Computing, optional
        Has what no source has.
    """
    if period is None:
        period = find_period(None, None, prepared)
    bars_per_chunk = bars_of_chunk(plan, prepared, period, chunk_cells)
    starts = range(period.first_t, period.last_t + 1, bars_per_chunk)
    # A session of its own: the caller goes on with the other.
    database = prepared.database.cursor()
    # DuckDB and NumPy release the interpreter, so that reading and the loop share two cores. The
    # first chunk is begun now, not when it is asked for.
    thread = ThreadPoolExecutor(max_workers=1)
    opened = thread.submit(
        Reader, plan, ranking, prepared, period, bars_per_chunk, database, thread, computing
    )
    return Chunks(thread, lambda first_t: opened.result().load(first_t), starts)


def bars_of_chunk(
    plan: BatchPlan, prepared: Prepared, period: Period, cells: int | None = None
) -> int:
    """Return how many bars a chunk has; `cells`: bars times assets, as the plan needs if None."""
    if cells is None:
        cells = CHUNK_CELLS
        if plan.has_events:
            part = period.n_bars * prepared.n_assets // EVENT_PARTS
            cells = min(max(part, EVENT_CELLS), CHUNK_CELLS)
    return max(1, cells // max(prepared.n_assets, 1))


class Chunks:
    """The chunks of a run, read once, one ahead of what walks them.

    As a context it ends the thread that reads, however the walk ends: an error that somebody keeps
    would keep the thread too.
    """

    def __init__(
        self, thread: ThreadPoolExecutor, load: Callable[[int], Chunk], starts: range
    ) -> None:
        self._thread, self._load, self._starts = thread, load, starts
        self._first = thread.submit(load, starts[0]) if starts else None

    def __enter__(self) -> Chunks:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    def __iter__(self) -> Iterator[Chunk]:
        """Yield the chunks in time order."""
        # A chunk is let go of once it is walked: all of a column may stand behind it.
        following, self._first, starts = self._first, None, self._starts
        with self:
            for start in starts:
                assert following is not None
                chunk = following.result()
                following = (
                    self._thread.submit(self._load, start + starts.step)
                    if start + starts.step < starts.stop
                    else None
                )
                yield chunk


def reported(
    chunks: Iterable[Chunk], n_bars: int, progress: Callable[[int, int], None] | None
) -> Iterator[Chunk]:
    """Hand on chunks, and tell of each how many of the bars are done."""
    for chunk in chunks:
        yield chunk
        if progress is not None:
            progress(chunk.first_t + len(chunk.prices["close"]), n_bars)
