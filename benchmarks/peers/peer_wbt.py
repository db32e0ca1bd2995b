"""W1 on wbt.

Asked to do the rule: the weights of a decision from its fill bar on, weight_type="cs" (a sum over
assets), one fee with the slippage in it. It knows one price a bar, so the prices are the opens and
one more day has the last closes.

It must differ in the size: between two rows it keeps the weight and not the shares, so that
positions return to 1/25 at every bar at no cost, and the costs are those of the change of the
weights. Its own returns are not compounded; here they are. Weights are rounded to so many
digits. It keeps no fills, cash or orders: returns, and pairs of entry and exit. Nothing is ranked,
joined or checked against the bar, and there are no stops.
"""

from datetime import timedelta

import polars as pl
from _common import COMMISSION, INITIAL_CASH, SLIPPAGE, arguments, report
from _polars import read_frames
from wbt import WeightBacktest

COST = (1.0 + SLIPPAGE) * (1.0 + COMMISSION) - 1.0


def main() -> None:
    args = arguments("W1")
    frames = read_frames(args.data_dir, after=timedelta(days=1))
    fills = frames.decisions.drop_nulls()
    in_force = frames.prices.join_asof(fills, left_on="timestamp", right_on="filled")
    weighted = in_force.join(
        frames.picks, on=["decided", "asset_id"], how="left", maintain_order="left"
    ).select(
        dt=pl.col("timestamp").cast(pl.Datetime("ms")),
        symbol="asset_id",
        weight=pl.col("weight").fill_null(0.0),
        price="price",
    )
    result = WeightBacktest(weighted, digits=4, fee_rate=COST, weight_type="cs")
    returns = result.daily_return["total"].to_numpy()
    assert len(result.pairs)
    report("wbt", "wbt", args.workload, INITIAL_CASH * float((1.0 + returns).prod()), None)


if __name__ == "__main__":
    main()
