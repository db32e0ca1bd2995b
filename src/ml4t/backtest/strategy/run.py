"""StrategyRun: calls one strategy's handlers through one run.

Which handler a class overrides is settled when an engine is made (`require_handler`); what the
handlers see is built here from a batch, and only as far as they read it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from inspect import Parameter, signature
from types import CodeType, FunctionType
from typing import Self

import numpy as np

from ml4t.backtest.core.batch import Batch
from ml4t.backtest.core.context import Context
from ml4t.backtest.core.event import NAN, PRICES, Bar, BarEvent, Events, Fill, MarketEvent
from ml4t.backtest.core.orders import Fills
from ml4t.backtest.core.values import Columns
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.strategy.base import Strategy
from ml4t.backtest.strategy.broker import StrategyBroker

# One of these does the work; on_event may stand beside it.
HANDLERS = ("on_market_event", "on_market_data", "on_timestamp_batch", "decide")
LEGACY = "on_event"
EventHandler = Callable[[MarketEvent, Context], object]


def require_handler(strategy: object) -> str:
    """Return the name of the handler that a strategy overrides.

    Raises
    ------
    ConfigError
        It is no `Strategy`, overrides none, or more than one.
    """
    if isinstance(strategy, type):
        raise ConfigError(f"strategy must be an instance, was a class; write {strategy.__name__}()")
    if not isinstance(strategy, Strategy):
        name = type(strategy).__name__
        raise ConfigError(f"{name} is no Strategy; write class {name}(Strategy)")
    kind = type(strategy)
    own = [name for name in HANDLERS if getattr(kind, name) is not getattr(Strategy, name)]
    if len(own) > 1:
        raise ConfigError(f"{kind.__name__} overrides both {own[0]} and {own[1]}; keep one")
    if not own and kind.on_event is Strategy.on_event:
        raise ConfigError(
            f"{kind.__name__} overrides no handler; write on_market_event(event, context) for each "
            "asset, or on_timestamp_batch(events, broker, portfolio) for each timestamp"
        )
    return own[0] if own else LEGACY


def require_fresh(strategy: Strategy) -> None:
    """Refuse to run an instance again that may carry over what it kept.

    Raises
    ------
    ConfigError
        It has run before.
    """
    if strategy.has_run and not vars(type(strategy)).get("is_reusable", False):
        name = type(strategy).__name__
        raise ConfigError(
            f"this {name} has run before and may carry over what it kept; make another for "
            "another run"
        )


def words_of(strategy: Strategy) -> frozenset[str]:
    """Return the texts in a strategy's code and settings: names that it may read.

    A hint and no more: a column that is named here is read ahead, any other when it is asked for.
    """
    found = {value for value in vars(strategy).values() if isinstance(value, str)}
    for code in _codes_of(strategy, but="ml4t.backtest.strategy."):
        found.update(one for one in code.co_consts if isinstance(one, str))
    return frozenset(found)


def _codes_of(strategy: Strategy, *, but: str) -> list[CodeType]:
    """Return the code of a strategy's classes outside of modules that begin so."""
    members = (
        _function(member)
        for kind in type(strategy).__mro__
        if not kind.__module__.startswith(but)
        for member in vars(kind).values()
    )
    todo = [member.__code__ for member in members if isinstance(member, FunctionType)]
    found: list[CodeType] = []
    while todo:
        code = todo.pop()
        found.append(code)
        todo += [one for one in code.co_consts if isinstance(one, CodeType)]
    return found


def _function(member: object) -> object:
    """Return the function behind a static method, a class method, or what compiles one."""
    inner = getattr(member, "__func__", member)
    return getattr(inner, "py_func", inner)


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
            _taking_context(getattr(strategy, name))
            for name in dict.fromkeys((LEGACY, self._name))
            if name not in ("decide", "on_timestamp_batch")
            and getattr(kind, name) is not getattr(Strategy, name)
        ]
        self._fills: list[Fills] = []
        self._asset_ids: Sequence[object] = broker.assets
        self._names_of: Collection[str] = ()
        self._signal_names: list[str] = []

    def __enter__(self) -> Self:
        """Begin: helpers work from now on."""
        require_fresh(self._strategy)
        self._strategy.has_run = True
        self._strategy.bind(self._broker)
        self._strategy.on_start()
        return self

    def __exit__(self, *error: object) -> None:
        """Take the broker away, however the run went."""
        self._strategy.bind(None)

    @property
    def listener(self) -> Callable[[Fills], None] | None:
        """To be told of fills as they happen; None where the strategy does not hear of them."""
        return self._fills.append if type(self._strategy).on_fill is not Strategy.on_fill else None

    def decide(self, batch: Batch) -> None:
        """Call the handlers at a close; what they raise says where."""
        self._broker.begin(batch)
        if self._fills:
            self._tell_fills()
        try:
            self._call(self, batch)
        except Exception as error:
            if not getattr(error, "__notes__", None):
                self._locate(error, batch.t, self._name)
            raise

    def finish(self) -> None:
        """End: tell what filled last, then let the strategy finish."""
        if self._fills:
            self._tell_fills()
        self._strategy.on_end()

    # -- inside -----------------------------------------------------------------------

    def _decide(self, batch: Batch) -> None:
        if self._each:
            self._on_each(batch)
        self._strategy.decide(batch, self._broker)

    def _on_batch(self, batch: Batch) -> None:
        bar, places = self._bar(batch)
        if self._each:
            self._on_events(batch.t, bar, places)
        self._strategy.on_timestamp_batch(Events(bar, places), self._broker, self._broker.portfolio)

    def _on_each(self, batch: Batch) -> None:
        self._on_events(batch.t, *self._bar(batch))

    def _on_events(self, t: int, bar: Bar, places: Sequence[int]) -> None:
        context, at = bar.context, -1
        try:
            if len(self._each) == 1:
                handle = self._each[0]
                for at in places:
                    handle(BarEvent(bar, at), context)
            else:
                for at in places:
                    event = BarEvent(bar, at)
                    for handle in self._each:
                        handle(event, context)
        except Exception as error:
            self._locate(error, t, self._name, asset=self._asset_ids[at])
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
        bar = Bar(
            self._broker.axes.moment(batch.t),
            self._asset_ids,
            prices=Columns(PRICES, price),
            signals=Columns(
                self._signal_names, lambda name: more.signal(name).tolist(), more.computed
            ),
            context=Context.at(
                Columns(more.market_names, lambda name: (more.market(name),), more.market_computed)
            ),
        )
        return bar, np.flatnonzero(~np.isnan(batch.close)).tolist()

    def _tell_fills(self) -> None:
        told = list(self._fills)
        self._fills.clear()
        for fills in told:
            for i, sid in enumerate(fills.sids.tolist()):
                fill = Fill(
                    timestamp=self._broker.axes.moment(fills.t),
                    asset_id=self._asset_ids[sid],
                    quantity=fills.quantity.item(i),
                    price=fills.price.item(i),
                    commission=fills.commission.item(i),
                    slippage=fills.slippage.item(i),
                    impact=fills.impact.item(i),
                    order_id=fills.ids.item(i),
                    tag=fills.reason[i],
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
        error.add_note(f"raised by {name}.{handler} at {self._broker.axes.time(t)}{of}")


def _taking_context(handler: Callable[..., object]) -> EventHandler:
    """Return a handler that takes event and context, whatever the user's own takes."""
    parameters = signature(handler).parameters.values()
    kinds = [one.kind for one in parameters]
    n_positional = sum(
        kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD) for kind in kinds
    )
    if n_positional >= 2 or Parameter.VAR_POSITIONAL in kinds:
        return handler
    if any(one.name == "context" for one in parameters):
        return lambda event, context: handler(event, context=context)
    return lambda event, context: handler(event)  # noqa: ARG005 - the user does not want it
