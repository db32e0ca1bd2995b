"""Recorder: the journal of a run, kept in columns until the end.

Nothing is written while a run goes on, so a run that fails leaves nothing behind. What the
loop hands over are vectors; they are joined once, in `staged`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.batch import Floats, Ints, Selection
from ml4t.backtest.core.fills import Fills, Orders
from ml4t.backtest.core.journal import Decision

Staged = dict[str, dict[str, NDArray[Any]]]


class Recorder:
    """Implements `ml4t.backtest.core.journal.Journal` in memory."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._orders: list[tuple[Any, ...]] = []
        self._fills: list[tuple[Any, ...]] = []
        self._closes: list[tuple[int, float, Ints, Floats, Floats, Floats, Floats]] = []
        self._trades: list[tuple[Any, ...]] = []
        self._decisions: list[Decision] = []
        self._selections: list[tuple[int, Selection]] = []
        self._n_orders = 0

    # -- the journal ------------------------------------------------------------------

    def order(self, orders: Orders, fills: Fills | None = None) -> None:
        """Keep orders that ended, and their fills."""
        n = len(orders.sids)
        ids = np.arange(self._n_orders, self._n_orders + n)
        self._n_orders += n
        level = orders.level if orders.level is not None else np.full(n, np.nan)
        self._orders.append(
            (
                ids,
                np.broadcast_to(orders.created_t, n),
                orders.sids,
                orders.quantity,
                orders.filled,
                level,
                self._repeat(orders.order_type, n),
                self._repeat(orders.status, n),
                self._repeat(orders.reason, n),
                self._encode(orders.tag),
            )
        )
        if fills is not None:
            self._fills.append(
                (ids, np.broadcast_to(fills.t, n), fills.sids, fills.quantity, fills.price,
                 fills.commission, fills.slippage)
            )  # fmt: skip

    def decision(self, decision: Decision) -> None:
        """Keep a rule or limit that acted."""
        self._decisions.append(decision)

    def trade(self, row: Sequence[float | str]) -> None:
        """Keep a closed lot part."""
        self._trades.append(tuple(row))

    def close(
        self, t: int, cash: float, held: Ints, quantity: Floats, mark: Floats,
        unrealized: Floats, stale: Floats,
    ) -> None:  # fmt: skip
        """Keep the account at a close; the vectors are the portfolio's own copies."""
        self._closes.append((t, cash, held, quantity, mark, unrealized, stale))

    def selection(self, t: int, selection: Selection) -> None:
        """Keep the ranked candidates of a decision bar."""
        self._selections.append((t, selection))

    # -- the end ----------------------------------------------------------------------

    def open_lots(self, rows: Iterable[Sequence[float | str]]) -> None:
        """Keep the lots still open after the last bar, with exit bar -1."""
        self._trades += [tuple(row) for row in rows]

    def staged(self) -> Staged:
        """Join what was kept into columns, one mapping per staged table."""
        tables = {
            "staged_orders": self._joined(
                self._orders,
                {"order_id": int, "created_t": int, "sid": int, "quantity": float,
                 "filled": float, "level": float, "kind": int, "status": int, "reason": int,
                 "tag": int},
            ),
            "staged_fills": self._joined(
                self._fills,
                {"order_id": int, "t": int, "sid": int, "quantity": float, "price": float,
                 "commission": float, "slippage": float},
            ),
            "staged_trades": self._trade_columns(),
            "staged_selections": self._selection_columns(),
            **self._decision_columns(),
            **self._close_columns(),
        }  # fmt: skip
        fills = tables["staged_fills"]
        fills["fill_id"] = np.arange(len(fills["t"]))
        labels = list(self._codes)
        tables["staged_labels"] = {
            "code": np.arange(len(labels)),
            "label": np.array(labels, dtype=object),
        }
        return tables

    def _repeat(self, label: str, n: int) -> Ints:
        return np.full(n, self._code(str(label)))

    def _encode(self, labels: Sequence[str]) -> Ints:
        return np.array([self._code(label) for label in labels], dtype=np.int64)

    def _code(self, label: str) -> int:
        return self._codes.setdefault(label, len(self._codes))

    @staticmethod
    def _joined(
        rows: list[tuple[Any, ...]], columns: Mapping[str, type]
    ) -> dict[str, NDArray[Any]]:
        parts: Iterable[tuple[Any, ...]] = zip(*rows, strict=True) if rows else [()] * len(columns)
        return {
            name: np.concatenate(part).astype(kind) if part else np.empty(0, dtype=kind)
            for (name, kind), part in zip(columns.items(), parts, strict=True)
        }

    def _trade_columns(self) -> dict[str, NDArray[Any]]:
        names = ("sid", "quantity", "entry_t", "entry_price", "exit_t", "exit_price", "pnl",
                 "commission", "slippage", "reason")  # fmt: skip
        whole = {"sid", "entry_t", "exit_t"}
        parts = list(zip(*self._trades, strict=True)) or [()] * len(names)
        table = {
            name: np.array(part, dtype=np.int64 if name in whole else np.float64)
            for name, part in zip(names[:-1], parts[:-1], strict=True)
        }
        table["reason"] = self._encode([str(label) for label in parts[-1]])
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

    def _decision_columns(self) -> Staged:
        decisions = self._decisions
        seen = [
            (i, self._code(name), value)
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
                "name": np.array(names, dtype=np.int64),
                "value": np.array(values, dtype=np.float64),
            },
        }

    def _close_columns(self) -> Staged:
        n_bars = len(self._closes)
        held = np.array([len(row[2]) for row in self._closes], dtype=np.int64)
        t = np.array([row[0] for row in self._closes], dtype=np.int64)
        cash = np.array([row[1] for row in self._closes], dtype=np.float64)
        sids, quantity, mark, unrealized, stale = (
            np.concatenate([row[i] for row in self._closes]) if n_bars else np.empty(0)
            for i in range(2, 7)
        )
        row = np.repeat(np.arange(n_bars), held)
        value = quantity * mark
        # Without any position bincount would count in integers.
        net = np.bincount(row, weights=value, minlength=n_bars).astype(np.float64)
        gross = np.bincount(row, weights=np.abs(value), minlength=n_bars).astype(np.float64)
        return {
            "staged_positions": {
                "t": t[row],
                "sid": sids.astype(np.int64),
                "quantity": quantity,
                "price": mark,
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
