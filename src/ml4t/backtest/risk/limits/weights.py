"""Limits on what a strategy wants: they edit target weights before these become orders.

The limits of this module know the current decision alone; those that watch the account over time
are in `account_limits`. `limit_desk` applies both, in the order in which they were given.

The order matters, since each limit edits what the one before it left. `MaxPositions`, `MaxWeight`,
`MaxGroupWeight`, `MaxGrossExposure`, `VolatilityTarget` (scales up to 1) and `MaxVaR` only ever
shrink weights, so none of them undoes another. Two limits are sensitive:

- `MaxNetExposure` balances two sides; a later limit that cuts one of them upsets it. Closing a
  position is never denied for the sake of balance.
- `MaxTurnover` holds on to current weights. It belongs last: any later limit may trade more, and
  where the current weights are over an earlier limit, it may leave them so for now.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml4t.backtest.core.batch import Bools, Floats
from ml4t.backtest.core.by_value import keep_plain
from ml4t.backtest.core.fractions import EXPOSURE, NET, TURNOVER, WEIGHT, require_fraction
from ml4t.backtest.core.tolerances import WITHIN_LIMIT
from ml4t.backtest.errors import require_column, require_whole
from ml4t.backtest.risk.limits.limit import Limit, Wish


@dataclass(frozen=True, slots=True)
class MaxPositions(Limit):
    """Hold at most `n` assets: those beyond lose their weight.

    New entries go first, the worst rank first; then held assets, the worst rank first. Unranked
    assets are behind ranked ones; of two, the one with the higher `sid` goes. Targets are
    counted: an exit that the volume or a halt holds back is held beside them until it is done.
    """

    n: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", require_whole("n", self.n, least=1))

    @property
    def reason(self) -> str:
        """One line on what the limit does, for the ``decisions`` table."""
        return f"at most {self.n} positions"

    def edit(self, wish: Wish) -> Floats:
        """Return the weights with those beyond the `n` best assets at 0."""
        is_wanted = wish.wanted != 0
        if np.count_nonzero(is_wanted) <= self.n:
            return wish.wanted
        free = np.flatnonzero(is_wanted & ~wish.is_fixed)
        room = max(self.n - np.count_nonzero(is_wanted & wish.is_fixed), 0)
        best_first = np.lexsort((wish.rank[free], wish.current[free] == 0))
        left = wish.wanted.copy()
        left[free[best_first[room:]]] = 0.0
        return left


@dataclass(frozen=True, slots=True)
class MaxWeight(Limit):
    """Cut every weight to at most `fraction` of equity, long or short: ``|w| <= fraction``.

    `fraction` is below 5: 20 would be meant as percent.
    """

    fraction: float

    def __post_init__(self) -> None:
        require_fraction("fraction", self.fraction, WEIGHT)
        keep_plain(self)

    @property
    def reason(self) -> str:
        """One line on what the limit does, for the ``decisions`` table."""
        return f"at most {self.fraction:.2%} of equity in one asset"

    def edit(self, wish: Wish) -> Floats:
        """Return ``sign(w) * min(|w|, fraction)``."""
        is_over = np.abs(wish.wanted) > self.fraction + WITHIN_LIMIT
        if not is_over.any():
            return wish.wanted
        return np.where(is_over, np.copysign(self.fraction, wish.wanted), wish.wanted)


@dataclass(frozen=True, slots=True)
class MaxGroupWeight(Limit):
    """Scale each group down to ``sum |w| <= fraction`` over its assets.

    Attributes
    ----------
    fraction : float
        Of equity, the same for every group; below 5.
    group : str
        Text column of ``assets``. Assets without a value form one group.
    """

    fraction: float
    group: str = "sector"

    def __post_init__(self) -> None:
        require_fraction("fraction", self.fraction, WEIGHT)
        require_column("group", self.group)
        keep_plain(self)

    @property
    def groups(self) -> tuple[str, ...]:  # type: ignore[override]
        """The group column."""
        return (self.group,)

    @property
    def reason(self) -> str:
        """One line on what the limit does, for the ``decisions`` table."""
        return f"at most {self.fraction:.2%} of equity in one {self.group}"

    def edit(self, wish: Wish) -> Floats:
        """Return ``w * fraction / sum |w|`` in the groups that hold more than `fraction`."""
        codes = wish.groups[self.group] + 1  # -1, no group, becomes group 0
        size, free = np.abs(wish.wanted), ~wish.is_fixed
        total = np.bincount(codes, weights=size)
        if not (total > self.fraction + WITHIN_LIMIT).any():
            return wish.wanted
        movable = np.bincount(codes, weights=size * free)
        room = np.maximum(self.fraction - (total - movable), 0.0)
        is_over = (total > self.fraction + WITHIN_LIMIT) & (movable > 0)
        factor = np.divide(room, movable, out=np.ones(len(total)), where=is_over)
        return np.where(free, wish.wanted * factor[codes], wish.wanted)


@dataclass(frozen=True, slots=True)
class MaxGrossExposure(Limit):
    """Scale all weights down to ``sum |w| <= fraction``: 1 is unlevered.

    `fraction` is at most 10: 150 would be meant as percent.
    """

    fraction: float

    def __post_init__(self) -> None:
        require_fraction("fraction", self.fraction, EXPOSURE)
        keep_plain(self)

    @property
    def reason(self) -> str:
        """One line on what the limit does, for the ``decisions`` table."""
        return f"gross exposure of at most {self.fraction:.2%} of equity"

    def edit(self, wish: Wish) -> Floats:
        """Return ``w * fraction / sum |w|`` where the sum is more than `fraction`."""
        return scale_gross(wish, self.fraction)


@dataclass(frozen=True, slots=True)
class MaxNetExposure(Limit):
    """Scale the heavier side down to ``|sum w| <= fraction``; 0 keeps long and short equal.

    `fraction` is below 5: 20 would be meant as percent.
    """

    fraction: float

    def __post_init__(self) -> None:
        require_fraction("fraction", self.fraction, NET)
        keep_plain(self)

    @property
    def reason(self) -> str:
        """One line on what the limit does, for the ``decisions`` table."""
        return f"net exposure of at most {self.fraction:.2%} of equity"

    def edit(self, wish: Wish) -> Floats:
        """Return ``w * (1 - (|sum w| - fraction) / side)`` on the heavier side of sum `side`."""
        net = float(wish.wanted.sum())
        excess = abs(net) - self.fraction
        movable = (wish.wanted * net > 0) & ~wish.is_fixed
        side = float(np.abs(wish.wanted[movable]).sum())
        if excess <= WITHIN_LIMIT or side == 0:
            return wish.wanted
        return np.where(movable, wish.wanted * max(1 - excess / side, 0.0), wish.wanted)


@dataclass(frozen=True, slots=True)
class MaxTurnover(Limit):
    """Trade at most `fraction` of equity per decision, buys and sells added up.

    With ``turnover = sum |w - c|`` over wanted weights w and current weights c, every change is
    scaled alike: ``c + (w - c) * fraction / turnover``. What a strategy wants to leave is then
    held on to in part, so limits that the current weights break may stay broken for a while, and
    there may be more positions than `MaxPositions` allows. A discrete order counts together with
    those of the same close before it. `fraction` is below 10: 20 would be meant as percent.
    """

    fraction: float

    def __post_init__(self) -> None:
        require_fraction("fraction", self.fraction, TURNOVER)
        keep_plain(self)

    @property
    def reason(self) -> str:
        """One line on what the limit does, for the ``decisions`` table."""
        return f"turnover of at most {self.fraction:.2%} of equity per decision"

    def edit(self, wish: Wish) -> Floats:
        """Return ``c + (w - c) * fraction / turnover`` where turnover is more than `fraction`."""
        change = wish.wanted - wish.current
        factor = _factor(np.abs(change), wish.is_fixed, self.fraction)
        if factor == 1:
            return wish.wanted
        return np.where(wish.is_fixed, wish.wanted, wish.current + change * factor)


def scale_gross(wish: Wish, ceiling: float) -> Floats:
    """Return the wanted weights scaled so that ``sum |w|`` is at most `ceiling`."""
    factor = _factor(np.abs(wish.wanted), wish.is_fixed, ceiling)
    if factor == 1:
        return wish.wanted
    return np.where(wish.is_fixed, wish.wanted, wish.wanted * factor)


def _factor(size: Floats, is_fixed: Bools, ceiling: float) -> float:
    """Return the factor on what is not fixed at which `size` adds up to `ceiling`, at most 1."""
    movable, fixed = float(size[~is_fixed].sum()), float(size[is_fixed].sum())
    if movable == 0 or movable + fixed <= ceiling + WITHIN_LIMIT:
        return 1.0
    return max(ceiling - fixed, 0.0) / movable
