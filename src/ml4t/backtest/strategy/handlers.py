"""Handlers: which ones a strategy overrides, whether they can be called, and what they name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import TypeVar

from ml4t.backtest.core.context import Context
from ml4t.backtest.core.event import MarketEvent
from ml4t.backtest.errors import ConfigError, require_columns
from ml4t.backtest.strategy.base import Strategy

# One of these does the work; on_event may stand beside it.
HANDLERS = ("on_market_event", "on_market_data", "on_timestamp_batch", "decide")
LEGACY = "on_event"
BESIDE = ("on_start", "on_fill", "on_end")
# What the engine asks of the class; an instance may keep something else under these names.
METHODS = ("ranking", "query", "rules", "bind")
PER_EVENT = ("on_market_event", "on_market_data", LEGACY)
TAKES = {
    "on_market_event": ("event", "context"),
    "on_market_data": ("event", "context"),
    "on_event": ("event",),
    "on_timestamp_batch": ("events", "broker", "portfolio"),
    "decide": ("batch", "broker"),
    "on_start": (),
    "on_fill": ("fill",),
    "on_end": (),
}
EventHandler = Callable[[MarketEvent, Context], object]
Decide = TypeVar("Decide", bound=Callable[..., None])
ON_SELECTIONS = "is_on_selections"


def on_selections(decide: Decide) -> Decide:
    """Mark a `decide` that does nothing at bars without a selection; an override is another."""
    setattr(decide, ON_SELECTIONS, True)
    return decide


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
    for name in (*HANDLERS, LEGACY, *BESIDE):
        _require_plain(kind, name)
    for name in METHODS:
        if not callable(getattr(kind, name)):
            raise ConfigError(
                f"{kind.__name__}.{name} must be a method, was {getattr(kind, name)!r}; keep it "
                "on self, or under another name"
            )
    for name in ("features", "conditions", "expressions"):
        require_columns(f"{kind.__name__}.{name}", getattr(strategy, name))
    return own[0] if own else LEGACY


def _require_plain(kind: type[Strategy], name: str) -> None:
    """Refuse a handler that would do nothing when it is called, or cannot be called as it is."""
    handler = getattr(kind, name)
    if handler is getattr(Strategy, name):
        return
    inner = inspect.unwrap(handler)
    if inspect.iscoroutinefunction(inner) or inspect.isgeneratorfunction(inner):
        raise ConfigError(
            f"{kind.__name__}.{name} is a coroutine or a generator, which does nothing when it is "
            "called; write a plain method"
        )
    if not inspect.isfunction(inspect.getattr_static(kind, name)):
        return  # static methods, partial ones and the like speak for themselves
    given = ("self", *TAKES[name])
    if not any(_takes(handler, *way) for way in _ways(name, given)):
        raise ConfigError(f"{kind.__name__}.{name} must take ({', '.join(given)})")


def _ways(name: str, given: tuple[str, ...]) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Return how a handler may be called: by position, and by name."""
    ways: list[tuple[tuple[str, ...], tuple[str, ...]]] = [(given, ())]
    return [*ways, (given[:2], ()), (given[:2], ("context",))] if name in PER_EVENT else ways


def _takes(handler: Callable[..., object], given: tuple[str, ...], named: tuple[str, ...]) -> bool:
    try:
        inspect.signature(handler).bind(*given, **dict.fromkeys(named))
    except TypeError:
        return False
    return True


def require_fresh(strategy: Strategy) -> None:
    """Refuse to run an instance again that may carry over what it kept.

    Raises
    ------
    ConfigError
        It has run before.
    """
    if strategy._broker is not None:
        name = type(strategy).__name__
        raise ConfigError(f"this {name} is running; make another for another run beside it")
    if strategy._has_run and not keeps_nothing(strategy):
        name = type(strategy).__name__
        raise ConfigError(
            f"this {name} has run before and may carry over what it kept; make another for "
            "another run"
        )


def keeps_nothing(strategy: Strategy) -> bool:
    """Say whether a strategy's class says of itself that instances keep nothing between bars."""
    return bool(vars(type(strategy)).get("is_reusable", False))


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


def taking_context(handler: Callable[..., object]) -> EventHandler:
    """Return a handler that takes event and context, whatever the user's own takes."""
    found = list(inspect.signature(handler).parameters.values())
    positional = [
        one
        for one in found
        if one.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    ]
    if any(one.kind is inspect.Parameter.VAR_POSITIONAL for one in found) or (
        # A second one of another name with a default is the user's own.
        len(positional) >= 2
        and (positional[1].name == "context" or positional[1].default is inspect.Parameter.empty)
    ):
        return handler
    if any(one.name == "context" for one in found):
        return lambda event, context: handler(event, context=context)
    return lambda event, context: handler(event)  # noqa: ARG005 - the user does not want it
