"""As-of: the views ``signals`` and ``market``, and the ``known`` rows behind them.

1. `known` turns a source into rows with one clock: what became known, and when.
2. `signals` joins them as-of onto prices, `market` onto the timeline.

A run does not read the ``signals`` view; `batches` reads the same known rows chunk by chunk.
That both agree is a test.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from ml4t.backtest.data.asof.delays import AS_KNOWN_NOW, DelayedClock, delayed, has_months, later
from ml4t.backtest.data.asof.memberships import IS_MEMBER
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sources.common_types import N_SAMPLE
from ml4t.backtest.data.sources.schema import KEYS
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import (
    Sql,
    columns,
    count_of,
    join,
    literal,
    only_if,
    quote,
    render,
    rows_of,
    sample_of,
)
from ml4t.backtest.errors import DataError

# A key for market-wide rows, which have no asset.
MARKET_KEY = "'market'"


class Known(NamedTuple):
    """The rows of one source by the time they became known.

    Attributes
    ----------
    source : str
    relation : str
        ``(asset_id, available_at, columns...)``.
    types : mapping of str to str
        Its columns beside the keys, with DuckDB types.
    max_age : str or None
        Interval beyond which a match is NULL.
    has_clock : bool
        False: one row per asset, the same at every bar; there is no ``available_at``.
    """

    source: str
    relation: str
    types: Mapping[str, str]
    max_age: str | None
    has_clock: bool = True

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns by name."""
        return tuple(self.types)

    def is_fresh(self, bar_time: str, known_at: str) -> str:
        """Return the SQL condition that a match is young enough."""
        if self.max_age is None:
            return "true"
        return f"{bar_time} <= {known_at} + {literal(self.max_age)}::interval"


def known_rows(
    source: Source, found: Mapping[str, str], database: Database
) -> tuple[Known | None, Known | None]:
    """Create the known rows of a source; return those per asset and those market-wide.

    Raises
    ------
    DataError
        A column has values per asset and market-wide: what its name means would depend on rows
        that come later.
    """
    keys = {"timestamp", "asset_id", "available_at"}
    types = {name: kind for name, kind in found.items() if name not in keys}
    main = f"main.{quote(source.name)}"
    prefix = source.spec.prefix
    if prefix:
        # Its columns have short names; in signals they say whose they are.
        named = ", ".join(f"{quote(name)} as {quote(prefix + name)}" for name in types)
        kept = columns(name for name in found if name in keys)
        types = {prefix + name: kind for name, kind in types.items()}
        main = f"({rows_of(main, f'{kept}, {named}')})"
    if not source.spec.has_assets:
        rows = rows_of(main, f"{MARKET_KEY} as asset_id, *")
        return None, _known(source, f"({rows})", types, "market", "true", database)
    market = (
        _filled_where(main, types, "asset_id is null", database)
        if source.spec.may_lack_asset else None
    )  # fmt: skip
    if market is None:
        return _known(source, main, types, "asset", "true", database), None
    filled = _filled_where(main, types, "asset_id is not null", database) or ()
    _refuse_mixed(source, main, [name for name in market if name in filled], database)
    # A column without any value is one of the assets', as in a source without market rows.
    per_asset = {n: kind for n, kind in types.items() if n in filled or n not in market}
    of_market = {name: types[name] for name in market}
    rows = rows_of(main, f"* replace ({MARKET_KEY} as asset_id)", where="asset_id is null")
    return (
        _known(source, main, per_asset, "asset", "asset_id is not null", database),
        _known(source, f"({rows})", of_market, "market", "true", database),
    )


def text_rows(
    source: Source, found: Mapping[str, str], taken: Collection[str], database: Database
) -> Known | None:
    """Return the texts of a source of assets, such as their sectors, as known rows.

    They count since ``available_at``, else from the first bar on. A text that has a clock
    elsewhere is that one: `taken` are the names of all that others have.
    """
    own = {name.lower() for name in (*source.spec.required, *source.spec.optional, *taken)}
    texts = tuple(
        name
        for name, kind in found.items()
        if name.lower() not in own and (kind == "VARCHAR" or kind.startswith("ENUM"))
    )
    if not texts:
        return None
    items = ", ".join(["asset_id", *(f"{quote(name)}::varchar as {quote(name)}" for name in texts)])
    types, main = dict.fromkeys(texts, "VARCHAR"), f"main.{quote(source.name)}"
    if source.available_at is not None and source.delay != AS_KNOWN_NOW:
        # A row is its own period: the newest that is known counts.
        rows = rows_of(main, f"{items}, available_at as timestamp")
        one_clock = source._replace(available_at=None)
        return _known(one_clock, f"({rows})", types, "asset", "true", database)
    rows = rows_of(main, items)
    if source.available_at is not None:
        rows = render("signals/last_rows", source=main, columns=items)
    return Known(
        source=source.name,
        relation=f"({rows})",
        types=types,
        max_age=None,
        has_clock=False,
    )


def create_views(
    price_columns: list[str],
    per_asset: list[Known],
    market: list[Known],
    *,
    has_universe: bool,
    database: Database,
) -> None:
    """Create ``signals`` and ``market`` as users read them.

    Raises
    ------
    DataError
        Two sources have a column of the same name.
    """
    twins = [("prices", tuple(price_columns)), *((k.source, k.columns) for k in per_asset)]
    if has_universe:
        twins.append(("universe", ("is_member",)))
    _refuse_twins(twins)
    _refuse_twins([(k.source, k.columns) for k in market])
    items = [columns(["timestamp", "asset_id", *price_columns], "prices")]
    if has_universe:
        items.append(f"{IS_MEMBER} as is_member")
    items += [item for known in per_asset for item in _items(known, "prices")]
    joins = [_asof(known, "prices", by_asset=True) for known in per_asset]
    database.execute(render("signals/signals", columns=", ".join(items), joins="\n".join(joins)))
    items = ["timeline.timestamp"]
    items += [item for known in market for item in _items(known, "timeline")]
    joins = [_asof(known, "timeline", by_asset=False) for known in market]
    database.execute(render("signals/market", columns=", ".join(items), joins="\n".join(joins)))


def at_bars_of(relation: str, known: Known, *, by_asset: bool) -> Sql:
    """Return the query of the columns of one source as the views have them.

    Parameters
    ----------
    relation : str
        Rows of prices, or of the timeline.
    """
    left, keys = ("prices", KEYS) if by_asset else ("timeline", KEYS[:1])
    items = ", ".join([columns(keys, left), *_items(known, left)])
    return rows_of(f"{relation} as {left} {_asof(known, left, by_asset=by_asset)}", items)


def _asof(known: Known, left: str, *, by_asset: bool) -> str:
    name = quote(known.source)
    if not known.has_clock:
        return join("left", known.relation, name, f"{left}.asset_id = {name}.asset_id")
    same_asset = f"{left}.asset_id = {name}.asset_id and " if by_asset else ""
    on = f"{same_asset}{left}.timestamp >= {name}.available_at"
    return join("asof left", known.relation, name, on)


def _items(known: Known, left: str) -> list[str]:
    """Return the select items of one source, NULL where the match is too old."""
    name = quote(known.source)
    if known.max_age is None:
        return [f"{name}.{quote(column)}" for column in known.columns]
    is_fresh = known.is_fresh(f"{left}.timestamp", f"{name}.available_at")
    return [
        f"{only_if(is_fresh, f'{name}.{quote(column)}')} as {quote(column)}"
        for column in known.columns
    ]


def _known(
    source: Source,
    relation: str,
    types: Mapping[str, str],
    kind: str,
    condition: str,
    database: Database,
) -> Known:
    target = f"stage.{quote(f'{source.name} {kind}')}"
    database.execute(known_statement(source, relation, types, target, database, where=condition))
    return Known(source=source.name, relation=target, types=types, max_age=source.max_age)


def known_statement(
    source: Source,
    relation: str,
    names: Collection[str],
    target: str,
    database: Database,
    *,
    where: str,
) -> Sql:
    """Return the statement that makes known rows of a source.

    Parameters
    ----------
    relation : str
        ``(asset_id, timestamp, names...)``, with ``available_at`` where the source has it.
    where : str
        Condition on its rows.
    """
    clock = "timestamp" if source.available_at is None else "available_at"
    clock = clock if source.lag is None else later(clock, source.lag)
    known = DelayedClock(relation, clock, told=clock)
    if source.delay is not None:
        known = delayed(relation, clock, source.delay, tuple(names))
    is_calendar = source.lag is not None and has_months(source.lag, database)
    two_clocks = source.available_at is not None or source.delay is not None or is_calendar
    told = {"told": known.told} if two_clocks else {}
    return render(
        "signals/known_revisions" if two_clocks else "signals/known",
        target=target,
        available=known.available,
        source=known.relation,
        columns=columns(names) if names else "1 as is_known",
        filter=where,
        **told,
    )


def _filled_where(
    relation: str, values: Collection[str], condition: str, database: Database
) -> tuple[str, ...] | None:
    """Return the columns with a value in some row of a kind; None where there is no such row."""
    counts = ", ".join(["count(*)", *(f"count({quote(name)})" for name in values)])
    n_rows, *filled = database.rows(rows_of(relation, counts, where=condition))[0]
    if not n_rows:
        return None
    return tuple(name for name, n in zip(values, filled, strict=True) if n)


def _refuse_mixed(source: Source, relation: str, mixed: list[str], database: Database) -> None:
    """Refuse columns with values in rows with an asset and in rows without one."""
    if not mixed:
        return
    query = rows_of(relation, where=f"asset_id is null and {quote(mixed[0])} is not null")
    raise DataError(
        source.name, "mixed_rows", f"has values of '{mixed[0]}' in rows with an asset_id and in "
        "market-wide ones, so that its name could mean either; rename one of them, or register the "
        "market-wide rows as context",
        n_rows=database.rows(count_of(query))[0][0],
        sample=database.records(sample_of(query, N_SAMPLE, by="timestamp")),
        query=query,
    )  # fmt: skip


def _refuse_twins(sources: list[tuple[str, tuple[str, ...]]]) -> None:
    owner: dict[str, str] = {}
    for source, names in sources:
        for name in names:
            other = owner.setdefault(name.lower(), source)
            if other != source:
                raise DataError(
                    source, "columns",
                    f"has a column '{name}', and so has '{other}'; rename one, or register a "
                    f"query that leaves it out",
                )  # fmt: skip
