"""ShowsSelections: what a strategy would hold, and what it leaves out, without a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from ml4t.backtest.core.selecting import Selects
from ml4t.backtest.core.terms import Action
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.database import Relation
from ml4t.backtest.data.stream.period import DateLike, Period, bound_of, find_period

if TYPE_CHECKING:
    from ml4t.backtest.data.selection.removed import HasTables


class ShowsSelections(ABC):
    """The part of a catalog that shows selections."""

    @abstractmethod
    def prepare(self) -> Prepared:
        """Build the views, if they are not there."""

    @abstractmethod
    def actions(self, period: Period | None = None) -> list[Action]:
        """Return the corporate actions of a period in the order in which they apply."""

    def preview(self, strategy: Selects, timestamp: object, *, start: DateLike = None) -> Relation:
        """Show what a strategy would hold at one bar, and why it would not hold the rest.

        Parameters
        ----------
        strategy : Strategy
            One that ranks, has a query or has rules: `TopN`, `SQLStrategy`, `SignalStrategy`.
        timestamp : datetime, date or str
            Of a bar. Where the strategy does not decide, nothing is held, and every reason says
            so.
        start : date, datetime or str, optional
            That of the run, from whose first bar `every` counts.

        Returns
        -------
        duckdb.DuckDBPyRelation
            One row per asset with a bar: ``asset_id``, ``score``, ``rank`` (in its group, where
            the ranking has groups), ``weight`` (``quantity`` or ``signal`` where the query yields
            those), ``is_held``, and ``reason``: the first that keeps an asset out, such as
            ``where: atr is not null`` or ``rank 26 of 25``; NULL for what is held. Of rules:
            ``timestamp``, ``asset_id``, ``may_enter``, ``may_exit`` (what rules on the position
            say is left open), and ``reason``, the first entry rule that says no.

        Raises
        ------
        ConfigError
            There is no bar at the timestamp; the message names the nearest.
        ExpressionError
            Something that the strategy asks for cannot be used.
        """
        from ml4t.backtest.data.selection.preview import preview

        prepared, said = self.prepare(), bound_of("start", start)
        begin_t = find_period(said, None, prepared).first_t if said is not None else 0
        return preview(strategy, timestamp, prepared, begin_t=begin_t)

    def removed(
        self,
        strategy: Selects,
        result: HasTables | None = None,
        *,
        start: DateLike = None,
        end: DateLike = None,
    ) -> Relation:
        """Show what filters kept out at every decision bar, and what it would have made.

        Parameters
        ----------
        strategy : Strategy
            One that ranks, such as `TopN`, or has entry rules, such as `SignalStrategy`, which
            decides at every bar.
        result : BacktestResult, optional
            Of a run of it: what limits denied and the broker did not fill is removed too, and what
            rules let in that was not ordered, as it was held already or by a rule on the position.
        start, end : date, datetime or str, optional
            Those of the run.

        Returns
        -------
        duckdb.DuckDBPyRelation
            One row per member of the universe with a bar at a decision bar: ``timestamp``,
            ``asset_id``, ``score``, ``reason`` (the first that keeps it out; NULL: it was to be
            held; of rules: they let it in) and ``forward_return``: its total return from the close
            of this bar to that of the next decision bar, of the last to the end, with splits,
            dividends and delistings and without costs; of a renamed asset to its last bar under
            that name.

        Raises
        ------
        ConfigError
            The strategy has no ranking and no rules.
        """
        from ml4t.backtest.data.selection.removed import removed

        prepared = self.prepare()
        period = find_period(bound_of("start", start), bound_of("end", end), prepared)
        return removed(strategy, prepared, period, self.actions(period), result)
