"""Commission by currency: assets of each currency have the price list of their market."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import cast

import numpy as np

from ml4t.backtest.errors import ConfigError, require_list
from ml4t.backtest.execution.costs.contract import Charges, Commission, Quote, one_each
from ml4t.backtest.execution.costs.schedule import Adds


@dataclass(frozen=True, slots=True)
class CommissionByCurrency(Adds):
    """A commission model for the assets of each currency, which charges in it.

    Parameters
    ----------
    models : tuple of (str, Commission)
        The currency, as ``assets`` spells it, and what its assets are charged. Every currency of a
        run has one, and so has that of the account, where some asset says none.

    Notes
    -----
    Tiers of a month count what filled in all currencies, and are no part of it.
    """

    models: tuple[tuple[str, Commission], ...]

    def __post_init__(self) -> None:
        models = []
        for pair in require_list("models", self.models, "pairs of a currency and a model"):
            both = pair if isinstance(pair, (tuple, list)) and len(pair) == 2 else (None, None)
            name, model = both
            is_model = callable(getattr(model, "charge", None)) and not isinstance(model, type)
            if not isinstance(name, str) or not is_model:
                raise ConfigError(f"models must be pairs of a currency and a model, was {pair!r}")
            if getattr(model, "counts_month", False):
                raise ConfigError(
                    f"{model!r} counts what filled in the month in all currencies; leave it out of "
                    "models by currency"
                )
            models.append((name, cast("Commission", model)))
        names = [name for name, _ in models]
        if not names or len(set(names)) < len(names):
            raise ConfigError(f"models must hold each currency once, was {names!r}")
        object.__setattr__(self, "models", tuple(models))

    @property
    def features(self) -> tuple[str, ...]:
        """Columns of ``signals`` that the models read."""
        return tuple(dict.fromkeys(name for _, model in self.models for name in model.features))

    @property
    def is_dated(self) -> bool:
        """Whether the date of a fill decides what it is charged."""
        return any(getattr(model, "is_dated", True) for _, model in self.models)

    def charge(self, quote: Quote) -> Charges:
        """Return what the model of each fill's currency charges it."""
        parts = np.zeros((3, len(quote.sids)))
        said = np.array(quote.currencies, dtype=object)
        for name, model in self.models:
            (at,) = (said == name).nonzero()
            if len(at):
                own = _of(quote, at)
                found = model.charge(own)
                each = found if isinstance(found, Charges) else Charges(found)
                for row, one in zip(parts, (each.commission, each.tax, each.fee), strict=True):
                    row[at] = one_each(one, own, model, "charge")
        return Charges(*parts)

    def require_currencies(self, said: Iterable[str]) -> None:
        """Raise a `ConfigError` where assets of a run are in a currency without a model."""
        lacking = sorted({*said} - {name for name, _ in self.models})
        if lacking:
            raise ConfigError(
                f"assets are in {', '.join(lacking)}, of which CommissionByCurrency has no model; "
                f'add one, such as ("{lacking[0]}", BasisPointCommission(10))'
            )

    def require_dates(self, first: date, last: date) -> None:
        """Raise a `ConfigError` where a model has no amount on some date of a run."""
        for _, model in self.models:
            if callable(check := getattr(model, "require_dates", None)):
                check(first, last)


def _of(quote: Quote, at: Sequence[int] | np.ndarray) -> Quote:
    """Return what is asked of some of the orders."""
    return replace(
        quote, sids=quote.sids[at], quantity=quote.quantity[at], price=quote.price[at],
        multiplier=quote.multiplier[at],
        market={name: values[at] for name, values in quote.market.items()},
        currencies=tuple(quote.currencies[i] for i in at),
    )  # fmt: skip
