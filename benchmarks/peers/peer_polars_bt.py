"""W1 on polars_bt, by its engine tempo.

mosaic, its engine of days, sizes a rebalance that keeps no asset by the initial capital.

Asked to do the rule: the weights stand on the row of the fill bar, is_rebalance is true there,
and t1=False lets a position be sold on the day of its purchase. It knows returns and no prices:
they run from open to open, and one more timestamp has the last closes. There is no slippage, so
both costs are in the two fees.

It must differ in the size: a buy that its cash does not cover in full, costs included, is not
done at all and says nothing, which with 25 weights of 1/25 leaves out the last asset of nearly
every rebalance. The weights are 0.3% smaller, so that all 25 are bought; the equity is 0.8% lower.
It keeps no fills and no trades: cash, value, turnover and number of holdings a timestamp. It wants
a dense, sorted panel; nothing is joined, ranked or checked, and there are no shorts, stops, lots.
"""

from datetime import timedelta

import polars as pl
from _common import COMMISSION, INITIAL_CASH, SLIPPAGE, arguments, report
from _polars import read_frames
from polars_bt import tempo

BUY = (1.0 + SLIPPAGE) * (1.0 + COMMISSION) - 1.0
SELL = 1.0 - (1.0 - SLIPPAGE) * (1.0 - COMMISSION)
AFFORDABLE = 0.997


def main() -> None:
    args = arguments("W1", any_interval=True)
    frames = read_frames(args.data_dir, after=timedelta(seconds=1), every=args.every)
    fills = frames.decisions.drop_nulls()
    targets = frames.picks.join(fills, on="decided").select("asset_id", "filled", "weight")
    n_assets = frames.prices["asset_id"].n_unique()
    price = pl.col("price")
    panel = frames.prices.join(
        targets,
        left_on=["timestamp", "asset_id"],
        right_on=["filled", "asset_id"],
        how="left",
        maintain_order="left",
    ).select(
        "timestamp",
        "asset_id",
        weight=pl.col("weight").fill_null(0.0) * AFFORDABLE,
        period_ret=(price / price.shift(n_assets) - 1.0).fill_null(0.0),
        tradable=pl.lit(True),
        is_rebalance=pl.col("timestamp").is_in(fills["filled"].implode()),
    )
    path = panel.select(
        tempo(
            "timestamp",
            "asset_id",
            "weight",
            "period_ret",
            "tradable",
            "tradable",
            "is_rebalance",
            t1=False,
            st_fee=SELL,
            lg_fee=BUY,
        ).alias("path")
    ).unnest("path")
    report("polars_bt", "polars-bt", args.workload, INITIAL_CASH * path["nav"][-1], None)


if __name__ == "__main__":
    main()
