"""Schedule: commission models that add up, ``a + b``, and what lets them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import cast

import numpy as np

from ml4t.backtest.errors import ConfigError, require_list
from ml4t.backtest.execution.costs.contract import Charges, Commission, Quote, one_each


class Adds:
    """A commission model that adds to others: ``a + b`` charges both."""

    __slots__ = ()

    @property
    def is_dated(self) -> bool:
        """Whether the date of a fill decides what it is charged."""
        return False

    @property
    def counts_month(self) -> bool:
        """Whether what filled before in its month decides what a fill is charged."""
        return False

    def __add__(self, other: Commission) -> FeeSchedule:
        """Return what charges this, and then the other."""
        return FeeSchedule((cast("Commission", self), other))

    def __radd__(self, other: Commission) -> FeeSchedule:
        """Return what charges the other, a model of the user's, and then this."""
        return FeeSchedule((other, cast("Commission", self)))


@dataclass(frozen=True, slots=True)
class FeeSchedule(Adds):
    """Charges that add up: what ``a + b`` of commission models is.

    Parameters
    ----------
    parts : tuple of Commission
        From left to right; those of schedules among them stand in their place.
    """

    parts: tuple[Commission, ...]

    def __post_init__(self) -> None:
        parts: list[Commission] = []
        for part in require_list("parts of a fee schedule", self.parts, "commission models"):
            if not callable(getattr(part, "charge", None)) or isinstance(part, type):
                raise ConfigError(
                    f"parts of a fee schedule must have a method charge(), was {part!r}; Fee("
                    f"{part!r}) is a fraction of the value"
                )
            parts += part.parts if isinstance(part, FeeSchedule) else [cast("Commission", part)]
        if not parts:
            raise ConfigError("parts of a fee schedule must hold at least one model, was empty")
        first = parts[0]
        if getattr(first, "is_of_others", False):
            raise ConfigError(f"{first!r} is charged of what is before it, and is the first part")
        object.__setattr__(self, "parts", tuple(parts))

    @property
    def features(self) -> tuple[str, ...]:
        """Columns of ``signals`` that the parts read."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.features))

    @property
    def is_dated(self) -> bool:
        """Whether the date of a fill decides what it is charged."""
        return any(getattr(part, "is_dated", True) for part in self.parts)

    @property
    def counts_month(self) -> bool:
        """Whether what filled before in its month decides what a fill is charged."""
        return any(getattr(part, "counts_month", False) for part in self.parts)

    def charge(self, quote: Quote) -> Charges:
        """Return the sum of the parts, column by column."""
        nothing = np.zeros(len(quote.quantity))
        total = Charges(nothing, nothing, nothing)
        for part in self.parts:
            after = getattr(part, "charge_after", None)
            found = part.charge(quote) if after is None else after(quote, total)
            if not isinstance(found, Charges):
                found = Charges(one_each(found, quote, part, "charge"))
            total = Charges(
                total.commission + found.commission, total.tax + found.tax, total.fee + found.fee
            )
        return total

    def require_dates(self, first: date, last: date) -> None:
        """Raise a `ConfigError` where a part has no amount on some date of a run."""
        for part in self.parts:
            if callable(check := getattr(part, "require_dates", None)):
                check(first, last)
