"""Audit: what was found out about a run, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ml4t.backtest.audit.audit_tables import AUDIT_TABLES, OF_BARS, AuditPart
from ml4t.backtest.data.diagnostics.tables import Tables
from ml4t.backtest.data.sql_files import quote
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.results.store import open_store


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
      value in the whole run and in the cut one, both as text, and the source that has it.
    - ``cuts``: bar, reason, how many places differ, and why a run to it was not possible.
    - ``sources``: what was left out of each, by which clock; of a query each file that it reads.
      Where `why` says why nothing was, the audit says nothing of it.
    - ``smells``: what looks wrong in the sources, or in how orders fill, though nothing proves it;
      one row per smell, source and column.
    - ``warm_up``: one row per number of bars of `history` and column, where the sources begin so
      many bars before the run: how many bars (`n_bars`, NULL: not by the last bar, `n_bars_seen`)
      until it is what it is with all history, how many rows still differ with as many bars before
      them and by how much of the larger number, and whether `first_decision` comes later.
    - ``policies``: one row per policy that was run, the run's own first: what it came to, how far
      the final equity `moved` from the own one, and whether gain and loss change places; of what
      was not run `why`.
    """

    def __init__(self, result: BacktestResult, bar_type: str, parts: Sequence[AuditPart]) -> None:
        self.result = result
        self.is_clean = all(part.is_clean for part in parts)
        database = open_store(result.timezone)
        rows = {name: found for part in parts for name, found in part.rows.items()}
        for table_of_audit, (_, fields) in AUDIT_TABLES.items():
            staged = f"__{table_of_audit}"
            database.register(staged, _arrow(fields, rows.get(table_of_audit, ())))
            items = ", ".join(
                f"cast({quote(name)} as {bar_type}) as {quote(name)}" if kind == OF_BARS
                else quote(name) for name, kind in fields.items()
            )  # fmt: skip
            database.make_table(table_of_audit, "audit/table", columns=items, source=staged)
            database.unregister(staged)
        abouts = {name: table.about for name, table in AUDIT_TABLES.items()}
        super().__init__(database, abouts, "; ".join(part.said for part in parts if part.said))


def _arrow(fields: Mapping[str, str], rows: Sequence[tuple[object, ...]]) -> Any:
    import pyarrow as pa

    each = list(zip(*rows, strict=True)) or [()] * len(fields)
    return pa.table({
        name: pa.array(values, pa.type_for_alias("string" if kind == OF_BARS else kind))
        for (name, kind), values in zip(fields.items(), each, strict=True)
    })  # fmt: skip
