"""Prepared: what a catalog knows once its views stand, and how they are built.

1. Prices without their bad rows give the timeline and the numbers of the assets.
2. The other sources are held to one clock and one spelling, and lose their bad rows.
3. Known rows, then the views ``signals`` and ``market``; then the connection is locked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ml4t.backtest.data.asof.memberships import make_memberships
from ml4t.backtest.data.asof.views import Known, create_views, known_rows, text_rows
from ml4t.backtest.data.calendars.sessions import build_sessions
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.panel import Panel
from ml4t.backtest.data.sources.checks import drop_bad_rows
from ml4t.backtest.data.sources.contracts import require_one_clock, require_one_spelling
from ml4t.backtest.data.sources.source import Source, file_facts
from ml4t.backtest.data.sql_files import read


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
    warnings : list of dict
        Source, rule, rows and text of what may be wrong, once validated.
    panel : Panel
        What the checks have read of the sources already.
    histories : dict of str to Known
        Windows over the bars of an asset that expressions of rankings have, once they are made.
    leaks : list of dict or None
        Warnings of columns of SQL that are proved to read later rows; None: not asked yet.
    n_assets, n_bars : int
    is_intraday : bool
        Some bar is at a time of day.
    has_calendar : bool
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
    panel: Panel
    n_assets: int
    n_bars: int
    is_intraday: bool
    has_calendar: bool
    timestamp_type: str
    file_facts: dict[str, object]
    has_universe: bool
    warnings: list[dict[str, object]] = field(default_factory=list)
    is_validated: bool = field(default=False)
    histories: dict[str, Known] = field(default_factory=dict)
    leaks: list[dict[str, object]] | None = field(default=None)

    def source_of(self, column: str) -> str | None:
        """Return the source of a column of ``signals`` or ``market``; None: it has none."""
        for known in (*self.per_asset, *self.market):
            if column in known.columns:
                return known.source
        if column == "is_member" and self.has_universe:
            return "universe"
        return "prices" if column in self.price_columns else None


def prepare(
    sources: Mapping[str, Source],
    found: Mapping[str, Mapping[str, str]],
    file_facts: Mapping[str, object],
    database: Database,
) -> Prepared:
    """Build timeline, known rows and views, then lock the database down.

    Parameters
    ----------
    sources : mapping
        By name; one of them is ``prices``.
    found : mapping
        Columns of each source's view, with types.
    file_facts : mapping
        `file_facts` of each source, from when its view was made.
    """
    prices = found["prices"]
    price_columns = {k: v for k, v in prices.items() if k not in ("timestamp", "asset_id")}
    # What is wrong in the others may depend on the bars, so prices come first.
    dropped = _drop([sources["prices"]], found, database)
    database.execute(read("timeline/timeline"))
    database.execute(read("timeline/assets"))
    n_assets, n_bars, is_intraday = database.rows(read("timeline/grid"))[0]
    require_one_clock(sources, found, database, is_intraday=is_intraday)
    require_one_spelling(sources, found)
    others = [source for source in sources.values() if not source.spec.makes_bars]
    for source in others:
        if source.spec.stage is not None:
            source.spec.stage(found[source.name], price_columns, database)
    dropped |= _drop(others, found, database)
    has_calendar = build_sessions(sources, found, database, is_intraday=is_intraday)
    per_asset, market = [], []
    for source in sources.values():
        if source.spec.is_clocked:
            asset_rows, market_rows = known_rows(source, found[source.name], database)
            per_asset += [asset_rows] if asset_rows else []
            market += [market_rows] if market_rows else []
    # Membership is not known as of a time but from one time to another: a join of its own.
    has_universe = "universe" in sources
    if has_universe:
        make_memberships(sources["universe"], database)
    taken = {
        "is_member",
        *price_columns,
        *(n for one in (*per_asset, *market) for n in one.columns),
    }
    for source in sources.values():
        if source.spec.is_per_asset:
            texts = text_rows(source, found[source.name], taken, database)
            per_asset += [texts] if texts else []
    create_views(
        list(price_columns), per_asset, market, has_universe=has_universe, database=database
    )
    keys = {name: prices[name] for name in ("timestamp", "asset_id")}
    members = {"is_member": "BOOLEAN"} if has_universe else {}
    files = {str(file) for source in sources.values() for file in source.scanned()}
    database.lock(sorted(files))
    return Prepared(
        database=database,
        price_columns=price_columns,
        per_asset=per_asset,
        market=market,
        # Types that DuckDB would take as long to say again as to count rows.
        signal_columns=keys | price_columns | members | _types(per_asset),
        market_columns={"timestamp": prices["timestamp"]} | _types(market),
        dropped=dropped,
        panel=Panel(n_bars=n_bars, n_assets=n_assets),
        n_assets=n_assets,
        n_bars=n_bars,
        is_intraday=is_intraday,
        has_calendar=has_calendar,
        timestamp_type=prices["timestamp"],
        file_facts=dict(file_facts),
        has_universe=has_universe,
    )


def facts_of_files(sources: Mapping[str, Source]) -> dict[str, object]:
    """Return path, size and time of the files behind every source."""
    return {name: file_facts(source) for name, source in sources.items()}


def _types(known: list[Known]) -> dict[str, str]:
    return {name: kind for one in known for name, kind in one.types.items()}


def _drop(
    sources: list[Source], found: Mapping[str, Mapping[str, str]], database: Database
) -> dict[str, dict[str, int]]:
    counts = {
        source.name: drop_bad_rows(source, found[source.name], database)
        for source in sources
        if source.drop_bad_rows
    }
    return {name: rules for name, rules in counts.items() if rules}
