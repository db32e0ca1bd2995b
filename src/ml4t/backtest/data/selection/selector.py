"""Selector: what strategies are offered, chunk by chunk, ranked some chunks ahead."""

from __future__ import annotations

from collections.abc import Sequence

from ml4t.backtest.core.batch import Considered, Selection
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.database import Database, TempTable
from ml4t.backtest.data.selection.ranking import RankingPlan, rank_each, widest_of
from ml4t.backtest.data.selection.selecting import SelectionPlan, select
from ml4t.backtest.data.selection.witness import Witness
from ml4t.backtest.data.sources.schema import without_keys
from ml4t.backtest.data.stream.period import Period


class Selector:
    """Selects at the decision bars of chunks that follow one another.

    Parameters
    ----------
    plans : sequence of SelectionPlan
        One, or several that go together, see `ml4t.backtest.data.selection.ranking.go_together`.
    market : TempTable
        As `market_rows` makes it.
    prepared : Prepared
    period : Period
        The bars of the run. What is asked for has their numbers in the sources, what is returned
        those in the run.
    bars_ahead : int
        Ranked by one query: few rows are at decisions.
    database : Database
        The session of whoever reads.
    """

    def __init__(
        self,
        plans: Sequence[SelectionPlan],
        market: TempTable,
        prepared: Prepared,
        period: Period,
        bars_ahead: int,
        database: Database,
    ) -> None:
        self._plans, self._market, self._database = plans, market, database
        self._period, self._bars_ahead = period, bars_ahead
        kinds = without_keys(prepared.signal_columns)
        self._witness = Witness(kinds, prepared.n_assets, database)
        self._rankings = [one for one in plans if isinstance(one, RankingPlan)]
        self._widest = widest_of(self._rankings, period.last_t) if len(plans) > 1 else None
        self._selections: list[dict[int, Selection]] = [{} for _ in plans]
        self._ranked_to = 0

    def at(self, first_t: int, last_t: int) -> list[dict[int, Selection]]:
        """Return the selections of each plan at bars that follow upon those asked for before."""
        begin_t = self._period.first_t
        if last_t >= self._ranked_to:
            self._ranked_to = min(first_t + self._bars_ahead, self._period.last_t + 1)
            self._selections = self._select(first_t, self._ranked_to - 1)
        return [
            {t - begin_t: s for t, s in one.items() if first_t <= t <= last_t}
            for one in self._selections
        ]

    @property
    def considered(self) -> Considered:
        """What was read of the bars that were ranked last, in the numbers of the run."""
        taken, begin_t = self._witness.considered, self._period.first_t
        return taken._replace(ts=taken.ts - begin_t) if begin_t else taken

    def _select(self, first_t: int, last_t: int) -> list[dict[int, Selection]]:
        bars = (self._market, self._database, first_t, last_t, self._witness)
        if self._widest is not None:
            return rank_each(self._widest, self._rankings, *bars)
        return [select(one, *bars) for one in self._plans]
