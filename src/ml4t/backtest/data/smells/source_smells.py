"""Source smells: what the clock, the hours and the assets of each source say.

Each is a statement under ``sql/smells`` with at most one row: column, rows, value, sample. The
numbers that decide are here, with where they come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from ml4t.backtest.core.tolerances import LEAST_SPLIT
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.smells.smell import FoundSmell, found_smell
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import quote, render

# Days from which on a period is a month or a quarter; the shortest are of 28 and 90.
MONTH_DAYS, QUARTER_DAYS = 27, 80
# Of stamps that are those of periods: a few may be moved by hand.
PERIOD_SHARE = 0.9
# Of reports of US companies about one in twenty is restated: of so many, none by chance is rare,
# 0.95 ** 100 = 0.6%. Source: GAO-06-678, 2006: 6.8% of listed companies in 2005 alone.
LEAST_PERIODS = 100
# Of companies that are listed, a year: CRSP has 5 to 8 of 100 leave, the largest half of that.
LEAVING_RATE = 0.03
# Of the members of an index, a year: the S&P 500 has about 22 changes.
MEMBERS_LEAVING_RATE = 0.04
# Where as many leave as come in, none of seven by chance is 1 in 128.
LEAST_ENTRIES = 7
# Leavers that would be usual, where nobody comes in either: a made-up market of a year has none.
LEAST_LEAVERS, LEAST_MEMBERS_LEAVING = 20, 5
# An asset has left, or come in, where it has no bar for so long.
SLACK_DAYS = 7
# Of members: fewer are spelled otherwise.
MISSING_SHARE = 0.01
# A session is over where there is no bar for so long.
BREAK_MINUTES = 60
# To which opens and closes of all exchanges are round.
ROUND_MINUTES = 15
# Early closes and gaps of a file are among the other sessions.
STAMP_SHARE, LEAST_SESSIONS = 0.8, 5
# With summer time in one of two zones half of the rows fit another hour.
SHIFT_SHARE, SHIFT_GAIN, MOST_SHIFTS = 0.9, 0.1, 2
# Beyond it a market has no hours that anything could be outside of.
LONGEST_HOURS = 16
# Bars that are compared with sessions.
BARS_COMPARED = 5_000
# Midnights: a share of rows that is no accident, and three times what other hours have.
MIDNIGHT_SHARE, TIMES_OTHERS = 0.01, 3
# Of splits that are larger than a day's move: of 427 of real prices three have a wrong date.
SPLIT_SHARE = 0.1
# Prices fall by 0.8 to 0.9 of a dividend; less than half, by three standard errors, is too little.
LEAST_DIVIDENDS, LEAST_FALL, N_ERRORS = 20, 0.5, 3


class SmelledSource(NamedTuple):
    """A source, with what its smells depend on.

    Attributes
    ----------
    source : Source
    columns : mapping of str to str
        With types.
    prepared : Prepared
    has_hours : bool
        A calendar says when sessions open and close.
    """

    source: Source
    columns: Mapping[str, str]
    prepared: Prepared
    has_hours: bool

    @property
    def relation(self) -> str:
        """Its view."""
        return f"main.{quote(self.source.name)}"

    @property
    def asset_id(self) -> str:
        """Its assets, in SQL; none of a source of the market."""
        return "asset_id" if "asset_id" in self.columns else "null"

    @property
    def clock(self) -> str:
        """The column by which a row is known."""
        return "timestamp" if self.source.available_at is None else "available_at"

    @property
    def is_prices(self) -> bool:
        """Whether it makes the bars."""
        return self.source.spec.makes_bars


class SourceSmell(NamedTuple):
    """One smell of a source.

    Attributes
    ----------
    smell : str
    statement : str
        Under ``sql``.
    applies : callable
    values : mapping
        Parameters of the statement.
    places : callable
        The places of the statement.
    """

    smell: str
    statement: str
    applies: Callable[[SmelledSource], bool]
    values: Mapping[str, float]
    places: Callable[[SmelledSource], dict[str, str]]


def _is_reported(one: SmelledSource) -> bool:
    """Say whether rows have a time at which they are known, as they are given."""
    return one.source.spec.is_clocked and one.source.lag is None


def _has_two_clocks(one: SmelledSource) -> bool:
    """Say whether a row has a period and a time at which it is known; a membership is announced."""
    return one.source.spec.is_clocked and one.source.available_at is not None


def _is_timed(one: SmelledSource) -> bool:
    """Say whether rows have times of day next to bars within the day."""
    return one.prepared.is_intraday and _is_reported(one) and one.columns[one.clock] != "DATE"


def _early_columns(one: SmelledSource) -> dict[str, str]:
    names = [name for name in ("asset_id", "timestamp", "available_at") if name in one.columns]
    return {"source": one.relation, "items": ", ".join(names)}


_LEAVING = {"slack_days": SLACK_DAYS, "least_entries": LEAST_ENTRIES}
SOURCE_SMELLS = (
    SourceSmell(
        "available_before_period",
        "smells/available_before_period",
        _has_two_clocks,
        {},
        _early_columns,
    ),
    SourceSmell(
        "known_at_period_end",
        "smells/known_at_period_end",
        lambda one: _is_reported(one) and not one.prepared.panel.has_no_other(one.source.name),
        {"least_share": PERIOD_SHARE, "month_days": MONTH_DAYS, "quarter_days": QUARTER_DAYS},
        lambda one: {
            "source": one.relation, "asset_id": one.asset_id, "available": one.clock,
            "has_clock": str(one.source.available_at is not None).lower(),
        },
    ),
    SourceSmell(
        "one_revision",
        "smells/one_revision",
        _has_two_clocks,
        {"least_periods": LEAST_PERIODS, "month_days": MONTH_DAYS},
        lambda one: {"source": one.relation, "asset_id": one.asset_id},
    ),
    SourceSmell(
        "no_asset_leaves",
        "smells/no_asset_leaves",
        lambda one: one.is_prices,
        {**_LEAVING, "leaving_rate": LEAVING_RATE, "least_expected": LEAST_LEAVERS},
        lambda _: {},
    ),
    SourceSmell(
        "no_member_leaves",
        "smells/no_member_leaves",
        lambda one: one.source.role == "universe",
        {
            **_LEAVING, "leaving_rate": MEMBERS_LEAVING_RATE,
            "least_expected": LEAST_MEMBERS_LEAVING,
        },
        lambda one: {"source": one.relation},
    ),
    SourceSmell(
        "member_without_price",
        "smells/member_without_price",
        lambda one: one.source.role == "universe",
        {"least_share": MISSING_SHARE},
        lambda one: {"source": one.relation},
    ),
    SourceSmell(
        "stamped_at_open",
        "smells/stamped_at_open",
        lambda one: one.is_prices and one.prepared.is_intraday and not one.has_hours,
        {
            "break_minutes": BREAK_MINUTES, "round_minutes": ROUND_MINUTES,
            "least_share": STAMP_SHARE, "least_sessions": LEAST_SESSIONS,
        },
        lambda _: {},
    ),
    SourceSmell(
        "stamped_at_open",
        "smells/stamped_at_open_of_session",
        lambda one: one.is_prices and one.prepared.is_intraday and one.has_hours,
        {"least_share": STAMP_SHARE, "least_sessions": LEAST_SESSIONS},
        lambda _: {},
    ),
    SourceSmell(
        "hours_shifted",
        "smells/hours_shifted",
        _is_timed,
        {
            "longest_hours": LONGEST_HOURS, "least_share": SHIFT_SHARE,
            "least_gain": SHIFT_GAIN, "most_shifts": MOST_SHIFTS,
        },
        lambda one: {"source": one.relation, "clock": one.clock},
    ),
    SourceSmell(
        "hours_shifted",
        "smells/bars_shifted",
        lambda one: one.is_prices and one.prepared.is_intraday and one.has_hours,
        {
            "most_bars": BARS_COMPARED, "least_share": SHIFT_SHARE,
            "least_gain": SHIFT_GAIN, "most_shifts": MOST_SHIFTS,
        },
        lambda _: {},
    ),
    SourceSmell(
        "midnights",
        "smells/midnights",
        lambda one: _is_timed(one) or (one.is_prices and one.prepared.is_intraday),
        {"least_share": MIDNIGHT_SHARE, "times_others": TIMES_OTHERS},
        lambda one: {"source": one.relation, "clock": one.clock},
    ),
    SourceSmell(
        "splits_in_prices",
        "smells/splits_in_prices",
        lambda one: one.source.role == "actions",
        {"least_split": LEAST_SPLIT, "least_share": SPLIT_SHARE},
        lambda _: {},
    ),
    SourceSmell(
        "dividends_in_prices",
        "smells/dividends_in_prices",
        lambda one: one.source.role == "actions",
        {"least_dividends": LEAST_DIVIDENDS, "least_fall": LEAST_FALL, "n_errors": N_ERRORS},
        lambda one: {
            "first_price": "open" if "open" in one.prepared.price_columns else "close"
        },
    ),
)  # fmt: skip


def smells_of_source(one: SmelledSource) -> Iterator[FoundSmell]:
    """Yield what smells of a source."""
    for smell, statement, applies, values, places in SOURCE_SMELLS:
        if not applies(one):
            continue
        for found in one.prepared.database.rows(render(statement, **places(one)), dict(values)):
            yield found_smell(smell, one.source.name, found)
