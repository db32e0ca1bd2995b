"""Figures of trades, of what made their money and of what they cost."""

from __future__ import annotations

from ml4t.backtest.results.page.figure import Channel, Encoding, Figure, FigureKind, Format
from ml4t.backtest.results.page.metric_formats import metrics_shown

_X, _Y = Channel.X, Channel.Y
_TRADE = Encoding("trade_id", "Trade", Format.COUNT)
_ASSET = Encoding("asset_id", "Asset", Format.TEXT)
_RETURN = Encoding("return", "Return of the trade", Format.PERCENT, _Y)
_PNL = Encoding("pnl", "P&L", Format.MONEY)
_TRADES = Encoding("n_trades", "Trades", Format.COUNT)
_AVERAGE = Encoding("average_return", "Mean return", Format.PERCENT)
ATTRIBUTION_FIGURES = (
    Figure(
        name="attribution",
        section="Attribution",
        title="P&L by what was known",
        meaning="Which trades made the money, open lots at their mark; the parts of each split add "
        "up to all of it.",
        kind=FigureKind.BARS,
        columns=(
            Encoding("name", "Split by", Format.TEXT, Channel.SPLIT),
            Encoding("value", "Part", Format.TEXT, _X),
            _TRADES,
            Encoding("pnl", "P&L", Format.MONEY, _Y),
            Encoding("pnl_before_costs", "P&L before costs", Format.MONEY),
            _AVERAGE,
        ),
    ),
    Figure(
        name="entry_ranks",
        section="Attribution",
        title="Return by rank at the entry",
        meaning="Whether what ranked higher made more, among the assets that were chosen.",
        kind=FigureKind.BARS,
        columns=(
            Encoding("entry_rank", "Rank at the entry", Format.COUNT, _X),
            _TRADES,
            _PNL,
            Encoding("average_return", "Mean return", Format.PERCENT, _Y),
            Encoding("share_won", "Share won", Format.PERCENT),
        ),
    ),
    Figure(
        name="exits",
        section="Attribution",
        title="Exit rules",
        meaning="Which rule closed how much, and what it made net of costs.",
        kind=FigureKind.TABLE,
        columns=(
            Encoding("exit_rule", "Exit rule", Format.TEXT),
            _TRADES,
            _PNL,
            _AVERAGE,
            Encoding("average_bars_held", "Mean bars", Format.NUMBER),
        ),
    ),
)
TRADE_FIGURES = (
    *(
        Figure(
            name=name,
            section="Trades",
            title=title,
            meaning=meaning,
            kind=FigureKind.SCATTER,
            columns=(_TRADE, _ASSET, Encoding(column, label, format_, _X), _RETURN, _PNL),
        )
        for name, column, label, format_, title, meaning in (
            ("adverse_excursions", "mae", "Worst while held", Format.PERCENT,
             "Adverse excursion", "How far each trade went against its holder (MAE), and what it "
             "made."),
            ("favourable_excursions", "mfe", "Best while held", Format.PERCENT,
             "Favourable excursion", "How far each trade went for its holder (MFE), and what it "
             "made."),
            ("holding_times", "bars_held", "Bars held", Format.COUNT,
             "Holding time", "For how many bars each closed trade was held, and what it made."),
        )
    ),
    Figure(
        name="trades",
        section="Trades",
        title="All trades",
        meaning="Closed lot parts in the order of their exits, then open lots at their mark; net "
        "of costs.",
        kind=FigureKind.TABLE,
        columns=(
            _TRADE,
            _ASSET,
            Encoding("side", "Side", Format.TEXT),
            Encoding("entry_timestamp", "Entry", Format.TIME),
            Encoding("exit_timestamp", "Exit", Format.TIME),
            Encoding("exit_rule", "Exit rule", Format.TEXT),
            Encoding("bars_held", "Bars held", Format.COUNT),
            _PNL,
            Encoding("return", "Return", Format.PERCENT),
            Encoding("mae", "Worst", Format.PERCENT),
            Encoding("mfe", "Best", Format.PERCENT),
            Encoding("quantity", "Quantity", Format.NUMBER),
            Encoding("entry_price", "Entry price", Format.PRICE),
            Encoding("exit_price", "Exit price", Format.PRICE),
        ),
    ),
    Figure(
        name="trade",
        section="Trades",
        title="A trade on its price",
        meaning="Closes while it was held. A triangle up is a purchase, one down a sale, a dashed "
        "line a level that was touched, a stroke a selection, a diamond another decision.",
        kind=FigureKind.TRADE,
        columns=(
            Encoding("timestamp", "Bar", Format.TIME, _X),
            Encoding("kind", "What", Format.TEXT, Channel.COLOR),
            Encoding("price", "Price", Format.PRICE, _Y),
            Encoding("note", "Note", Format.TEXT),
        ),
        is_picked=True,
    ),
)  # fmt: skip
COST_FIGURES = (
    Figure(
        name="costs",
        section="Costs",
        title="Costs in all",
        meaning="Account currency; slippage and impact are inside the prices of fills.",
        kind=FigureKind.BARS,
        columns=(
            Encoding("kind", "Kind", Format.TEXT, _X),
            Encoding("amount", "Amount", Format.MONEY, _Y),
        ),
    ),
    Figure(
        name="monthly_costs",
        section="Costs",
        title="Costs by month",
        meaning="What trading cost in each month, account currency.",
        kind=FigureKind.BARS,
        columns=(
            Encoding("month", "Month", Format.TIME, _X),
            Encoding("costs", "Costs", Format.MONEY, _Y),
            *metrics_shown(("commission", "tax", "fee", "slippage", "impact", "borrow")),
        ),
    ),
    Figure(
        name="monthly_turnover",
        section="Costs",
        title="Turnover by month",
        meaning="The value of all fills over the mean equity of the month; both sides count.",
        kind=FigureKind.BARS,
        columns=(
            Encoding("month", "Month", Format.TIME, _X),
            Encoding("turnover", "Turnover", Format.PERCENT, _Y),
            Encoding("n_fills", "Fills", Format.COUNT),
        ),
    ),
    Figure(
        name="unfilled_orders",
        section="Costs",
        title="Orders not filled whole",
        meaning="Why less was traded than was asked for, or nothing.",
        kind=FigureKind.TABLE,
        columns=(
            Encoding("status", "Status", Format.TEXT),
            Encoding("reason", "Reason", Format.TEXT),
            Encoding("n_orders", "Orders", Format.COUNT),
        ),
    ),
    Figure(
        name="liquidity",
        section="Costs",
        title="Hardest to sell",
        meaning="Trading dates that it would take to sell the largest position of an asset, at a "
        "tenth of the volume.",
        kind=FigureKind.TABLE,
        columns=(
            _ASSET,
            Encoding("largest_quantity", "Largest position, shares", Format.NUMBER),
            Encoding("session_volume", "Volume of a session", Format.NUMBER),
            Encoding("days_to_liquidate", "Days", Format.NUMBER),
        ),
    ),
)
