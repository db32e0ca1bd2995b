"""The tables of trades and of what explains them; `tables` says how one is declared."""

from __future__ import annotations

from ml4t.backtest.core.trades import Trade, Trades
from ml4t.backtest.results.gathered import Evidence
from ml4t.backtest.results.table import (
    ADDED,
    ASSET,
    BAR,
    COMPUTED,
    COUNT,
    FINITE,
    ID,
    ID_OR_NONE,
    MULTIPLIER,
    NUMBER,
    ROW,
    TEXT,
    Column,
    Table,
)

TRADES = Table(
    name="trades",
    events=(
        Trade,
        Trades,
    ),
    counted="sid",
    columns=(
        Column("trade_id", ID, "from 0, in the order of exits, then open lots", ROW),
        Column("asset_id", ASSET, "asset", "sid"),
        Column("quantity", NUMBER, "shares of this lot part, positive long, negative short"),
        Column("entry_timestamp", BAR, "bar of the entry fill", "entry_t"),
        Column("entry_price", NUMBER, "per share, asset's currency, slippage included"),
        Column("exit_timestamp", BAR, "bar of the exit fill; NULL: still open", "exit_t"),
        Column(
            "exit_price",
            NUMBER,
            "per share, asset's currency, slippage included; NULL: still open",
        ),
        Column(
            "pnl",
            NUMBER,
            "account currency, net of commission, tax, fee and borrow, dividends included; open "
            "lots at their mark",
        ),
        Column(
            "return",
            NUMBER,
            "pnl / (|quantity| * entry_price * multiplier * entry_rate)",
            COMPUTED,
        ),
        Column("bars_held", COUNT, "bars from entry to exit; NULL: still open", COMPUTED),
        Column(
            "exit_rule",
            TEXT,
            "tag of the order, or delisting, cash in lieu; NULL: still open",
            "reason",
        ),
        Column("commission", NUMBER, "account currency, both fills' share"),
        Column("tax", NUMBER, "account currency, both fills' share", is_later=True),
        Column("fee", NUMBER, "account currency, both fills' share", is_later=True),
        Column(
            "slippage",
            NUMBER,
            "account currency, both fills' share; inside the prices already",
        ),
        Column("impact", NUMBER, "account currency, both fills' share; inside the prices already"),
        Column(
            "borrow",
            NUMBER,
            "account currency, what holding it cost: fees on borrowed shares, funding, cash and "
            "withholding of actions; negative: received",
        ),
        Column(
            "dividends",
            NUMBER,
            "account currency, those whose ex-date it was held over, paid yet or not; negative: "
            "owed by a short; inside pnl already",
        ),
        Column(
            "entry_rate",
            NUMBER,
            "account currency per unit of the asset's, at the entry",
            is_later=True,
        ),
        Column("exit_rate", NUMBER, "at the exit; still open: at the mark", is_later=True),
        Column(
            "pnl_currency",
            NUMBER,
            "account currency, what rates made: pnl less pnl_price; of shares quantity * "
            "entry_price * multiplier * (exit_rate - entry_rate)",
            is_later=True,
        ),
        Column(
            "pnl_price",
            NUMBER,
            "account currency, what prices made at the exit's rate, with all costs and dividends",
            COMPUTED,
            is_later=True,
        ),
        Column(
            "entry_fill_id",
            ID_OR_NONE,
            "the fill that opened the lot; NULL: not kept",
            "entry_fill",
            is_later=True,
        ),
        Column(
            "exit_fill_id",
            ID_OR_NONE,
            "the fill that closed it; NULL: still open, or ended without one, as by a delisting",
            "exit_fill",
            is_later=True,
        ),
        Column(
            "mae",
            NUMBER,
            "maximum adverse excursion: the worst of side * (price - entry_price) / entry_price "
            "while it was held, 0 or below; see runs.excursions_from",
            ADDED,
            is_later=True,
        ),
        Column(
            "mfe",
            NUMBER,
            "maximum favourable excursion: the best, 0 or above",
            ADDED,
            is_later=True,
        ),
    ),
    helpers=(
        Column("multiplier", MULTIPLIER, "of the asset", "sid"),
        Column("entry_t", COUNT, "number of the entry bar"),
        Column("exit_t", COUNT, "number of the exit bar, -1: still open"),
    ),
)

EVIDENCE = Table(
    name="evidence",
    events=(Evidence,),
    counted="t",
    columns=(
        Column("timestamp", BAR, "bar at whose close some order was decided", "t"),
        Column("asset_id", ASSET, "asset; NULL where a value is market-wide", "sid"),
        Column("name", TEXT, "column of signals or market that strategy or rules read"),
        Column("value", FINITE, "as it was known at that close; NULL where it is text"),
        Column("value_text", TEXT, "as it was known, where it is text"),
    ),
    is_later=True,
)
