"""Conditions: boolean SQL over the columns of ``signals`` and ``market``, at every bar.

`plan_conditions` checks the texts before the run; `Conditions.hold` evaluates them for a chunk:
over the dense arrays that the reader has anyway where all columns per asset are numbers, over
joined rows where one is not. A NaN counts as missing, as everywhere in the loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.batch import Bools, Floats
from ml4t.backtest.core.values import PREVIOUS
from ml4t.backtest.data.asof.bar_tables import bars_at, every_bar
from ml4t.backtest.data.asof.memberships import IS_MEMBER
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.database import Database, EngineError, TempTable
from ml4t.backtest.data.selection.cross_section import cross_section, joined
from ml4t.backtest.data.sources.schema import KEYS, is_numeric
from ml4t.backtest.data.sql_files import join, join_numbers, quote, render
from ml4t.backtest.data.user_sql.expressions import analyse
from ml4t.backtest.data.user_sql.names import Names
from ml4t.backtest.errors import ExpressionError

# Arrays of a chunk, under the names by which the session reads them.
_CELLS, _EARLIER = "__cells", "__earlier"


class SqlCondition(NamedTuple):
    """A checked condition.

    Attributes
    ----------
    text : str
        As the user wrote it.
    columns : tuple of str
        Columns of ``signals`` that it reads, beyond the keys.
    keys : tuple of str
        ``timestamp`` and ``asset_id``, where it reads them.
    is_dense : bool
        Whether all its columns are numbers or flags.
    """

    text: str
    columns: tuple[str, ...]
    keys: tuple[str, ...]
    is_dense: bool


def plan_conditions(texts: Sequence[str], prepared: Prepared) -> tuple[SqlCondition, ...]:
    """Check every condition and find what it reads; a text given twice is one.

    Raises
    ------
    ExpressionError
        A text is no boolean expression over one row, names an unknown column or looks ahead.
    """
    if not texts:
        return ()
    kinds = _with_previous(prepared.signal_columns)
    names = Names(signals=kinds, market=set(prepared.market_columns) - {"timestamp"})
    planned = []
    for text in dict.fromkeys(texts):
        reads = sorted(analyse(text, names, prepared.database, one_row=True))
        try:
            query = render(
                "batches/condition_type",
                condition=text + "\n",
                previous="".join(
                    f", null::double as {quote(name)}"
                    for name in reads
                    if name.startswith(PREVIOUS)
                ),
            )
            kind = prepared.database.schema(query)["holds"]
        except EngineError as error:
            raise _failed(text, "cannot be used", error) from error
        if kind != "BOOLEAN":
            raise ExpressionError(text, f"is of type {kind}; a condition is true or false")
        columns = tuple(name for name in reads if name not in KEYS)
        planned.append(
            SqlCondition(
                text=text,
                columns=columns,
                keys=tuple(name for name in reads if name in KEYS),
                is_dense=all(is_numeric(kinds[name]) for name in columns),
            )
        )
    return tuple(planned)


class Conditions:
    """Evaluates a run's conditions chunk by chunk.

    Parameters
    ----------
    conditions : tuple of SqlCondition
    prepared : Prepared
    market : TempTable
        As `market_rows` makes it.
    database : Database
        Session of the reader.
    """

    def __init__(
        self,
        conditions: tuple[SqlCondition, ...],
        prepared: Prepared,
        market: TempTable,
        database: Database,
    ) -> None:
        self._dense = [condition for condition in conditions if condition.is_dense]
        self._others = [condition for condition in conditions if not condition.is_dense]
        self._prepared, self._database = prepared, database
        has_market = len(prepared.market_columns) > 1
        self._market_join = (
            join("inner", market, "market", "signals.t = market.t") if has_market else ""
        )

    def hold(self, arrays: Mapping[str, Floats], has_bar: Bools, first_t: int) -> dict[str, Floats]:
        """Return each condition's ``[bars, assets]``: 1 true, 0 false, NaN NULL or no bar.

        Parameters
        ----------
        arrays : mapping of str to float array
            Columns of ``signals`` by name, as far as they are numbers.
        has_bar : bool array
        first_t : int
            Bar of the first row.
        """
        holds: dict[str, Floats] = {}
        if self._dense:
            rows = self._cells(arrays, has_bar, first_t)
            holds |= self._evaluated(self._dense, rows, has_bar, first_t)
            self._database.unregister(_CELLS)
        if self._others:
            rows = self._joined(arrays, has_bar, first_t)
            holds |= self._evaluated(self._others, rows, has_bar, first_t)
            self._database.unregister(_EARLIER)
        return holds

    def _evaluated(
        self, conditions: list[SqlCondition], rows: str, has_bar: Bools, first_t: int
    ) -> dict[str, Floats]:
        texts = [f"({condition.text}\n)::double as __{i}" for i, condition in enumerate(conditions)]
        query = render(
            "batches/conditions",
            rows=rows,
            joins=self._market_join,
            conditions=", ".join(texts),
            is_any=" or ".join(f"__{i} is distinct from 0" for i in range(len(texts))),
        )
        try:
            found = self._database.numpy(query)
        except EngineError as error:
            spoken = "; ".join(condition.text for condition in conditions)
            raise _failed(spoken, "failed on the data", error) from error
        cells = (found["t"].astype(np.int64) - first_t) * has_bar.shape[1] + found["sid"]
        holds = {}
        for i, condition in enumerate(conditions):
            values = np.where(has_bar, 0.0, np.nan)
            values.reshape(-1)[cells] = found[f"__{i}"]
            holds[condition.text] = values
        return holds

    def _cells(self, arrays: Mapping[str, Floats], has_bar: Bools, first_t: int) -> str:
        """Register the arrays that are read, and return the query that makes rows of them."""
        names = list(dict.fromkeys(n for condition in self._dense for n in condition.columns))
        keys = {name for condition in self._dense for name in condition.keys}
        cells: dict[str, NDArray[np.generic]] = {
            "__cell": np.arange(has_bar.size, dtype=np.int32),
            "__has_bar": has_bar.reshape(-1),
        }
        cells |= {f"__{i}": arrays[name].reshape(-1) for i, name in enumerate(names)}
        self._database.register(_CELLS, cells)
        kinds = _with_previous(self._prepared.signal_columns)
        items = ["cells.__sid as sid"]
        items += [f"cells.__{i}::{kinds[name]} as {quote(name)}" for i, name in enumerate(names)]
        joins = []
        if "timestamp" in keys:
            items.append("timeline.timestamp")
            joins.append(join("inner", "stage.timeline", "timeline", "cells.__t = timeline.t"))
        if "asset_id" in keys:
            items.append("assets.asset_id")
            joins.append(join("inner", "stage.assets", "assets", "cells.__sid = assets.sid"))
        return render(
            "batches/cells",
            columns=", ".join(items),
            joins="\n".join(joins),
            first_t=str(first_t),
            n_assets=str(has_bar.shape[1]),
            cells=_CELLS,
        )

    def _joined(self, arrays: Mapping[str, Floats], has_bar: Bools, first_t: int) -> str:
        """Collect the chunk's bars and known values, and return the query that joins them."""
        prepared, database = self._prepared, self._database
        last_t = first_t + len(has_bar) - 1
        reads = {name for one in self._others for name in (*one.columns, *one.keys)}
        section = cross_section(reads, prepared)
        bars = [f", prices.{quote(name)}" for name in section.price_columns]
        if section.reads_membership:
            bars.append(f", {IS_MEMBER} as is_member")
        at = bars_at(every_bar(database, first_t, last_t), database, columns="".join(bars))
        known = joined(section, at, database)
        joins = known.joins
        items = [f"{item} as {quote(name)}" for name, item in known.items.items()]
        # What the bar before had is in arrays, wherever it came from.
        earlier = sorted(name for name in reads if name.startswith(PREVIOUS))
        rows, sids = np.nonzero(has_bar)
        cells = {"t": rows + first_t, "sid": sids, **{n: arrays[n][has_bar] for n in earlier}}
        database.register(_EARLIER, cells)
        items += [f"earlier.{quote(name)}" for name in earlier]
        if earlier:
            joins += "\n" + join_numbers(_EARLIER, "earlier", "bars")
        return render(
            "selecting/signals",
            bars=known.bars,
            columns=", ".join(["bars.t", "bars.sid", *items]),
            joins=joins,
        )


def _with_previous(kinds: Mapping[str, str]) -> dict[str, str]:
    """Return the columns of signals, and of the numbers among them those at the bar before."""
    earlier = {PREVIOUS + name: kind for name, kind in kinds.items() if is_numeric(kind)}
    return {**kinds, **earlier}


def _failed(text: str, how: str, error: Exception) -> ExpressionError:
    return ExpressionError(text, f"{how}: {str(error).splitlines()[0]}")
