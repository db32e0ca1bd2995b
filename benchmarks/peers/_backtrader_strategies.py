"""The strategies of W1 and W2 for backtrader (see peer_backtrader)."""

from dataclasses import dataclass

import backtrader as bt
from _common import ATR_MULTIPLE, CREDIT, MAX_BARS, SLIPPAGE, TOP_N, TRAIL


class TopScores(bt.Strategy):
    """Rebalance in next_open, where the opens of the fill bar are known."""

    params = (("targets", None), ("atr", None))

    def __init__(self) -> None:
        self.fills = 0
        self.held: list[int] = []

    def next_open(self) -> None:
        picks = self.p.targets.get(len(self.data) - 2)
        if picks is not None:
            self.rebalance(picks)

    def rebalance(self, picks: list[int]) -> dict[int, float]:
        """Order the picks, sells first, and return the size each will have."""
        opens = {c: self.datas[c].open[0] for c in {*picks, *self.held}}
        sizes = {c: self.getposition(self.datas[c]).size for c in opens}
        equity = self.broker.get_cash() - CREDIT
        equity += sum(size * opens[c] for c, size in sizes.items())
        deltas = {c: -sizes[c] for c in self.held}
        for c in picks:
            deltas[c] = equity / TOP_N / opens[c] - sizes[c]
        for c, delta in sorted(deltas.items(), key=lambda item: item[1] > 0.0):
            if delta > 0.0:
                self.buy(self.datas[c], size=delta)
            elif delta < 0.0:
                self.sell(self.datas[c], size=-delta)
        self.held = picks
        return {c: sizes[c] + deltas[c] for c in picks}

    def notify_order(self, order: bt.Order) -> None:
        self.fills += order.status == order.Completed


@dataclass
class Guard:
    """The stop of one position: its two levels, its age and its order."""

    floor: float
    peak: float
    since: int
    order: bt.Order | None = None
    level: float = 0.0


class GuardedScores(TopScores):
    """W1 with a stop order per position."""

    def __init__(self) -> None:
        super().__init__()
        self.guards: dict[int, Guard] = {}

    def place_stop(self, c: int, size: float) -> None:
        guard = self.guards[c]
        if guard.order is not None:
            self.cancel(guard.order)
        guard.level = max(guard.floor, guard.peak * (1.0 - TRAIL))
        guard.order = self.sell(self.datas[c], size=size, exectype=bt.Order.Stop, price=guard.level)

    def rebalance(self, picks: list[int]) -> dict[int, float]:
        sizes = super().rebalance(picks)
        for c in self.guards.keys() - set(picks):
            self.cancel(self.guards.pop(c).order)
        atr = self.p.atr[len(self.data) - 2]
        for c in picks:
            if c not in self.guards:
                entry = self.datas[c].open[0] * (1.0 + SLIPPAGE)
                floor = entry - ATR_MULTIPLE * atr[c]
                self.guards[c] = Guard(floor, entry, len(self.data))
            self.place_stop(c, sizes[c])
        return sizes

    def next_open(self) -> None:
        super().next_open()
        if len(self.data) - 2 in self.p.targets:
            return
        for c, guard in list(self.guards.items()):
            if len(self.data) - guard.since >= MAX_BARS:
                self.cancel(guard.order)
                self.close(self.datas[c])
                del self.guards[c]
                self.held = [*self.guards]

    def next(self) -> None:
        for c, guard in list(self.guards.items()):
            data = self.datas[c]
            if not guard.order.alive():
                del self.guards[c]
                continue
            guard.peak = max(guard.peak, data.high[0])
            if guard.peak * (1.0 - TRAIL) > guard.level:
                self.place_stop(c, self.getposition(data).size)
        self.held = [*self.guards]
