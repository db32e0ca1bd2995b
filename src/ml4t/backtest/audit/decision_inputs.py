"""Decision inputs: since when what decisions read of each source was known.

1. Every bar and asset of which a run chose, ordered, or had a rule act.
2. What a run reads of each source there, with the clock of the row that was joined.
3. The rows of the source itself say whether there is such a row, and whether it was known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ml4t.backtest.data.asof.matched import KNOWN_AT, Matched, clock_type_of, matched_rows
from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.cut.clocks import known_since, lagged
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import Sql, all_of, literal, quote, read, render, rows_of
from ml4t.backtest.results.result import BacktestResult

if TYPE_CHECKING:
    from pyarrow import Table as ArrowTable

_DECIDED = "decided_of_run"


class _Told(NamedTuple):
    """The rows of a source, and which of them is one that was read.

    Attributes
    ----------
    rows : Sql
        ``(asset_id, __known_at, columns...)``, read past the joins of the catalog.
    is_told : str
        Condition on a row of ``matched`` and one of ``told``.
    """

    rows: Sql
    is_told: str


def decision_inputs(result: BacktestResult, catalog: Catalog) -> ArrowTable:
    """Return what decisions read of each source, and since when it was known.

    Returns
    -------
    Arrow table
        ``decision_inputs/aged.sql``: source, bar, asset_id, available_at, age_days, is_known.
    """
    prepared = catalog.prepare()
    session = prepared.database.cursor()
    session.register(_DECIDED, result.sql(read("decision_inputs/decided")).to_arrow_table())
    sources = {source.name: source for source in catalog.sources()}
    clock_type = clock_type_of(prepared.timestamp_type)
    parts = [
        _inputs(one, sources[one.source], catalog.registered(one.source)[0], clock_type)
        for one in matched_rows(_DECIDED, prepared, session)
    ]
    nothing = render("decision_inputs/nothing", decided=_DECIDED, clock_type=clock_type)
    rows = all_of(rows_of(f"({part})") for part in (nothing, *parts))
    return session.arrow(render("decision_inputs/aged", inputs=f"({rows})"))


def _inputs(matched: Matched, source: Source, kinds: dict[str, str], clock_type: str) -> Sql:
    told = _told_of_universe(source) if source.role == "universe" else _told(matched, source, kinds)
    empty = " and ".join(f"matched.{quote(name)} is null" for name in matched.columns)
    return render(
        "decision_inputs/inputs", matched=matched.rows, told=f"({told.rows})",
        source=literal(matched.source), clock_type=clock_type, is_told=told.is_told,
        is_empty=f"({empty or 'true'})",
    )  # fmt: skip


def _told(matched: Matched, source: Source, kinds: dict[str, str]) -> _Told:
    """Return the rows of a source with columns of values."""
    own, prefix = f"main.{quote(source.name)}", source.spec.prefix
    is_text = source.spec.is_per_asset
    items = [f"{known_since(source)} as {KNOWN_AT}"]
    for name in matched.columns:
        value = f"{quote(name.removeprefix(prefix))}{'::varchar' if is_text else ''}"
        items.append(f"{value} as {quote(name)}")
    where = None
    if matched.has_assets:
        items.insert(0, "asset_id")
    elif "asset_id" in kinds:
        where = "asset_id is null"
    keys = ["asset_id"] * matched.has_assets
    same = [f"matched.{key} = told.{key}" for key in (*keys, KNOWN_AT)]
    same += [
        f"matched.{quote(name)} is not distinct from told.{quote(name)}" for name in matched.columns
    ]
    return _Told(rows_of(own, ", ".join(items), where=where), " and ".join(same))


def _told_of_universe(source: Source) -> _Told:
    """Return the memberships of a universe; one that is read is told, and has not ended."""
    start, end = (lagged(name, source) for name in ("start_date", "end_date"))
    since = start if source.available_at is None else "greatest(start_date, available_at)"
    items = f"asset_id, {since} as {KNOWN_AT}, {end} as __until"
    is_told = (
        f"matched.asset_id = told.asset_id and matched.{KNOWN_AT} = told.{KNOWN_AT} "
        "and (told.__until is null or matched.timestamp < told.__until)"
    )
    return _Told(rows_of("main.universe", items), is_told)
