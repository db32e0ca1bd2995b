"""What waits for the bar after the last: the table that `BacktestResult.next_orders` reads."""

from __future__ import annotations

from ml4t.backtest.core.orders import Waiting
from ml4t.backtest.results.table import ASSET, BAR, ID_OR_NONE, NUMBER, TEXT, Column, Table

WAITING = Table(
    name="waiting",
    events=(Waiting,),
    is_later=True,
    columns=(
        Column("asset_id", ASSET, "asset", "sid"),
        Column(
            "kind",
            TEXT,
            "exit (of a rule or limit, at the next open), target (of weights), order (a single "
            "one), level (a protective price in force)",
        ),
        Column("created_at", BAR, "bar at whose close it was decided", "created_t"),
        Column("side", TEXT, "buy or sell"),
        Column(
            "quantity",
            NUMBER,
            "shares still to do, positive buys, negative sells; of a target that is sized when it "
            "fills: at reference_price; NULL: no price is known to size it by",
        ),
        Column("order_type", TEXT, "as in orders"),
        Column("limit_price", NUMBER, "never filled worse than this; NULL: none", "limit"),
        Column("stop_price", NUMBER, "price that triggers it; NULL: none", "stop"),
        Column("time_in_force", TEXT, "as in orders"),
        Column("target_weight", NUMBER, "fraction of equity; NULL: it is no target", "weight"),
        Column("current_quantity", NUMBER, "shares held after the last bar, signed", "held"),
        Column("reference_price", NUMBER, "the last close known; NULL: none is", "price"),
        Column(
            "reference_at",
            BAR,
            "bar of that close; NULL: older than the last bar, in which the asset had none",
            "price_t",
        ),
        Column("tag", TEXT, "who asked, as in orders"),
        Column("order_id", ID_OR_NONE, "as in orders; NULL: numbered when it fills"),
        Column("parent_id", ID_OR_NONE, "order after whose fill it comes alive; NULL: none"),
    ),
)
