"""NoTradeBand: changes of targets that are too small to be made, and how many there were."""

from __future__ import annotations

from dataclasses import dataclass

from ml4t.backtest.core.batch import Bools, Floats
from ml4t.backtest.core.fractions import RATE, require_fraction
from ml4t.backtest.errors import require_within


@dataclass(frozen=True, slots=True)
class NoTradeBand:
    """What a change must be worth to be made; see `Ranking`.

    Attributes
    ----------
    min_trade : float
        Account currency.
    band : float
        Fraction of equity, below 1.
    """

    min_trade: float = 0.0
    band: float = 0.0

    def __post_init__(self) -> None:
        if self:
            require_within("min_trade", self.min_trade)
            require_fraction("band", self.band, RATE)

    def __bool__(self) -> bool:
        return bool(self.min_trade or self.band)


class PassedOver:
    """Says which changes are made, and counts those that are not: they leave no order.

    Attributes
    ----------
    n_asked, n_passed : int
        Changes that were weighed, and those of them that were not made.
    """

    def __init__(self) -> None:
        self.n_asked = self.n_passed = 0

    def allows(
        self, no_trade_band: NoTradeBand, wanted: Floats, live: Floats, value: Floats, equity: float
    ) -> Bools:
        """Return which changes are made: exits to zero always are.

        Parameters
        ----------
        wanted, live : float array
            Shares after and before, signed.
        value : float array
            What each change is worth, account currency, positive.
        equity : float
            Account currency.
        """
        is_small = (value < no_trade_band.min_trade) & (wanted != 0)
        # What is held on the target's own side drifts; all else is a decision.
        drifts = (value <= no_trade_band.band * equity) & (live * wanted > 0)
        is_made: Bools = ~(is_small | drifts)
        self.n_asked += len(is_made)
        self.n_passed += int((~is_made).sum())
        return is_made

    def activity(self) -> list[dict[str, object]]:
        """Return the counts as those of rules are; none where nothing was weighed."""
        if not self.n_asked:
            return []
        return [{"name": "min_trade and band", "evaluated": self.n_asked, "fired": self.n_passed}]
