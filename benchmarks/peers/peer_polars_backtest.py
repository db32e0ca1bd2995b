"""W1 on polars_backtest (PolyForm Noncommercial licence: run it, take nothing from it).

Asked to do the rule: backtest_with_report with the weights of a decision on every row until the
next one and resample=None, so that it trades where they change, at the next row's price. It trades
and marks at one price, so the prices are the opens, and one more day has the last closes. There is
no slippage, so both costs are in fee_ratio, and tax_ratio (on sales) corrects the sales by 0.0001
basis points.

It must differ in the costs, which it takes out of the positions: without any costs its equity is
that of numpy_w1 without them. It keeps no fills, just trades (first entry to last exit). Times are
cut to dates, so that it cannot run minute bars; nothing is joined, ranked, or checked against
the bar, and there are no shorts, lots, cash or orders.
"""

from datetime import timedelta

import polars as pl
import polars_backtest
from _common import COMMISSION, INITIAL_CASH, SLIPPAGE, arguments, report
from _polars import read_frames

BUY = (1.0 + SLIPPAGE) * (1.0 + COMMISSION) - 1.0
SELL = 1.0 - (1.0 - SLIPPAGE) * (1.0 - COMMISSION)


def main() -> None:
    args = arguments("W1")
    frames = read_frames(args.data_dir, after=timedelta(days=1))
    in_force = frames.prices.join_asof(
        frames.decisions.select("decided"), left_on="timestamp", right_on="decided"
    )
    weighted = in_force.join(
        frames.picks, on=["decided", "asset_id"], how="left", maintain_order="left"
    ).with_columns(pl.col("weight").fill_null(0.0))
    result = polars_backtest.backtest_with_report(
        weighted,
        trade_at_price="price",
        date="timestamp",
        symbol="asset_id",
        resample=None,
        fee_ratio=BUY,
        tax_ratio=SELL - BUY,
    )
    assert result.trades.height
    growth = result.creturn["creturn"][-1]
    report("polars_backtest", "polars-backtest", args.workload, INITIAL_CASH * growth, None)


if __name__ == "__main__":
    main()
