"""Spoken: the expressions of a ranking, each as the engine is to compute it."""

from __future__ import annotations

from typing import NamedTuple

from ml4t.backtest.core.ranking import Ranking
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.portable.expressions import Ported, ported
from ml4t.backtest.data.portable.kinds import BOOLEAN, DOUBLE, FLOAT
from ml4t.backtest.data.portable.numbers import Nameable
from ml4t.backtest.errors import ExpressionError

# What a weight reads of the ranking itself.
OF_RANKING = {"score": "DOUBLE", "rank": "BIGINT"}


class Spoken(NamedTuple):
    """The expressions of a ranking as the engine is to compute them."""

    by: Ported
    where: Ported
    within: Ported
    when: Ported
    weight: Ported | None

    @property
    def market(self) -> frozenset[str]:
        """Columns of ``market`` that any of them reads."""
        parts = (self.by, self.where, self.within, self.when, self.weight)
        return frozenset().union(*(part.market for part in parts if part is not None))


def spoken_by(ranking: Ranking, prepared: Prepared, dialect: str) -> Spoken:
    """Rewrite every expression of a ranking that a run has let pass.

    Raises
    ------
    ExpressionError
        One of them is not known to be the same in the engine.
    """
    market = {n: k for n, k in prepared.market_columns.items() if n != "timestamp"}
    nameable = Nameable(prepared.signal_columns, market, dialect)
    within = ported(ranking.within or "0", nameable)
    if within.kind in (FLOAT, DOUBLE):
        raise ExpressionError(
            ranking.within or "", "groups by fractions, of which engines take other ones for "
            "the same; group by a text or a whole number",
        )  # fmt: skip
    weight = None
    if ranking.weight != "equal":
        signals, others = (
            {n: k for n, k in columns.items() if n.lower() not in OF_RANKING}
            for columns in (prepared.signal_columns, market)
        )
        weight = ported(
            ranking.weight, Nameable(signals | OF_RANKING, others, dialect), must=DOUBLE
        )
    # Of a bar there is its time and the market.
    bar = Nameable({}, {"timestamp": prepared.timestamp_type} | market, dialect)
    return Spoken(
        by=ported(ranking.by, nameable, must=DOUBLE),
        where=ported(ranking.where or "true", nameable, must=BOOLEAN),
        within=within,
        when=ported(ranking.when or "true", bar, must=BOOLEAN),
        weight=weight,
    )
