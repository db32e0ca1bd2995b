"""Diagnosed: the methods of a catalog that look at signals and sources before any strategy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ml4t.backtest.core.ranking import ALL, Ranking
from ml4t.backtest.core.terms import Action
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.stream.period import DateLike, Period, bound_of, find_period
from ml4t.backtest.errors import require_flag

if TYPE_CHECKING:
    from ml4t.backtest.data.diagnostics.tables import Tables
    from ml4t.backtest.data.smells.smelling import Smells
    from ml4t.backtest.data.sources.source import Source


class Diagnosed(ABC):
    """A catalog, as far as its diagnostics need it."""

    _found: dict[str, dict[str, str]]
    _sources: dict[str, Source]

    @abstractmethod
    def validate(self) -> Prepared:
        """Prepare, and refuse sources that break their contract."""

    @abstractmethod
    def prepare(self) -> Prepared:
        """Build the views once."""

    @abstractmethod
    def actions(self, period: Period | None = None) -> list[Action]:
        """Return the corporate actions of the bars."""

    def factor(
        self,
        by: str,
        *,
        horizons: Sequence[int] = (1, 5, 10),
        n_quantiles: int = 5,
        price: str = "next_open",
        group: str | None = None,
        where: str | None = None,
        every: int | str = 1,
        start: DateLike = None,
        end: DateLike = None,
    ) -> Tables:
        """Return how well a signal told the returns that came after it.

        The signal is what was known at the close of each decision bar, as in a run; members of a
        universe alone. Returns are total: splits and dividends of ``actions`` are in them.

        Parameters
        ----------
        by : str
            A column of ``signals``, or an expression as `TopN` takes one. NULL, NaN and infinite
            values take no part.
        horizons : sequence of int
            Bars of the market from the first price to the second.
        n_quantiles : int
            The highest factors are in the last; equal factors are in one, the lower.
        price : str
            ``"next_open"``: from the open after the decision to that `horizon` bars later, as
            runs fill by default; ``"next_close"`` likewise; ``"close"``: from the close of the
            decision, at which nobody can trade any more, as alphalens-reloaded has it.
        group : str, optional
            Such as ``"sector"``: a column or expression whose values group assets in the tables
            ``groups`` and ``group_ic``. Quantiles are of all assets; for those within groups take
            a factor that `Indicators.cross_zscore` has made.
        where : str, optional
            A condition on a row, as for `TopN`.
        every : int or str
            Which bars are decisions, as for `TopN`.
        start, end : date, datetime or str, optional
            The decision bars; returns may end later.

        Returns
        -------
        Tables
            ``decay``, ``ic``, ``quantiles``, ``quantile_returns``, ``spread``, ``turnover``,
            ``autocorrelation``, ``groups``, ``group_ic``, ``observations``; see docs/factors.md.

        Raises
        ------
        ConfigError
            A setting is outside what it may be, or there are too few bars.
        ExpressionError
            An expression cannot be used, or looks ahead.
        """
        from ml4t.backtest.data.diagnostics.factor import FactorSpec, factor

        ranking = Ranking(n=ALL, by=by, where=where, every=every, within=group)
        asked = FactorSpec(ranking=ranking, horizons=horizons, n_quantiles=n_quantiles, price=price)
        prepared = self.validate()
        period = find_period(bound_of("start", start), bound_of("end", end), prepared)
        return factor(asked, self.actions(), prepared, period)

    def event_study(
        self,
        condition: str,
        *,
        before: int = 5,
        after: int = 20,
        start: DateLike = None,
        end: DateLike = None,
    ) -> Tables:
        """Return what prices did around the times at which a condition became true.

        An event is a bar at which the condition is true for an asset, and was not at the asset's
        bar before. Returns are from its close, which is known when the condition is.

        Parameters
        ----------
        condition : str
            Such as ``"rsi_14 < 30"``, as `TopN` takes one for ``where``.
        before, after : int
            Bars of the market.
        start, end : date, datetime or str, optional
            Of the events.

        Returns
        -------
        Tables
            ``study`` by offset in bars, ``paths`` by event and offset.

        Raises
        ------
        ConfigError
            There is no event, or a setting is outside what it may be.
        ExpressionError
            The condition cannot be used, or looks ahead.
        """
        from ml4t.backtest.data.diagnostics.event_study import event_study

        prepared = self.validate()
        period = find_period(bound_of("start", start), bound_of("end", end), prepared)
        return event_study(condition, (before, after), self.actions(), prepared, period)

    def profile(self, period: str = "year") -> Tables:
        """Return what the columns of every source with values hold, and when they were known.

        Parameters
        ----------
        period : str
            ``"month"``, ``"quarter"`` or ``"year"``, of coverage, drift and dispersion.

        Returns
        -------
        Tables
            ``columns``, ``coverage``, ``staleness``, ``drift``, ``dispersion``, ``gaps``; see
            docs/factors.md.

        Raises
        ------
        ConfigError
            `period` is none of them.
        """
        from ml4t.backtest.data.diagnostics.profile import profile

        return profile(self.prepare(), self._found, period)

    def smells(self, *, strict: bool = False) -> Smells:
        """Return what of the sources looks as if it knew the future, or left out who did badly.

        A smell is no proof: docs/guide/smells.md says what each may mean.

        Parameters
        ----------
        strict : bool, default False
            Refuse sources of which anything smells.

        Returns
        -------
        Smells
            ``smells`` and ``lag_profile``.

        Raises
        ------
        DataError
            A source breaks its contract.
        SmellError
            With `strict`: something smells; it names all.
        """
        from ml4t.backtest.data.smells.smell import require_no_smell
        from ml4t.backtest.data.smells.smelling import find_smells

        require_flag("strict", strict)
        found = find_smells(self._sources, self._found, self.validate())
        if strict:
            require_no_smell(found.found)
        return found
