"""Catalog: register sources, look at them in SQL, hand them to a run.

`register` -> checks -> `signals` and `market` -> ranked batches. The catalog reads a source's
schema when it is registered and its rows when the first query or run needs them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ml4t.backtest.core.axes import Axes
from ml4t.backtest.data.asof import Known, create_views, known_rows
from ml4t.backtest.data.checks import CheckResult, drop_bad_rows, require_clean, run_checks
from ml4t.backtest.data.contracts import (
    CLOCKED,
    require_interval,
    require_one_clock,
    require_one_spelling,
    require_overlap,
)
from ml4t.backtest.data.database import Database, Relation
from ml4t.backtest.data.queries import quote, read, render
from ml4t.backtest.data.sources import (
    PRICE_COLUMNS,
    ROLES,
    TAKEN,
    Role,
    Source,
    attach,
    canonical_columns,
    file_facts,
    fingerprint,
    scannable,
)
from ml4t.backtest.errors import ConfigError, DataError, did_you_mean


@dataclass(slots=True, kw_only=True)
class Prepared:
    """What a catalog knows once its views stand.

    Attributes
    ----------
    database : Database
        Locked down.
    price_columns : dict of str to str
        Columns of ``prices`` beyond its keys, with types.
    per_asset, market : list of Known
    signal_columns, market_columns : dict of str to str
        Columns of the two views, with types.
    dropped : dict
        ``{source: {rule: rows}}``
    n_assets, n_bars : int
    timestamp_type : str
        DuckDB type of the bars.
    """

    database: Database
    price_columns: dict[str, str]
    per_asset: list[Known]
    market: list[Known]
    signal_columns: dict[str, str]
    market_columns: dict[str, str]
    dropped: dict[str, dict[str, int]]
    n_assets: int
    n_bars: int
    timestamp_type: str
    file_facts: dict[str, object]
    has_universe: bool
    is_validated: bool = field(default=False)


class Catalog:
    """The sources of a run, as DuckDB views with our names and types.

    Parameters
    ----------
    threads : int or None
        DuckDB threads; all cores when None. Results do not depend on it.
    memory_limit : str or None
        Such as ``"4GB"``; beyond it queries spill to a temporary folder.

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

    def __init__(self, *, threads: int | None = None, memory_limit: str | None = None) -> None:
        self._threads, self._memory_limit = threads, memory_limit
        self._sources: dict[str, Source] = {}
        self._found: dict[str, dict[str, str]] = {}
        self._database = self._connect()
        self._prepared: Prepared | None = None

    # -- registration -----------------------------------------------------------------

    def register(
        self,
        role: Role,
        source: object,
        *,
        name: str | None = None,
        available_at: str | None = None,
        lag: str | None = None,
        max_age: str | None = None,
        on_bad_rows: str = "raise",
    ) -> Catalog:
        """Register a source; only its schema is read now.

        Parameters
        ----------
        role : {"prices", "features", "context", "universe"}
            What the rows are; the README lists each role's columns.
        source
            A path, glob, folder, list of paths, ``s3://`` or ``https://`` URL, SQL text, an
            Arrow table, dataset or reader, a Polars frame (eager or lazy), a pandas frame, a
            DuckDB relation, or a dict of columns.
        name : str, optional
            View name; needed to tell several features (or context) sources apart.
        available_at : str, optional
            Column that says when a row became known; the newest period known counts, at its
            newest revision known.
        lag : str, optional
            Interval after `timestamp` at which a row becomes known, such as ``"1 day"``.
        max_age : str, optional
            Interval since a row became known after which it counts as missing.
        on_bad_rows : {"raise", "drop"}
            Refuse a source with bad rows, or leave them out and record how many and why.

        Returns
        -------
        Catalog
            Itself, so that calls chain.

        Raises
        ------
        ConfigError
            An argument is outside what it may be.
        DataError
            The source cannot be read, or lacks a column or a usable type.
        """
        entry = self._entry(role, source, name, available_at, lag, max_age, on_bad_rows)
        if self._prepared is not None:
            self._reopen()
        raw = attach(entry, self._database)
        if "available_at" in raw and entry.available_at is None and entry.role in CLOCKED:
            # The contract's own name for the clock: unread, the rows would be seen too early.
            if entry.lag is not None:
                raise ConfigError(
                    f"source {entry.name!r} has a column available_at and takes no lag"
                )
            entry = replace(entry, available_at="available_at")
        self._attach(entry)
        self._sources[entry.name] = entry
        return self

    def _entry(
        self,
        role: Role,
        source: object,
        name: str | None,
        available_at: str | None,
        lag: str | None,
        max_age: str | None,
        on_bad_rows: str,
    ) -> Source:
        if role not in ROLES:
            raise ConfigError(f"unknown role {role!r}{did_you_mean(str(role), ROLES)}")
        if on_bad_rows not in ("raise", "drop"):
            raise ConfigError(f"on_bad_rows must be 'raise' or 'drop', was {on_bad_rows!r}")
        view = name or role
        lower = view.lower()
        if TAKEN.fullmatch(lower) or (lower in ROLES and view != role):
            raise ConfigError(f"a source cannot be named {view!r}, a name kept by the engine")
        if lower in {other.lower() for other in self._sources}:
            raise ConfigError(f"a source named {view!r} is registered already; pass name=")
        if role in ("prices", "universe"):
            if name not in (None, role) or any(s.role == role for s in self._sources.values()):
                raise ConfigError(f"there is one {role} source, under its own name")
            if (available_at, lag, max_age) != (None, None, None):
                raise ConfigError(f"{role} take no available_at, lag or max_age")
        if available_at is not None and lag is not None:
            raise ConfigError(f"source {view!r} takes available_at or lag, not both")
        if available_at is not None and available_at.lower() in ("timestamp", "asset_id"):
            raise ConfigError(f"available_at must be a column of its own, was {available_at!r}")
        for label, interval in (("lag", lag), ("max_age", max_age)):
            if interval is not None:
                require_interval(label, interval, self._database)
        return Source(
            role=role, name=view, given=scannable(view, source), available_at=available_at, lag=lag,
            max_age=max_age, drop_bad_rows=on_bad_rows == "drop",
        )  # fmt: skip

    def _attach(self, source: Source) -> None:
        raw = attach(source, self._database)
        items = canonical_columns(source, raw)
        view = f"main.{quote(source.name)}"
        select = f"select {', '.join(items.values())} from raw.{quote(source.name)}"
        self._database.execute(f"create or replace view {view} as {select}")
        self._found[source.name] = self._database.schema(select)

    def _connect(self) -> Database:
        database = Database(
            threads=self._threads, memory_limit=self._memory_limit, keeps_order=False
        )
        database.execute("create schema raw")
        database.execute("create schema stage")
        return database

    def _reopen(self) -> None:
        """Start over on a fresh connection: a locked one takes no new source."""
        self._database, self._prepared = self._connect(), None
        for source in self._sources.values():
            self._attach(source)

    # -- inspection -------------------------------------------------------------------

    def sql(self, query: str) -> Relation:
        """Query the sources and the views ``signals`` and ``market``, before any run.

        Parameters
        ----------
        query : str
            DuckDB SQL. It can read the registered folders and views, nothing else.

        Returns
        -------
        duckdb.DuckDBPyRelation
            Lazy; ``.fetchall()``, ``.pl()``, ``.df()``, ``.to_arrow_table()`` run it.
        """
        return self.prepare().database.cursor().sql(query)

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
                "sources/profile",
                source=f"main.{quote(source.name)}",
                clock="start_date" if source.role == "universe" else "timestamp",
                assets="count(distinct asset_id)" if "asset_id" in found else "null",
            )
            profile = database.records(query)[0]
            clock = source.available_at or (
                f"timestamp + {source.lag}" if source.lag else "timestamp"
            )
            records.append(
                {"source": source.name, "role": source.role, **profile,
                 "known_at": clock, "max_age": source.max_age, "columns": dict(found)}
            )  # fmt: skip
        return records

    # -- a run ------------------------------------------------------------------------

    def prepare(self) -> Prepared:
        """Build timeline, known rows and views once, then lock the connection down."""
        if self._prepared is None:
            self._prepared = self._prepare()
        return self._prepared

    def validate(self) -> Prepared:
        """Prepare, and refuse sources that break their contract.

        Raises
        ------
        DataError
            With source, rule, number of rows, a sample and the way out.
        """
        prepared = self.prepare()
        if self._file_facts() != prepared.file_facts:
            # Files were replaced since the views were built: nothing known of them still holds.
            self._reopen()
            prepared = self.prepare()
        if not prepared.is_validated:
            if not prepared.n_bars:
                raise DataError("prices", "overlap", "has no rows; there is nothing to run on")
            for source in self._sources.values():
                if not source.drop_bad_rows:
                    require_clean(source, self._found[source.name], prepared.database)
                if source.role != "prices":
                    require_overlap(source, prepared.database)
            prepared.is_validated = True
        return prepared

    def axes(self) -> Axes:
        """Return the run's bars and assets in the order of their numbers."""
        database = self.prepare().database
        bars = self._found["prices"]["timestamp"]
        unit = "ns" if bars == "TIMESTAMP_NS" else "us"
        ticks = database.numpy(render("sources/ticks", unit=f"epoch_{unit}"))["tick"]
        assets = database.numpy(read("sources/asset_ids"))["asset_id"]
        kind = self._found["prices"]["asset_id"]
        return Axes(
            timestamps=ticks,
            timestamp_type=bars,
            asset_ids=assets,
            asset_type=kind,
        )

    def fingerprints(self) -> list[dict[str, object]]:
        """Return what identifies the content of every source.

        Raises
        ------
        DataError
            A file has changed since the sources were checked.
        """
        prepared = self.prepare()
        now = self._file_facts()
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
        other = Catalog(threads=self._threads, memory_limit=self._memory_limit)
        for source in self._sources.values():
            other._attach(source)
            other._sources[source.name] = source
        return other.register("context", columns)

    def _file_facts(self) -> dict[str, object]:
        return {name: file_facts(source) for name, source in self._sources.items()}

    def _prepare(self) -> Prepared:
        if "prices" not in self._sources:
            raise ConfigError("no prices are registered; call catalog.register('prices', ...)")
        database, file_facts_then = self._database, self._file_facts()
        dropped = {
            source.name: drop_bad_rows(source, self._found[source.name], database)
            for source in self._sources.values()
            if source.drop_bad_rows
        }
        prices = self._found["prices"]
        price_columns = {k: v for k, v in prices.items() if k not in ("timestamp", "asset_id")}
        self._count_bars(price_columns)
        require_one_clock(self._sources, self._found, self._database)
        require_one_spelling(self._sources, self._found)
        per_asset, market = [], []
        for source in self._sources.values():
            if source.role in ("features", "context"):
                asset_rows, market_rows = known_rows(source, self._found[source.name], database)
                per_asset += [asset_rows] if asset_rows else []
                market += [market_rows] if market_rows else []
        create_views(
            list(price_columns), per_asset, market,
            has_universe="universe" in self._sources, database=database,
        )  # fmt: skip
        folders = {folder for source in self._sources.values() for folder in source.folders()}
        database.lock(sorted(folders))
        n_assets = database.rows("select count(*) from stage.assets")[0][0]
        n_bars = database.rows("select count(*) from stage.timeline")[0][0]
        return Prepared(
            database=database,
            price_columns=price_columns,
            per_asset=per_asset,
            market=market,
            signal_columns=database.schema("select * from main.signals"),
            market_columns=database.schema("select * from main.market"),
            dropped={name: counts for name, counts in dropped.items() if counts},
            n_assets=n_assets,
            n_bars=n_bars,
            timestamp_type=prices["timestamp"],
            file_facts=file_facts_then,
            has_universe="universe" in self._sources,
        )

    def _count_bars(self, price_columns: dict[str, str]) -> None:
        # A missing column is stood in for by a value that its checks cannot refuse.
        stand_in = {
            "open": "close", "high": "greatest(open, close)", "low": "least(open, close)",
            "close": "close", "volume": "0",
        }  # fmt: skip
        ohlc = []
        for name in (*PRICE_COLUMNS, "volume"):
            if name in price_columns:
                ohlc.append(name)
            else:
                spare = stand_in[name]
                if "open" not in price_columns:
                    spare = spare.replace("open", "close")
                ohlc.append(f"{spare} as {name}")
        self._database.execute(render("sources/timeline", ohlc=", ".join(ohlc)))
        self._database.execute(read("sources/assets"))
