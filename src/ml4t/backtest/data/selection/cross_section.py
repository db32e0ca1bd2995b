"""Cross-section: the rows at decision bars with the columns of ``signals`` that somebody reads.

1. `decide` writes the decision bars of an era into ``temp.decisions``.
2. `collect_bars` writes their rows of prices into ``temp.bars``, members of the universe alone.
3. `joined` finds what the features sources had said by then, and returns how to join it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ml4t.backtest.core.ranking import Ranking
from ml4t.backtest.data.asof.known_at import at_bars
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.asof.views import Known
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sql_files import join_numbers, quote, read, render


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossSection:
    """Which columns of ``signals`` are read, by where they come from.

    Attributes
    ----------
    price_columns : tuple of str
        Of ``prices``, ``asset_id`` among them where it is read.
    known : tuple of (Known, columns)
        Features sources, with the columns.
    reads_membership, has_universe : bool
    timestamp_type : str
        DuckDB type of the bars.
    """

    price_columns: tuple[str, ...]
    known: tuple[tuple[Known, tuple[str, ...]], ...]
    reads_membership: bool
    has_universe: bool
    timestamp_type: str

    @property
    def names(self) -> tuple[str, ...]:
        """The columns by name, beside ``timestamp``."""
        found = [*self.price_columns, *(name for _, names in self.known for name in names)]
        return (*found, "is_member") if self.reads_membership else tuple(found)


def cross_section(used: Collection[str], prepared: Prepared) -> CrossSection:
    """Find where the columns of ``signals`` that are used come from."""
    known = []
    for source in prepared.per_asset:
        read_here = tuple(name for name in source.columns if name in used)
        if read_here:
            known.append((source, read_here))
    return CrossSection(
        price_columns=tuple(n for n in ("asset_id", *prepared.price_columns) if n in used),
        known=tuple(known),
        reads_membership=prepared.has_universe and "is_member" in used,
        has_universe=prepared.has_universe,
        timestamp_type=prepared.timestamp_type,
    )


def decide(schedule: Ranking, database: Database, first_t: int, last_t: int) -> list[int]:
    """Write the decision bars from `first_t` to `last_t`, and return them in order."""
    database.execute(
        render("ranking/decisions", condition=(schedule.when or "true") + "\n"),
        {
            "first_t": first_t,
            "last_t": last_t,
            "every": schedule.every,
            "offset": schedule.offset,
        },
    )
    return [row[0] for row in database.rows(read("ranking/decision_bars"))]


def collect_bars(section: CrossSection, database: Database) -> None:
    """Write the rows of prices at ``temp.decisions`` into ``temp.bars``."""
    member = read("signals/is_member") if section.has_universe else "true"
    items = [f"prices.{quote(name)}" for name in section.price_columns]
    if section.reads_membership:
        items.append("true as is_member")  # a row that is no member is not here at all
    database.execute(
        render("ranking/bars", columns="".join(f", {item}" for item in items), membership=member)
    )


def joined(section: CrossSection, database: Database) -> tuple[dict[str, str], str]:
    """Find the known values at ``temp.bars``.

    Returns
    -------
    items : dict of str to str
        How each column is selected, by name.
    joins : str
        What ``temp.bars as bars`` is to be joined with for that.
    """
    own = ["timestamp", *section.price_columns, *(["is_member"] * section.reads_membership)]
    items = {name: f"bars.{quote(name)}" for name in own}
    joins = []
    for i, (known, names) in enumerate(section.known):
        table = at_bars(known, names, f"at_{i}", section.timestamp_type, database)
        items |= {name: f"{table}.{quote(name)}" for name in names}
        joins.append(join_numbers(table, "bars"))
    return items, "\n".join(joins)
