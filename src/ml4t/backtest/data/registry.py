"""SourceRegistry: the sources that were registered, as views of one database.

1. `SourceRegistry.register` checks what it is given and attaches it as ``raw.<name>``.
2. ``main.<name>`` is a view of that under our names and types.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.computed.calling import made_by, making_function
from ml4t.backtest.data.computed.checked import record_of, require_same_files
from ml4t.backtest.data.computed.source_function import SourceFunction
from ml4t.backtest.data.database import UTC, Database
from ml4t.backtest.data.listening import Listener
from ml4t.backtest.data.sources.adapted import Adapted, Change, ChangedRows
from ml4t.backtest.data.sources.adjusting import (
    adjusted_prices,
    adjustment,
    require_adjusted,
)
from ml4t.backtest.data.sources.attaching import attach, detach
from ml4t.backtest.data.sources.contracts import interval_text, require_registrable
from ml4t.backtest.data.sources.dates import require_date_format, time_texts
from ml4t.backtest.data.sources.forms.reading import PLAINLY, reading_of
from ml4t.backtest.data.sources.naming import AVAILABLE_AT, column_names, renamings, require_mapping
from ml4t.backtest.data.sources.roles import Role
from ml4t.backtest.data.sources.schema import canonical_columns
from ml4t.backtest.data.sources.shapes.in_files import taken, unfolded, way_out
from ml4t.backtest.data.sources.shapes.said import Said, Shaped, fields_of
from ml4t.backtest.data.sources.source import Source, file_facts
from ml4t.backtest.data.sources.stamps import at_end, moved_to_end, require_stamp
from ml4t.backtest.data.sql_files import Sql, quote, rows_of, schema_of, view_of
from ml4t.backtest.data.timezones import require_timezone
from ml4t.backtest.errors import ConfigError

if TYPE_CHECKING:
    from ml4t.backtest.data.prepared_store.keeper import Keeper

# Columns of a source that the repr names.
N_COLUMNS_SHOWN = 8


class SourceRegistry:
    """What `Catalog` is built on: its sources and the database that reads them.

    Parameters
    ----------
    threads, memory_limit, timezone, listener
        As of `Catalog`.
    keeper : Keeper, optional
        Keeps what the database answers.
    """

    def __init__(
        self,
        *,
        threads: int | None = None,
        memory_limit: str | None = None,
        timezone: str = UTC,
        listener: Listener | None = None,
        keeper: Keeper | None = None,
    ) -> None:
        self._keeper = keeper
        self._threads, self._memory_limit, self._listener = threads, memory_limit, listener
        self.timezone = require_timezone(timezone)
        self._sources: dict[str, Source] = {}
        self._found: dict[str, dict[str, str]] = {}
        self._file_facts: dict[str, object] = {}
        self._read_changes: dict[str, tuple[Change, ...]] = {}
        self._database = self._connect()
        self._prepared: Prepared | None = None
        self._calling = ""

    @property
    def memory_limit(self) -> str | None:
        """Beyond which queries spill; None: DuckDB's own."""
        return self._memory_limit

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
            f"<td style='text-align:left'>{escape(changes)}</td></tr>"
            for name, source in self._sources.items()
            for changes in ["; ".join(map(str, self._changed(name)))]
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
        return dict(self._found[name]), list(map(str, self._changed(name)))

    def _changed(self, name: str) -> tuple[Change, ...]:
        """Return what was changed of a source: when its files were read, and after that."""
        return (*self._read_changes[name], *self._sources[name].changes)

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
        date_format: str | None = None,
        stamp: str = "close",
        adjusted: bool | str | None = None,
        table: str | None = None,
        asset_id: str | None = None,
        null_values: Sequence[str] | None = None,
        field: str | Sequence[str] | None = None,
        timestamps: object = None,
        asset_ids: object = None,
        checked_by: str | Path | None = None,
    ) -> Self:
        """Register a source; only its schema is read now.

        Of files that differ in the type of a column, the column too is read where a value may not
        fit into their common type; so are dates and times that are text.

        Parameters
        ----------
        role : str
            What the rows are: prices, features, context, universe, actions, assets, borrow,
            rolls, funding, fx, calendar or calendar_corrections; docs/guide/sources.md has each
            role's columns.
            Terms of trading:

            - ``actions``: asset_id, ex_date, kind, value; optional pay_date, new_asset_id, cash,
              withholding, basis_share, basis. What one ex-date pays is added up, splits are
              multiplied. kind is ``split`` (value: new shares per old share), ``dividend``,
              ``return_of_capital`` or ``cash`` (per share held before that day's split),
              ``rights`` (new shares per share, at a subscription price ``cash``), ``spinoff`` and
              ``merger`` (shares of new_asset_id per share; of a merger ``cash`` per share too),
              ``delisting`` (price per share, NULL = not known) or ``rename`` (to new_asset_id). An
              action counts from the first bar at or after its
              ex_date, a date being midnight (in the zone of the catalog where bars have one).
            - ``assets``: asset_id; optional lot_size, tick_size, multiplier, initial_margin,
              maintenance_margin (fractions of exposure), and of shorts short_initial_margin,
              short_maintenance_margin; instrument (``share``, ``future`` or ``perpetual``: the
              last two settle daily), contract_initial_margin and contract_maintenance_margin
              (its currency per contract), expiry (date of the last session), final_settlement
              (price; the last close by default); currency. Any text column, such as sector, groups
              the assets for limits and is in ``signals``, the same at every bar, or since
              ``available_at``; a column of that name in another source, which has a clock, is there
              instead. What is NULL is as for a plain share.
            - ``borrow``: timestamp, asset_id, fee (annual fraction); optional available. Known
              as-of like features; each column is in ``signals`` as ``borrow_<column>``.
            - ``rolls``: timestamp, asset_id, new_asset_id. What is held of one contract at the
              close of the first bar at or after `timestamp` is traded for the other.
            - ``fx``: timestamp, base, quote, rate: one base is worth `rate` of quote. It converts
              assets of other currencies than the account's.
            - ``calendar``: session (a date); optional is_open, opens, closes, known_at. The days
              on which the exchange trades; ``calendar_corrections`` go before it, day by day.
        source
            A path, glob, folder or list of paths of Parquet, CSV (also ``.tsv``, ``.txt``,
            ``.gz``, ``.zst``), JSON lines, Feather or Arrow IPC, Excel, DuckDB or SQLite, by their
            suffix; the folder of a Delta or Iceberg table; the same of Parquet at ``s3://``, and
            an ``https://`` URL of it (extra ``s3``); SQL text; an Arrow table, dataset or reader,
            a Polars frame (eager or lazy), a pandas frame, a DuckDB relation, or a dict of
            columns. Several files go together by the names of their columns; a column that a file
            lacks is NULL there, with a warning, one of several types gets the one that loses
            nothing, or is refused. Text is read once to see the types of its columns. In memory
            also: wide frames; columns of two levels, (field, asset) or (asset, field); frames and
            Series whose times and assets are an index; a dict of frames, by asset or field;
            arrays; for ``universe`` snapshots, or a matrix of 0 and 1. What may be two of these is
            refused with what to write. Or a function of one argument, through which it reads the
            sources registered before it (``sources.prices``, ``sources.sql(...)``) and which
            returns rows or SQL text: it is called now, and in an audit anew over what was known.
        name : str, optional
            View name; needed to tell several features (or context) sources apart.
        available_at : str, optional
            Column that says when a row became known; the newest period known counts, at its
            newest revision known. Of ``universe`` and ``assets`` when it was announced; actions
            apply at their ex_date all the same. A column of this name is taken for it.
        lag : str or timedelta, optional
            Interval after `timestamp` at which a row becomes known, such as ``"1 day"``; of a
            universe after start_date and end_date.
        max_age : str or timedelta, optional
            Interval since a row became known after which it counts as missing.
        on_bad_rows : {"raise", "drop"}
            Refuse a source with bad rows, or leave them out and record how many and why.
        columns : mapping of str to str, optional
            Columns of the source that have other names than ours, ours first:
            ``{"timestamp": "Date", "asset_id": "ticker"}``. What data of this kind usually calls
            them (``Date``, ``Ticker``, ``permno``) is found without; `describe` says
            what was taken for what.
        date_format : str, optional
            How dates and times are written that are text, or whole numbers, in the directives of
            ``strptime``: ``"%d/%m/%Y"``, ``"%Y%m%d"``. Without it text is read where every value
            is of the strict ISO form, ``2024-01-31`` or ``2024-01-31 16:00:00``.
        stamp : {"close", "open"}
            Whether the timestamps of intraday prices are those at which bars end or begin. Bars
            stamped at their open are moved to their end, by the least time between two of them.
        adjusted : bool or str, optional
            Whether prices have splits and dividends in them: True goes with no such actions, which
            would count twice; False is as traded; the name of an adjusted close scales open, high,
            low and close to it, and divides volume by the same. Not said, prices without actions
            are searched for what looks unapplied, which is a warning.
        table : str, optional
            Which table of a DuckDB or SQLite file, which sheet of an Excel file; needed where the
            file has several.
        asset_id : {"filename", "folder"}, optional
            Each file is of one asset, called as the file is, ``BRK.B.csv`` is ``BRK.B``, or as
            the folder in which it is.
        null_values : sequence of str, optional
            Texts that stand for a missing value, such as ``["NA", "-"]``, in CSV, JSON, Excel
            and SQLite; never in the column of the asset, where ``NA`` is a ticker.
        field : str or list of str, optional
            What the values of a shape without a name for them are: of a wide frame (times x
            assets), a Series, an array; a list of arrays' third axis. Close of prices unless said.
        timestamps, asset_ids : sequence, optional
            The axes of NumPy arrays: times x assets, with a third axis of fields, a structured
            type, or a dict of one array per field.
        checked_by : str or Path, optional
            Record of `ml4t.backtest.audit.check_features` that the files are what a function makes
            of the past: held to the files here, and to the sources before a run, which cites it.

        Returns
        -------
        Self
            Itself, so that calls chain.

        Raises
        ------
        ConfigError
            An argument is outside what it may be.
        DataError
            The source cannot be read, or lacks a column or a usable type, or its files do not
            go together.
        """
        changes: tuple[Change, ...] = ()
        if isinstance(source, ChangedRows):
            changes, source = source.changes, source.rows
        if not isinstance(on_bad_rows, str) or on_bad_rows not in ("raise", "drop"):
            raise ConfigError(f"on_bad_rows must be 'raise' or 'drop', was {on_bad_rows!r}")
        entry = Source(
            role=role, name=role if name is None else name, given=source,
            available_at=available_at, lag=interval_text(lag), max_age=interval_text(max_age),
            drop_bad_rows=on_bad_rows == "drop", date_format=date_format, changes=changes,
            adjusted=adjusted, reading=reading_of(table, asset_id, null_values),
        )  # fmt: skip
        require_date_format(date_format)
        require_adjusted(role, adjusted)
        require_registrable(entry, self._sources, self._database)
        is_at_open = require_stamp(role, stamp)
        said = require_mapping(entry.spec, columns)
        if AVAILABLE_AT in said:
            if available_at is not None:
                raise ConfigError(
                    f"columns names {AVAILABLE_AT!r}, and {AVAILABLE_AT}= is given; keep one"
                )
            entry = entry._replace(available_at=said.pop(AVAILABLE_AT))
        shape = Said(
            name=entry.name, spec=entry.spec, columns=said, fields=fields_of(field),
            timestamps=timestamps, asset_ids=asset_ids, date_format=date_format, n_read=[],
        )  # fmt: skip
        function = making_function(source, shape, self._sources)
        if function is None:
            made = taken(source, shape)
        else:
            made, function = self._made(function)
        written = shape.written(made)
        entry = entry._replace(
            given=made.rows, columns=made.columns(said),
            changes=(*changes, *made.changes, *written),
            date_format=None if written else date_format, function=function,
        )  # fmt: skip
        if checked_by is not None:
            entry = entry._replace(checked=record_of(checked_by, entry))
        if self._prepared is not None:
            self._reopen()
        try:
            self._add(entry, shape, is_at_open=is_at_open)
        except BaseException:
            # Or the name would be taken by what was refused.
            detach(entry, self._database)
            self._file_facts.pop(entry.name, None)
            self._read_changes.pop(entry.name, None)
            raise
        return self

    def register_all(self, adapted: Adapted) -> Self:
        """Register everything that a vendor's adapter read; see `ml4t.backtest.vendors`.

        Parameters
        ----------
        adapted : Adapted
            What a function of `ml4t.backtest.vendors` returns.

        Returns
        -------
        Self
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
            self.register(one.role, ChangedRows(one.rows, one.changes), **one.options)
        return self

    def _add(self, entry: Source, shape: Said, *, is_at_open: bool) -> None:
        """Attach a source under its canonical names."""
        raw = self._attach(entry)
        found = unfolded(entry, raw, shape, self._database)
        if found is not None:
            changes = (*entry.changes, *self._read_changes[entry.name], *found[1])
            detach(entry, self._database)
            entry = found[0]._replace(changes=changes, reading=PLAINLY)
            raw = self._attach(entry)
        names = column_names(
            entry.name, entry.spec, raw, entry.columns, way_out=way_out(entry, raw, shape)
        )
        entry = entry._replace(columns=names, changes=(*entry.changes, *renamings(names)))
        if (
            "available_at" in raw
            and entry.available_at is None
            and AVAILABLE_AT in entry.spec.takes
        ):
            # The contract's own name for the clock: unread, the rows would be seen too early.
            if entry.lag is not None:
                raise ConfigError(
                    f"source {entry.name!r} has a column available_at and takes no lag"
                )
            entry = entry._replace(available_at="available_at")
        texts = self._view(entry, raw)
        if is_at_open:
            entry = moved_to_end(entry, self._found[entry.name]["timestamp"], self._database)
            self._view(entry, raw)
        self._sources[entry.name] = entry._replace(changes=(*entry.changes, *texts))

    def _attach(self, source: Source) -> dict[str, str]:
        """Make a source readable, remember what its files were then, and return its columns."""
        facts = file_facts(source)
        if self._keeper is not None:
            self._keeper.attach(source)
        attached = attach(source, self._database)
        self._file_facts[source.name] = facts
        self._read_changes[source.name] = attached.changes
        return attached.columns

    def _view(self, source: Source, raw: Mapping[str, str]) -> tuple[Change, ...]:
        """Create the view of a source under its names and types; return what was read as times."""
        texts, changes = time_texts(source, raw, self._database)
        items = canonical_columns(source, raw, texts)
        select = rows_of(f"raw.{quote(source.name)}", ", ".join(one.sql for one in items.values()))
        kinds = {name: one.kind for name, one in items.items() if one.kind is not None}
        if isinstance(source.adjusted, str):
            changes, kinds = (*changes, adjustment(select, source, self._database)), {}
            select = adjusted_prices(select, source, self._database)
        if source.stamp_shift is not None:
            select, kinds = at_end(select, source.stamp_shift, self._database), {}
        select = self._known(source, select, items)
        self._database.execute(view_of(f"main.{quote(source.name)}", select))
        # Asked only where it may be another: to be told takes DuckDB as long as to make the view.
        self._found[source.name] = (
            kinds if len(kinds) == len(items) else self._database.schema(select)
        )
        return changes

    def _known(self, source: Source, select: Sql, columns: Collection[str]) -> Sql:  # noqa: ARG002
        """Return the rows of a source that this catalog knows: all."""
        return select

    def another_keeper(self, listener: Listener | None) -> Keeper | None:
        """Return a keeper for a catalog over the same sources; none where somebody listens.

        He is to hear every statement, and of what was kept there is none.
        """
        return None if listener or self._keeper is None else self._keeper.another()

    def _connect(self) -> Database:
        settings: dict[str, Any] = {
            "threads": self._threads, "memory_limit": self._memory_limit, "keeps_order": False,
            "timezone": self.timezone,
        }  # fmt: skip
        database = (
            Database(**settings, listener=self._listener)
            if self._keeper is None
            else self._keeper.connect(settings)
        )
        for schema in ("raw", "stage"):
            database.execute(schema_of(schema))
        return database

    def _reopen(self) -> None:
        """Start over on a fresh connection: a locked one takes no new source."""
        self._database, self._prepared = self._connect(), None
        for name, source in self._sources.items():
            self._sources[name] = fresh = self._fresh(source)
            self._view(fresh, self._attach(fresh))

    def take_over(self, sources: Iterable[Source]) -> None:
        """Take over the sources of another catalog, before there are any here."""
        for source in sources:
            fresh = self._fresh(source)
            self._view(fresh, self._attach(fresh))
            self._sources[source.name] = fresh

    def _fresh(self, source: Source) -> Source:
        """Return a source that a function makes as one of what the sources before it have now."""
        if source.checked is not None:
            require_same_files(source, source.checked)
        function = source.function
        if function is None or function.call is None or function.read == self._read_by(function):
            return source
        made, function = self._made(function)
        return source._replace(given=made.rows, function=function)

    def _read_by(self, function: SourceFunction) -> dict[str, object]:
        """Return the facts of the files that a function reads, by its sources; all at first."""
        names = list(function.read) or list(self._sources)
        return {name: file_facts(self._sources[name]) for name in names}

    def _made(self, function: SourceFunction) -> tuple[Shaped, SourceFunction]:
        """Have a function make its rows of the sources before it."""
        if self._prepared is not None:
            self._reopen()
        read = self._read_by(function)
        columns = {name: self._found[name] for name in read}
        with self.calling(function.name):
            return made_by(function, columns, self._database), function._replace(read=read)

    @contextmanager
    def calling(self, function: str) -> Iterator[None]:
        """Have nothing be read past what a function is given, while it is called."""
        before, self._calling = self._calling, function
        try:
            yield
        finally:
            self._calling = before
