"""Currencies: that of the account, and what it does with money of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.batch import Floats, Ints
from ml4t.backtest.core.fractions import RATE, Span, require_fraction
from ml4t.backtest.core.orders import Word, parse_choice
from ml4t.backtest.core.terms import FxRates, Instruments
from ml4t.backtest.errors import ConfigError, DataError, require_list, require_whole
from ml4t.backtest.execution.account.fx_paths import MINOR_UNITS, rate_of
from ml4t.backtest.execution.costs.financing import DayCount, days_of
from ml4t.backtest.portfolio.exchange import CashRules, CurrencyInterest, Exchange

NO_INTEREST = CurrencyInterest(0.0, 0.0, None)
N_ASSETS_SHOWN = 5


class ForeignCash(Word):
    """What becomes of money in a currency that is not the account's.

    CONVERTED: every payment is converted as it is made, and all cash is of the account's currency.
    HELD: what comes in stays; what goes out is taken from it, and what is missing is bought with
    other currencies. BORROWED: what goes out beyond what there is the broker lends in that
    currency, as in a margin account whose holder converts nothing.
    """

    CONVERTED = "converted"
    HELD = "held"
    BORROWED = "borrowed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrencyRates:
    """Interest on cash of one currency that is not the account's, as `Financing` has it of that.

    Attributes
    ----------
    currency : str
    credit_rate, debit_rate : float
        Annual fractions, above zero and below.
    day_count : DayCount
        Of interest, and of fees on borrowed shares that are in the currency.
    """

    currency: str
    credit_rate: float = 0.0
    debit_rate: float = 0.0
    day_count: DayCount = DayCount.ACTUAL_365

    def __post_init__(self) -> None:
        require_fraction("credit_rate", self.credit_rate, Span(-1, 1))
        require_fraction("debit_rate", self.debit_rate, RATE)
        object.__setattr__(self, "day_count", parse_choice(DayCount, "day_count", self.day_count))
        _require_code("currency", self.currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Currencies:
    """How an account trades assets of several currencies.

    The column ``currency`` of ``assets`` says which each asset has, the source ``fx`` what they
    cost. Without that column everything is in one currency, and none of this is read.

    Attributes
    ----------
    account : str
        Currency in which the account is kept; empty: that of all assets, where they have one.
    cash : ForeignCash
        ``"converted"``, ``"held"`` or ``"borrowed"``.
    conversion_cost : float
        Fraction of what is converted, part of the ``fee`` of the fill that needs it: 0.00002 is
        0.2 basis points. Dividends, interest and what contracts settle are converted without.
    max_age : int
        Days by which the newest rate of a pair may be older than a bar that needs it.
    interest : tuple of CurrencyRates
        On cash that is kept in other currencies; none by default.
    """

    account: str = ""
    cash: ForeignCash = ForeignCash.CONVERTED
    conversion_cost: float = 0.0
    max_age: int = 14
    interest: tuple[CurrencyRates, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.account, str) or self.account:
            _require_code("account", self.account)
            if self.account in MINOR_UNITS:
                major = MINOR_UNITS[self.account][0]
                raise ConfigError(
                    f"account must be a currency, was {self.account!r}; write {major!r}"
                )
        object.__setattr__(self, "cash", parse_choice(ForeignCash, "cash", self.cash))
        require_fraction("conversion_cost", self.conversion_cost, RATE)
        object.__setattr__(self, "max_age", require_whole("max_age", self.max_age, least=0))
        interest = tuple(require_list("interest", self.interest, "CurrencyRates"))
        object.__setattr__(self, "interest", interest)
        self._require_used(interest)

    def _require_used(self, interest: Sequence[object]) -> None:
        """Refuse settings that nothing would read."""
        for one in interest:
            if not isinstance(one, CurrencyRates):
                raise ConfigError(f"interest must be of CurrencyRates, was {one!r}")
        names = [one.currency for one in self.interest]
        if len(set(names)) < len(names):
            raise ConfigError(f"interest has a currency twice: {names!r}; give each once")
        if interest and self.cash is ForeignCash.CONVERTED:
            raise ConfigError(
                "interest is on cash of other currencies, of which cash='converted' keeps none; "
                "write cash='held' or 'borrowed', or leave it out"
            )
        if self.conversion_cost and self.cash is ForeignCash.BORROWED:
            raise ConfigError(
                "cash='borrowed' converts nothing; leave conversion_cost out, or write cash='held'"
            )
        if self.account in names:
            raise ConfigError(
                f"interest on {self.account!r}, the account's own currency, is in Financing; give "
                "it there"
            )

    def exchange(
        self,
        terms: Instruments,
        fx: FxRates | None,
        sessions: Ints,
        asset_ids: NDArray[np.object_],
    ) -> Exchange | None:
        """Return what converts for a run; None: all its assets are of the account's currency.

        Parameters
        ----------
        sessions : int array
            Date of each bar, as days since 1970.

        Raises
        ------
        ConfigError
            Nobody says which currency the account is of.
        DataError
            A rate that is needed is not known, or too old.
        """
        if not terms.currency:
            self._require_currencies()
            if fx is not None:
                raise DataError(
                    "fx",
                    "converts_nothing",
                    "converts nothing, as no asset says which currency "
                    "it is in; give source 'assets' a column currency, or leave the rates out",
                )
            return None
        account = self._account(terms.currency)
        said = [MINOR_UNITS.get(one or account, (one or account, 1.0)) for one in terms.currency]
        names = [account, *sorted({name for name, _ in said} - {account})]
        unit = np.array([one for _, one in said])
        if len(names) == 1 and (unit == 1).all():
            return None
        of_asset = np.array([names.index(name) for name, _ in said], dtype=np.int64)
        if fx is None and len(names) > 1:
            _refuse_without_fx(account, of_asset, names, asset_ids)
        rates = np.ones((len(sessions), len(names)))
        for code, name in enumerate(names[1:], start=1):
            assert fx is not None
            first = fx.first_priced[(of_asset == code) & (fx.first_priced >= 0)]
            begin = int(first.min(initial=len(sessions)))
            rates[:, code] = self._rates(name, account, fx, sessions, begin)
        own = [one or account for one in terms.currency]
        return Exchange(names, rates, of_asset, unit, self._rules, self._interest(names), own)

    @property
    def lends(self) -> bool:
        """Whether the broker lends a currency of which more is spent than there is."""
        return self.cash is ForeignCash.BORROWED

    @property
    def _rules(self) -> CashRules:
        return CashRules(
            self.cash is not ForeignCash.CONVERTED, self.lends,
            self.conversion_cost,
        )  # fmt: skip

    def _account(self, said: Sequence[str | None]) -> str:
        """Return the currency of the account, which all assets may say."""
        if self.account:
            return self.account
        names = sorted({MINOR_UNITS.get(one, (one,))[0] for one in said if one is not None})
        if len(names) == 1 and None not in said:
            return names[0]
        shown = ", ".join(names) + (", or none" if None in said else "")
        raise ConfigError(
            f"assets are in {shown}, and nobody says in which currency the account is; write "
            f"currencies=Currencies(account={names[0] if names else 'USD'!r})"
        )

    def _require_currencies(self) -> None:
        """Refuse settings about other currencies where no asset says which it has."""
        if self != Currencies(account=self.account):
            raise ConfigError(
                "currencies are set, and no asset has one; give source 'assets' a column currency"
            )

    def _interest(self, names: Sequence[str]) -> list[CurrencyInterest]:
        own = {
            one.currency: CurrencyInterest(one.credit_rate, one.debit_rate, days_of(one.day_count))
            for one in self.interest
        }
        unknown = sorted(own.keys() - set(names))
        if unknown:
            raise ConfigError(
                f"interest is on {unknown[0]!r}, and no asset is in it: assets are in "
                f"{', '.join(names)}; leave it out"
            )
        return [own.get(name, NO_INTEREST) for name in names]

    def _rates(self, name: str, account: str, fx: FxRates, sessions: Ints, begin: int) -> Floats:
        """Return the rate of a currency at each close, checked from bar `begin` on."""
        rate, day = rate_of(name, account, fx)
        missing = np.isnan(rate[begin:])
        if missing.any():
            first = np.datetime64(int(sessions[begin]), "D")
            raise DataError(
                "fx", "rate_unknown", f"has no rate between {name} and {account} by the first bar "
                f"of an asset in {name}, {first}; add rows before it, or start the run later",
                n_rows=int(missing.sum()), sample=[{"currency": name, "bar": str(first)}],
            )  # fmt: skip
        (old,) = (sessions[begin:] - day[begin:] > self.max_age).nonzero()
        if len(old):
            bar = begin + int(old[0])
            raise DataError(
                "fx", "rate_too_old", f"has rates between {name} and {account} that are more than "
                f"{self.max_age} days older than bars; add rows, or raise max_age of Currencies",
                n_rows=len(old), sample=[
                    {"currency": name, "bar": str(np.datetime64(int(sessions[bar]), "D")),
                     "newest_rate": str(np.datetime64(int(day[bar]), "D"))}
                ],
            )  # fmt: skip
        return rate


def _refuse_without_fx(
    account: str, of_asset: Ints, names: Sequence[str], asset_ids: NDArray[np.object_]
) -> None:
    (foreign,) = of_asset.nonzero()
    raise DataError(
        "assets", "currency_without_fx", f"has assets that are not in {account}, the currency of "
        "the account, and no source says what theirs cost; register a source 'fx' with timestamp, "
        "base, quote and rate",
        n_rows=len(foreign), sample=[
            {"asset_id": asset_ids[sid], "currency": names[of_asset[sid]]}
            for sid in foreign[:N_ASSETS_SHOWN].tolist()
        ],
    )  # fmt: skip


def _require_code(name: str, value: object) -> None:
    if not isinstance(value, str) or not value.isalnum():
        raise ConfigError(f"{name} must be a currency such as 'USD', was {value!r}")
