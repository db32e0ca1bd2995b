"""Order terms: what may be said of an order, and which type of order it makes."""

from __future__ import annotations

from datetime import date, datetime
from types import NoneType
from typing import TypedDict

from ml4t.backtest.core.fractions import HINT
from ml4t.backtest.core.orders import TimeInForce, parse_choice
from ml4t.backtest.errors import ConfigError, did_you_mean
from ml4t.backtest.execution.orders.order import OrderType
from ml4t.backtest.execution.orders.types import MARKET, TYPES
from ml4t.backtest.strategy.amounts import is_number

EPOCH_DAY = date(1970, 1, 1)
# Words that ask for a type of order, beside `on_close`, and those of its bracket.
TYPE_TERMS = ("limit", "stop", "if_touched", "trail", "trail_fraction")
PRICE_TERMS = (*TYPE_TERMS, "take_profit", "stop_loss")
TYPE_OF = {words: kind for kind in TYPES for words in kind.asked_by}


class OrderTerms(TypedDict, total=False):
    """What may be said of an order besides asset and quantity; see `Strategy.buy`."""

    limit: float | None
    stop: float | None
    if_touched: float | None
    trail: float | None
    trail_fraction: float | None
    take_profit: float | None
    stop_loss: float | None
    on_close: bool
    tif: str | None
    good_till: date | datetime | None
    tag: str


def require_terms(terms: OrderTerms) -> tuple[OrderType, TimeInForce]:
    """Return type and time in force of an order, or refuse terms that mean nothing.

    Raises
    ------
    ConfigError
        A word, number or combination that means nothing.
    """
    if not isinstance(terms.get("tag", ""), (str, NoneType)):
        raise ConfigError(f"tag must be a text, was {terms['tag']!r}")
    if not terms or terms.keys() == {"tag"}:
        return MARKET, MARKET.stands
    given: dict[str, object] = {name: value for name, value in terms.items() if value is not None}
    unknown = set(given) - set(OrderTerms.__annotations__)
    if unknown:
        name = sorted(unknown)[0]
        raise ConfigError(
            f"an order has no {name!r}{did_you_mean(name, OrderTerms.__annotations__)}"
        )
    for name, value in given.items():
        if name not in PRICE_TERMS:
            continue
        if not is_number(value) or not float(value) > 0:  # type: ignore[arg-type]
            raise ConfigError(f"{name} must be a number above 0, was {value!r}")
    if not isinstance(given.get("on_close", False), bool):
        raise ConfigError(f"on_close must be True or False, was {given['on_close']!r}")
    if terms.get("trail_fraction") is not None and not float(terms["trail_fraction"] or 0) < 1:
        raise ConfigError(
            f"trail_fraction must be below 1, was {terms['trail_fraction']!r}; {HINT}"
        )
    own = [name for name in TYPE_TERMS if name in given]
    own += ["on_close"] if terms.get("on_close") else []
    kind = TYPE_OF.get(frozenset(own))
    if kind is None:
        raise ConfigError(f"an order cannot have {' and '.join(own)} together")
    tif = terms.get("tif")
    force = kind.stands if tif is None else parse_choice(TimeInForce, "tif", tif)
    if not isinstance(given.get("good_till", EPOCH_DAY), date):
        raise ConfigError(f"good_till must be a date, was {given['good_till']!r}")
    if (force is TimeInForce.GTD) != ("good_till" in given):
        raise ConfigError(
            "good_till goes with tif='gtd' and must be given with it, was "
            f"good_till={given.get('good_till')!r} with tif={force.value!r}"
        )
    return kind, force


def days(when: date | datetime) -> int:
    """Return a calendar date as days since 1970."""
    day = when.date() if isinstance(when, datetime) else when
    return (day - EPOCH_DAY).days
