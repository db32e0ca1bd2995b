"""What every result column means, with unit and sign; written into the tables as comments."""

from __future__ import annotations

RUN_ID = "the run; equal inputs give an equal id"
COLUMNS: dict[str, dict[str, str]] = {
    "runs": {
        "run_id": RUN_ID,
        "started_at": "wall clock (UTC)",
        "finished_at": "wall clock (UTC)",
        "initial_capital": "account currency",
        "fill_policy": "when and in which order orders and levels fill",
        "configuration": "strategy, rules, costs and account, as JSON",
        "sources": "fingerprint of every source, as JSON",
        "rows_dropped": "rows left out by on_bad_rows='drop', by source and rule, as JSON",
        "versions": "package versions, as JSON",
        "n_assets": "assets with a bar",
        "n_bars": "distinct timestamps",
        "activity": "how often each rule and limit was asked and acted, as JSON",
        "misses": "names that the strategy read with a default and that are nowhere, as JSON",
        "periods_per_year": "bars of a year as the user stated them; NULL: counted or assumed",
        "warnings": "data that may be wrong and was used as it is, by source and rule, as JSON",
    },
    "orders": {
        "run_id": RUN_ID,
        "order_id": "from 0, in the order in which orders were numbered",
        "asset_id": "asset",
        "created_at": "bar at whose close it was decided",
        "quantity": "shares asked, positive buys, negative sells; NULL: a target never sized",
        "order_type": "market, market_on_close, limit, stop, stop_limit or trailing_stop",
        "limit_price": "never filled worse than this; NULL: none",
        "stop_price": "price that triggers it (a trailing stop: the last one); NULL: none",
        "time_in_force": "gtc, day, gtd (through a date) or ioc",
        "status": "filled, cancelled, expired, denied (by us) or rejected (by the broker)",
        "reason": "why it ended so; empty when filled whole",
        "filled_quantity": "shares done, signed like quantity",
        "tag": "who asked: rebalance, the name of a rule or limit, or the strategy's own word",
        "parent_id": "order after whose fill it came alive; NULL: none",
    },
    "fills": {
        "run_id": RUN_ID,
        "fill_id": "from 0, in the order in which cash moved",
        "order_id": "the order",
        "timestamp": "bar of the fill",
        "asset_id": "asset",
        "quantity": "shares, positive buys, negative sells",
        "price": "per share, slippage and impact included",
        "commission": "account currency, positive = cost, negative = rebate",
        "slippage": "account currency, positive = cost; inside price already",
        "impact": "account currency, positive = cost; inside price already",
        "value": "quantity * price * multiplier, account currency: what the fill took from cash",
    },
    "trades": {
        "run_id": RUN_ID,
        "trade_id": "from 0, in the order of exits, then open lots",
        "asset_id": "asset",
        "quantity": "shares of this lot part, positive long, negative short",
        "entry_timestamp": "bar of the entry fill",
        "entry_price": "per share, slippage included",
        "exit_timestamp": "bar of the exit fill; NULL: still open",
        "exit_price": "per share, slippage included; NULL: still open",
        "pnl": "account currency, net of commission and borrow, dividends included; open lots at "
        "their mark",
        "return": "pnl / (|quantity| * entry_price * multiplier)",
        "bars_held": "bars from entry to exit; NULL: still open",
        "exit_rule": "tag of the order, or delisting, cash in lieu; NULL: still open",
        "commission": "account currency, both fills' share",
        "slippage": "account currency, both fills' share; inside the prices already",
        "impact": "account currency, both fills' share; inside the prices already",
        "borrow": "account currency, what its short shares cost to borrow",
        "dividends": "account currency, those whose ex-date it was held over, paid yet or not; "
        "negative: owed by a short; inside pnl already",
    },
    "positions": {
        "run_id": RUN_ID,
        "timestamp": "bar",
        "asset_id": "asset",
        "quantity": "shares at the close, positive long, negative short",
        "price": "the mark: this close, or the last one known",
        "value": "quantity * price * multiplier, account currency",
        "unrealized_pnl": "account currency, net of commission and borrow paid on the open lots, "
        "their dividends included",
        "is_stale": "the asset had no bar; price is an older close",
    },
    "equity": {
        "run_id": RUN_ID,
        "timestamp": "bar",
        "equity": "cash + value of all positions, account currency",
        "cash": "account currency",
        "gross_exposure": "sum of |value|, account currency",
        "net_exposure": "sum of value, account currency",
        "n_positions": "assets held at the close",
        "drawdown": "equity / highest equity so far - 1, 0 or below",
        "session": "the bar's trading date, in the catalog's zone (UTC by default)",
    },
    "decisions": {
        "run_id": RUN_ID,
        "timestamp": "bar",
        "asset_id": "asset; NULL where a limit acted on the account",
        "rule": "name of the rule or limit",
        "action": "stop, target (a level was touched), exit (asked at the close); edit, deny (a "
        "limit changed a weight); reduce, liquidate, halt, resume (a limit acted on the account)",
        "level": "price of the level, or the weight that a limit left; NULL for a close rule",
        "reason": "what the rule does",
        "features": "the feature values that the rule saw when it decided",
    },
    "selections": {
        "run_id": RUN_ID,
        "timestamp": "decision bar",
        "asset_id": "asset",
        "rank": "1 = best",
        "score": "value of the ranking expression, or what a query gave as one, else NULL",
        "weight": "target share of equity; NULL where a query asked for shares or signals",
    },
    "cash_flows": {
        "run_id": RUN_ID,
        "timestamp": "bar",
        "asset_id": "asset; NULL for flows of the account",
        "kind": "deposit, dividend, borrow, interest, delisting or cash in lieu",
        "amount": "account currency, positive = received",
        "in_trades": "it is part of the pnl of trades too",
    },
    "signals": {
        "run_id": RUN_ID,
        "timestamp": "bar",
        "asset_id": "asset; NULL where a value is market-wide",
        "name": "as the feature provider's function returned it",
        "value": "what it computed; NULL where that is text",
        "value_text": "what it computed, where that is text",
    },
}

# Columns that say when, of the bars' own type in every table.
TIMES = ("timestamp", "created_at", "entry_timestamp", "exit_timestamp")
_TIME_KINDS = ("DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS",
               "TIMESTAMP WITH TIME ZONE")  # fmt: skip
# Types of columns that are neither a time nor a DOUBLE; a name is of one type in every table.
_KINDS = {
    "VARCHAR": "run_id fill_policy configuration sources rows_dropped versions activity misses "
    "warnings "
    "order_type time_in_force status reason tag exit_rule rule action kind name value_text",
    "BIGINT": "order_id parent_id fill_id trade_id",
    "INTEGER": "n_assets n_bars n_positions bars_held rank",
    "BOOLEAN": "is_stale in_trades",
    "DATE": "session",
    "TIMESTAMP WITH TIME ZONE": "started_at finished_at",
    "MAP(VARCHAR, DOUBLE)": "features",
}
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names.split()}


def kinds_of(name: str) -> tuple[str, ...] | None:
    """Return the types that a column of this name may have; None: any, as of asset_id."""
    if name == "asset_id":
        return None
    return _TIME_KINDS if name in TIMES else (_KIND_OF.get(name, "DOUBLE"),)


def comments() -> str:
    """Return the statements that write every description into its table."""
    return ";".join(
        f"""comment on column "{table}"."{column}" is '{text.replace("'", "''")}'"""
        for table, columns in COLUMNS.items()
        for column, text in columns.items()
    )
