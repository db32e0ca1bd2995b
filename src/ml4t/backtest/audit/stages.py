"""Stages: what a run computes by SQL, each as a query of the bars at hand.

The columns of each source as ``signals`` or ``market`` have them, and the windows over earlier bars
in what a strategy ranks by or asks; its rankings are made of rows of one bar, by these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ml4t.backtest.core.selecting import asked_of
from ml4t.backtest.data.asof.memberships import IS_MEMBER
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.asof.views import at_bars_of
from ml4t.backtest.data.cut.each_catalog import EachCatalog
from ml4t.backtest.data.selection.selecting import plan_selection
from ml4t.backtest.data.sources.schema import KEYS
from ml4t.backtest.data.sql_files import columns, holds_any, quote, rows_of
from ml4t.backtest.data.stream.period import Period
from ml4t.backtest.walking import RunSetup

HISTORY = "history"


class SqlStage(NamedTuple):
    """Columns that one query makes.

    Attributes
    ----------
    place : str
        ``signals``, ``market`` or ``history``.
    source : str
        That has them; of a window of history empty.
    columns : mapping of str to str
        Name of each, with its type.
    keys : tuple of str
    whole : str
        Their query over everything.
    at_bar : str
        Their query at the bar of an `EachCatalog`.
    said : str
        What a column of history says, in the words of the strategy.
    """

    place: str
    source: str
    columns: Mapping[str, str]
    keys: tuple[str, ...]
    whole: str
    at_bar: str
    said: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Its columns; an empty name stands for its rows, which those of prices are."""
        return (*self.columns, *([""] if self.source == "prices" else []))


def stages_of(
    setup: RunSetup, period: Period, whole: Prepared, each: EachCatalog
) -> Iterator[SqlStage]:
    """Yield the stages of a run, in the order of its sources."""
    prepared, here = each.prepare(), f"timestamp = {each.bar.sql}"
    prices, bars = (
        f"({rows_of(relation, where=here)})" for relation in ("main.prices", "stage.timeline")
    )
    names = columns((*KEYS, *prepared.price_columns))
    yield _of_view("signals", "prices", prepared.price_columns, whole, rows_of(prices, names))
    for known in prepared.per_asset:
        rows = at_bars_of(prices, known, by_asset=True)
        yield _of_view("signals", known.source, known.types, whole, rows)
    if prepared.has_universe:
        items = f"{columns(KEYS, 'prices')}, {IS_MEMBER} as is_member"
        members = rows_of(f"{prices} as prices", items)
        yield _of_view("signals", "universe", {"is_member": "BOOLEAN"}, whole, members)
    for known in prepared.market:
        rows = at_bars_of(bars, known, by_asset=False)
        yield _of_view("market", known.source, known.types, whole, rows)
    yield from _of_history(setup, period, whole, prepared, here)


def _of_view(
    view: str, source: str, kinds: Mapping[str, str], whole: Prepared, at_bar: str
) -> SqlStage:
    own = whole.signal_columns if view == "signals" else whole.market_columns
    keys = KEYS if view == "signals" else KEYS[:1]
    shared = {name: kind for name, kind in kinds.items() if name in own}
    return SqlStage(view, source, shared, keys, rows_of(view, columns((*keys, *shared))), at_bar)


def _of_history(
    setup: RunSetup, period: Period, whole: Prepared, prepared: Prepared, here: str
) -> Iterator[SqlStage]:
    """Yield the windows over earlier bars of a strategy, made anew over the other catalog."""
    asked = asked_of(setup.strategy)
    for each in (whole, prepared):
        plan_selection(
            asked.ranking, asked.query, each, long_only=not setup.config.account.can_short,
            begin_t=period.first_t, end_t=period.last_t,
        )  # fmt: skip
    for key, known in prepared.histories.items():
        mine = whole.histories[key]
        if known.columns:
            items = f"available_at as timestamp, asset_id, {columns(known.columns)}"
            (own,), (kind,) = mine.columns, known.types.values()
            of_whole = (
                f"available_at as timestamp, asset_id, {quote(own)} as {quote(known.columns[0])}"
            )
            yield SqlStage(
                HISTORY, "", {known.columns[0]: kind}, KEYS, rows_of(mine.relation, of_whole),
                rows_of(f"({rows_of(known.relation, items)})", where=here), key.partition(": ")[2],
            )  # fmt: skip
        else:
            of_whole, at_bar = (
                f"timestamp, {holds_any('t', one.relation, 't')} as is_true"
                for one in (mine, known)
            )
            yield SqlStage(
                HISTORY, "", {"is_true": "BOOLEAN"}, KEYS[:1],
                rows_of("stage.timeline", of_whole), rows_of("stage.timeline", at_bar, where=here),
                key,
            )  # fmt: skip
