"""Lag profile: how every column goes with the moves of the bars before, at and after it.

1. Bars are taken in blocks, so many that there is enough to judge by and little to compute.
2. At each the known columns are ranked among the assets of the bar, or among the bars of the asset
   where there are few assets; so are returns and the changes of volume and range.
3. Their correlation is one number a bar and lag; of these there is a mean and its t-statistic.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ml4t.backtest.data.asof.bar_tables import market_rows
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.database import Database, TempTable
from ml4t.backtest.data.selection.cross_section import collect_bars, cross_section, joined
from ml4t.backtest.data.smells.smell import FoundSmell, found_smell
from ml4t.backtest.data.sources.roles.prices import PRICE_COLUMNS
from ml4t.backtest.data.sources.schema import KEYS, is_numeric
from ml4t.backtest.data.sql_files import (
    Sql,
    all_of,
    drop_of,
    literal,
    quote,
    render,
)

# Bars times assets that are looked at, and bars at the least: an IC of 0.1 among 500 assets shows
# in 100 bars.
N_CELLS, LEAST_BLOCKS, BARS_OF_BLOCK = 80_000, 3, 40
# Fewer are no cross-section: then each asset is ranked over time.
LEAST_ASSETS = 10
# Bars with a correlation; of fewer a t-statistic says little.
LEAST_ICS = 30
# Of thousands of columns in three forms none has it by chance: 1 in 500,000 with 30 bars.
LEAST_T = 6.0
# Grinold and Kahn, Active Portfolio Management, 2000: 0.05 is good and 0.10 great, of forecasts
# over a month; one of the next bar that is better than the last return is none.
GREAT_IC = 0.10
# They hold 0.15 for world class.
IMPLAUSIBLE_IC = 0.15
# Returns that turn back tell their next one, at best 1.2 times as well as the last one does, up to
# half of it: a moving average of two steps, Box and Jenkins, Time Series Analysis, 1976.
TIMES_TURN = 1.5
# A column that is the next bar's volume or range, and not one that turns back as they do: the
# change of a sum of independent volumes goes with the next one at 0.7.
SAME_MOVE, LEAD = 0.75, 0.1
# Volume goes with the range of its own bar. Source: Karpoff, Journal of Financial and Quantitative
# Analysis 22, 1987.
VOLUME_AND_RANGE = 0.2
FORMS = ("level", "change", "to close")
PROFILE_SMELLS = {
    "ahead_of_last": (
        "smells/tells_next",
        {
            "least_ic": GREAT_IC, "times_turn": TIMES_TURN, "least_t": LEAST_T,
            "beats_last": True,
        },
    ),
    "implausible_ic": (
        "smells/tells_next",
        {
            "least_ic": IMPLAUSIBLE_IC, "times_turn": TIMES_TURN, "least_t": LEAST_T,
            "beats_last": False,
        },
    ),
    "known_too_early": (
        "smells/known_too_early",
        {
            "least_ic": SAME_MOVE, "least_lead": LEAD, "least_of_volume": VOLUME_AND_RANGE,
            "least_t": LEAST_T,
        },
    ),
}  # fmt: skip


class ProfiledColumn(NamedTuple):
    """A column, and in which forms it is looked at.

    Attributes
    ----------
    source : str
    name : str
    item : str
        In SQL.
    level : str
        What its plain values are called.
    forms : tuple of str
    """

    source: str
    name: str
    item: str
    level: str = "level"
    forms: tuple[str, ...] = FORMS


def lag_profile(prepared: Prepared, database: Database) -> TempTable:
    """Make the table of how each column goes with the moves around it."""
    parts = _parts(prepared, database)
    return database.make_table(
        "lag_profile",
        "smells/lag_profile",
        {"least_bars": LEAST_ICS},
        parts=all_of(f"({part})" for part in parts),
    )


def smells_of_profile(profile: TempTable, database: Database) -> Iterator[FoundSmell]:
    """Yield what smells of the columns of a profile."""
    for smell, (statement, values) in PROFILE_SMELLS.items():
        for source, *found in database.rows(render(statement, profile=profile), values):
            yield found_smell(smell, source, found)


def _parts(prepared: Prepared, database: Database) -> list[Sql]:
    """Return the query of each column."""
    columns = _columns(prepared)
    starts = _starts(prepared.n_bars, prepared.n_assets)
    times = database.make_table(
        "smell_times", "smells/times", {"starts": starts, "length": BARS_OF_BLOCK}
    )
    of_bars = [name for name in (*PRICE_COLUMNS, "volume") if name in prepared.price_columns]
    section = cross_section([*of_bars, *(one.name for one in columns)], prepared)
    at = joined(section, collect_bars(section, times, database), database)
    items = [f"{at.items[one.name]} as {quote(one.name)}" for one in columns]
    side = {name: f"bars.{quote(name)}" if name in of_bars else "null::double"
            for name in ("high", "low", "volume")}  # fmt: skip
    values = database.make_table(
        "smell_values", "smells/values", None, bars=at.bars, joins=at.joins,
        items=", ".join(items) or "1 as __nothing", **side,
    )  # fmt: skip
    by_asset = prepared.n_assets < LEAST_ASSETS
    part = "sid" if by_asset else "t"
    moves = database.make_table("smell_moves", "smells/moves", values=values, part=part)
    own = [ProfiledColumn("prices", "close", "__return", "return", ("return",))]
    if "volume" in of_bars:
        own.append(ProfiledColumn("prices", "volume", "__log_volume", forms=("change",)))
    parts = [_part(one, values, moves, part) for one in (*own, *columns)]
    return parts + _market_parts(prepared, values, database)


def _market_parts(prepared: Prepared, values: TempTable, database: Database) -> list[Sql]:
    """Return the query of each column of ``market``: ranked over time, beside the mean move."""
    columns = [
        ProfiledColumn(known.source, name, quote(name), forms=("level", "change"))
        for known in prepared.market for name in known.columns
        if is_numeric(prepared.market_columns[name])
    ]  # fmt: skip
    if not columns:
        return []
    market = market_rows(database)
    items = ", ".join(f"market.{one.item}" for one in columns)
    rows = database.make_table(
        "smell_market", "smells/market_values", values=values, market=market, items=items
    )
    moves = database.make_table("smell_market_moves", "smells/moves", values=rows, part="sid")
    # It would stand before the market of the user's queries.
    database.execute(drop_of("table", market))
    return [_part(one, rows, moves, "sid") for one in columns]


def _columns(prepared: Prepared) -> list[ProfiledColumn]:
    """Return the columns of ``signals`` that are numbers and no part of the bar."""
    of_bar = {*KEYS, *PRICE_COLUMNS, "volume"}
    owners = {name: known.source for known in prepared.per_asset for name in known.columns}
    timeless = {name for one in prepared.per_asset if not one.has_clock for name in one.columns}
    return [
        ProfiledColumn(owners.get(name, "prices"), name, quote(name))
        for name, kind in prepared.signal_columns.items()
        if is_numeric(kind) and name not in of_bar and name not in timeless and name != "is_member"
    ]


def _part(column: ProfiledColumn, values: TempTable, moves: TempTable, part: str) -> Sql:
    return render(
        "smells/column_profile", source=literal(column.source), column_name=literal(column.name),
        item=column.item, level=literal(column.level), values=values, moves=moves, part=part,
        forms=", ".join(map(literal, column.forms)),
    )  # fmt: skip


def _starts(n_bars: int, n_assets: int) -> list[int]:
    """Return the first bars of the blocks, from the first to the last."""
    n_blocks = max(LEAST_BLOCKS, N_CELLS // (BARS_OF_BLOCK * max(n_assets, 1)))
    if n_blocks * BARS_OF_BLOCK >= n_bars:
        return list(range(0, n_bars, BARS_OF_BLOCK))
    last = n_bars - BARS_OF_BLOCK
    return [round(i * last / (n_blocks - 1)) for i in range(n_blocks)]
