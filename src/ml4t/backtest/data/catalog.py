"""Catalog: register sources, look at them in SQL, hand them to a run.

`register` -> checks -> `signals` and `market` -> ranked batches. The catalog reads a source's
schema when it is registered and its rows when the first query or run needs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from html import escape
from typing import Self

import numpy as np

from ml4t.backtest.core.axes import Axes
from ml4t.backtest.core.selecting import Selects
from ml4t.backtest.core.terms import Action, Instruments
from ml4t.backtest.data.asof.prepared import Prepared, facts_of_files, prepare
from ml4t.backtest.data.database import UTC, Database, Listener, Relation, require_timezone
from ml4t.backtest.data.explaining import Explanation, explain, plan_alone
from ml4t.backtest.data.indicators import Indicators
from ml4t.backtest.data.selection.preview import preview
from ml4t.backtest.data.sources.adapted import Adapted, Change
from ml4t.backtest.data.sources.attaching import attach, detach
from ml4t.backtest.data.sources.checks import CheckResult, as_record, require_clean, run_checks
from ml4t.backtest.data.sources.contracts import (
    interval_text,
    require_overlap,
    require_registrable,
    require_shares_borrowed,
)
from ml4t.backtest.data.sources.naming import AVAILABLE_AT, column_names, named, require_mapping
from ml4t.backtest.data.sources.reference import (
    read_actions,
    read_instruments,
    require_same_contract,
)
from ml4t.backtest.data.sources.roles import PRICES_ROLE, Role
from ml4t.backtest.data.sources.schema import canonical_columns
from ml4t.backtest.data.sources.source import (
    Source,
    file_facts,
    fingerprint,
    scannable,
)
from ml4t.backtest.data.sql_files import quote, read, render, rows_of, schema_of, view_of
from ml4t.backtest.errors import ConfigError, DataError

# Columns of a source that the repr names.
N_COLUMNS_SHOWN = 8


class Catalog:
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
        self, *, threads: int | None = None, memory_limit: str | None = None, timezone: str = UTC
    ) -> None:
        self._threads, self._memory_limit = threads, memory_limit
        self.timezone = require_timezone(timezone)
        self._sources: dict[str, Source] = {}
        self._found: dict[str, dict[str, str]] = {}
        self._file_facts: dict[str, object] = {}
        self._listener: Listener | None = None
        self._database = self._connect()
        self._prepared: Prepared | None = None

    is_shown_whole = False

    def __repr__(self) -> str:
        """Show each source with its columns besides the keys, the first few of them."""
        shown = []
        for name, source in self._sources.items():
            columns = [one for one in self._found[name] if one not in ("timestamp", "asset_id")]
            n_more = len(columns) - N_COLUMNS_SHOWN
            more = f", and {n_more} more" if n_more > 0 else ""
            role = "" if name == source.role else f" ({source.role})"
            shown.append(f"{name}{role}: {', '.join(columns[:N_COLUMNS_SHOWN])}{more}")
        return f"Catalog({'; '.join(shown)})"

    def _repr_html_(self) -> str:
        """Show each source with its role and its columns, as a notebook does tables."""
        rows = "".join(
            f"<tr><td style='text-align:left'>{escape(name)}</td><td>{source.role}</td>"
            f"<td style='text-align:left'>{escape(', '.join(self._found[name]))}</td>"
            f"<td style='text-align:left'>{escape('; '.join(map(str, source.changes)))}</td></tr>"
            for name, source in self._sources.items()
        )
        head = "".join(f"<th>{name}</th>" for name in ("source", "role", "columns", "changes"))
        return f"<table><tr>{head}</tr>{rows}</table>"

    def registered(self, name: str) -> tuple[dict[str, str], list[str]]:
        """Return the columns of a source, with types, and what was changed on their way in.

        Raises
        ------
        KeyError
            There is no such source.
        """
        return dict(self._found[name]), [str(change) for change in self._sources[name].changes]

    # -- registration -----------------------------------------------------------------

    def register(
        self,
        role: Role,
        source: object,
        *,
        name: str | None = None,
        available_at: str | None = None,
        lag: str | timedelta | None = None,
        max_age: str | timedelta | None = None,
        on_bad_rows: str = "raise",
        columns: Mapping[str, str] | None = None,
    ) -> Catalog:
        """Register a source; only its schema is read now.

        Of files that differ in the type of a column, the column too is read where a value may not
        fit into their common type.

        Parameters
        ----------
        role : {"prices", "features", "context", "universe", "actions", "assets", "borrow"}
            What the rows are; the README lists each role's columns. The terms of trading:

            - ``actions``: asset_id, ex_date, kind, value; optional pay_date, new_asset_id. Several
              dividends of one ex-date are added up, several splits multiplied. kind is
              ``split`` (value: new shares per old share), ``dividend`` (cash per share held
              before that day's split), ``delisting`` (price per share, NULL = not known) or
              ``rename`` (to new_asset_id). An action counts from the first bar at or after its
              ex_date, a date being midnight (in the zone of the catalog where bars have one).
            - ``assets``: asset_id; optional lot_size, tick_size, multiplier, initial_margin,
              maintenance_margin (fractions of exposure). Any text column, such as sector, groups
              the assets. What is NULL is as for a plain share.
            - ``borrow``: timestamp, asset_id, fee (annual fraction); optional available. Known
              as-of like features; each column is in ``signals`` as ``borrow_<column>``.
        source
            A path, glob, folder, list of paths, ``s3://`` or ``https://`` URL, SQL text, an
            Arrow table, dataset or reader, a Polars frame (eager or lazy), a pandas frame, a
            DuckDB relation, or a dict of columns. Several files go together by the names of
            their columns; a column that a file lacks is NULL there, one of several types gets
            the one that loses nothing, or is refused.
        name : str, optional
            View name; needed to tell several features (or context) sources apart.
        available_at : str, optional
            Column that says when a row became known; the newest period known counts, at its
            newest revision known.
        lag : str or timedelta, optional
            Interval after `timestamp` at which a row becomes known, such as ``"1 day"``.
        max_age : str or timedelta, optional
            Interval since a row became known after which it counts as missing.
        on_bad_rows : {"raise", "drop"}
            Refuse a source with bad rows, or leave them out and record how many and why.
        columns : mapping of str to str, optional
            Columns of the source that have other names than ours, ours first:
            ``{"timestamp": "Date", "asset_id": "ticker"}``. What data of this kind usually calls
            them (``Date``, ``Ticker``, ``permno``, ``Vol``) is found without; `describe` says
            what was taken for what.

        Returns
        -------
        Catalog
            Itself, so that calls chain.

        Raises
        ------
        ConfigError
            An argument is outside what it may be.
        DataError
            The source cannot be read, or lacks a column or a usable type, or its files do not
            go together.
        """
        return self._register(
            role, source, name=name, available_at=available_at, lag=lag, max_age=max_age,
            on_bad_rows=on_bad_rows, columns=columns,
        )  # fmt: skip

    def register_all(self, adapted: Adapted) -> Catalog:
        """Register everything that a vendor's adapter read; see `ml4t.backtest.vendors`.

        Parameters
        ----------
        adapted : Adapted
            What a function of `ml4t.backtest.vendors` returns.

        Returns
        -------
        Catalog
            Itself, so that calls chain.

        Raises
        ------
        ConfigError, DataError
            As of `register`.
        """
        if not isinstance(adapted, Adapted):
            raise ConfigError(
                f"register_all takes what a function of ml4t.backtest.vendors returns, was a "
                f"{type(adapted).__name__}; register one source with register(role, source)"
            )
        for one in adapted:
            self._register(one.role, one.rows, changes=one.changes, **one.options)
        return self

    def _register(
        self,
        role: Role,
        source: object,
        *,
        name: str | None = None,
        available_at: str | None = None,
        lag: str | timedelta | None = None,
        max_age: str | timedelta | None = None,
        on_bad_rows: str = "raise",
        columns: Mapping[str, str] | None = None,
        changes: tuple[Change, ...] = (),
    ) -> Catalog:
        """Register a source, and remember what was changed before it came here."""
        if not isinstance(on_bad_rows, str) or on_bad_rows not in ("raise", "drop"):
            raise ConfigError(f"on_bad_rows must be 'raise' or 'drop', was {on_bad_rows!r}")
        entry = Source(
            role=role, name=role if name is None else name, given=source,
            available_at=available_at, lag=interval_text(lag), max_age=interval_text(max_age),
            drop_bad_rows=on_bad_rows == "drop", changes=changes,
        )  # fmt: skip
        require_registrable(entry, self._sources, self._database)
        said = require_mapping(entry.spec, columns)
        if AVAILABLE_AT in said:
            if available_at is not None:
                raise ConfigError(
                    f"columns names {AVAILABLE_AT!r}, and {AVAILABLE_AT}= is given; keep one"
                )
            entry = replace(entry, available_at=said.pop(AVAILABLE_AT))
        entry = replace(entry, given=scannable(entry.name, source), columns=said)
        if self._prepared is not None:
            self._reopen()
        try:
            self._add(entry)
        except BaseException:
            # Or the name would be taken by what was refused.
            detach(entry, self._database)
            self._file_facts.pop(entry.name, None)
            raise
        return self

    def _add(self, entry: Source) -> None:
        """Attach a source under its canonical names."""
        raw = self._attach(entry)
        names = column_names(entry.name, entry.spec, raw, entry.columns)
        entry = replace(entry, columns=names, changes=(*entry.changes, *named(names)))
        if "available_at" in raw and entry.available_at is None and entry.spec.is_clocked:
            # The contract's own name for the clock: unread, the rows would be seen too early.
            if entry.lag is not None:
                raise ConfigError(
                    f"source {entry.name!r} has a column available_at and takes no lag"
                )
            entry = replace(entry, available_at="available_at")
        self._view(entry, raw)
        self._sources[entry.name] = entry

    @property
    def indicators(self) -> Indicators[Self]:
        """Indicators over the prices; each adds its columns to ``signals``: see `Indicators`.

        ``catalog.indicators.atr(20).indicators.rsi(14)``
        """
        return Indicators(self, self._sources, self._found)

    def _attach(self, source: Source) -> dict[str, str]:
        """Make a source readable, remember what its files were then, and return its columns."""
        facts = file_facts(source)
        raw = attach(source, self._database)
        self._file_facts[source.name] = facts
        return raw

    def _view(self, source: Source, raw: Mapping[str, str]) -> None:
        """Create the view of a source under its canonical names and types."""
        items = canonical_columns(source, raw)
        select = rows_of(f"raw.{quote(source.name)}", ", ".join(items.values()))
        self._database.execute(view_of(f"main.{quote(source.name)}", select))
        self._found[source.name] = self._database.schema(select)

    def _connect(self) -> Database:
        database = Database(
            threads=self._threads,
            memory_limit=self._memory_limit,
            keeps_order=False,
            timezone=self.timezone,
            listener=self._listener,
        )
        for schema in ("raw", "stage"):
            database.execute(schema_of(schema))
        return database

    def _reopen(self) -> None:
        """Start over on a fresh connection: a locked one takes no new source."""
        self._database, self._prepared = self._connect(), None
        for source in self._sources.values():
            self._view(source, self._attach(source))

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

    def preview(self, strategy: Selects, timestamp: object) -> Relation:
        """Show what a strategy would hold at one bar, and why it would not hold the rest.

        Parameters
        ----------
        strategy : Strategy
            One that ranks, has a query or has rules: `TopN`, `SQLStrategy`, `SignalStrategy`.
        timestamp : datetime, date or str
            Of a bar. Where the strategy does not decide, nothing is held, and every reason says
            so.

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
        return preview(strategy, timestamp, self.prepare())

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
        return explain(self, lambda prepared: plan_alone(strategy, prepared), plan=plan)

    def checks(self) -> list[CheckResult]:
        """Run every check on every source and return what each found; raises nothing."""
        prepared = self.prepare()
        return [
            result
            for source in self._sources.values()
            for result in run_checks(source, self._found[source.name], prepared.database)
        ]

    def describe(self) -> list[dict[str, object]]:
        """Return one record per source: rows, assets, first and last time, columns, clock."""
        database = self.prepare().database
        records = []
        for source in self._sources.values():
            found = self._found[source.name]
            query = render(
                "register/profile",
                source=f"main.{quote(source.name)}",
                clock=next(iter(source.spec.times), "null"),
                assets="count(distinct asset_id)" if "asset_id" in found else "null",
            )
            profile = database.records(query)[0]
            records.append(
                {"source": source.name, "role": source.role, **profile,
                 "known_at": _clock_of(source), "max_age": source.max_age, "columns": dict(found),
                 "changes": [str(change) for change in source.changes]}
            )  # fmt: skip
        return records

    # -- a run ------------------------------------------------------------------------

    def prepare(self) -> Prepared:
        """Build timeline, known rows and views once, then lock the connection down."""
        if self._prepared is None:
            if "prices" not in self._sources:
                raise ConfigError("no prices are registered; call catalog.register('prices', ...)")
            if facts_of_files(self._sources) != self._file_facts:
                # Files came or changed since they were registered, maybe in other types.
                self._reopen()
            self._prepared = prepare(self._sources, self._found, self._file_facts, self._database)
        return self._prepared

    def validate(self) -> Prepared:
        """Prepare, and refuse sources that break their contract.

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
            if not prepared.n_bars:
                raise DataError("prices", "overlap", "has no rows; there is nothing to run on")
            for source in self._sources.values():
                may_be_quiet = source.spec.may_be_quiet
                if not source.drop_bad_rows or may_be_quiet:
                    found = require_clean(source, self._found[source.name], prepared.database)
                    prepared.warnings += map(as_record, found)
                # These may be of another time, and of other assets: nothing happened in the run.
                if source.spec is not PRICES_ROLE and not may_be_quiet:
                    prepared.warnings += require_overlap(source, prepared.database)
            require_shares_borrowed(self._sources, self._found, prepared.database)
            prepared.is_validated = True
        return prepared

    def axes(self) -> Axes:
        """Return the run's bars and assets in the order of their numbers."""
        database = self.prepare().database
        bars = self._found["prices"]["timestamp"]
        unit = "ns" if bars == "TIMESTAMP_NS" else "us"
        has_offset = "ZONE" in bars and self.timezone != UTC
        offset = "date_part('timezone', timestamp)" if has_offset else "0"
        found = database.numpy(render("timeline/ticks", unit=f"epoch_{unit}", offset=offset))
        ticks, offsets = found["tick"], found["utc_offset"].astype(np.int64)
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
        return read_instruments(self._found["assets"], prepared.database)

    def actions(self) -> list[Action]:
        """Return the corporate actions of the run's bars in the order in which they apply."""
        prepared = self.prepare()
        if "actions" not in self._sources:
            return []
        actions = read_actions(self._found["actions"], prepared.database)
        require_same_contract(actions, self.instruments())
        return actions

    def fingerprints(self) -> list[dict[str, object]]:
        """Return what identifies the content of every source.

        Raises
        ------
        DataError
            A file has changed since the sources were checked.
        """
        prepared = self.prepare()
        now = facts_of_files(self._sources)
        for name, facts in prepared.file_facts.items():
            if now[name] != facts:
                raise DataError(
                    name, "unchanged", "has files that changed while the run read them; run again"
                )
        return [
            fingerprint(source, self._found[source.name], prepared.database)
            for source in self._sources.values()
        ]

    def with_context(self, columns: dict[str, list[object]]) -> Catalog:
        """Return a catalog with the same sources and a context; this one stays as it is."""
        return self.again().register("context", columns)

    def again(self, listener: Listener | None = None) -> Catalog:
        """Return a catalog with the same sources, on a database of which a listener hears."""
        other = Catalog(
            threads=self._threads, memory_limit=self._memory_limit, timezone=self.timezone
        )
        other._take_over(self, listener)
        return other

    def _take_over(self, base: Catalog, listener: Listener | None) -> None:
        """Take over the sources of another catalog, before there are any here."""
        if listener is not None:
            self._listener = listener
            self._database = self._connect()
        for source in base._sources.values():
            self._view(source, self._attach(source))
            self._sources[source.name] = source


def _clock_of(source: Source) -> str | None:
    """Return from when a row counts, in words; None where rows have no time."""
    if source.available_at is not None:
        return source.available_at
    clock = source.spec.clock
    return f"{clock} + {source.lag}" if source.lag else clock
