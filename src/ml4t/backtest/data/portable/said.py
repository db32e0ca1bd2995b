"""Said: the expressions of a ranking, each as the engine is to compute it."""

from __future__ import annotations

from typing import NamedTuple

from ml4t.backtest.core.ranking import Ranking
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.portable.expressions import Carried, carried
from ml4t.backtest.data.portable.kinds import BOOLEAN, DOUBLE, FLOAT
from ml4t.backtest.data.portable.numbers import Scope
from ml4t.backtest.errors import ExpressionError

# What a weight reads of the ranking itself.
OWN = {"score": "DOUBLE", "rank": "BIGINT"}


class Said(NamedTuple):
    """The expressions of a ranking as the engine is to compute them."""

    by: Carried
    where: Carried
    within: Carried
    when: Carried
    weight: Carried | None

    @property
    def market(self) -> frozenset[str]:
        """Columns of ``market`` that any of them reads."""
        parts = (self.by, self.where, self.within, self.when, self.weight)
        return frozenset().union(*(part.market for part in parts if part is not None))


def said_by(ranking: Ranking, prepared: Prepared, dialect: str) -> Said:
    """Rewrite every expression of a ranking that a run has let pass.

    Raises
    ------
    ExpressionError
        One of them is not known to be the same in the engine.
    """
    market = {n: k for n, k in prepared.market_columns.items() if n != "timestamp"}
    scope = Scope(prepared.signal_columns, market, dialect)
    within = carried(ranking.within or "0", scope)
    if within.kind in (FLOAT, DOUBLE):
        raise ExpressionError(
            ranking.within or "", "groups by fractions, of which engines take other ones for "
            "the same; group by a text or a whole number",
        )  # fmt: skip
    weight = None
    if ranking.weight != "equal":
        signals, others = (
            {n: k for n, k in columns.items() if n.lower() not in OWN}
            for columns in (prepared.signal_columns, market)
        )
        weight = carried(ranking.weight, Scope(signals | OWN, others, dialect), must=DOUBLE)
    # Of a bar there is its time and the market.
    bar = Scope({}, {"timestamp": prepared.timestamp_type} | market, dialect)
    return Said(
        by=carried(ranking.by, scope, must=DOUBLE),
        where=carried(ranking.where or "true", scope, must=BOOLEAN),
        within=within,
        when=carried(ranking.when or "true", bar, must=BOOLEAN),
        weight=weight,
    )
