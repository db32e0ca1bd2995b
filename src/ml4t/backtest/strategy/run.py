"""StrategyRun: calls one strategy's handlers through one run.

Which handler a class overrides is settled when an engine is made (`handlers`); what the handlers
see is built here from a batch, and only as far as they read it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Self

import numpy as np

from ml4t.backtest.core.batch import Batch
from ml4t.backtest.core.context import Context
from ml4t.backtest.core.event import NAN, PRICES, Bar, BarEvent, Events, Fill, Signals
from ml4t.backtest.core.orders import Fills, tag_of
from ml4t.backtest.core.owners import OURS
from ml4t.backtest.core.values import Columns
from ml4t.backtest.errors import did_you_mean
from ml4t.backtest.strategy.base import Strategy
from ml4t.backtest.strategy.broker import StrategyBroker
from ml4t.backtest.strategy.handlers import (
    LEGACY,
    ON_SELECTIONS,
    require_fresh,
    require_handler,
    taking_context,
)


class StrategyRun:
    """Calls a strategy at every close of one run.

    Parameters
    ----------
    strategy : Strategy
    broker : StrategyBroker
    """

    def __init__(self, strategy: Strategy, broker: StrategyBroker) -> None:
        self._strategy, self._broker = strategy, broker
        self._name = require_handler(strategy)
        # Not bound: a run leaves no cycles behind.
        self._call: Callable[[StrategyRun, Batch], None] = {
            "decide": StrategyRun._decide,
            "on_timestamp_batch": StrategyRun._on_batch,
        }.get(self._name, StrategyRun._on_each)
        kind = type(strategy)
        self._each = [
            (name, taking_context(getattr(strategy, name)))
            for name in dict.fromkeys((LEGACY, self._name))
            if name not in ("decide", "on_timestamp_batch")
            and getattr(kind, name) is not getattr(Strategy, name)
        ]
        # What is not ours is handed no array behind which later bars stand.
        self._is_ours = str(getattr(strategy.decide, "__module__", "")).startswith(OURS)
        self._fills: list[Fills] = []
        self._t = -1
        self._asset_ids: Sequence[object] = broker.assets
        self._missed: dict[str, dict[str, int]] = {Signals.kind: {}, Context.kind: {}}
        self._known: dict[str, Collection[str]] = {}
        self._names_of: Collection[str] = ()
        self._signal_names: list[str] = []

    def __enter__(self) -> Self:
        """Begin: helpers work from now on."""
        strategy = self._strategy
        require_fresh(strategy)
        object.__setattr__(strategy, "_has_run", True)  # a frozen one too
        type(strategy).bind(strategy, self._broker)
        try:
            self._noted("on_start", strategy.on_start)
        except BaseException:
            type(strategy).bind(strategy, None)
            raise
        return self

    def __exit__(self, *error: object) -> None:
        """Take the broker away, however the run went."""
        type(self._strategy).bind(self._strategy, None)
        self._broker.end()

    @property
    def listener(self) -> Callable[[Fills], None] | None:
        """To be told of fills as they happen; None where the strategy does not hear of them."""
        return self._fills.append if type(self._strategy).on_fill is not Strategy.on_fill else None

    @property
    def must_see_every_bar(self) -> bool:
        """Whether the handlers may act at any bar."""
        return bool(self._each) or not getattr(self._strategy.decide, ON_SELECTIONS, False)

    @property
    def hears_fills(self) -> bool:
        """Whether the strategy is told of every fill, at the close of its bar."""
        return self.listener is not None

    @property
    def must_see_next_bar(self) -> bool:
        """Whether there are fills that the strategy has not heard of."""
        return bool(self._fills)

    def decide(self, batch: Batch) -> None:
        """Call the handlers at a close; what they raise says where."""
        self._broker.begin(batch)
        self._t = batch.t
        if self._fills:
            self._tell_fills()
        self._call(self, batch)

    def finish(self) -> None:
        """End: tell what filled last, then let the strategy finish."""
        if self._fills:
            self._tell_fills()
        self._noted("on_end", self._strategy.on_end)

    @property
    def misses(self) -> list[dict[str, object]]:
        """What was asked for with a default and is not there at all: kind, name, times, nearest."""
        return [
            {"kind": kind, "name": name, "times": times,
             "hint": did_you_mean(name, self._known.get(kind, ()))}
            for kind, names in self._missed.items()
            for name, times in names.items()
        ]  # fmt: skip

    # -- inside -----------------------------------------------------------------------

    def _noted(self, name: str, handler: Callable[..., object], *arguments: object) -> None:
        """Call a handler; what it raises says when."""
        try:
            handler(*arguments)
        except Exception as error:
            self._locate(error, self._t, name)
            raise

    def _decide(self, batch: Batch) -> None:
        if self._each:
            self._on_each(batch)
        handed = batch if self._is_ours else batch.alone()
        self._noted("decide", self._strategy.decide, handed, self._broker)

    def _on_batch(self, batch: Batch) -> None:
        bar, places = self._bar(batch)
        if self._each:
            self._on_events(bar, places)
        events, broker = Events(bar, places), self._broker
        self._noted(
            "on_timestamp_batch", self._strategy.on_timestamp_batch, events, broker,
            broker.portfolio,
        )  # fmt: skip

    def _on_each(self, batch: Batch) -> None:
        self._on_events(*self._bar(batch))

    def _on_events(self, bar: Bar, places: Sequence[int]) -> None:
        context, at, name = bar.context, -1, ""
        try:
            if len(self._each) == 1:
                name, handle = self._each[0]
                for at in places:
                    handle(BarEvent(bar, at), context)
            else:
                for at in places:
                    event = BarEvent(bar, at)
                    for one in self._each:
                        name, handle = one
                        handle(event, context)
        except Exception as error:
            self._locate(error, self._t, name, asset=self._asset_ids[at])
            raise

    def _bar(self, batch: Batch) -> tuple[Bar, list[int]]:
        """Return what the events of a batch share, and the places of assets with a bar."""
        more = batch.more
        assert more is not None

        def price(name: str) -> list[float]:
            if name not in more.signal_names:
                return [NAN] * len(self._asset_ids)
            prices: list[float] = more.signal(name).tolist()
            return prices

        if more.signal_names is not self._names_of:
            self._names_of = more.signal_names
            self._signal_names = [name for name in self._names_of if name not in PRICES]
            self._known = {Signals.kind: self._signal_names, Context.kind: more.market_names}
        bar = Bar(
            self._broker.axes.moment(batch.t),
            self._asset_ids,
            prices=Columns(PRICES, price),
            signals=Columns(
                self._signal_names,
                lambda name: more.signal(name).tolist(),
                more.computed,
                self._missed[Signals.kind],
            ),
            context=Context.at(
                Columns(
                    more.market_names,
                    lambda name: (more.market(name),),
                    more.market_computed,
                    self._missed[Context.kind],
                )
            ),
        )
        return bar, np.flatnonzero(~np.isnan(batch.close)).tolist()

    def _tell_fills(self) -> None:
        told = list(self._fills)
        self._fills.clear()
        for fills in told:
            assert isinstance(fills.t, int)  # it hears of fills at the close of their bar
            tax, fee = fills.tax, fills.fee
            for i, sid in enumerate(fills.sids.tolist()):
                fill = Fill(
                    timestamp=self._broker.axes.moment(fills.t),
                    asset_id=self._asset_ids[sid],
                    quantity=fills.quantity.item(i),
                    price=fills.price.item(i),
                    commission=fills.commission.item(i),
                    tax=tax.item(i),
                    fee=fee.item(i),
                    slippage=fills.slippage.item(i),
                    impact=fills.impact.item(i),
                    order_id=fills.ids.item(i),
                    tag=tag_of(fills.reason, i),
                )
                try:
                    self._strategy.on_fill(fill)
                except Exception as error:
                    self._locate(error, fills.t, "on_fill", asset=fill.asset_id)
                    raise

    def _locate(self, error: Exception, t: int, handler: str, *, asset: object = None) -> None:
        """Say where a strategy raised; its own error and traceback stay as they are."""
        of = "" if asset is None else f", asset {asset!r}"
        name = type(self._strategy).__name__
        when = "before the first bar" if t < 0 else f"at {self._broker.axes.time(t)}"
        error.add_note(f"raised by {name}.{handler} {when}{of}")
