"""Filled: the fills of a run, each with its order and its bar, in one session to check them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ml4t.backtest.core.tolerances import WHOLE
from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.database import Database, TempTable
from ml4t.backtest.data.sql_files import null_of, quote, render, rows_of
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.results.store import open_store

if TYPE_CHECKING:
    from pyarrow import Table as ArrowTable

# Tables of the run that checks read.
_READ = ("orders", "fills", "positions", "equity", "cash_flows")
_BAR = {
    "bar_open": "open", "bar_high": "high", "bar_low": "low", "bar_close": "close",
    "bar_volume": "volume",
}  # fmt: skip
# Actions of the catalog, in the session of the run.
ACTED = "acted"
# Orders that wait for a price to be met before they take the market.
WAIT_FOR_PRICE = "('stop', 'trailing_stop', 'market_if_touched')"


class Filled(NamedTuple):
    """What checks of fills read.

    Attributes
    ----------
    session : Database
        Has the tables ``orders fills positions equity cash_flows`` of the run, and ``acted``: the
        actions of the catalog.
    fills : TempTable
        Each fill with its order and its bar: ``fill_staging/filled.sql``.
    settings : mapping
        The configuration of the run, as it keeps it.
    price_columns : frozenset of str
        What the prices of the catalog have.
    has_ticks : bool
        Its assets have tick sizes.
    """

    session: Database
    fills: TempTable
    settings: Mapping[str, Any]
    price_columns: frozenset[str]
    has_ticks: bool


def gather_fills(result: BacktestResult, catalog: Catalog) -> Filled:
    """Put the fills of a run beside the bars, actions and orders behind them."""
    settings = settings_of_run(result)
    session = open_store(result.timezone)
    tables = {name: getattr(result, name).to_arrow_table() for name in _READ}
    for name, rows in tables.items():
        session.register(name, rows)
    prices = catalog.validate().price_columns
    staged = _staged(tables["fills"], session, catalog, settings)
    for name, rows in staged.items():
        session.register(name, rows)
    fills = session.make_table(
        "filled", "fill_staging/filled", {"whole": WHOLE},
        fills="fills", orders="orders", bars="bars", since="since", actions=ACTED,
    )  # fmt: skip
    has_ticks = bool((catalog.instruments().tick_size > 0).any())
    return Filled(session, fills, settings, frozenset(prices), has_ticks)


def settings_of_run(result: BacktestResult) -> Mapping[str, Any]:
    """Return the configuration of a run, as it keeps it."""
    ((text,),) = result.sql(rows_of("runs", "configuration")).fetchall()
    settings: Mapping[str, Any] = json.loads(text)
    return settings


def _staged(
    fills: ArrowTable, run: Database, catalog: Catalog, settings: Mapping[str, Any]
) -> dict[str, ArrowTable]:
    """Read what the catalog says of the bars and assets of some fills."""
    prepared = catalog.prepare()
    prices, session = prepared.price_columns, prepared.database.cursor()
    average = settings["execution"]["timing"].get("vwap")
    items = [
        f"prices.{quote(of)}::double as {name}" if of in prices else null_of("double", name)
        for name, of in {**_BAR, "bar_average": average}.items()
    ]  # fmt: skip
    waited = run.arrow(
        render("fill_staging/waited", columns="fills.*, orders.created_at", kinds=WAIT_FOR_PRICE)
    )
    session.register("fills_of_run", fills)
    session.register("waited_of_run", waited)
    has_actions = "actions" in {source.name for source in catalog.sources()}
    if has_actions:
        names = session.schema(rows_of("main.actions"))
        new = "new_asset_id" if "new_asset_id" in names else "null::varchar"
        actions = render("fill_staging/actions", new_asset_id=new)
    else:
        actions = render("fill_staging/nothing_acted", fills="fills_of_run")
    since = (
        render("fill_staging/since", waited="waited_of_run")
        if {"high", "low"} <= prices.keys()
        else render("fill_staging/nothing_since", fills="fills_of_run")
    )
    return {
        "bars": session.arrow(
            render("fill_staging/bars", columns=", ".join(items), fills="fills_of_run")
        ),
        "since": session.arrow(since),
        ACTED: session.arrow(actions),
    }
