"""LimitView: what the limits of one run see. Holdings become weights, fractions of equity."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

import numpy as np

from ml4t.backtest.core.batch import Bools, Floats, Ints
from ml4t.backtest.core.terms import Instruments
from ml4t.backtest.errors import ConfigError, did_you_mean
from ml4t.backtest.risk.limits.account_state import AccountState
from ml4t.backtest.risk.limits.limit import Limit, Wish

NO_FEATURES: Mapping[str, Floats] = MappingProxyType({})


class Holdings(Protocol):
    """What the desk reads of a portfolio; arrays are indexed by `sid`."""

    cash: float
    held: Ints
    quantity: Floats
    mark: Floats


class LimitView:
    """Portfolio, groups and features, as far as the limits read them.

    Parameters
    ----------
    limits : sequence of Limit
    portfolio : Holdings
        Read whenever it is asked for.
    instruments : Instruments

    Attributes
    ----------
    features : mapping of str to float array, by sid
        Those of the last close.

    Raises
    ------
    ConfigError
        A limit names a group that ``assets`` does not have.
    """

    def __init__(
        self, limits: Sequence[Limit], portfolio: Holdings, instruments: Instruments
    ) -> None:
        _require_groups(limits, instruments)
        self.features = NO_FEATURES
        self._portfolio, self._instruments = portfolio, instruments
        self._groups = list(dict.fromkeys(name for limit in limits for name in limit.groups))
        self._feature_names = list(dict.fromkeys(n for limit in limits for n in limit.features))

    def equity(self, t: int) -> float:
        """Return cash plus positions at their marks, account currency; `t` is the bar of now."""
        held = self._portfolio.held
        value = self._portfolio.quantity[held] * self._portfolio.mark[held]
        equity = self._portfolio.cash + float((value * self._instruments.multiplier[held]).sum())
        assert math.isfinite(equity), f"equity at bar {t} was {equity}"
        return equity

    def weights(self, sids: Ints, equity: float) -> Floats:
        """Return the weights of some assets: ``quantity * mark * multiplier / equity``."""
        quantity = self._portfolio.quantity[sids]
        # What is not held has no mark.
        mark = np.where(quantity == 0, 0.0, self._portfolio.mark[sids])
        weights: Floats = quantity * mark * self._instruments.multiplier[sids] / equity
        return weights

    def wish(
        self, *, sids: Ints, current: Floats, wanted: Floats, rank: Ints, is_fixed: Bools,
        account: AccountState,
    ) -> Wish:  # fmt: skip
        """Return what the strategy wants, with the groups and features that limits named."""
        return Wish(
            sids=sids,
            current=current,
            wanted=wanted,
            rank=rank,
            is_fixed=is_fixed,
            account=account,
            groups={name: self._instruments.groups[name][sids] for name in self._groups},
            features={name: self.features[name][sids] for name in self._feature_names},
        )


def _require_groups(limits: Sequence[Limit], instruments: Instruments) -> None:
    for limit in limits:
        for name in limit.groups:
            if name in instruments.changing:
                raise ConfigError(
                    f"limit {limit!r} groups by '{name}', which changes with available_at of "
                    "source 'assets'; a limit takes one group of an asset for the whole run: "
                    "register 'assets' without available_at, or weigh by it in the strategy"
                )
            if name not in instruments.groups:
                raise ConfigError(
                    f"limit {limit!r} needs a column '{name}' of source 'assets'"
                    f"{did_you_mean(name, instruments.groups)}"
                )
