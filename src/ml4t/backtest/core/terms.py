"""Terms: what is fixed about each asset, and what corporate actions happen when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ml4t.backtest.core.batch import Bools, Floats, Ints

# What an asset may be: a share is paid for, of the others the P&L is settled daily.
INSTRUMENTS = ("share", "future", "perpetual")
FUTURE, PERPETUAL = map(INSTRUMENTS.index, ("future", "perpetual"))
ALL_SIDS = slice(None)
# Why a trade of a contract ended at its last close.
EXPIRY = "expiry"


class Instruments(NamedTuple):
    """Contract terms by `sid`, from the ``assets`` source; every array is as long as the assets.

    Attributes
    ----------
    multiplier : float array
        Account currency per unit of price and quantity; 1 for shares of that currency. Where assets
        have others it is written in place, as rates change.
    lot_size : float array
        Quantities are multiples of it; 0 = any fraction.
    tick_size : float array
        Prices of orders and fills are multiples of it; 0 = any price.
    initial_margin, maintenance_margin : float array
        Fractions of exposure; NaN where the account's own apply.
    min_holding : float array
        Sessions before what was bought may be sold; NaN where the market's own rule applies.
    max_order : float array
        Most shares of one order; NaN: any number.
    short_initial_margin, short_maintenance_margin : float array
        The same of short positions; NaN where they need what the asset's, or else the account's
        own, say.
    contract_initial_margin, contract_maintenance_margin : float array
        Account currency per contract, of either side; NaN where fractions apply. Written in place
        where rates or margins change.
    instrument : int array
        Place in `INSTRUMENTS` of what each asset is.
    expiry : float array or None
        Day of the last session of each contract, as days since 1970; NaN: it has none. None: no
        contract has one.
    final_settlement : float array or None
        Price at which a contract is settled at its expiry; NaN: the last close.
    currency : tuple of (str or None)
        Currency of each asset's prices and amounts; None: that of the account. Empty: nobody says.
    units : float array or None
        Currency of the asset per unit of price and quantity; None: as `multiplier`.
    groups : mapping of str to int array
        Codes of a text column such as ``sector``, -1 where missing.
    group_names : mapping of str to tuple of str
        The text behind the codes.
    changing : tuple of str
        Text columns with a clock: of them an asset has no code for a whole run.
    """

    multiplier: Floats
    lot_size: Floats
    tick_size: Floats
    initial_margin: Floats
    maintenance_margin: Floats
    min_holding: Floats
    max_order: Floats
    short_initial_margin: Floats
    short_maintenance_margin: Floats
    contract_initial_margin: Floats
    contract_maintenance_margin: Floats
    instrument: Ints
    expiry: Floats | None = None
    final_settlement: Floats | None = None
    currency: tuple[str | None, ...] = ()
    units: Floats | None = None
    groups: Mapping[str, Ints] = {}
    group_names: Mapping[str, tuple[str, ...]] = {}
    changing: tuple[str, ...] = ()

    @staticmethod
    def plain(n_assets: int) -> Instruments:
        """Return the terms of plain shares: fractional, any price, multiplier 1."""
        return Instruments(
            multiplier=np.ones(n_assets),
            lot_size=np.zeros(n_assets),
            tick_size=np.zeros(n_assets),
            initial_margin=np.full(n_assets, np.nan),
            maintenance_margin=np.full(n_assets, np.nan),
            min_holding=np.full(n_assets, np.nan),
            max_order=np.full(n_assets, np.nan),
            short_initial_margin=np.full(n_assets, np.nan),
            short_maintenance_margin=np.full(n_assets, np.nan),
            contract_initial_margin=np.full(n_assets, np.nan),
            contract_maintenance_margin=np.full(n_assets, np.nan),
            instrument=np.zeros(n_assets, dtype=np.int64),
        )

    @property
    def own_multiplier(self) -> Floats:
        """Currency of each asset per unit of its price and quantity, which no rate changes."""
        return self.multiplier if self.units is None else self.units

    def margined(self, sids: Ints | slice = ALL_SIDS) -> Bools:
        """Say which of some assets settle daily."""
        is_margined: Bools = self.instrument[sids] > 0
        return is_margined

    @property
    def is_margined(self) -> Bools | None:
        """Which assets settle daily; None: none does."""
        is_margined = self.margined()
        return is_margined if is_margined.any() else None

    def own_margin(self, kind: str, sids: Ints, quantity: Floats) -> Floats:
        """Return what assets themselves ask for positions of some sides; NaN where nothing.

        Parameters
        ----------
        kind : {"initial_margin", "maintenance_margin"}
        quantity : float array
            Below 0 where a position is short.
        """
        own: Floats = getattr(self, kind)[sids]
        short = getattr(self, f"short_{kind}")[sids]
        is_other = (quantity < 0) & ~np.isnan(short)
        return np.where(is_other, short, own) if np.count_nonzero(is_other) else own


class Action(NamedTuple):
    """One corporate action of one asset, at the bar from which it counts.

    Attributes
    ----------
    t : int
        First bar of the run at or after the ex-date.
    sid : int
    kind : str
        One of `ACTION_KINDS`.
    value : float
        Dividend, return of capital, cash: the asset's currency per share held before that bar's
        split.
        Rights: what those of one share are worth. Split: new shares per old share. Merger,
        spin-off: shares of the new asset per old share. Delisting: price per share, NaN = not
        given. Rename: NaN.
    pay_t : int
        Bar at which cash is paid; the number of bars where it is after the last.
    new_sid : int
        Asset that a renamed or merged one becomes, or that is spun off; -1 else.
    cash : float
        Merger: the asset's currency per old share.
    share : float
        Merger: which part of a share's value is cash. Spin-off: which part goes with the new one.
    withholding : float
        Dividend: the fraction of it that tax takes.
    """

    t: int
    sid: int
    kind: str
    value: float
    pay_t: int
    new_sid: int
    cash: float = 0.0
    share: float = 0.0
    withholding: float = 0.0


class MarginChange(NamedTuple):
    """Margins of a contract from the close of bar `t` on, -1: from the start of the run.

    Attributes
    ----------
    initial, maintenance : float
        The asset's currency per contract; NaN where fractions apply.
    """

    t: int
    sid: int
    initial: float
    maintenance: float


class Roll(NamedTuple):
    """What is held of one contract is traded for another, decided at the close of bar `t`."""

    t: int
    sid: int
    new_sid: int


class Funding(NamedTuple):
    """One payment between holders of a perpetual contract; above 0 longs pay shorts.

    Attributes
    ----------
    t : int
        First bar of the run at or after its time.
    rate : float
        Fraction of the notional; NaN where `cash` says it.
    cash : float
        The asset's currency per contract and unit of multiplier; NaN where `rate` says it.
    mark : float
        Price of the notional; NaN: the last close.
    at_close : bool
        It is due at the very time of the bar.
    """

    t: int
    sid: int
    rate: float
    cash: float
    mark: float
    at_close: bool


class FxRates(NamedTuple):
    """What currencies cost in each other, as known at the closes of a run's bars.

    Attributes
    ----------
    pairs : tuple of (str, str)
        Base and quote: one unit of the base is worth so many of the quote.
    rate : float array
        ``[bar, pair]``; NaN until one is known.
    day : float array
        Day of the row that says it, as days since 1970; shaped alike.
    first_priced : int array, by sid
        First bar of each asset; -1: it has none.
    """

    pairs: tuple[tuple[str, str], ...]
    rate: Floats
    day: Floats
    first_priced: Ints


# Columns of a bar: its price limits as a rate, and the close that this is a rate of.
LIMIT_RATE, PREV_CLOSE = "limit_rate", "prev_close"
# The order in which one asset's actions of one bar apply: a dividend is per share before the split.
ACTION_KINDS = (
    "dividend", "return_of_capital", "cash", "rights", "spinoff", "split", "rename", "merger",
    "delisting",
)  # fmt: skip
# Of them those that pay cash for each share held before the ex-date.
PAID = ACTION_KINDS[:4]
# And those whose value follows from prices too.
OF_PRICES = ("rights", "spinoff", "merger")
