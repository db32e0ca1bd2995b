"""LoopCosts: what one fill of a loop written by hand costs, by the engine's cost models."""

from __future__ import annotations

import math

import numpy as np

from ml4t.backtest.core.event import PRICES, MarketEvent
from ml4t.backtest.errors import ConfigError, CostError
from ml4t.backtest.execution.costs.contract import Commission, Quote, Slippage
from ml4t.backtest.execution.hand_loop.order import LoopOrder
from ml4t.backtest.execution.orders.order import Chance

ONE = np.ones(1)
FIRST = np.zeros(1, dtype=np.int64)


class LoopCosts:
    """Prices single fills; what a model reads comes from the event.

    Parameters
    ----------
    commission : Commission
    slippage : Slippage

    Raises
    ------
    ConfigError
        One of them is no such model.
    """

    def __init__(self, commission: Commission, slippage: Slippage) -> None:
        for name, model, method in (
            ("commission", commission, "charge"), ("slippage", slippage, "fill_price"),
        ):  # fmt: skip
            if not callable(getattr(model, method, None)) or isinstance(model, type):
                raise ConfigError(f"{name} must have a method {method}(), was {model!r}")
        self._commission, self._slippage = commission, slippage

    def of(
        self, order: LoopOrder, event: MarketEvent, base: float, quantity: float
    ) -> tuple[float, float]:
        """Return the price per share after slippage, and the commission in account currency.

        Parameters
        ----------
        base : float
            Price per share before slippage.
        quantity : float
            Shares of the fill, signed.

        Raises
        ------
        CostError
            A model could not tell.
        """
        quote = _quote(self._slippage, event, quantity, base)
        price = float(quote.require_price(self._slippage.fill_price(quote))[0])
        limit = order.limit_in(event)
        if limit is not None:
            price = max(price, limit) if quantity < 0 else min(price, limit)
        # What fills in the closing auction has not rested in the book.
        is_maker = limit is not None and order.order_type.chance is not Chance.CLOSE
        quote = _quote(self._commission, event, quantity, price, is_maker=is_maker)
        charge = float(self._commission.charge(quote)[0])
        if not math.isfinite(charge):
            raise CostError(
                f"{self._commission!r} charged {charge} for a fill of {order.asset_id!r}; a "
                "commission is a finite number"
            )
        return price, charge


def _quote(
    model: Commission | Slippage,
    event: MarketEvent,
    quantity: float,
    price: float,
    *,
    is_maker: bool = False,
) -> Quote:
    return Quote(
        sids=FIRST,
        quantity=np.array([quantity]),
        price=np.array([price]),
        multiplier=ONE,
        market={name: np.array([_value(event, name)]) for name in model.features},
        is_maker=is_maker,
    )


def _value(event: MarketEvent, name: str) -> float:
    """Return a column that a cost model reads, NaN where it is missing."""
    view, _, column = name.partition(".")
    if view == "market" and name not in event.signals and column in event.context:
        return float(event.context[column])
    if view == "signals" and name not in event.signals:
        name = column
    if name in PRICES:
        return float(getattr(event, name))
    return float(event.signals.get(name, event.context.get(name, float("nan"))))
