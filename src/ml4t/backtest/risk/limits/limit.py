"""Limit: what every limit on the portfolio is, and what it sees.

A limit sees every asset concerned at once (`Wish`) and answers with the weights that it leaves;
what it does to the whole account at a close are `LimitAction`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from ml4t.backtest.core.batch import Bools, Floats, Ints
from ml4t.backtest.core.shown import shown_attributes
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.risk.limits.account_state import AccountState

# The rank of an asset that the strategy did not rank: behind all that it did.
UNRANKED = int(np.iinfo(np.int64).max)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the strategy wants, as a limit sees it; every array has one entry per asset.

    Weights are fractions of equity, positive long, negative short. No value is NaN.

    Attributes
    ----------
    sids : int array
        Assets held or wanted, ascending.
    current : float array
        Weights now: ``quantity * mark * multiplier / equity``.
    wanted : float array
        Weights wanted, as the limits before this one left them; 0 for a held asset that the
        strategy did not name.
    rank : int array
        Place in the strategy's ranking, 0 the best; `UNRANKED` where it has none.
    is_fixed : bool array
        Assets that this decision does not trade: at a discrete order all but its own. They count
        in every sum; a weight given to them is ignored.
    account : AccountState
    groups : mapping of str to int array
        Codes of the columns of ``assets`` that limits named, -1 where missing.
    features : mapping of str to float array
        Columns of ``signals`` that limits named; these may be NaN, where missing.
    """

    sids: Ints
    current: Floats
    wanted: Floats
    rank: Ints
    is_fixed: Bools
    account: AccountState
    groups: Mapping[str, Ints] = field(default_factory=dict)
    features: Mapping[str, Floats] = field(default_factory=dict)


class LimitKind(StrEnum):
    """What a limit does to the whole account at a close."""

    HALT = "halt"
    REDUCE = "reduce"
    LIQUIDATE = "liquidate"
    RESUME = "resume"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitAction:
    """One act of a limit on the whole account.

    Attributes
    ----------
    kind : LimitKind
        ``REDUCE`` trades at the next open; ``LIQUIDATE`` at every open until ``RESUME``, where an
        asset could not trade. What a limit denies meanwhile is up to its own `edit`.
    factor : float
        Share of every position that stays, from 0 to 1: 0 at a liquidation, 1 where none trades.
    seen : mapping of str to float
        Values on which the limit acted, for the ``decisions`` table.
    """

    kind: LimitKind
    factor: float
    seen: Mapping[str, float]

    def __post_init__(self) -> None:
        if not 0 <= self.factor <= 1:
            raise ConfigError(f"factor must be a number from 0 to 1, was {self.factor!r}")


class Cut(NamedTuple):
    """Every position is to be scaled at the next open.

    Attributes
    ----------
    rule : str
        Name of the limit, the tag of the orders.
    factor : float
        Share of each position that stays; 0 at a liquidation. Of several cuts at one close the
        smallest factor counts, the first of equal ones.
    """

    rule: str
    factor: float


class Limit:
    """Base of all limits: override `edit`, for the whole account also `at_close`.

    A weight that a limit turns into exactly the current one is an order that is denied: the asset
    is not traded at all, unless a later limit changes the weight again.

    A limit object may serve many runs: what it remembers of one run belongs into what `start`
    returns.

    Attributes
    ----------
    features : tuple of str
        Columns of ``signals`` that the limit reads; an unknown one is refused before the run.
    groups : tuple of str
        Text columns of ``assets`` that the limit reads.
    """

    features: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Show the limit by its values, so that equal limits give runs of equal identity."""
        return f"{type(self).__name__}({shown_attributes(self)})"

    @property
    def name(self) -> str:
        """The name under which decisions and orders show this limit."""
        return type(self).__name__

    @property
    def reason(self) -> str:
        """One line on what the limit does, for the ``decisions`` table."""
        return self.name

    def start(self) -> Limit:
        """Return the limit as one run asks it; a limit that remembers returns a new object."""
        return self

    def edit(self, wish: Wish) -> Floats:
        """Return the weights that the limit leaves; ``wish.wanted`` itself where it has no say."""
        return wish.wanted

    @property
    def is_braking(self) -> bool:
        """Whether the limit, in its run, forbids to increase any position now."""
        return False

    @property
    def trades_at_open(self) -> bool:
        """Whether the limit, in its run, may sell and cover at the next open."""
        return type(self).at_close is not Limit.at_close

    def at_close(self, account: AccountState) -> Sequence[LimitAction]:  # noqa: ARG002 - no say
        """Return what the limit does to the whole account at this close, in its order."""
        return ()

    def quiet_closes(self, account: AccountState, equity: Floats) -> int:  # noqa: ARG002 - no say
        """Return at how many closes, the next ones, of this equity `at_close` would say nothing.

        A limit that overrides `at_close` without this is asked at every close.
        """
        return len(equity)

    def pass_over(self, equity: Floats) -> None:
        """Take note of closes at which it was not asked, since it would have said nothing."""

    @property
    def must_see_every_close(self) -> bool:
        """Whether nobody says which closes its `at_close` lets pass."""
        kinds = type(self).__mro__
        told, asked = (
            next(kind for kind in kinds if name in vars(kind))
            for name in ("at_close", "quiet_closes")
        )
        return told is not asked
