"""Cross-section: the rows at decision bars with the columns of ``signals`` that somebody reads.

1. `decide` makes a table of the decision bars of an era.
2. `collect_bars` makes one of their rows of prices, members of the universe alone; where a source
   has the same rows, of that one.
3. `joined` finds what the features sources had said by then, and returns how to join it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection
from typing import NamedTuple

from ml4t.backtest.core.ranking import Ranking
from ml4t.backtest.data.asof.bar_tables import BarTables, bars_at
from ml4t.backtest.data.asof.known_at import at_bars, bars_of
from ml4t.backtest.data.asof.memberships import IS_MEMBER
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.asof.views import Known
from ml4t.backtest.data.calendars.schedules import Due
from ml4t.backtest.data.database import Database, TempTable
from ml4t.backtest.data.sql_files import join_numbers, quote, render


class CrossSection(NamedTuple):
    """Which columns of ``signals`` are read, by where they come from.

    Attributes
    ----------
    price_columns : tuple of str
        Of ``prices``, ``asset_id`` among them where it is read.
    known : tuple of (Known, columns, bool)
        Features sources, with the columns, and whether each is known to have a row at every bar.
    alike : Known or None
        One of them that has a row at each bar and no other, where nothing else says which rows of
        prices there are.
    reads_membership, has_universe : bool
    timestamp_type : str
        DuckDB type of the bars.
    """

    price_columns: tuple[str, ...]
    known: tuple[tuple[Known, tuple[str, ...], bool], ...]
    alike: Known | None
    reads_membership: bool
    has_universe: bool
    timestamp_type: str

    @property
    def names(self) -> tuple[str, ...]:
        """The columns by name, beside ``timestamp``."""
        found = [*self.price_columns, *(name for _, names, _ in self.known for name in names)]
        return (*found, "is_member") if self.reads_membership else tuple(found)


class JoinedBars(NamedTuple):
    """Bars with what is known at them, as parts of a query over ``<bars> as bars``.

    Attributes
    ----------
    bars : TempTable
        ``(t, sid, timestamp, columns of prices...)``
    items : dict of str to str
        How each column is selected, by name.
    joins : str
        What the bars are joined with for that: one table per features source.
    tables : tuple of (table, columns)
        The bars and those tables, each with its columns beside ``(t, sid)``.
    """

    bars: TempTable
    items: dict[str, str]
    joins: str
    tables: tuple[tuple[TempTable, tuple[str, ...]], ...]


def cross_section(used: Collection[str], prepared: Prepared) -> CrossSection:
    """Find where the columns of ``signals`` that are used come from."""
    known, alike = [], None
    price_columns = tuple(n for n in ("asset_id", *prepared.price_columns) if n in used)
    may_be_alike = not prepared.has_universe and set(price_columns) <= {"asset_id"}
    for source in (*prepared.per_asset, *prepared.histories.values()):
        read_here = tuple(name for name in source.columns if name in used)
        if read_here:
            known.append((source, read_here, prepared.panel.has_all(source.source)))
            if may_be_alike and prepared.panel.has_no_other(source.source):
                alike = source
    return CrossSection(
        price_columns=price_columns,
        known=tuple(known),
        alike=alike,
        reads_membership=prepared.has_universe and "is_member" in used,
        has_universe=prepared.has_universe,
        timestamp_type=prepared.timestamp_type,
    )


def decide(
    schedule: Ranking,
    due: Due,
    market: TempTable,
    database: Database,
    first_t: int,
    last_t: int,
    *,
    begin_t: int,
) -> tuple[TempTable, list[int]]:
    """Find the decision bars from `first_t` to `last_t`.

    Parameters
    ----------
    due : tuple of int or None
        Those of a schedule in words; None: bars are counted.
    begin_t : int
        The first bar of the run, from which they are.

    Returns
    -------
    decisions : TempTable
        ``(t, timestamp)``, one row per decision bar.
    decision_ts : list of int
        Their numbers, in order.
    """
    near = None
    if due is not None:
        near = list(due[bisect_left(due, first_t) : bisect_right(due, last_t)])
    decisions = database.make_table(
        "decisions",
        "ranking/decisions",
        {
            "first_t": first_t,
            "last_t": last_t,
            "every": schedule.every if near is None else 1,
            "offset": schedule.offset + begin_t if near is None else 0,
            "due": near,
        },
        market=market,
        condition=(schedule.when or "true") + "\n",
    )
    found = database.rows(render("ranking/decision_bars", decisions=decisions))
    return decisions, [t for (t,) in found]


def collect_bars(section: CrossSection, times: TempTable, database: Database) -> BarTables:
    """Make a table of the rows of prices at some times, members of the universe alone."""
    for known, names, _ in section.known:
        if known is section.alike:
            has_asset = "asset_id" in section.price_columns
            return bars_of(known, names, times, database, has_asset=has_asset)
    member = IS_MEMBER if section.has_universe else "true"
    items = [f"prices.{quote(name)}" for name in section.price_columns]
    if section.reads_membership:
        items.append("true as is_member")  # a row that is no member is not here at all
    columns = "".join(f", {item}" for item in items)
    return bars_at(times, database, columns=columns, membership=member)


def joined(section: CrossSection, at: BarTables, database: Database) -> JoinedBars:
    """Make a table of each source's known values at bars, and say how to join them."""
    own = ["timestamp", *section.price_columns, *(["is_member"] * section.reads_membership)]
    own += [
        name for known, names, _ in section.known if known.source == at.source for name in names
    ]
    items = {name: f"bars.{quote(name)}" for name in own}
    joins, tables = [], [(at.bars, tuple(own))]
    for i, (known, names, has_all) in enumerate(section.known):
        if known.source == at.source:
            continue
        alias = f"at_{i}"
        table = at_bars(
            known, names, at, database, name=alias, clock=section.timestamp_type, has_all=has_all
        )
        items |= {name: f"{alias}.{quote(name)}" for name in names}
        joins.append(join_numbers(table, alias, "bars"))
        tables.append((table, names))
    return JoinedBars(bars=at.bars, items=items, joins="\n".join(joins), tables=tuple(tables))
