"""Recorder: the journal of a run, kept in columns until the end.

Nothing is written while a run goes on, so a run that fails leaves nothing behind. What the
loop hands over are vectors; they are joined once, in `staged`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.batch import Floats, Ints, Selection
from ml4t.backtest.core.journal import Decision
from ml4t.backtest.core.orders import Ended, Fills

Staged = dict[str, dict[str, NDArray[Any]]]


class Recorder:
    """Implements `ml4t.backtest.core.journal.Journal` in memory.

    Attributes
    ----------
    on_fills : callable or None
        Told of fills as they happen.
    """

    def __init__(self) -> None:
        self.on_fills: Callable[[Fills], None] | None = None
        self._codes: dict[str, int] = {}
        self._orders: list[tuple[Any, ...]] = []
        self._fills: list[tuple[Any, ...]] = []
        self._closes: list[tuple[Any, ...]] = []
        self._flows: list[tuple[int, int, str, float, bool]] = []
        self._trades: list[tuple[Any, ...]] = []
        self._trade_blocks: list[tuple[Any, ...]] = []
        self._decisions: list[Decision] = []
        self._selections: list[tuple[int, Selection]] = []
        self._signals: dict[tuple[int, int, str], float | str] = {}
        self._n_orders = 0

    # -- the journal ------------------------------------------------------------------

    def new_ids(self, n: int) -> Ints:
        """Return the numbers of the next `n` orders."""
        ids = np.arange(self._n_orders, self._n_orders + n)
        self._n_orders += n
        return ids

    def ended(self, orders: Ended) -> None:
        """Keep orders that ended."""
        self._orders.append(
            (
                orders.ids,
                orders.sids,
                orders.quantity,
                orders.filled,
                orders.tag,
                orders.created_t,
                orders.limit,
                orders.stop,
                orders.parent,
                orders.order_type,
                orders.time_in_force,
                orders.status,
                orders.reason,
            )
        )

    def filled(self, fills: Fills) -> None:
        """Keep fills."""
        self._fills.append(
            (fills.ids, fills.sids, fills.quantity, fills.price, fills.commission,
             fills.slippage, fills.impact, fills.t)
        )  # fmt: skip
        if self.on_fills is not None:
            self.on_fills(fills)

    def decision(self, decision: Decision) -> None:
        """Keep a rule or limit that acted."""
        self._decisions.append(decision)

    def trade(self, row: Sequence[float | str]) -> None:
        """Keep a closed lot part."""
        self._trades.append(tuple(row))

    def trades(self, rows: Sequence[Any]) -> None:
        """Keep lots closed whole at one moment."""
        self._close_rows()
        self._trade_blocks.append(tuple(rows))

    def cash_flow(self, t: int, sid: int, kind: str, amount: float, *, in_trades: bool) -> None:
        """Keep cash that moved without a fill."""
        self._flows.append((t, sid, kind, amount, in_trades))

    def close(
        self, t: int, cash: float, held: Ints, quantity: Floats, mark: Floats, value: Floats,
        unrealized: Floats, stale: NDArray[np.bool_],
    ) -> None:  # fmt: skip
        """Keep the account at a close; the vectors are the portfolio's own copies."""
        self._closes.append((t, cash, held, quantity, mark, value, unrealized, stale))

    def selection(self, t: int, selection: Selection) -> None:
        """Keep the ranked candidates of a decision bar."""
        self._selections.append((t, selection))

    def computed(self, values: Iterable[tuple[tuple[int, int] | None, str, float | str]]) -> None:
        """Keep values that a provider computed: ((t, sid), name, value), sid -1 market-wide.

        What has no place in the run is left out. A value that was asked for again after it was
        forgotten is the one that was there first.
        """
        for place, name, value in values:
            if place is not None:
                self._signals.setdefault((*place, name), value)

    # -- the end ----------------------------------------------------------------------

    def open_lots(self, rows: Iterable[Sequence[float | str]]) -> None:
        """Keep the lots still open after the last bar, with exit bar -1."""
        self._trades += [tuple(row) for row in rows]
        self._close_rows()

    def staged(self) -> Staged:
        """Join what was kept into columns, one mapping per staged table."""
        tables = {
            "staged_orders": self._order_columns(),
            "staged_fills": self._fill_columns(),
            "staged_trades": self._trade_columns(),
            "staged_selections": self._selection_columns(),
            "staged_flows": self._flow_columns(),
            "staged_signals": self._signal_columns(),
            **self._decision_columns(),
            **self._close_columns(),
        }  # fmt: skip
        labels = list(self._codes)
        tables["staged_labels"] = {
            "code": np.arange(len(labels)),
            "label": np.array(labels, dtype=object),
        }
        return tables

    def _encode(self, labels: Sequence[str]) -> Ints:
        codes = self._codes
        for label in dict.fromkeys(labels):
            codes.setdefault(label, len(codes))
        return np.array([codes[label] for label in labels], dtype=np.int64)

    @staticmethod
    def _joined(
        rows: list[tuple[Any, ...]], columns: Mapping[str, type]
    ) -> dict[str, NDArray[Any]]:
        parts: Iterable[tuple[Any, ...]] = zip(*rows, strict=True) if rows else [()] * len(columns)
        return {
            name: np.concatenate(part).astype(kind) if part else np.empty(0, dtype=kind)
            for (name, kind), part in zip(columns.items(), parts, strict=True)
        }

    def _order_columns(self) -> dict[str, NDArray[Any]]:
        vectors = {"order_id": int, "sid": int, "quantity": float, "filled": float}
        table = self._joined([row[:4] for row in self._orders], vectors)
        table["tag"] = self._encode([tag for row in self._orders for tag in row[4]])
        sizes = [len(row[0]) for row in self._orders]
        # One value for all orders that ended together, or one each; None: nothing.
        mixed = {"created_t": -1, "limit_price": np.nan, "stop_price": np.nan, "parent": -1}
        for i, (name, nothing) in enumerate(mixed.items(), start=5):
            table[name] = _spread([row[i] for row in self._orders], sizes, nothing)
        for i, name in enumerate(("kind", "tif", "status", "reason"), start=9):
            table[name] = np.repeat(self._encode([row[i] for row in self._orders]), sizes)
        return table

    def _fill_columns(self) -> dict[str, NDArray[Any]]:
        vectors = {"order_id": int, "sid": int, "quantity": float, "price": float,
                   "commission": float, "slippage": float, "impact": float}  # fmt: skip
        table = self._joined([row[:7] for row in self._fills], vectors)
        sizes = [len(row[0]) for row in self._fills]
        table["t"] = _spread([row[7] for row in self._fills], sizes, -1)
        table["fill_id"] = np.arange(len(table["t"]))
        return table

    def _close_rows(self) -> None:
        """Turn the rows kept one by one into a block, so that blocks stay in order."""
        if self._trades:
            *columns, reasons = zip(*self._trades, strict=True)
            self._trade_blocks.append((*map(np.array, columns), reasons))
            self._trades = []

    def _trade_columns(self) -> dict[str, NDArray[Any]]:
        self._close_rows()
        names = {"sid": int, "quantity": float, "entry_t": int, "entry_price": float,
                 "exit_t": int, "exit_price": float, "pnl": float, "commission": float,
                 "slippage": float, "impact": float, "borrow": float,
                 "dividends": float}  # fmt: skip
        sizes = [len(block[0]) for block in self._trade_blocks]
        # The exit bar is one for all of a block, or one each.
        exits = _spread([block[4] for block in self._trade_blocks], sizes, -1)
        blocks = [(*block[:4], block[5], *block[6:-1]) for block in self._trade_blocks]
        columns = {name: kind for name, kind in names.items() if name != "exit_t"}
        table = self._joined(blocks, columns)
        table["exit_t"] = exits
        labels = [label for block in self._trade_blocks for label in block[-1]]
        table["reason"] = self._encode(labels)
        table["trade_id"] = np.arange(len(table["sid"]))
        return table

    def _selection_columns(self) -> dict[str, NDArray[Any]]:
        rows = [
            (np.full(len(one.sids), t), one.sids, np.arange(1, len(one.sids) + 1), one.scores,
             one.weights)
            for t, one in self._selections
        ]  # fmt: skip
        return self._joined(
            rows, {"t": int, "sid": int, "rank": int, "score": float, "weight": float}
        )

    def _signal_columns(self) -> dict[str, NDArray[Any]]:
        t, sids, names = zip(*self._signals, strict=True) if self._signals else ((), (), ())
        values = list(self._signals.values())
        texts = [value if isinstance(value, str) else None for value in values]
        codes = self._encode([text for text in texts if text is not None])
        value_text = np.full(len(values), -1)
        value_text[[i for i, text in enumerate(texts) if text is not None]] = codes
        return {
            "t": np.array(t, dtype=np.int64),
            "sid": np.array(sids, dtype=np.int64),
            "name": self._encode(names),
            "value": np.array(
                [np.nan if isinstance(value, str) else value for value in values], dtype=np.float64
            ),
            "value_text": value_text,
        }

    def _flow_columns(self) -> dict[str, NDArray[Any]]:
        t, sid, kinds, amounts, in_trades = zip(*self._flows, strict=True) if self._flows else (
            (), (), (), (), ()
        )  # fmt: skip
        return {
            "flow_id": np.arange(len(t)),
            "t": np.array(t, dtype=np.int64),
            "sid": np.array(sid, dtype=np.int64),
            "kind": self._encode(kinds),
            "amount": np.array(amounts, dtype=np.float64),
            "in_trades": np.array(in_trades, dtype=bool),
        }

    def _decision_columns(self) -> Staged:
        decisions = self._decisions
        seen = [
            (i, name, value)
            for i, decision in enumerate(decisions)
            for name, value in decision.features.items()
        ]
        ids, names, values = zip(*seen, strict=True) if seen else ((), (), ())
        return {
            "staged_decisions": {
                "decision_id": np.arange(len(decisions)),
                "t": np.array([d.t for d in decisions], dtype=np.int64),
                "sid": np.array([d.sid for d in decisions], dtype=np.int64),
                "rule": self._encode([d.rule for d in decisions]),
                "action": self._encode([d.action for d in decisions]),
                "level": np.array([d.level for d in decisions], dtype=np.float64),
                "reason": self._encode([d.reason for d in decisions]),
            },
            "staged_seen": {
                "decision_id": np.array(ids, dtype=np.int64),
                "name": self._encode(names),
                "value": np.array(values, dtype=np.float64),
            },
        }

    def _close_columns(self) -> Staged:
        n_bars = len(self._closes)
        held = np.array([len(row[2]) for row in self._closes], dtype=np.int64)
        t = np.array([row[0] for row in self._closes], dtype=np.int64)
        cash = np.array([row[1] for row in self._closes], dtype=np.float64)
        sids, quantity, mark, value, unrealized, stale = (
            np.concatenate([row[i] for row in self._closes]) if n_bars else np.empty(0)
            for i in range(2, 8)
        )
        row = np.repeat(np.arange(n_bars), held)
        # Without any position bincount would count in integers.
        net = np.bincount(row, weights=value, minlength=n_bars).astype(np.float64)
        gross = np.bincount(row, weights=np.abs(value), minlength=n_bars).astype(np.float64)
        return {
            "staged_positions": {
                "t": t[row],
                "sid": sids.astype(np.int64),
                "quantity": quantity,
                "price": mark,
                "value": value,
                "unrealized_pnl": unrealized,
                "is_stale": stale.astype(bool),
            },
            "staged_equity": {
                "t": t,
                "equity": cash + net,
                "cash": cash,
                "gross_exposure": gross,
                "net_exposure": net,
                "n_positions": held,
            },
        }


def _spread(
    values: Sequence[NDArray[Any] | float | None], sizes: Sequence[int], nothing: float
) -> NDArray[Any]:
    """Return one entry per row: a value that is none or one of many is repeated."""
    flat = [
        nothing if value is None or isinstance(value, np.ndarray) else value for value in values
    ]
    column = np.repeat(np.array(flat, dtype=type(nothing)), sizes)
    start = 0
    for value, size in zip(values, sizes, strict=True):
        if isinstance(value, np.ndarray):
            column[start : start + size] = value
        start += size
    return column
