"""Described: what a catalog says of its sources, and what its checks found in them."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.registry import SourceRegistry
from ml4t.backtest.data.sources.adjusting import jumps_like_splits, unapplied
from ml4t.backtest.data.sources.checks import CheckResult, files_that_differ, run_checks
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import quote, render


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
        """Return one record per source: rows, assets, first and last time, columns, clock."""
        prepared = self.prepare()
        database = prepared.database
        unapplied_texts = [f"{one.text} ({one.n_rows:,} rows)" for one in self._doubts(prepared)]
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
                 "known_at": _clock_of(source), "max_age": source.max_age,
                 "made_by": None if source.function is None else source.function.name,
                 "checked_by": None if source.checked is None else str(source.checked),
                 "columns": dict(found),
                 "changes": list(map(str, self._changed(source.name))),
                 "warnings": unapplied_texts if source.spec.makes_bars else []}
            )  # fmt: skip
        return records

    def _doubts(self, prepared: Prepared) -> list[CheckResult]:
        """Return what of prices as traded looks as if actions of them were missing."""
        about = self._sources, self._found["prices"], prepared.database
        return unapplied(*about) + jumps_like_splits(*about)


def _clock_of(source: Source) -> str | None:
    """Return from when a row counts, in words; None where rows have no time."""
    if source.available_at is not None:
        return source.available_at
    clock = source.spec.clock
    return f"{clock} + {source.lag}" if source.lag else clock
