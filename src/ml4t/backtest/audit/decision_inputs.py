"""Decision inputs: since when what decisions read of each source was known.

1. Every bar and asset of which a run chose, ordered, or had a rule act.
2. What a run reads of each source there, with the clock of the row that was joined.
3. The rows of the source itself say whether there is such a row, and whether it was known.
4. What the run wrote down of what it read, as evidence, must be what stands in these rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from ml4t.backtest.data.asof.matched import KNOWN_AT, Matched, clock_type_of, matched_rows
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.cut.clocks import known_since, lagged
from ml4t.backtest.data.sources.schema import is_numeric
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import (
    Sql,
    all_of,
    literal,
    quote,
    read,
    render,
    rows_of,
    split_view,
)
from ml4t.backtest.results.result import BacktestResult

if TYPE_CHECKING:
    from pyarrow import Table as ArrowTable

_DECIDED, _EVIDENCE = "decided_of_run", "evidence_of_run"


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


class ReadInputs(NamedTuple):
    """What decisions read.

    Attributes
    ----------
    inputs : Arrow table
        ``decision_inputs/aged.sql``: since when what is read of each source was known.
    recorded : Arrow table
        ``decision_inputs/recorded.sql``: what the run wrote down, beside what is read.
    """

    inputs: ArrowTable
    recorded: ArrowTable


def read_inputs(result: BacktestResult, catalog: Catalog) -> ReadInputs:
    """Return what decisions read of each source, and since when it was known."""
    prepared = catalog.prepare()
    session = prepared.database.cursor()
    session.register(_DECIDED, result.sql(read("decision_inputs/decided")).to_arrow_table())
    session.register(_EVIDENCE, result.evidence.to_arrow_table())
    matched = matched_rows(_DECIDED, prepared, session)
    sources = {source.name: source for source in catalog.sources()}
    clock_type = clock_type_of(prepared.timestamp_type)
    inputs = [render("decision_inputs/nothing", decided=_DECIDED, clock_type=clock_type)]
    inputs += [
        _inputs(one, sources[one.source], catalog.registered(one.source)[0], clock_type)
        for one in matched
    ]
    recorded = [render("decision_inputs/nothing_recorded", evidence=_EVIDENCE)]
    names = session.rows(render("decision_inputs/names", evidence=_EVIDENCE))
    recorded += [part for name, has_asset in names
                 for part in _recorded(name, matched, prepared, has_asset=has_asset)]  # fmt: skip
    aged = render("decision_inputs/aged", inputs=f"({_together(inputs)})")
    return ReadInputs(session.arrow(aged), session.arrow(_together(recorded)))


def _together(parts: list[Sql]) -> str:
    return all_of(rows_of(f"({part})") for part in parts)


def _recorded(
    name: str, matched: list[Matched], prepared: Prepared, *, has_asset: bool
) -> Iterator[Sql]:
    """Yield the query that holds what was written down of a column to what is read of it."""
    column = name if has_asset else split_view(name)[1]
    kinds = prepared.signal_columns if has_asset else prepared.market_columns
    kind = kinds.get(column, "")
    told = {
        of: (one.source, str(one.rows)) for one in matched if one.has_assets is has_asset
        for of in one.columns
    }  # fmt: skip
    if has_asset:
        told |= dict.fromkeys(prepared.price_columns, ("prices", "main.prices"))
    is_number = is_numeric(kind)
    if column not in told or not (is_number or kind.startswith(("VARCHAR", "ENUM"))):
        return  # of no source with a clock, or of a type that has more than one text
    source, rows = told[column]
    value = f"told.{quote(column)}"
    yield render(
        "decision_inputs/recorded", evidence=_EVIDENCE, told=rows, source=literal(source),
        named=literal(name), own_value=f"evidence.{'value' if is_number else 'value_text'}",
        told_value=f"cast({value} as {'double' if is_number else 'varchar'})",
        same_asset="evidence.asset_id = told.asset_id" if has_asset else "true",
        is_of_kind=f"evidence.asset_id is {'not ' * has_asset}null",
    )  # fmt: skip


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
