"""Quote and Charges: what cost models are asked and may answer, and what each of them refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ml4t.backtest.core.batch import Floats, Ints
from ml4t.backtest.errors import CostError


@dataclass(slots=True, kw_only=True)  # hot: freezing costs a call per field
class Quote:
    """Orders that are about to fill; every array has one entry per order.

    Attributes
    ----------
    sids : int array
    quantity : float array
        Shares, positive buys, negative sells.
    price : float array
        Per share: for slippage before it, for impact after slippage, for commission the price
        paid.
    multiplier : float array
    market : mapping of str to float array
        The columns that the model named in `features`, at the bar of the fill; NaN = missing.
    is_maker : bool
        The orders rested in the book: limits that did not cross it.
    date : numpy.datetime64 or None
        Trading date of the fill, in the exchange's zone; None where no model of the run asks.
    month_shares, month_value : float
        What this account has filled before in the calendar month of that date, without sign;
        0 where the model does not ask by `counts_month`.
    currencies : tuple of str
        That of each order's asset; empty where all are in that of the account.
    """

    sids: Ints
    quantity: Floats
    price: Floats
    multiplier: Floats
    market: Mapping[str, Floats]
    is_maker: bool = False
    date: np.datetime64 | None = None
    month_shares: float = 0.0
    month_value: float = 0.0
    currencies: tuple[str, ...] = ()

    @property
    def side(self) -> Floats:
        """+1 for buys, -1 for sells."""
        sides: Floats = np.sign(self.quantity)
        return sides

    @property
    def value(self) -> Floats:
        """The asset's currency, without sign: ``|quantity| * price * multiplier``."""
        return np.abs(self.quantity) * self.price * self.multiplier

    def known(self, column: str, *, positive: bool = False) -> Floats:
        """Return `market[column]`, refused where the model cannot count on it.

        Raises
        ------
        CostError
            Some value was missing (NaN), infinite, negative or, with `positive`, zero.
        """
        values = self.market[column]
        is_known = ((values > 0) if positive else (values >= 0)) & (values < np.inf)
        if not is_known.all():
            bad = ~is_known
            raise CostError(
                f"column {column!r} must be a number {'above 0' if positive else '>= 0'} where an "
                f"order fills, was {float(values[bad][0])!r} at {bad.sum()} of {len(values)} "
                "fills; mend its source, raise its max_age or take a model that does not read it",
                sids=self.sids[bad],
            )
        return values

    def require_price(self, price: Floats) -> Floats:
        """Return `price`, refused where it is not above 0 and finite.

        Raises
        ------
        CostError
            Some price is none; NaN is none either.
        """
        is_price = (price > 0) & (price < np.inf)  # false where one is NaN
        if np.count_nonzero(is_price) < len(price):
            bad = ~is_price
            raise CostError(
                f"slippage left a price of {float(price[bad][0]):g} of "
                f"{float(self.price[bad][0]):g} at {bad.sum()} of {len(price)} fills; lower the "
                "slippage, or limit orders to a share of the volume",
                sids=self.sids[bad],
            )
        return price


@dataclass(frozen=True, slots=True)
class Charges:
    """What fills are charged, apart by who gets it; the asset's currency, positive = cost.

    Each is an array with one number for each fill, or one number for each of them.

    Attributes
    ----------
    commission
        What the broker keeps; negative = a rebate.
    tax
        What a state takes: stamp duty, transaction tax, value-added tax on what is charged.
    fee
        What the broker passes on: of exchange, clearing house, registrar, regulator.
    """

    commission: Floats | float = 0.0
    tax: Floats | float = 0.0
    fee: Floats | float = 0.0


class MonthToDate:
    """What an account has filled so far in the calendar month: shares and value, without sign."""

    def __init__(self) -> None:
        self._month, self._shares, self._value = np.datetime64("1970-01", "M"), 0.0, 0.0

    def at(self, date: np.datetime64) -> tuple[float, float]:
        """Return shares and value filled before, in the month of a date."""
        if date.astype("datetime64[M]") != self._month:
            return 0.0, 0.0
        return self._shares, self._value

    def add(self, date: np.datetime64, shares: float, value: float) -> None:
        """Count what filled on a date."""
        before = self.at(date)
        self._month = date.astype("datetime64[M]")
        self._shares, self._value = before[0] + shares, before[1] + value


def prices_each(model: object) -> bool:
    """Whether a model prices each fill by itself, whatever it is asked about besides.

    Those of this package do but for what goes by dates; one of the user's may count the fills of a
    bar.
    """
    is_ours = type(model).__module__.rpartition(".")[0] == __package__
    return is_ours and not getattr(model, "is_dated", False)


def one_each(found: object, quote: Quote, model: object, what: str) -> Floats:
    """Return what a model gave as one number of each fill; one number alone is that of each.

    Raises
    ------
    CostError
        It is no number, or there are fewer or more of them than fills.
    """
    n = len(quote.sids)
    if isinstance(found, np.ndarray) and found.shape == (n,) and found.dtype == np.float64:
        return found
    try:
        values = np.asarray(found, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.empty((0, 0))
    if values.ndim == 0 or values.shape == (n,):
        return np.full(n, values)
    shown = f"an array of shape {values.shape}" if values.ndim == 1 else repr(found)
    raise CostError(
        f"{model!r} gave {shown} for {n} fills; its {what} returns an array of one number for each "
        "fill, as quote.price has, or one number for each of them",
        sids=quote.sids,
    )


class Commission(Protocol):
    """Charges for fills, in the currency of each asset."""

    @property
    def features(self) -> tuple[str, ...]:
        """Columns of ``signals`` that the model reads."""
        ...

    def charge(self, quote: Quote) -> Floats | Charges:
        """Return the charge of each fill, positive = cost, negative = rebate.

        An array is commission; `Charges` say what of it is tax or fee.
        """
        ...


class Slippage(Protocol):
    """Moves the price of a fill against the trader; market impact is one too."""

    @property
    def features(self) -> tuple[str, ...]:
        """Columns of ``signals`` that the model reads."""
        ...

    def fill_price(self, quote: Quote) -> Floats:
        """Return the price per share, above 0 and never better than ``quote.price``."""
        ...
