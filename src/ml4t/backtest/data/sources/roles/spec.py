"""RoleSpec: all that the data side asks of a role."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sources.roles.check import CLOCKED, NULL_TIMESTAMP, Agreement, Check

# What says when rows become known, beside their own time.
CLOCKS = ("available_at", "lag", "max_age")
# Makes the tables that checks read, of a source's columns and of those of prices beyond the keys.
Stage = Callable[[Mapping[str, str], Mapping[str, str], Database], None]


class RoleSpec(NamedTuple):
    """What a source of one role has, how it is read, and which checks it is held to.

    Attributes
    ----------
    name : str
    required, optional : tuple of str
        Columns; they mean the same in every source of the role, whatever their case.
    times : tuple of str
        Columns whose rows tell a time; the first is what `describe` shows.
    open_times : tuple of str
        Those that need not be there: a column without any is no mistake.
    day : str or None
        Column that is a day, not a time of day, next to daily bars.
    doubles, numbers, flags, texts : tuple of str
        Columns read as double, and those that must be a number, a BOOLEAN or a text.
    dates : tuple of str
        Times that are read as the DATE that each is the midnight of; another is missing.
    days : tuple of str
        Columns that are no time of a row and are read as a DATE: of a time its day.
    nouns : mapping
        What messages call a number among them; ``it`` where nothing is said.
    key : tuple of str
        What tells its rows apart.
    checks : tuple of Check
        In the order of their report.
    agreements : tuple of Agreement
        What it must agree on with sources of other roles.
    counted : tuple of Check or None
        Checks whose rows a cheap gate finds by counting; it runs the others. None: no gate, every
        check is run.
    stage : callable or None
        Makes the tables that its checks read.
    makes_bars : bool
        Its rows are the bars, which all else is compared with. By nature one role has it.
    is_single : bool
        A run has one source of it; else any number, each under a name of its own.
    is_clocked : bool
        Its rows become known at a time of their own, and are joined to bars as of then.
    is_asked_at_bars : bool
        What of it is known is asked at each bar, as of what is clocked, but joined to none.
    may_tell : tuple of str
        Of `CLOCKS` those that its sources take where it is not clocked: its rows may be known later
        than they count.
    is_money : bool
        Its rows are prices and amounts, or the terms of what has them.
    has_signals : bool
        It has columns that are signals or context: a NaN in them is missing.
    has_values, has_groups : bool
        Indicators may compare its columns across assets, or group assets by them.
    may_lack_asset : bool
        A row without an asset_id is one of the market.
    may_be_quiet : bool
        Its rows may be of another time and of other assets: nothing happened in the run.
    enums_as_text : bool
        Its ENUM columns are read as texts, so that ties break by name.
    prefix : str
        What its columns are called by in ``signals`` before their own name.
    clock : str or None
        From when a row counts, as `describe` says it.
    """

    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    times: tuple[str, ...] = ("timestamp",)
    open_times: tuple[str, ...] = ()
    day: str | None = None
    doubles: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    days: tuple[str, ...] = ()
    nouns: Mapping[str, str] = MappingProxyType({})
    key: tuple[str, ...] = ("asset_id", "timestamp")
    checks: tuple[Check, ...] = (NULL_TIMESTAMP, *CLOCKED)
    agreements: tuple[Agreement, ...] = ()
    counted: tuple[Check, ...] | None = None
    stage: Stage | None = None
    makes_bars: bool = False
    is_single: bool = False
    is_clocked: bool = False
    is_asked_at_bars: bool = False
    may_tell: tuple[str, ...] = ()
    is_money: bool = False
    has_signals: bool = False
    has_values: bool = False
    has_groups: bool = False
    may_lack_asset: bool = False
    may_be_quiet: bool = False
    enums_as_text: bool = False
    prefix: str = ""
    clock: str | None = "timestamp"

    @property
    def takes(self) -> tuple[str, ...]:
        """Which of `CLOCKS` its sources take."""
        return CLOCKS if self.is_clocked else self.may_tell

    @property
    def has_assets(self) -> bool:
        """Whether its rows are of assets."""
        return "asset_id" in self.required

    @property
    def keeps_rows_in_doubt(self) -> bool:
        """Whether checks select rows that stay where bad rows are dropped."""
        return any(check.severity != "refusal" for check in self.checks)

    @property
    def is_per_asset(self) -> bool:
        """Whether it has one row per asset, which is the same at every bar."""
        return self.key == ("asset_id",)
