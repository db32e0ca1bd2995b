"""Currencies: what each costs, and a purse of every one that the account has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from reference_types import Asset, Timestamp

CONVERTED, HELD, BORROWED = "converted", "held", "borrowed"


@dataclass(frozen=True, kw_only=True)
class Fx:
    """What a run knows of currencies.

    rows: time, base, quote and rate: one base is worth so many of the quote.
    currency: of each asset; the account's own where nothing is said.
    interest: credit and debit rate a year, and its days, by currency.
    """

    account: str
    currency: Mapping[Asset, str]
    rows: Sequence[tuple[Timestamp, str, str, float]]
    cash: str = CONVERTED
    cost: float = 0.0
    interest: Mapping[str, tuple[float, float, int]] = field(default_factory=dict)


@dataclass
class Exchange:
    """The rates of now, and purses: each an amount in its own currency."""

    fx: Fx
    purses: dict[str, float] = field(default_factory=dict)
    now: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = {*self.fx.currency.values(), self.fx.account}
        self.purses = dict.fromkeys(sorted(names), 0.0)

    def of(self, asset: Asset | None) -> str:
        return self.fx.account if asset is None else self.fx.currency.get(asset, self.fx.account)

    def rate(self, asset: Asset | None) -> float:
        return self.now[self.of(asset)]

    def move(self, time: Timestamp) -> float:
        """Take the rates as known at a bar; return what the purses gain by it, account currency."""
        before, self.now = self.now, {name: self.known(name, time) for name in self.purses}
        if not before:
            return 0.0
        return sum(self.purses[name] * (self.now[name] - before[name]) for name in self.purses)

    def known(self, name: str, time: Timestamp) -> float:
        """Return the newest rate of a currency by a time, of the pair as it is there."""
        if name == self.fx.account:
            return 1.0
        newest = None
        for at, base, quote, rate in sorted(self.fx.rows):
            if at > time:
                break
            if (base, quote) == (name, self.fx.account):
                newest = rate
            if (quote, base) == (name, self.fx.account):
                newest = 1 / rate
        assert newest is not None
        return newest

    def pay(self, asset: Asset | None, amount: float) -> float:
        """Put an amount into the purse of the asset; return how much of it had to be converted.

        amount: account currency, below 0 where it is paid out.
        """
        name = self.of(asset)
        if self.fx.cash == CONVERTED:
            self.purses[self.fx.account] += amount
            return abs(amount) if name != self.fx.account else 0.0
        self.purses[name] += amount / self.now[name]
        if self.fx.cash == BORROWED:
            return 0.0
        converted = 0.0
        if name != self.fx.account and self.purses[name] < 0:
            converted = -self.purses[name] * self.now[name]
            self.purses[name] = 0.0
            self.purses[self.fx.account] -= converted
        for other in self.purses:  # what the account lacks, the others give
            lacking = -self.purses[self.fx.account]
            if other != self.fx.account and lacking > 0 and self.purses[other] > 0:
                drawn = min(lacking, self.purses[other] * self.now[other])
                self.purses[other] -= drawn / self.now[other]
                self.purses[self.fx.account] += drawn
                converted += drawn if name == self.fx.account else 0.0
        return converted

    def would_convert(self, asset: Asset, amount: float) -> float:
        """Return the same without paying it."""
        kept = dict(self.purses)
        converted = self.pay(asset, amount)
        self.purses = kept
        return converted

    def expects_to_convert(self, asset: Asset, amount: float, held: Iterable[Asset]) -> float:
        """Return what a fill is taken to have converted while it is not known what is there."""
        is_foreign = self.of(asset) != self.fx.account
        if self.fx.cash == CONVERTED:
            return abs(amount) if is_foreign else 0.0
        others = [n for name, n in self.purses.items() if name != self.fx.account]
        may_sell = any(self.of(one) != self.fx.account for one in held)
        may_draw = is_foreign or may_sell or any(n > 0 for n in others)
        return max(-amount, 0.0) if may_draw and self.fx.cash == HELD else 0.0
