"""The scenarios on backtrader (see _shared for the call and the file).

The strategy decides in ``next``, at the close of a bar. An entry is a market order. Its stop
and target are a bracket around the close of the decision's bar; a signal to leave cancels
them and sends a market order; a reversal sends that order and then the entry.

``--exits`` says from which bar the exits of an entry live:

``entry_bar``     stop and target from the bar at whose open the entry fills (the children are
                  made active at once); the trailing stop is sent at the close of that bar, so
                  that it starts there and lives from the next one
``bracket``       backtrader's own bracket: all three are children of the entry, which it makes
                  active one bar after the fill; the trailing stop starts at the close of the
                  decision's bar
``all_at_entry``  the same three, but made active at once, as orders without a parent would be

Slippage uses the defaults of ``set_slippage_perc``: market orders and stops slip, never beyond
the bar's high or low, and a limit order fills at its limit or better.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import backtrader as bt
import numpy as np
from _shared import Fill, Result, paths, run_all, wish

PRICES = ("open", "high", "low", "close")
FIRST_DAY = datetime(2020, 1, 1)


class ArrayFeed(bt.feed.DataBase):
    """Daily bars from arrays."""

    params = (("bars", None),)

    def start(self) -> None:
        super().start()
        self._row = 0

    def _load(self) -> bool:
        if self._row >= len(self.p.bars["close"]):
            return False
        self.lines.datetime[0] = bt.date2num(FIRST_DAY + timedelta(days=self._row))
        for name in PRICES:
            getattr(self.lines, name)[0] = self.p.bars[name][self._row]
        self.lines.volume[0] = self.lines.openinterest[0] = 0.0
        self._row += 1
        return True


class FeePerFill(bt.CommInfoBase):
    """A sum of money per fill, whatever its size."""

    params = (("stocklike", True), ("commtype", bt.CommInfoBase.COMM_FIXED))

    def _getcommission(self, size: float, price: float, pseudoexec: bool) -> float:
        return self.p.commission if size else 0.0


def commission_info(commission: dict[str, Any] | None) -> bt.CommInfoBase:
    """Return the commission scheme of a scenario."""
    if commission is None:
        return bt.CommInfoBase(stocklike=True, commtype=bt.CommInfoBase.COMM_FIXED)
    kind, value = commission["kind"], commission["value"]
    if kind == "fixed":
        return FeePerFill(commission=value)
    percent = kind == "percent"
    commtype = bt.CommInfoBase.COMM_PERC if percent else bt.CommInfoBase.COMM_FIXED
    return bt.CommInfoBase(commission=value, stocklike=True, percabs=True, commtype=commtype)


class Recorded(bt.Strategy):
    """Keep a list of the fills."""

    params = (("scenario", None),)

    def __init__(self) -> None:
        self.fills: list[Fill] = []

    def notify_order(self, order: bt.Order) -> None:
        if order.status == order.Completed:
            done = order.executed
            asset = self.datas.index(order.data)
            self.fills.append([len(self) - 1, asset, done.size, done.price, done.comm])


class Signals(Recorded):
    """One asset, entries and exits by signal, stop, target and trailing stop."""

    params = (("wanted", None), ("exits", None))

    def __init__(self) -> None:
        super().__init__()
        self.exit_orders: list[bt.Order] = []
        self.trail_is_due = False

    def next(self) -> None:
        position = self.position.size
        todo = wish(position, len(self) - 1, self.p.wanted)
        if todo is not None:
            if position:
                self.leave()
            if todo != "close":
                self.enter(1 if todo == "long" else -1)
        elif position and self.trail_is_due:
            self.trail_is_due = False
            self.add_exit(
                -position, exectype=bt.Order.StopTrail, trailpercent=self.p.scenario["trail"]
            )

    def leave(self) -> None:
        """Close the position at the next open; nothing else may close it before."""
        for order in self.exit_orders:
            if order.alive():
                self.cancel(order)
        self.close()

    def add_exit(self, size: float, **kwargs: Any) -> bt.Order:
        """Send an order that closes the position; of these orders one cancels the others."""
        first = self.exit_orders[0] if self.exit_orders else None
        send = self.buy if size > 0 else self.sell
        order = send(size=abs(size), oco=first, **kwargs)
        self.exit_orders.append(order)
        return order

    def enter(self, side: int) -> None:
        """Send the entry and its children."""
        scenario, close = self.p.scenario, self.data.close[0]
        children: list[dict[str, Any]] = []
        if scenario["stop"]:
            price = close * (1 - side * scenario["stop"])
            children.append({"exectype": bt.Order.Stop, "price": price})
        if scenario["target"]:
            price = close * (1 + side * scenario["target"])
            children.append({"exectype": bt.Order.Limit, "price": price})
        if scenario["trail"] and self.p.exits != "entry_bar":
            children.append({"exectype": bt.Order.StopTrail, "trailpercent": scenario["trail"]})
        self.trail_is_due = bool(scenario["trail"]) and self.p.exits == "entry_bar"
        self.exit_orders = []
        entry = self.send_entry(side, transmit=not children)
        if entry is None:
            return
        for child in children:
            order = self.add_exit(
                -entry.size, parent=entry, transmit=child is children[-1], **child
            )
            if self.p.exits != "bracket":
                order.activate()

    def send_entry(self, side: int, transmit: bool) -> bt.Order | None:
        size = self.p.scenario["size"]
        if size["kind"] == "percent":
            return self.order_target_percent(target=side * size["value"], transmit=transmit)
        send = self.buy if side > 0 else self.sell
        return send(size=size["value"], transmit=transmit)


class Weights(Recorded):
    """Several assets that share the cash, target weights, sales before purchases."""

    params = (("weights", None),)

    def next(self) -> None:
        weights = self.p.weights[len(self) - 1]
        if np.isnan(weights).all():
            return
        equity = self.broker.getvalue()
        grows = [
            weight * equity > self.broker.getvalue(datas=[data])
            for weight, data in zip(weights, self.datas, strict=True)
        ]
        for asset in sorted(range(len(grows)), key=lambda asset: (grows[asset], asset)):
            self.order_target_percent(data=self.datas[asset], target=weights[asset])


def run(
    feeds: list[paths.Arrays], scenario: paths.Scenario, strategy: type[Recorded], **params: Any
) -> Result:
    """Run a strategy, return its fills and the value at the end."""
    cerebro = bt.Cerebro(stdstats=False)
    for bars in feeds:
        cerebro.adddata(ArrayFeed(bars=bars))
    cerebro.broker.setcash(scenario["cash"])
    cerebro.broker.addcommissioninfo(commission_info(scenario["commission"]))
    cerebro.broker.set_slippage_perc(scenario["slippage"])
    cerebro.addstrategy(strategy, scenario=scenario, **params)
    (done,) = cerebro.run()
    return done.fills, cerebro.broker.getvalue()


def run_signals(
    path: paths.Arrays, scenario: paths.Scenario, wanted: paths.Arrays, exits: str
) -> Result:
    return run([path], scenario, Signals, wanted=wanted, exits=exits)


def run_universe(universe: paths.Arrays, scenario: paths.Scenario, weights: np.ndarray) -> Result:
    n_assets = weights.shape[1]
    feeds = [{name: universe[name][:, asset] for name in PRICES} for asset in range(n_assets)]
    return run(feeds, scenario, Weights, weights=weights)


if __name__ == "__main__":
    exits = ["entry_bar", "bracket", "all_at_entry"]
    run_all("backtrader", bt.__version__, run_signals, run_universe, exits)
