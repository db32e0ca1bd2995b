"""Market rules: what an exchange lets be traded, of every asset that ``assets`` says nothing of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.batch import Floats, Ints
from ml4t.backtest.core.fractions import SHARE, require_fraction
from ml4t.backtest.core.orders import Word, parse_choice
from ml4t.backtest.core.terms import Instruments
from ml4t.backtest.errors import (
    ConfigError,
    require_choice,
    require_list,
    require_whole,
    require_within,
)

# Days from one session to the next, of most: a long holiday is one of many, a week is a bar of one.
MOST_DAYS_APART = 4
# Terms that differ from asset to asset, and how an asset says nothing of each.
REQUIRABLE = {"lot_size": 0.0, "tick_size": 0.0, "initial_margin": np.nan,
              "maintenance_margin": np.nan, "max_order": np.nan, "instrument": 0.0,
              "contract_initial_margin": np.nan,
              "contract_maintenance_margin": np.nan}  # fmt: skip
N_LACKING = 5


class LimitRounding(Word):
    """How a price limit that is a rate comes to be on a tick."""

    HALF_UP = "half_up"
    INWARD = "inward"


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketRules:
    """Rules of an exchange.

    Attributes
    ----------
    min_holding : int
        Sessions before what was bought may be sold: 0 at once; 1 not before the next session, as
        in China's A shares (T+1). A column ``min_holding`` of ``assets`` wins, where it has a
        value.
    limit_rounding : {"half_up", "inward"}
        How price limits that are rates of the previous close (``limit_rate``) come to be on ticks:
        to the nearest, halves up, as in Shanghai and Shenzhen; or toward the previous close, as in
        Seoul and Taipei.
    lot_size : float
        Board lot in shares, 0: any size. A ``lot_size`` of ``assets`` wins, where it is above 0.
    tick_size : float
        Units of price, 0: any price. A ``tick_size`` of ``assets`` wins, where it is above 0.
    limit_rate : float or None
        Price limits of all assets as a fraction of ``prev_close``, which the bars must have; where
        ``prices`` have limits of their own, these count alone.
    requires : tuple of str
        Terms that ``assets`` must give for every asset, since they differ from one to the next:
        ``"lot_size"``, ``"tick_size"``, ``"initial_margin"``, ``"maintenance_margin"``,
        ``"max_order"``, ``"instrument"`` (another than a share), ``"contract_initial_margin"`` or
        ``"contract_maintenance_margin"``.
    """

    min_holding: int = 0
    limit_rounding: LimitRounding = LimitRounding.HALF_UP
    lot_size: float = 0.0
    tick_size: float = 0.0
    limit_rate: float | None = None
    requires: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require_within("lot_size", self.lot_size)
        require_within("tick_size", self.tick_size)
        if self.limit_rate is not None:
            require_fraction("limit_rate", self.limit_rate, SHARE)
        names = require_list("requires", self.requires, "terms of assets")
        for name in names:
            require_choice("requires", name, REQUIRABLE)
        object.__setattr__(self, "requires", tuple(names))
        whole = require_whole("min_holding", self.min_holding, least=0)
        object.__setattr__(self, "min_holding", whole)
        rounding = parse_choice(LimitRounding, "limit_rounding", self.limit_rounding)
        object.__setattr__(self, "limit_rounding", rounding)

    @property
    def description(self) -> str:
        """The rules in force as one line, for the summary; empty where there are none."""
        said = []
        if self.min_holding:
            said.append(
                f"what was bought is sold {self.min_holding} session(s) later at the earliest"
            )
        if self.lot_size:
            said.append(f"lots of {self.lot_size:g}")
        if self.limit_rate is not None:
            said.append(f"price limits of {self.limit_rate:.0%} of the previous close")
        return ", ".join(said)

    def terms(self, own: Instruments, asset_ids: NDArray[np.object_]) -> Instruments:
        """Return terms of assets, the market's where they have none.

        Raises
        ------
        ConfigError
            An asset lacks a term that the market requires.
        """
        for name in self.requires:
            values, nothing = getattr(own, name), REQUIRABLE[name]
            (lacking,) = (np.isnan(values) if np.isnan(nothing) else values == nothing).nonzero()
            if len(lacking):
                some = [asset_ids[sid] for sid in lacking[:N_LACKING].tolist()]
                raise ConfigError(
                    f"the market's rules require a {name} of each asset, and source 'assets' has "
                    f"none for {len(lacking)} of {len(values)}, such as {some!r}; add the column, "
                    f"or leave the rule out: MarketRules(requires=()) without {name!r}"
                )
        if not (self.lot_size or self.tick_size):
            return own
        return own._replace(
            lot_size=np.where(own.lot_size > 0, own.lot_size, self.lot_size),
            tick_size=np.where(own.tick_size > 0, own.tick_size, self.tick_size),
        )

    def min_holdings(self, terms: Instruments, sessions: Ints) -> Floats:
        """Return the sessions of each asset before what was bought of it may be sold, by sid.

        Raises
        ------
        ConfigError
            Bars are too far apart to say in which session something was bought.
        """
        own = terms.min_holding
        found: Floats = np.where(np.isnan(own), float(self.min_holding), own)
        apart = np.diff(sessions) if (found > 0).any() else sessions[:0]
        apart = np.sort(apart[apart > 0])
        if len(apart) and (usual := apart.item(len(apart) // 2)) > MOST_DAYS_APART:
            raise ConfigError(
                f"min_holding counts sessions, and most bars are {usual} days apart: "
                "in which session something was bought they do not say; use bars of a day or "
                "less, or leave it out (0, and no min_holding in 'assets')"
            )
        return found
