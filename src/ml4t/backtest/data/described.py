"""Described: what a catalog says of its sources, and what its checks found in them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from contextlib import suppress
from datetime import date, datetime
from typing import TYPE_CHECKING

from ml4t.backtest.data.asof.matched import KNOWN_AT, Matched, matched_rows
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.database import Database, EngineError
from ml4t.backtest.data.registry import SourceRegistry
from ml4t.backtest.data.sources.adjusting import jumps_like_splits, unapplied
from ml4t.backtest.data.sources.checks import CheckResult, files_that_differ, run_checks
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import literal, quote, render, rows_of
from ml4t.backtest.errors import ConfigError

if TYPE_CHECKING:
    from ml4t.backtest.data.causality.sources import ColumnVerdict


class Described(SourceRegistry, ABC):
    """The part of a catalog that describes its sources."""

    @abstractmethod
    def prepare(self) -> Prepared:
        """Build the views, if they are not there."""

    def checks(self) -> list[CheckResult]:
        """Run every check on every source and return what each found; raises nothing."""
        prepared = self.prepare()
        return [
            result
            for source in self._sources.values()
            for result in run_checks(source, self._found[source.name], prepared.database)
        ] + [*files_that_differ(self._read_changes), *self._doubts(prepared)]

    def describe(self) -> list[dict[str, object]]:
        """Return one record per source: rows, assets, first and last time, columns, clock.

        ``verdicts`` counts what `prove` says of its columns.
        """
        prepared = self.prepare()
        database = prepared.database
        unapplied_texts = [f"{one.text} ({one.n_rows:,} rows)" for one in self._doubts(prepared)]
        records, verdicts = [], self.prove()
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
                 "known_at": _clock_of(source), "max_age": source.max_age,
                 "made_by": None if source.function is None else source.function.name,
                 "checked_by": None if source.checked is None else str(source.checked),
                 "columns": dict(found),
                 "verdicts": dict(Counter(
                     one.verdict for one in verdicts if one.source == source.name
                 )),
                 "changes": list(map(str, self._changed(source.name))),
                 "warnings": [*(unapplied_texts if source.spec.makes_bars else []),
                              *(_leak(one) for one in verdicts
                                if (one.source, one.verdict) == (source.name, "leaks"))]}
            )  # fmt: skip
        return records

    def leaks(self) -> list[dict[str, object]]:
        """Return the warnings of a run over columns of SQL that are proved to read later rows."""
        prepared = self.prepare()
        if prepared.leaks is None:
            is_query = any(isinstance(one.given, str) and not (one.is_files or one.is_indicator)
                           for one in self._sources.values())  # fmt: skip
            proved = self.prove() if is_query else []
            prepared.leaks = [
                {"source": one.source, "rule": "leaks", "text": _leak(one), "rows": None}
                for one in proved if one.verdict == "leaks"
            ]  # fmt: skip
        return prepared.leaks

    def known_at(
        self, timestamp: date | datetime | str, asset_id: object
    ) -> list[dict[str, object]]:
        """Return what a bar of an asset shows of each source, and since when that was known.

        Parameters
        ----------
        timestamp : date, datetime or str
            Of the bar; one without a zone is of the catalog's.
        asset_id

        Returns
        -------
        list of dict
            One per source whose rows become known at a time of their own: ``source``,
            ``available_at`` (None: nothing was known, or what was is older than `max_age`), and its
            columns as ``signals`` and ``market`` show them. The ``universe`` has the time since
            when the asset is known to be a member.

        Raises
        ------
        ConfigError
            The asset has no bar at that time.
        """
        prepared = self.prepare()
        session, kinds = prepared.database.cursor(), self._found["prices"]
        bar, asset = literal(str(timestamp)), literal(str(asset_id))
        where = (
            f"timestamp = {bar}::{kinds['timestamp']} and asset_id = {asset}::{kinds['asset_id']}"
        )
        rows = rows_of("main.prices", "timestamp, asset_id", where=where)
        has_bar = False
        with suppress(EngineError):  # what is no time, or no such name, is no bar either
            has_bar = bool(session.rows(rows))
        if not has_bar:
            raise ConfigError(f"prices have no bar of {asset_id!r} at {timestamp}")
        return [
            {"source": one.source, **record}
            for one in matched_rows(f"({rows})", prepared, session)
            for record in session.records(rows_of(one.rows, _shown(one)))
        ]

    def prove(self) -> list[ColumnVerdict]:
        """Say of every column whether it is known at its own time, without running anything.

        Columns of SQL are proved over the plan that DuckDB makes of the query: *local* ones are
        made of rows of their own timestamp, *causal* ones of earlier rows too, and of those that
        *leak*, what reads later rows. *unproved* is no word for safe: something in the query is
        not understood. What a file or a frame brings is *given*, and what a function of yours
        makes is *computed*: an audit calls that anew.

        Returns
        -------
        list of ColumnVerdict
            One per column beside the keys: source, column, verdict, and where there is something
            to say, what it is about, why, and what to write instead.
        """
        # Loads a parser, which a run over plain sources does without.
        from ml4t.backtest.data.causality.sources import source_verdicts

        # The session of a prepared catalog is locked: it reads the files of queries no more.
        are_days, session = not self.prepare().is_intraday, Database(timezone=self.timezone)
        sources = list(self._sources.values())
        return source_verdicts(sources, self._found, session, are_days=are_days)

    def _doubts(self, prepared: Prepared) -> list[CheckResult]:
        """Return what of prices as traded looks as if actions of them were missing."""
        about = self._sources, self._found["prices"], prepared.database
        return unapplied(*about) + jumps_like_splits(*about)


def _leak(proved: ColumnVerdict) -> str:
    """Return what is wrong with a column that reads later rows, in words."""
    way = f"; write {proved.instead}" if proved.instead else ""
    return f"has the column {proved.column!r}, which leaks: {proved.what} {proved.why}{way}"


def _shown(read: Matched) -> str:
    return ", ".join((f"{KNOWN_AT} as available_at", *map(quote, read.columns)))


def _clock_of(source: Source) -> str | None:
    """Return from when a row counts, in words; None where rows have no time."""
    if source.available_at is not None:
        # An action applies at its ex-date, whoever knew.
        own = "" if source.spec.is_clocked or source.spec.clock is None else source.spec.clock
        return f"{own}, announced at {source.available_at}" if own else source.available_at
    clock = source.spec.clock
    return f"{clock} + {source.lag}" if source.lag else clock
