"""Feed events: the bars of a catalog as events, for a loop written by hand.

The engine does not walk these; it reads dense chunks. Both show the views ``signals`` and
``market``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

from ml4t.backtest.core.context import Context
from ml4t.backtest.core.event import NAN, PRICES, Bar, BarEvent, MarketEvent
from ml4t.backtest.core.values import Columns
from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.database import Relation, interruptible
from ml4t.backtest.data.feature_provider import FeatureProvider
from ml4t.backtest.data.sources.schema import KEYS, as_read, without_keys
from ml4t.backtest.data.sql_files import quote, render

# Rows in memory at a time.
ROWS_PER_FETCH = 10_000
Row = tuple[Any, ...]


def events_of(catalog: Catalog, provider: FeatureProvider | None = None) -> Iterator[MarketEvent]:
    """Yield every bar of a catalog, in time order and then by asset.

    Parameters
    ----------
    provider : FeatureProvider, optional
        Asked for the values of every event beside those of the catalog; a value of its own
        stands before the catalog's of that name.

    Raises
    ------
    DataError
        A source breaks its contract; no event was yielded.
    """
    prepared = catalog.validate()
    axes = catalog.axes()
    kinds = without_keys(prepared.signal_columns)
    market_kinds = without_keys(prepared.market_columns)
    unit = "ns" if axes.timestamp_type == "TIMESTAMP_NS" else "us"
    tick = f"epoch_{unit}(timestamp) as tick"
    items = ", ".join([tick, "asset_id::varchar as asset", *_items(kinds)])
    rows = _rows(catalog.sql(render("signals/in_order", columns=items)))
    items = ", ".join([tick, *_items(market_kinds)])
    market_rows = _rows(catalog.sql(render("signals/market_in_order", columns=items)))
    # Every time of the market is one of a bar, so that both go in step.
    for t, (market_row, (_, bar_rows)) in enumerate(
        zip(market_rows, groupby(rows, key=itemgetter(0)), strict=True)
    ):
        timestamp, bar = axes.moment(t), list(bar_rows)
        market = dict(zip(market_kinds, market_row[1:], strict=True))
        if provider is not None:
            market |= provider.get_market_features(timestamp)
        context = Context(market)
        if provider is None:
            yield from _bar_events(timestamp, bar, kinds, context)
        else:
            for event in _bar_events(timestamp, bar, kinds, context):
                signals = dict(event.signals) | provider.get_features(event.asset_id, timestamp)
                prices = {name: getattr(event, name) for name in PRICES}
                yield MarketEvent(
                    timestamp=timestamp, asset_id=event.asset_id, signals=signals,
                    context=context, **prices,
                )  # fmt: skip


def _bar_events(
    timestamp: Any, rows: list[Row], kinds: Mapping[str, str], context: Context
) -> Iterator[MarketEvent]:
    # In a row the keys come first.
    places = {name: i + len(KEYS) for i, name in enumerate(kinds)}

    def price(name: str) -> list[float]:
        if name not in places:
            return [NAN] * len(rows)
        return [NAN if row[places[name]] is None else row[places[name]] for row in rows]

    bar = Bar(
        timestamp,
        [row[1] for row in rows],
        prices=Columns(PRICES, price),
        signals=Columns(
            [name for name in kinds if name not in PRICES],
            lambda name: [row[places[name]] for row in rows],
        ),
        context=context,
    )
    return (BarEvent(bar, at) for at in range(len(rows)))


def _items(kinds: Mapping[str, str]) -> list[str]:
    """Return select items: numbers and flags as float, all else as it is."""
    items = []
    for name, kind in kinds.items():
        # Arrow would make a pandas object of nanoseconds, where pandas is there.
        cast = "::timestamp" if kind == "TIMESTAMP_NS" else ""
        items.append(as_read(quote(name), kind) + cast)
    return items


def _rows(relation: Relation) -> Iterator[Row]:
    with interruptible:
        for batch in relation.to_arrow_reader(ROWS_PER_FETCH):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
