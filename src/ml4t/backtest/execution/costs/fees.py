"""Fees: the lines of a price list, each on a side, a base and from a date on.

They add up in a `FeeSchedule`, where one that is charged of what others charge, such as value-added
tax on commission and fees, sees the lines to its left.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass
from datetime import date
from typing import ClassVar, cast

import numpy as np

from ml4t.backtest.core.batch import Floats
from ml4t.backtest.core.fractions import SHARE, require_fraction
from ml4t.backtest.core.tolerances import WHOLE
from ml4t.backtest.errors import (
    ConfigError,
    require_choice,
    require_number,
    require_within,
)
from ml4t.backtest.execution.costs.commission import marginal, require_tiers
from ml4t.backtest.execution.costs.contract import Charges, Quote
from ml4t.backtest.execution.costs.schedule import Adds

FEE_BASES = ("value", "share", "order", "commission", "charges")
FEE_SIDES = ("both", "buy", "sell")
CHARGE_COLUMNS = ("commission", "tax", "fee")
FEE_ROUNDINGS = ("half_up", "up")
# Bases that are what the lines before have charged.
OF_OTHERS = ("commission", "charges")
GivenAmounts = tuple[tuple[date | str, float | None], ...]
DatedAmounts = tuple[tuple[str, float | None], ...]


@dataclass(frozen=True, slots=True)
class Fee(Adds):
    """One line of a price list: ``round(min(max(amount * base, minimum), maximum))`` per fill.

    Parameters
    ----------
    amount : float, or tuple of (date, float or None)
        Of `per`: a fraction of ``"value"``, ``"commission"`` or ``"charges"``, asset's currency of
        a ``"share"`` or ``"order"``. Pairs: in force from each date on, by the date of the fill;
        None: from then on it is not known; 0: nothing is charged, no minimum either.
    per : str, default "value"
        ``"value"`` (quantity * price * multiplier), ``"share"`` (or contract), ``"order"`` (each
        fill of one: what is left on the next bar pays again), ``"commission"`` or ``"charges"``
        (commission and fees, no taxes) of the lines before it in a schedule.
    on : str, default "both"
        ``"buy"``, ``"sell"`` or ``"both"``.
    column : str, default "commission"
        Of `fills` and `trades` where it is shown: ``"commission"``, ``"tax"`` or ``"fee"``.
    minimum : float
        Asset's currency per fill.
    maximum : float, or tuple of (date, float or None), optional
        Asset's currency per fill; pairs as those of `amount`.
    unit : float
        It is rounded to multiples of this, such as 0.01 or 1; 0 leaves it.
    rounding : str, default "half_up"
        ``"half_up"``, or ``"up"`` to the next unit.

    Examples
    --------
    Half a per cent of what is bought, to the penny:

    >>> Fee(0.005, on="buy", column="tax", unit=0.01).per
    'value'
    """

    amount: GivenAmounts | float
    _: KW_ONLY
    per: str = "value"
    on: str = "both"
    column: str = "commission"
    minimum: float = 0.0
    maximum: GivenAmounts | float | None = None
    unit: float = 0.0
    rounding: str = "half_up"
    features: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for name, words in (
            ("per", FEE_BASES), ("on", FEE_SIDES), ("column", CHARGE_COLUMNS),
            ("rounding", FEE_ROUNDINGS),
        ):  # fmt: skip
            require_choice(f"{name} of a fee", getattr(self, name), words)
        require_within("minimum of a fee", self.minimum)
        require_within("unit of a fee", self.unit)
        for name, require in (("amount", self._require_amount), ("maximum", self._require_maximum)):
            value = getattr(self, name)
            if isinstance(value, (tuple, list)):
                object.__setattr__(self, name, _steps(value, name, require))
            else:
                require(value)

    @property
    def is_dated(self) -> bool:
        """Whether the date of a fill decides what it is charged."""
        return isinstance(self.amount, tuple) or isinstance(self.maximum, tuple)

    def charge(self, quote: Quote) -> Charges:
        """Return the charge of each fill, in its column.

        Raises
        ------
        ConfigError
            It is charged of what others charge, and there are none.
        """
        self.require_alone()
        return self.charge_after(quote, Charges())

    def charge_after(self, quote: Quote, before: Charges) -> Charges:
        """Return the charge of each fill, after what the lines before it have charged."""
        amount = _at(self.amount, quote)
        charge = amount * self._base(quote, before)
        charge = np.maximum(charge, self.minimum if amount else 0.0)
        if self.maximum is not None:
            charge = np.minimum(charge, _at(self.maximum, quote))
        if self.unit:
            steps = charge / self.unit
            # 0.285 * 100 is 28.499999999999996: what misses its step by rounding is on it.
            slack = WHOLE * np.maximum(1.0, steps)
            up = self.rounding == "up"
            whole = np.ceil(steps - slack) if up else np.floor(steps + 0.5 + slack)
            charge = whole * self.unit
        is_charged = quote.quantity != 0
        if self.on != "both":
            is_charged = quote.quantity > 0 if self.on == "buy" else quote.quantity < 0
        return Charges(**{self.column: np.where(is_charged, charge, 0.0)})

    @property
    def is_of_others(self) -> bool:
        """Whether it is charged of what the lines before it charge."""
        return self.per in OF_OTHERS

    def require_alone(self) -> None:
        """Raise a `ConfigError` where it is charged of what others charge, and there are none."""
        if self.is_of_others:
            raise ConfigError(
                f"{self!r} is charged of what others charge; add it to them: "
                f"PerOrderCommission(20) + Fee(..., per={self.per!r})"
            )

    def require_dates(self, first: date, last: date) -> None:
        """Raise a `ConfigError` where it has no amount on some date of a run."""
        for dated in (self.amount, self.maximum):
            if isinstance(dated, tuple):
                self._require_known(dated, first, last)

    def _require_known(self, dated: GivenAmounts, first: date, last: date) -> None:
        starts = [date.fromisoformat(str(day)) for day, _ in dated]
        begins = starts[0]
        if first < begins:
            raise ConfigError(
                f"{self!r} has no amount before {begins}, the run begins on {first}; begin it "
                "later (start=), or give the amounts of the dates before"
            )
        for (_, amount), start, end in zip(dated, starts, [*starts[1:], date.max], strict=True):
            if amount is None and start <= last and first < end:
                raise ConfigError(
                    f"{self!r} has no known amount from {start} on, the run ends on {last}; end it "
                    "earlier (end=), or give the amount of that date"
                )

    def _require_amount(self, amount: object) -> None:
        if self.per in ("share", "order"):
            require_within(f"amount of a fee per {self.per}", amount)
        else:
            require_within(f"amount of a fee per {self.per}", amount, below=1)

    def _require_maximum(self, maximum: object) -> None:
        if maximum is None:
            return
        require_number("maximum of a fee", maximum, above=0, below=math.inf)
        if cast("float", maximum) < self.minimum:
            raise ConfigError(
                f"maximum of a fee must be at least its minimum of {self.minimum:g}, was "
                f"{maximum!r}"
            )

    def _base(self, quote: Quote, before: Charges) -> Floats | float:
        if self.per == "value":
            return quote.value
        if self.per == "share":
            return np.abs(quote.quantity)
        if self.per == "order":
            return np.ones(len(quote.quantity))
        return before.commission if self.per == "commission" else before.commission + before.fee


@dataclass(frozen=True, slots=True)
class MonthlyTieredCommission(Adds):
    """An amount per share (or of the value) by what filled so far in the calendar month, marginal.

    ``min(max(sum over tiers of the part inside each * its amount, minimum), cap * value)``

    Each tier's amount counts for the part of a fill inside it; the month is that of the fill's
    trading date, all assets together. Orders that did not fill count nothing.

    Parameters
    ----------
    tiers : tuple of (start, amount)
        `start`: shares (or value) of the month from which the amount counts, ascending from 0.
    per : str, default "share"
        ``"share"`` or ``"value"``: what is counted, and what the amount is of.
    minimum : float
        Asset's currency per fill.
    cap : float or None
        Fraction of the traded value, above 0 and below 1; it goes before the minimum.

    Notes
    -----
    Source: Interactive Brokers, tiered pricing for US stocks: volume tiers "are applied on a
    marginal basis for a given calendar month".
    """

    tiers: tuple[tuple[float, float], ...]
    _: KW_ONLY
    per: str = "share"
    minimum: float = 0.0
    cap: float | None = None
    features: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        require_choice("per of monthly tiers", self.per, ("share", "value"))
        require_within("minimum", self.minimum)
        if self.cap is not None:
            require_fraction("cap", self.cap, SHARE)
        object.__setattr__(self, "tiers", require_tiers(self.tiers, "amount"))

    @property
    def is_dated(self) -> bool:
        """It is: the month of a fill is that of its date."""
        return True

    @property
    def counts_month(self) -> bool:
        """It does: what filled before decides the tier."""
        return True

    def charge(self, quote: Quote) -> Floats:
        """Return the charge of each fill, those before it in this moment counted."""
        is_shares = self.per == "share"
        size = np.abs(quote.quantity) if is_shares else quote.value
        counted = quote.month_shares if is_shares else quote.month_value
        after = counted + np.cumsum(size)
        charge = marginal(self.tiers, after - size, after)
        charge = np.maximum(charge, self.minimum)
        if self.cap is not None:
            charge = np.minimum(charge, self.cap * quote.value)
        return np.where(size > 0, charge, 0.0)


def _at(value: GivenAmounts | float, quote: Quote) -> float:
    """Return what is in force at the date of a quote; NaN where that is not known."""
    if not isinstance(value, tuple):
        return value
    assert quote.date is not None  # a quote of a dated model has one
    day = str(quote.date)
    found = [amount for start, amount in value if str(start) <= day]
    amount = found[-1] if found else None
    return math.nan if amount is None else amount


def _steps(pairs: Iterable[object], name: str, require: Callable[[object], None]) -> DatedAmounts:
    """Return dated amounts with their dates as texts, which print, compare and sort alike."""
    steps: list[tuple[str, float | None]] = []
    for pair in pairs:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise ConfigError(f"a dated {name} must be a (date, {name}) pair, was {pair!r}")
        day, amount = pair
        try:
            said = day if isinstance(day, date) else date.fromisoformat(day)
        except (TypeError, ValueError):
            raise ConfigError(
                f"the date of a dated {name} must be one such as '2023-08-28', was {day!r}"
            ) from None
        if amount is not None:
            require(amount)
        steps.append((said.strftime("%Y-%m-%d"), None if amount is None else float(amount)))
    days = [day for day, _ in steps]
    if not days or days != sorted(set(days)):
        raise ConfigError(f"a dated {name} must ascend by date, its dates were {days!r}")
    return tuple(steps)
