"""The result tables, each declared once: its columns, what they mean, what its rows are made of.

Recorder, store, `save`, `open` and the comments in the tables follow from this. To add a table,
declare it here, have the loop record its event, and where it computes a column write its statement
to ``sql/results``.
"""

from __future__ import annotations

from ml4t.backtest.core.journal import (
    AccountAtClose,
    CashAtClose,
    CashFlow,
    Compared,
    Computed,
    Decision,
    Selected,
)
from ml4t.backtest.core.orders import Ended, Fills
from ml4t.backtest.data.sql_files import comment
from ml4t.backtest.results.gathered import (
    equity_curve,
    few_rows,
    position_rows,
    seen_features,
)
from ml4t.backtest.results.runs_table import RUNS
from ml4t.backtest.results.table import (
    ADDED,
    ASSET,
    BAR,
    COMPUTED,
    COUNT,
    FEATURES,
    FINITE,
    FLAG,
    ID,
    ID_OR_NONE,
    MULTIPLIER,
    NUMBER,
    ROW,
    SESSION,
    TEXT,
    Column,
    Table,
)  # fmt: skip
from ml4t.backtest.results.trade_tables import EVIDENCE, TRADES
from ml4t.backtest.results.waiting_table import WAITING

RUN_ID = Column("run_id", TEXT, "the run; equal inputs give an equal id")

ORDERS = Table(
    name="orders",
    events=(Ended,),
    counted="ids",
    columns=(
        Column("order_id", ID, "from 0, in the order in which orders were numbered", "ids"),
        Column("asset_id", ASSET, "asset", "sids"),
        Column("created_at", BAR, "bar at whose close it was decided", "created_t"),
        Column(
            "quantity",
            NUMBER,
            "shares asked, positive buys, negative sells; NULL: a target never sized",
        ),
        Column(
            "order_type",
            TEXT,
            "market, market_on_close, limit, stop, stop_limit, trailing_stop, "
            "market_if_touched or limit_on_close",
        ),
        Column("limit_price", NUMBER, "never filled worse than this; NULL: none", "limit"),
        Column(
            "stop_price",
            NUMBER,
            "price that triggers it (a trailing stop: the last one); NULL: none",
            "stop",
        ),
        Column("time_in_force", TEXT, "gtc, day, gtd (through a date) or ioc"),
        Column(
            "status",
            TEXT,
            "filled (99% of it at the least), partial (less of it, whatever ended the rest), "
            "cancelled, expired, denied (by us) or rejected (by the broker): nothing of it",
        ),
        Column("reason", TEXT, "why it, or the rest of it, ended so; empty when filled whole"),
        Column("filled_quantity", NUMBER, "shares done, signed like quantity", "filled"),
        Column(
            "tag",
            TEXT,
            "who asked: rebalance, the name of a rule or limit, or the strategy's own word",
        ),
        Column(
            "parent_id",
            ID_OR_NONE,
            "order after whose fill it came alive; NULL: none",
            "parent",
        ),
    ),
    order=("order_id",),
)

FILLS = Table(
    name="fills",
    events=(Fills,),
    counted="ids",
    columns=(
        Column("fill_id", ID, "from 0, in the order in which cash moved", ROW),
        Column("order_id", ID, "the order", "ids"),
        Column("timestamp", BAR, "bar of the fill", "t"),
        Column("asset_id", ASSET, "asset", "sids"),
        Column("quantity", NUMBER, "shares, positive buys, negative sells"),
        Column("price", NUMBER, "per share, asset's currency, slippage and impact included"),
        Column("commission", NUMBER, "account currency, positive = cost, negative = rebate"),
        Column("tax", NUMBER, "account currency, positive = cost", is_later=True),
        Column(
            "fee",
            NUMBER,
            "what the broker passes on, account currency, positive = cost",
            is_later=True,
        ),
        Column("slippage", NUMBER, "account currency, positive = cost; inside price already"),
        Column("impact", NUMBER, "account currency, positive = cost; inside price already"),
        Column(
            "rate", NUMBER, "account currency per unit of the asset's, at the fill", is_later=True
        ),
        Column(
            "value",
            NUMBER,
            "quantity * price * multiplier * rate, account currency: what the fill took from cash; "
            "of a contract that settles daily its notional, which takes none",
            COMPUTED,
        ),
        Column(
            "volume",
            NUMBER,
            "shares that all traded in that bar; NULL: prices do not say",
            ADDED,
            is_later=True,
        ),
    ),
    helpers=(
        Column("multiplier", MULTIPLIER, "of the asset", "sids"),
        Column("moment", COUNT, "when in the bar, as a Moment"),
    ),
)

POSITIONS = Table(
    name="positions",
    events=(AccountAtClose,),
    counted="held",
    gathered=position_rows,
    parted=few_rows,
    columns=(
        Column("timestamp", BAR, "bar", "t"),
        Column("asset_id", ASSET, "asset", "held"),
        Column("quantity", NUMBER, "shares at the close, positive long, negative short"),
        Column(
            "price", NUMBER, "the mark, asset's currency: this close, or the last one known", "mark"
        ),
        Column("value", NUMBER, "quantity * price * multiplier * rate, account currency"),
        Column(
            "unrealized_pnl",
            NUMBER,
            "account currency, net of commission, tax, fee and borrow paid on the open lots, "
            "their dividends included",
            "unrealized",
        ),
        Column("is_stale", FLAG, "the asset had no bar; price is an older close", "stale"),
    ),
)

EQUITY = Table(
    name="equity",
    events=(AccountAtClose,),
    counted="t",
    gathered=equity_curve,
    columns=(
        Column("timestamp", BAR, "bar", "t"),
        Column(
            "equity",
            NUMBER,
            "cash + value of all positions but contracts that settle daily, account currency",
        ),
        Column("cash", NUMBER, "account currency, what contracts made until this close paid"),
        Column("gross_exposure", NUMBER, "sum of |value|, account currency"),
        Column("net_exposure", NUMBER, "sum of value, account currency"),
        Column("n_positions", COUNT, "assets held at the close"),
        Column("drawdown", NUMBER, "equity / highest equity so far - 1, 0 or below", COMPUTED),
        Column(
            "session",
            SESSION,
            "the bar's trading date, in the catalog's zone (UTC by default)",
            "t",
        ),
    ),
)

# What rules saw when they decided: `decisions` has it as a map.
SEEN = Table(
    name="seen",
    events=(Decision,),
    gathered=seen_features,
    columns=(
        Column("decision", ID, "row of the decision"),
        Column("name", TEXT, "of the feature"),
        Column("value", NUMBER, "what it was"),
    ),
)

DECISIONS = Table(
    name="decisions",
    events=(Decision,),
    beside=SEEN,
    columns=(
        Column("timestamp", BAR, "bar", "t"),
        Column("asset_id", ASSET, "asset; NULL where a limit acted on the account", "sid"),
        Column("rule", TEXT, "name of the rule or limit"),
        Column(
            "action",
            TEXT,
            "stop, target (a level was touched), exit (asked at the close), wait (an exit may not "
            "sell yet); edit, deny (a limit changed a weight); reduce, liquidate, halt, resume (a "
            "limit acted on the account)",
        ),
        Column(
            "level",
            NUMBER,
            "price of the level, or the weight that a limit left; NULL for a close rule",
        ),
        Column("reason", TEXT, "what the rule does"),
        Column(
            "features",
            FEATURES,
            "the feature values that the rule saw when it decided",
            COMPUTED,
        ),
    ),
)

SELECTIONS = Table(
    name="selections",
    events=(Selected,),
    counted="sids",
    columns=(
        Column("timestamp", BAR, "decision bar", "t"),
        Column("asset_id", ASSET, "asset", "sids"),
        Column("rank", COUNT, "1 = best"),
        Column(
            "score",
            FINITE,
            "value of the ranking expression, or what a query gave as one, else NULL",
        ),
        Column(
            "weight",
            FINITE,
            "target share of equity; NULL where a query asked for shares or signals",
        ),
    ),
)

CASH_FLOWS = Table(
    name="cash_flows",
    events=(CashFlow,),
    columns=(
        Column("timestamp", BAR, "bar", "t"),
        Column("asset_id", ASSET, "asset; NULL for flows of the account", "sid"),
        Column(
            "kind",
            TEXT,
            "deposit, dividend, borrow, interest, delisting, cash in lieu, return_of_capital, "
            "cash, rights, withholding, merger, funding, or variation_margin: what a contract "
            "made since the last close, one row per contract held or traded; fx_revaluation: what "
            "rates made of cash in other currencies, and of dividends until they were paid",
        ),
        Column("amount", NUMBER, "account currency, positive = received"),
        Column("in_trades", FLAG, "it is part of the pnl of trades too"),
    ),
)

CURRENCIES = Table(
    name="currencies",
    events=(CashAtClose,),
    counted="cash",
    columns=(
        Column("timestamp", BAR, "bar; where all assets are in one currency there are none", "t"),
        Column("currency", TEXT, "of the account, or of assets", "currencies"),
        Column("cash", NUMBER, "in the currency itself; below 0 where it is lent"),
        Column("rate", NUMBER, "account currency per unit; NULL: none is known yet"),
        Column("value", NUMBER, "cash * rate, account currency", COMPUTED),
    ),
    is_later=True,
)

SIGNALS = Table(
    name="signals",
    events=(Computed,),
    columns=(
        Column("timestamp", BAR, "bar", "t"),
        Column("asset_id", ASSET, "asset; NULL where a value is market-wide", "sid"),
        Column("name", TEXT, "as the feature provider's function returned it"),
        Column("value", FINITE, "what it computed; NULL where that is text"),
        Column("value_text", TEXT, "what it computed, where that is text"),
    ),
    helpers=(
        Column("t", COUNT, "number of the bar"),
        Column("sid", COUNT, "number of the asset, -1: none"),
    ),
    order=(
        "t",
        "sid",
        "name",
    ),
)

BENCHMARK = Table(
    name="benchmark",
    is_later=True,
    events=(Compared,),
    counted="t",
    columns=(
        Column("timestamp", BAR, "bar; without benchmark and risk-free rate there are none", "t"),
        Column(
            "value",
            NUMBER,
            "the initial capital in the benchmark since the first close, account currency; NULL: "
            "no benchmark",
        ),
        Column(
            "risk_free_rate",
            NUMBER,
            "a year, as a fraction, over the bar; NULL: none, which is 0 in the metrics",
        ),
    ),
)

TABLES = {
    table.name: table
    for table in (RUNS, ORDERS, FILLS, TRADES, POSITIONS, EQUITY, DECISIONS, SELECTIONS,
                  CASH_FLOWS, CURRENCIES, SIGNALS, EVIDENCE, BENCHMARK, WAITING)
}  # fmt: skip
# All that is made of events, in the end.
STAGED = (*TABLES.values(), SEEN)
# What every column means, with unit and sign.
COLUMNS = {
    name: {column.name: column.comment for column in (RUN_ID, *table.columns)}
    for name, table in TABLES.items()
}


def table_comments() -> list[str]:
    """Return the statements that write every description into its table."""
    return [
        comment(table, column, text)
        for table, columns in COLUMNS.items()
        for column, text in columns.items()
    ]
