"""W1 on zipline-reloaded.

TradingAlgorithm with order_target_percent in handle_data over an in-memory bar
reader, so that no bundle is ingested (and no price is rounded to a bundle's integers).

It must differ from the rule in the size: an order's quantity is fixed when it is
placed, so the target is 1/25 of the equity at the closes of the decision bar, at these
closes. Everything else is the rule: zipline fills a daily order on the next bar, a
SlippageModel gives the open with 5 bp, PerDollar the 10 bp on that price, and there is
no cash check. Orders are whole shares, so the run trades 10,000 times the capital (one
zipline share is 1/10,000 share) and the equity is divided by that at the end. The bars
are relabelled as consecutive NYSE sessions, because zipline takes only the sessions of
a calendar.

W2 is not expressed: zipline's stop orders trigger on the close and fill a bar later,
and it has no trailing stop and no exit after a number of bars.
"""

import warnings

import numpy as np
import pandas as pd
import sqlalchemy as sa
from _common import COMMISSION, INITIAL_CASH, SLIPPAGE, TOP_N, arguments, report
from _panel import Panel, read_panel
from zipline.algorithm import TradingAlgorithm
from zipline.assets import AssetDBWriter, AssetFinder, Equity
from zipline.data.data_portal import DataPortal
from zipline.data.in_memory_daily_bars import InMemoryDailyBarReader
from zipline.finance.commission import PerDollar
from zipline.finance.order import Order
from zipline.finance.slippage import SlippageModel
from zipline.finance.trading import SimulationParameters
from zipline.protocol import BarData
from zipline.utils.calendar_utils import TradingCalendar, get_calendar

SCALE = 10_000.0


class ArrayReader(InMemoryDailyBarReader):
    """Daily bars looked up in arrays by session and sid."""

    def __init__(self, frames: dict[str, pd.DataFrame], calendar: TradingCalendar):
        sids = frames["close"].columns
        super().__init__(frames, calendar, pd.Series("USD", index=sids))
        self._row = {session: i for i, session in enumerate(self._sessions)}

    @property
    def last_available_dt(self) -> pd.Timestamp:
        return self._sessions[-1]

    def get_value(self, sid: int, dt: pd.Timestamp, field: str) -> float:
        return self._values[field][self._row[dt], sid]

    def get_last_traded_dt(self, asset: Equity, dt: pd.Timestamp) -> pd.Timestamp:
        return dt


class SlippedOpen(SlippageModel):
    """Fill the whole order at this bar's open, 5 bp worse."""

    def process_order(self, data: BarData, order: Order) -> tuple[float, int]:
        slip = SLIPPAGE if order.amount > 0 else -SLIPPAGE
        return data.current(order.asset, "open") * (1.0 + slip), order.amount


def make_portal(panel: Panel, calendar: TradingCalendar, sessions: pd.DatetimeIndex) -> DataPortal:
    """Put the panel behind an in-memory asset database and bar reader."""
    equities = pd.DataFrame({"symbol": panel.assets, "exchange": "X"})
    equities["asset_name"] = equities["symbol"]
    equities["start_date"], equities["end_date"] = sessions[0], sessions[-1]
    exchanges = pd.DataFrame({"exchange": ["X"], "canonical_name": ["X"], "country_code": ["US"]})
    engine = sa.create_engine("sqlite://")
    warnings.simplefilter("ignore", FutureWarning)  # from its asset writer
    AssetDBWriter(engine).write(equities=equities, exchanges=exchanges)
    frames = {name: pd.DataFrame(wide, index=sessions) for name, wide in panel.prices.items()}
    reader = ArrayReader(frames, calendar)
    finder = AssetFinder(engine)
    return DataPortal(finder, calendar, sessions[0], equity_daily_reader=reader)


def main() -> None:
    args = arguments("W1")
    panel = read_panel(args.data_dir, ["open", "high", "low", "close", "volume"])
    targets = panel.targets()
    calendar = get_calendar("XNYS")
    sessions = calendar.sessions[: len(panel.timestamps)]
    portal = make_portal(panel, calendar, sessions)
    equities = portal.asset_finder.retrieve_all(range(len(panel.assets)))

    def initialize(algo: TradingAlgorithm) -> None:
        algo.bar = -1
        algo.set_slippage(us_equities=SlippedOpen())
        algo.set_commission(us_equities=PerDollar(COMMISSION))

    def handle_data(algo: TradingAlgorithm, data: BarData) -> None:
        algo.bar += 1
        if algo.bar not in targets:
            return
        picks = [equities[c] for c in targets[algo.bar]]
        for asset in set(algo.portfolio.positions).difference(picks):
            algo.order_target(asset, 0)
        for asset in picks:
            algo.order_target_percent(asset, 1.0 / TOP_N)

    algorithm = TradingAlgorithm(
        sim_params=SimulationParameters(sessions[0], sessions[-1], calendar, INITIAL_CASH * SCALE),
        data_portal=portal,
        initialize=initialize,
        handle_data=handle_data,
        benchmark_returns=pd.Series(np.zeros(len(sessions)), index=sessions),
    )
    perf = algorithm.run()
    equity = perf["portfolio_value"].iloc[-1] / SCALE
    fills = sum(len(day) for day in perf["transactions"])
    report("zipline-reloaded", "zipline-reloaded", args.workload, equity, fills)


if __name__ == "__main__":
    main()
