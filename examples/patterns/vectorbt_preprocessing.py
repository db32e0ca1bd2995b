"""VectorBT for indicators, this package for trading; or the catalog for both.

Run it with ``python examples/patterns/vectorbt_preprocessing.py``; ``pip install vectorbt pandas``
first, or see the catalog's half alone. Both ways make the columns ``rsi``, ``bb_upper`` and
``bb_lower``; with VectorBT the bands are compared to 1e-9, and the trades must be the same.

VectorBT's RSI is smoothed by a simple mean unless told otherwise. Wilder's, which TA-Lib and the
catalog compute, is an exponential one of weight 1/14, whose span is 2 * 14 - 1 = 27 bars; the two
start differently and then meet, so trading begins after half a year.
"""

import numpy as np
import polars as pl
from shared import require_equal_trades, show

from ml4t.backtest import BacktestEngine, Catalog
from ml4t.backtest.scenarios import make_scenario
from ml4t.backtest.strategies import PercentSizer, Rule, SignalStrategy

try:
    import vectorbt
except ImportError:
    vectorbt = None

COLUMNS = ("rsi", "bb_upper", "bb_lower")
RULES = SignalStrategy(
    entry_rules=[
        Rule.signal_above("prediction", 0.6),
        Rule.signal_below("close", "bb_upper"),
        Rule.expression("timestamp >= timestamp '2024-07-01'"),
        Rule.not_in_position(),
    ],
    exit_rules=[Rule.signal_above("rsi", 65), Rule.signal_below("close", "bb_lower")],
    position_sizer=PercentSizer(0.2),
)


def by_catalog(bars):
    """Register bars; RSI and bands are computed in SQL when they are read."""
    catalog = Catalog().register("prices", bars)
    return catalog.indicators.rsi(14, name="rsi").indicators.bollinger(20)


def by_vectorbt(bars):
    """Compute the same columns with VectorBT, and register them as features."""
    wide = bars.pivot(on="asset_id", index="timestamp", values="close")
    close = wide.to_pandas().set_index("timestamp")
    bands = vectorbt.BBANDS.run(close, window=20)
    rsi = vectorbt.RSI.run(close, window=2 * 14 - 1, ewm=True).rsi
    found = {"rsi": rsi, "bb_upper": bands.upper, "bb_lower": bands.lower}
    features = pl.DataFrame(
        {
            "timestamp": np.repeat(wide["timestamp"].to_numpy(), close.shape[1]),
            "asset_id": list(close.columns) * len(close),
            **{name: frame.to_numpy().ravel() for name, frame in found.items()},
        }
    )
    return Catalog().register("prices", bars).register("features", features)


def main():
    bars = make_scenario("neutral", n_assets=5, n_bars=504, seed=7).data
    ours = by_catalog(bars)
    result = BacktestEngine(ours, RULES).run()
    show("catalog.indicators", result)
    if vectorbt is None:
        print("vectorbt is not installed (pip install vectorbt pandas): its half is left out")
        return
    theirs = by_vectorbt(bars)
    query = f"select {', '.join(COLUMNS)} from signals order by timestamp, asset_id"
    for name, one, other in zip(COLUMNS, *(c.sql(query).pl() for c in (ours, theirs)), strict=True):
        gap = np.abs(one.to_numpy() - other.to_numpy())
        # The first bars of the RSI are where the two begin; see above.
        worst = np.nanmax(gap[len(gap) // 2 :] if name == "rsi" else gap)
        print(f"{name:<10} differs by {worst:.0e} at most")
        if worst > (1e-5 if name == "rsi" else 1e-9):
            raise AssertionError(f"{name} differs by {worst}")
    other = BacktestEngine(theirs, RULES).run()
    show("vectorbt", other)
    require_equal_trades(result, other)


if __name__ == "__main__":
    main()
