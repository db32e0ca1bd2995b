"""Batches: the ordered stream of chunks, bounded in memory, read one ahead of the loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ml4t.backtest.core.batch import Chunk, Floats
from ml4t.backtest.data.asof import Known
from ml4t.backtest.data.catalog import Prepared
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.known_at import at_bars
from ml4t.backtest.data.queries import columns, read, render
from ml4t.backtest.data.ranking import RankingPlan, rank
from ml4t.backtest.errors import ConfigError, did_you_mean

# Cells per dense array: 4 MB a column, whatever the length of the run.
CHUNK_CELLS = 1 << 19


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlan:
    """What the loop reads at every bar.

    Attributes
    ----------
    price_columns : tuple of str
        ``open`` and ``close``, and ``high`` and ``low`` where levels act inside the bar.
    features : tuple of str
        Columns of ``signals`` that the risk rules read.
    """

    price_columns: tuple[str, ...]
    features: tuple[str, ...]


def plan_batches(prepared: Prepared, *, has_levels: bool, features: tuple[str, ...]) -> BatchPlan:
    """Decide which columns the loop needs, and refuse what is not there.

    Raises
    ------
    ConfigError
        A rule reads an unknown feature, or a price column that is needed is missing.
    """
    needed = ("open", "high", "low", "close") if has_levels else ("open", "close")
    for name in needed:
        if name not in prepared.price_columns:
            why = "orders fill at the next open" if name == "open" else "levels act inside the bar"
            raise ConfigError(f"source 'prices' has no column '{name}', and {why}; add the column")
    for name in features:
        if name not in prepared.signal_columns:
            raise ConfigError(
                f"a risk rule reads feature '{name}', which signals do not have"
                f"{did_you_mean(name, prepared.signal_columns)}"
            )
    return BatchPlan(price_columns=needed, features=features)


def batches(
    plan: BatchPlan, ranking: RankingPlan, prepared: Prepared, *, chunk_cells: int = CHUNK_CELLS
) -> Iterator[Chunk]:
    """Yield the run's chunks in time order; the next one is read while the loop works.

    Parameters
    ----------
    chunk_cells : int
        Upper bound of bars times assets in a chunk (one bar at least).
    """
    database = prepared.database.cursor()
    database.execute(read("signals/market_rows"))
    bars_per_chunk = max(1, chunk_cells // max(prepared.n_assets, 1))
    starts = range(0, prepared.n_bars, bars_per_chunk)

    def load(first_t: int) -> Chunk:
        last_t = min(first_t + bars_per_chunk, prepared.n_bars) - 1
        return _load(plan, ranking, prepared, database, first_t, last_t)

    yield from _one_ahead(load, starts)


def _one_ahead(load: Callable[[int], Chunk], starts: range) -> Iterator[Chunk]:
    # DuckDB and NumPy release the interpreter, so that reading and the loop share two cores.
    with ThreadPoolExecutor(max_workers=1) as reader:
        following = reader.submit(load, starts[0]) if starts else None
        for start in starts:
            assert following is not None
            chunk = following.result()
            following = (
                reader.submit(load, start + starts.step)
                if start + starts.step < starts.stop
                else None
            )
            yield chunk


def _load(
    plan: BatchPlan,
    ranking: RankingPlan,
    prepared: Prepared,
    database: Database,
    first_t: int,
    last_t: int,
) -> Chunk:
    selections = rank(ranking, database, first_t, last_t)
    shape = (last_t - first_t + 1, prepared.n_assets)
    known = [
        (source, tuple(name for name in source.columns if name in plan.features))
        for source in prepared.per_asset
    ]
    in_prices = [name for name in plan.features if name in prepared.price_columns]
    wanted = list(dict.fromkeys([*plan.price_columns, *in_prices]))
    first, last = (
        database.rows(f"select timestamp from stage.timeline where t = {t}")[0][0]
        for t in (first_t, last_t)
    )
    found = database.numpy(
        render("batches/prices", columns=columns(wanted, "prices")), {"first": first, "last": last}
    )
    arrays = _scatter(found, wanted, first_t, shape)
    features = {name: arrays[name] for name in in_prices}
    for source, names in known:
        if names:
            features |= _features(source, names, database, first_t, shape)
    return Chunk(
        first_t=first_t,
        prices={name: arrays[name] for name in plan.price_columns},
        features=features,
        selections=selections,
    )


def _features(
    source: Known, names: tuple[str, ...], database: Database, first_t: int, shape: tuple[int, int]
) -> dict[str, Floats]:
    parameters = {"first_t": first_t, "last_t": first_t + shape[0] - 1}
    database.execute(read("ranking/all_bars"), parameters)
    database.execute(render("ranking/bars", columns="", membership="true"))
    table = at_bars(source, names, "at_risk", database)
    items = ", ".join(f'"{name}"::double as "{name}"' for name in names)
    found = database.numpy(render("batches/features", target=f"temp.{table}", columns=items))
    return _scatter(found, list(names), first_t, shape)


def _scatter(
    found: dict[str, np.ndarray], names: list[str], first_t: int, shape: tuple[int, int]
) -> dict[str, Floats]:
    """Write rows by (t, sid) into dense arrays, NaN where there is no row."""
    cell = (found["t"].astype(np.int64) - first_t) * shape[1] + found["sid"]
    arrays = {}
    for name in names:
        dense = np.full(shape[0] * shape[1], np.nan)
        dense[cell] = found[name]
        arrays[name] = dense.reshape(shape)
    return arrays
