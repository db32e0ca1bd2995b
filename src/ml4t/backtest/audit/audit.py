"""Audit: what runs over what was known found, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ml4t.backtest.audit.truncation import CutRun
from ml4t.backtest.data.cut.cut_catalog import CutSource
from ml4t.backtest.data.diagnostics.tables import Tables
from ml4t.backtest.data.sql_files import quote
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.results.store import open_store

AUDIT_TABLES = {
    "differences": "what is different at a bar up to a cut: it was read from the future",
    "cuts": "the bars at which the sources were cut, and why there",
    "sources": "how each source was cut, and of which nothing was",
}


_FIELDS = {
    "differences": {
        "cut": "string", "place": "string", "column": "string", "n_rows": "int64",
        "bar": "string", "asset_id": "string", "whole_value": "string", "cut_value": "string",
    },
    "cuts": {"cut": "string", "reason": "string", "n_places": "int64", "problem": "string"},
    "sources": {"source": "string", "input": "string", "clock": "string", "why": "string"},
}  # fmt: skip


class Audit(Tables):
    """A run beside runs over what was known at some of its bars.

    Attributes
    ----------
    result : BacktestResult
        The run over everything.
    is_clean : bool
        Nothing differs at any bar up to a cut, and at least one cut could be run.

    Its tables are relations, as of `BacktestResult`:

    - ``differences``: one row per cut and place; `column` of the first cell that differs, with its
      value in the whole run and in the cut one, both as text.
    - ``cuts``: bar, reason, how many places differ, and why a run to it was not possible.
    - ``sources``: what was left out of each, by which clock; of a query each file that it reads.
      Where `why` says why nothing was, the audit says nothing of it.
    """

    def __init__(self, result: BacktestResult, runs: Sequence[CutRun]) -> None:
        self.result = result
        n_run = sum(not one.problem for one in runs)
        self.is_clean = n_run > 0 and not any(one.found for one in runs)
        database = open_store(result.timezone)
        kind = runs[0].cut.bar.kind if runs else "TIMESTAMP"
        sources = next((one.sources for one in runs if one.sources), [])
        for table_of_audit, rows in _rows(runs, sources).items():
            fields, staged = _FIELDS[table_of_audit], f"__{table_of_audit}"
            database.register(staged, _arrow(fields, rows))
            items = ", ".join(
                f"cast({quote(one)} as {kind}) as {quote(one)}" if one in ("cut", "bar")
                else quote(one) for one in fields
            )  # fmt: skip
            database.make_table(table_of_audit, "audit/table", columns=items, source=staged)
            database.unregister(staged)
        n_places = sum(len(one.found) for one in runs)
        said = f"{n_places:,} differences" if n_places else "no difference"
        said = said if n_run or n_places else "nothing could be compared"
        n_whole = sum(bool(each.why) for one in sources for each in one.inputs)
        said += f"; inputs that were not cut: {n_whole:,}" if n_whole else ""
        super().__init__(database, AUDIT_TABLES, f"audit of {n_run} cuts: {said}")


def _rows(
    runs: Sequence[CutRun], sources: Sequence[CutSource]
) -> dict[str, list[tuple[object, ...]]]:
    of_sources: list[tuple[object, ...]] = [
        row
        for one in sources
        for row in (
            (one.name, None, one.clock or None, one.why or None),
            *((one.name, each.text, each.clock or None, each.why or None) for each in one.inputs),
        )
    ]
    return {
        "differences": [(run.cut.bar.text, *one) for run in runs for one in run.found],
        "cuts": [
            (run.cut.bar.text, run.cut.reason, len(run.found), run.problem or None) for run in runs
        ],
        "sources": of_sources,
    }


def _arrow(fields: Mapping[str, str], rows: Sequence[tuple[object, ...]]) -> Any:
    import pyarrow as pa

    each = list(zip(*rows, strict=True)) or [()] * len(fields)
    return pa.table({
        name: pa.array(values, pa.type_for_alias(kind))
        for (name, kind), values in zip(fields.items(), each, strict=True)
    })  # fmt: skip
