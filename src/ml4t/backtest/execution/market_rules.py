"""Market rules: what an exchange lets be traded, of every asset that ``assets`` says nothing of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ml4t.backtest.core.batch import Floats, Ints
from ml4t.backtest.core.orders import parse_choice
from ml4t.backtest.core.terms import Instruments
from ml4t.backtest.errors import ConfigError, require_whole

# Days from one session to the next, of most: a long holiday is one of many, a week is a bar of one.
MOST_DAYS_APART = 4


class LimitRounding(StrEnum):
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
    """

    min_holding: int = 0
    limit_rounding: LimitRounding = LimitRounding.HALF_UP

    def __post_init__(self) -> None:
        whole = require_whole("min_holding", self.min_holding, least=0)
        object.__setattr__(self, "min_holding", whole)
        rounding = parse_choice(LimitRounding, "limit_rounding", self.limit_rounding)
        object.__setattr__(self, "limit_rounding", rounding)

    @property
    def description(self) -> str:
        """The rules in force as one line, for the summary; empty where there are none."""
        if not self.min_holding:
            return ""
        return f"what was bought is sold {self.min_holding} session(s) later at the earliest"

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
