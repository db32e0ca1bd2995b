"""What the limits leave of a discrete order: it trades one asset, all others are as they are.

"As they are" is the weight at this close or, once there was an order for it at this same close,
the weight that this order will give. The order is cut until the limit holds, never turned round.
"""

from __future__ import annotations

import math

from reference_limits import (
    HALT,
    LIQUIDATE,
    Limit,
    MaxDailyLoss,
    MaxDrawdown,
    MaxGrossExposure,
    MaxGroupWeight,
    MaxNetExposure,
    MaxPositions,
    MaxTurnover,
    MaxVaR,
    MaxWeight,
    VolatilityTarget,
    Wish,
    value_at_risk,
)
from reference_types import Asset

TINY = 1e-9  # of equity, or of an order: not worth a cut


def leave(limit: Limit, wish: Wish, asset: Asset, *, is_in_force: bool) -> float:
    """Return the weight nearest to the wanted one at which the limit holds, or 0."""
    weight, now = wish.weights[asset], wish.current.get(asset, 0.0)
    others = {name: w for name, w in wish.weights.items() if name != asset}
    if isinstance(limit, MaxDrawdown | MaxDailyLoss):
        if not is_in_force:
            return weight
        if limit.action == HALT:
            return max(min(now, 0.0), min(max(now, 0.0), weight))
        return 0.0 if limit.action == LIQUIDATE else weight * limit.scale
    if isinstance(limit, MaxPositions):
        return weight if sum(w != 0 for w in others.values()) < limit.n else 0.0
    if isinstance(limit, MaxWeight):
        return at_most(weight, limit.fraction)
    if isinstance(limit, MaxGroupWeight):
        group = wish.groups.get(asset)
        mates = [abs(w) for name, w in others.items() if wish.groups.get(name) == group]
        return at_most(weight, limit.fraction - math.fsum(mates))
    if isinstance(limit, MaxGrossExposure):
        return at_most(weight, limit.fraction - math.fsum(map(abs, others.values())))
    if isinstance(limit, MaxNetExposure):
        excess = abs(math.fsum(wish.weights.values())) - limit.fraction
        is_heavy = weight * math.fsum(wish.weights.values()) > 0
        return at_most(weight, abs(weight) - excess) if is_heavy and excess > TINY else weight
    if isinstance(limit, MaxTurnover):
        traded = [abs(w - wish.current.get(name, 0.0)) for name, w in others.items()]
        return now + at_most(weight - now, limit.fraction - math.fsum(traded))
    if isinstance(limit, VolatilityTarget):
        return limit.edit(wish)[asset]
    assert isinstance(limit, MaxVaR)
    risk = value_at_risk(limit, wish)
    if risk is None or risk <= 0:
        return weight
    return at_most(weight, limit.fraction / risk - math.fsum(map(abs, others.values())))


def at_most(weight: float, size: float) -> float:
    """Return the weight cut to that size, 0 where there is no room; a tiny breach is none."""
    if abs(weight) <= size + TINY:
        return weight
    return math.copysign(max(0.0, size), weight)
