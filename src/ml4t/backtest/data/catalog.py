"""Catalog: register sources, look at them in SQL, hand them to a run.

`register` -> checks -> `signals` and `market` -> ranked batches. The catalog reads a source's
schema when it is registered and its rows when the first query or run needs them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from ml4t.backtest.core.axes import Axes
from ml4t.backtest.core.ranking import Ranking
from ml4t.backtest.core.selecting import Selects
from ml4t.backtest.core.terms import Action, Funding, FxRates, Instruments, MarginChange, Roll
from ml4t.backtest.data.asof.prepared import Prepared, facts_of_files, prepare
from ml4t.backtest.data.computed.checked import require_same_sources
from ml4t.backtest.data.database import UTC, Relation
from ml4t.backtest.data.described import Described
from ml4t.backtest.data.diagnostics.diagnosed import Diagnosed
from ml4t.backtest.data.listening import Listener
from ml4t.backtest.data.registry import SourceRegistry
from ml4t.backtest.data.selection.shows import ShowsSelections
from ml4t.backtest.data.sources.adapted import ChangedRows
from ml4t.backtest.data.sources.adjusting import (
    jumps_like_splits,
    may_lack_actions,
    require_counted_once,
    unapplied,
)
from ml4t.backtest.data.sources.checks import (
    as_record,
    files_that_differ,
    require_clean,
)
from ml4t.backtest.data.sources.contracts import require_agreements, require_overlap
from ml4t.backtest.data.sources.roles.prices import PRICE_COLUMNS
from ml4t.backtest.data.sources.source import Source, fingerprint
from ml4t.backtest.data.sql_files import read, render
from ml4t.backtest.data.stream.period import Period, find_period
from ml4t.backtest.errors import ConfigError, DataError

if TYPE_CHECKING:
    from ml4t.backtest.data.explaining import Explanation
    from ml4t.backtest.data.indicators import Indicators
    from ml4t.backtest.data.prepared_store.keeper import Keeper
    from ml4t.backtest.data.prepared_store.store import PreparedStore


class Catalog(Diagnosed, ShowsSelections, Described):
    """The sources of a run, as DuckDB views with our names and types.

    Parameters
    ----------
    threads : int or None
        DuckDB threads; all cores when None. Results do not depend on it.
    memory_limit : str or None
        Such as ``"4GB"``; beyond it queries spill to a temporary folder.
    timezone : str
        IANA name of the exchange's zone, such as ``"America/New_York"``, for bars with a zone:
        in it they have an hour and a date, a DATE is its midnight, and a session is its day, in
        SQL, in results and in ``event.timestamp``. UTC by default; never the machine's own.
    cache : str, Path or PreparedStore, optional
        A folder in which what runs read of the sources is kept, for this and every later process:
        a run that was made before reads no source. It is filled by the runs, or by `prepare`.

    Examples
    --------
    >>> from ml4t.backtest import Catalog
    >>> catalog = Catalog()
    >>> _ = catalog.register("prices", {
    ...     "timestamp": [date(2024, 1, 2), date(2024, 1, 3)],
    ...     "asset_id": ["AAPL", "AAPL"], "open": [184.0, 183.0], "close": [185.6, 184.3],
    ... })
    >>> catalog.sql("select timestamp, close from signals order by timestamp").fetchall()[0][1]
    185.6
    """

    def __init__(
        self,
        *,
        threads: int | None = None,
        memory_limit: str | None = None,
        timezone: str = UTC,
        cache: str | Path | PreparedStore | None = None,
    ) -> None:
        super().__init__(
            threads=threads, memory_limit=memory_limit, timezone=timezone,
            keeper=None if cache is None else _keeper_of(cache),
        )  # fmt: skip

    @property
    def indicators(self) -> Indicators[Self]:
        """Indicators over the prices; each adds its columns to ``signals``: see `Indicators`.

        ``catalog.indicators.atr(20).indicators.rsi(14)``
        """
        from ml4t.backtest.data.indicators import Indicators

        return Indicators(self, self._sources, self._found)

    def calendar(self, exchange: str) -> Self:
        """Register the sessions of an exchange, for schedules, checks and annual figures.

        From `exchange_calendars` (the extra ``calendars``), for the years of the prices, which
        come first; with our corrections of it, which ``describe()`` counts. A table of one's own
        is registered as ``calendar``, and rows that go before either as ``calendar_corrections``.

        Parameters
        ----------
        exchange : str
            Its code, such as ``"XNYS"``, ``"XLON"``, ``"CMES"``, ``"24/7"``.

        Returns
        -------
        Self
            Itself, so that calls chain.

        Raises
        ------
        ConfigError
            No prices are registered, the package is not there, or knows no such exchange.
        """
        from ml4t.backtest.data.calendars.exchange import exchange_sessions

        if "prices" not in self._sources:
            raise ConfigError(
                f"a calendar is made for the years of the prices; call catalog.register('prices', "
                f"...) before catalog.calendar({exchange!r})"
            )
        first, last = self._database.rows(read("calendar/span"))[0]
        if first is None:
            raise DataError("prices", "overlap", "has no rows; there is nothing to run on")
        has_zone = "ZONE" in self._found["prices"]["timestamp"]
        sessions, changes = exchange_sessions(exchange, first, last, has_zone=has_zone)
        return self.register("calendar", ChangedRows(sessions, changes))

    # -- inspection -------------------------------------------------------------------

    def sql(self, query: str) -> Relation:
        """Query the sources and the views ``signals`` and ``market``, before any run.

        Parameters
        ----------
        query : str
            One query in DuckDB SQL. It can read the registered files and the views, nothing else,
            and change nothing.

        Returns
        -------
        duckdb.DuckDBPyRelation
            Lazy; ``.fetchall()``, ``.pl()``, ``.df()``, ``.to_arrow_table()`` run it,
            ``.explain()`` shows its plan. It writes no file: go through ``.pl()`` or ``.df()``.
            One that tried to is over; ask again.

        Raises
        ------
        ConfigError
            `query` is something else than one query, or would write.
        """
        reader = self.prepare().database.reader()
        reader.require_query(query)
        return reader.sql(query)

    def explain(self, strategy: Selects, *, plan: bool = False) -> Explanation:
        """Return the statements that a run of a strategy sends to DuckDB, in order.

        From the sources to the selection at every bar, without rules, limits and costs beside the
        strategy; `BacktestEngine.explain` has those too. The statements are run for it. Of a frame
        in memory with more than 10,000 rows the script has the columns alone.

        Parameters
        ----------
        strategy : Strategy
        plan : bool, default False
            Have DuckDB's plan of each statement as well.

        Returns
        -------
        Explanation
            A tuple of `Statement`; ``print`` shows a script that a fresh DuckDB runs.

        Raises
        ------
        ConfigError, DataError, ExpressionError
            What a run would refuse.
        """
        from ml4t.backtest.data.explaining import explain, plan_alone

        return explain(self, lambda *of: plan_alone(strategy, *of), plan=plan)

    def selection_sql(
        self, ranking: Ranking, dialect: str, *, tables: Mapping[str, str] | None = None
    ) -> str:
        """Return what a ranking selects as one query for another engine: docs/at-scale.md.

        Nothing of a run is in it but the ranking: no check of the rows or of the weights, no
        period. What the engine would compute otherwise is refused, or written so that it is equal.

        Parameters
        ----------
        ranking : Ranking
        dialect : {"duckdb", "spark", "snowflake"}
        tables : mapping of str to str, optional
            Names of tables there that have the rows of sources, under the columns' own names. Of
            other sources files of Parquet are read where they are; Snowflake has tables alone. The
            bars of a schedule in words are those of this catalog's prices.

        Returns
        -------
        str
            Rows ``timestamp``, ``asset_id``, ``rank``, ``score``, ``weight``, as in `selections`,
            in no order.

        Raises
        ------
        ConfigError, DataError, ExpressionError
            Something is not known to be the same there; or what a run would refuse.
        """
        from ml4t.backtest.data.portable.selection import Registered, selection_sql

        registered = Registered(self._sources, self._found, self.timezone)
        prepared = self.prepare()
        return selection_sql(ranking, registered, prepared, dialect=dialect, tables=tables or {})

    @property
    def may_lack_actions(self) -> bool:
        """Whether a jump of a price may be a split that nothing applies."""
        return may_lack_actions(self._sources)

    def jumps(self, sids: Collection[int], period: Period) -> list[dict[str, object]]:
        """Return the warning of a run in which assets, `sids`, opened far from their last close.

        What jumped before or after its bars is none of its business.
        """
        database = self.prepare().database
        found = jumps_like_splits(
            self._sources, self._found["prices"], database, sids, period=period
        )
        return [as_record(one) for one in found]

    # -- a run ------------------------------------------------------------------------

    def prepare(self, cache: str | Path | PreparedStore | None = None) -> Prepared:
        """Build timeline, known rows and views once, then lock the connection down.

        Parameters
        ----------
        cache : str, Path or PreparedStore, optional
            A folder in which checks and bars are kept now, and what runs of this catalog read
            besides when they end: see `Catalog`.

        Raises
        ------
        ConfigError, DataError
            With `cache`: as of `validate`; or they could not be kept, for want of space or of the
            right to write, or since a source is neither files nor a table.
        """
        if self._calling:
            raise ConfigError(
                f"{self._calling} reads the catalog past what it is given, where an audit leaves "
                "nothing out; read its argument alone"
            )
        if cache is not None:
            from ml4t.backtest.data.prepared_store.preparing import read_bars

            self._keeper = _keeper_of(cache)
            self._keeper.must_keep = True
            self._reopen()
            read_bars(self.validate(PRICE_COLUMNS))
            self.axes(), self.actions()
            self.keep_prepared()
            self._keeper.must_keep = False
        if self._prepared is None:
            if "prices" not in self._sources:
                raise ConfigError("no prices are registered; call catalog.register('prices', ...)")
            if facts_of_files(self._sources) != self._file_facts:
                # Files came or changed since they were registered, maybe in other types.
                self._reopen()
            if self._keeper is not None:
                self._keeper.enter(self._sources)
            self._prepared = prepare(self._sources, self._found, self._file_facts, self._database)
        return self._prepared

    def validate(self, likely: Collection[str] = ()) -> Prepared:
        """Prepare, and refuse sources that break their contract.

        Parameters
        ----------
        likely : collection of str, optional
            Columns that a run will read at every bar: what the checks read of them is kept for it,
            where there is room.

        Raises
        ------
        DataError
            With source, rule, number of rows, a sample and the way out.
        """
        prepared = self.prepare()
        if facts_of_files(self._sources) != prepared.file_facts:
            # Files were replaced since the views were built: nothing known of them still holds.
            self._reopen()
            prepared = self.prepare()
        if not prepared.is_validated:
            panel = prepared.panel
            panel.likely = {name.lower() for name in likely}
            if not prepared.n_bars:
                raise DataError("prices", "overlap", "has no rows; there is nothing to run on")
            require_counted_once(self._sources, prepared.database)
            prepared.warnings += map(as_record, files_that_differ(self._read_changes))
            # Prices first: what the scans of the others count is beside the bars.
            for source in sorted(self._sources.values(), key=lambda one: not one.spec.makes_bars):
                spec = source.spec
                if not source.drop_bad_rows or spec.keeps_rows_in_doubt:
                    columns = self._found[source.name]
                    found = require_clean(source, columns, panel, prepared.database)
                    prepared.warnings += map(as_record, found)
                # These may be of another time, and of other assets: nothing happened in the run.
                if not spec.makes_bars and not spec.may_be_quiet:
                    prepared.warnings += require_overlap(source, panel, prepared.database)
            found = unapplied(self._sources, self._found["prices"], prepared.database)
            prepared.warnings += map(as_record, found)
            require_same_sources(self._sources, self._found, prepared.database)
            require_agreements(self._sources, self._found, prepared.database)
            prepared.is_validated = True
        return prepared

    def axes(self, period: Period | None = None) -> Axes:
        """Return the run's bars and assets in the order of their numbers; all bars by default."""
        database = self.prepare().database
        bars_of_run = slice(None) if period is None else period.bars
        bars = self._found["prices"]["timestamp"]
        unit = "ns" if bars == "TIMESTAMP_NS" else "us"
        has_offset = "ZONE" in bars and self.timezone != UTC
        offset = "date_part('timezone', timestamp)" if has_offset else "0"
        found = database.numpy(render("timeline/ticks", unit=f"epoch_{unit}", offset=offset))
        ticks = found["tick"][bars_of_run]
        offsets = found["utc_offset"][bars_of_run].astype(np.int64)
        per_second = 1_000_000_000 if unit == "ns" else 1_000_000
        return Axes(
            timestamps=ticks,
            timestamp_type=bars,
            sessions=(ticks + offsets * per_second) // (86_400 * per_second),
            offsets=offsets if has_offset else None,
            asset_ids=database.numpy(read("timeline/asset_ids"))["asset_id"],
            asset_type=self._found["prices"]["asset_id"],
        )

    def instruments(self) -> Instruments:
        """Return each asset's contract terms, by `sid`; plain shares without ``assets``."""
        prepared = self.prepare()
        if "assets" not in self._sources:
            return Instruments.plain(prepared.n_assets)
        from ml4t.backtest.data.sources.reference import read_instruments

        return read_instruments(self._found["assets"], prepared.database)

    def actions(self, period: Period | None = None) -> list[Action]:
        """Return the corporate actions of the run's bars in the order in which they apply.

        Parameters
        ----------
        period : Period, optional
            The bars of the run; all by default.
        """
        prepared = self.prepare()
        if "actions" not in self._sources:
            return []
        from ml4t.backtest.data.sources.reference import (
            read_actions,
            require_same_contract,
            require_valued,
        )

        actions = read_actions(
            self._found["actions"], prepared.database, **self._span(period),
            first_price="open" if "open" in prepared.price_columns else "close",
        )  # fmt: skip
        require_valued(actions, lambda: self.axes().asset_ids)
        require_same_contract(actions, self.instruments())
        return actions

    def margin_changes(self, period: Period | None = None) -> tuple[MarginChange, ...]:
        """Return when margins of contracts change, in the order of bars."""
        prepared = self.prepare()
        if "assets" not in self._sources:
            return ()
        from ml4t.backtest.data.sources.reference import read_margin_changes

        return read_margin_changes(self._found["assets"], prepared.database, **self._span(period))

    def rolls(self, period: Period | None = None) -> tuple[Roll, ...]:
        """Return the rolls of the run's bars in the order in which they are decided.

        Parameters
        ----------
        period : Period, optional
            The bars of the run; all by default.
        """
        prepared = self.prepare()
        if "rolls" not in self._sources:
            return ()
        from ml4t.backtest.data.sources.reference import read_rolls

        return read_rolls(prepared.database, self.instruments(), **self._span(period))

    def funding(self, period: Period | None = None) -> list[Funding]:
        """Return the funding payments of the run's bars in the order of their times.

        Parameters
        ----------
        period : Period, optional
            The bars of the run; all by default.
        """
        prepared = self.prepare()
        if "funding" not in self._sources:
            return []
        from ml4t.backtest.data.sources.reference import read_funding, require_perpetual

        payments = read_funding(self._found["funding"], prepared.database, **self._span(period))
        require_perpetual(payments, self.instruments(), lambda: self.axes().asset_ids)
        return payments

    def fx(self, period: Period | None = None) -> FxRates | None:
        """Return what currencies cost at the closes of the run's bars; None: no source says.

        Parameters
        ----------
        period : Period, optional
            The bars of the run; all by default.
        """
        prepared = self.prepare()
        if "fx" not in self._sources:
            return None
        from ml4t.backtest.data.sources.fx_rates import read_fx

        return read_fx(
            self._sources["fx"], prepared.database, prepared.n_assets, **self._span(period)
        )

    def _span(self, period: Period | None) -> dict[str, int]:
        """Return the first and the last bar of a run, of all bars by default."""
        bars = find_period(None, None, self.prepare()) if period is None else period
        return {"first_t": bars.first_t, "last_t": bars.last_t}

    def fingerprints(self) -> list[dict[str, object]]:
        """Return what identifies the content of every source.

        Raises
        ------
        DataError
            A file has changed since the sources were checked.
        """
        self.require_unchanged()
        prepared = self.prepare()
        return [
            fingerprint(source, self._found[source.name], prepared.database)
            for source in self._sources.values()
        ]

    def require_unchanged(self) -> None:
        """Refuse files that have changed since the sources were checked.

        Raises
        ------
        DataError
            One has.
        """
        now = facts_of_files(self._sources)
        for name, facts in self.prepare().file_facts.items():
            if now[name] != facts:
                raise DataError(
                    name, "unchanged", "has files that changed while the run read them; run again"
                )

    def keep_prepared(self) -> None:
        """Add what was read to the store of the catalog, if it has one."""
        if self._keeper is not None and self._prepared is not None:
            self._keeper.keep(self._sources, self._prepared)

    def sources(self) -> tuple[Source, ...]:
        """Return the sources as they were registered, in order."""
        return tuple(self._sources.values())

    def with_context(self, columns: dict[str, list[object]]) -> Catalog:
        """Return a catalog with the same sources and a context; this one stays as it is."""
        return self.again().register("context", columns)

    def again(self, listener: Listener | None = None) -> Catalog:
        """Return a catalog with the same sources, on a database of which a listener hears."""
        return _ListenedCatalog(self, listener)


class _ListenedCatalog(Catalog):
    """The sources of another catalog, on a database of which a listener hears from the start."""

    def __init__(self, base: Catalog, listener: Listener | None) -> None:
        SourceRegistry.__init__(
            self, threads=base._threads, memory_limit=base._memory_limit, timezone=base.timezone,
            listener=listener, keeper=base.another_keeper(listener),
        )  # fmt: skip
        self.take_over(base._sources.values())


def _keeper_of(cache: str | Path | PreparedStore) -> Keeper:
    from ml4t.backtest.data.prepared_store.keeper import keeper_of

    return keeper_of(cache)
