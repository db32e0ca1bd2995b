"""W1 on NautilusTrader.

BacktestEngine with one simulated venue, a netting cash account that may borrow (the
overdraft) and one Equity per asset.

It was asked to run on opening quotes, not on bars: its bar execution replays a whole
bar before the strategy sees it, so an order from the close of bar t cannot fill at the
open of bar t+1. Each asset has one quote per bar (bid = ask = open) and one more at the
end at the last close. A time alert 1 ns after the quotes of a fill bar makes the
strategy size the decision of the bar before at these opens and send market orders,
sells first, which fill at the quotes. Nautilus has no slippage rate (only a probability
of one tick), so a FeeModel charges the 5 bp, and the 10 bp on the slipped value, in
cash. Equities trade in whole shares, so the run trades 10,000 times the capital and the
equity is divided by that at the end. Prices keep 9 decimals. The pre-trade risk engine
is bypassed (it denies orders beyond the free cash) and there is no post-run analysis.

W2 is not expressed: without bars there is no high or low for a stop to look at.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from _common import COMMISSION, INITIAL_CASH, SLIPPAGE, TOP_N, arguments, report
from _panel import Panel, read_panel
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.backtest.models import FeeModel
from nautilus_trader.common.events import TimeEvent
from nautilus_trader.config import LoggingConfig, RiskEngineConfig
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import Equity, Instrument
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.model.orders import Order
from nautilus_trader.persistence.wranglers import QuoteTickDataWrangler
from nautilus_trader.trading.strategy import Strategy

SCALE = 10_000.0
VENUE = Venue("SIM")


class Costs(FeeModel):
    """Slippage and the commission on the slipped price, both charged in cash."""

    def get_commission(
        self,
        order: Order,
        quantity: Quantity,
        price: Price,
        instrument: Instrument,
    ) -> Money:
        side = 1.0 if order.side == OrderSide.BUY else -1.0
        rate = SLIPPAGE + COMMISSION * (1.0 + side * SLIPPAGE)
        return Money(quantity.as_double() * price.as_double() * rate, USD)


class TopScores(Strategy):
    """Rebalance on the alert of each fill bar."""

    def __init__(self, picks: Mapping[int, list[Equity]]) -> None:
        super().__init__()
        self.picks = picks
        self.fills = 0

    def on_start(self) -> None:
        for alert in self.picks:
            self.clock.set_time_alert_ns(str(alert), alert, self.rebalance)

    def rebalance(self, event: TimeEvent) -> None:
        picks = {equity.id: equity for equity in self.picks[event.ts_event]}
        held = {p.instrument_id: p.signed_qty for p in self.cache.positions_open()}
        opens = {
            key: self.cache.quote_tick(key).bid_price.as_double()
            for key in picks.keys() | held.keys()
        }
        equity = self.cache.account_for_venue(VENUE).balance_total(USD).as_double()
        equity += sum(quantity * opens[key] for key, quantity in held.items())
        deltas = {key: -quantity for key, quantity in held.items()}
        for key in picks:
            deltas[key] = equity / TOP_N / opens[key] - held.get(key, 0.0)
        for key, delta in sorted(deltas.items(), key=lambda item: item[1] > 0.0):
            side = OrderSide.BUY if delta > 0.0 else OrderSide.SELL
            quantity = Quantity(abs(delta), 0)
            if quantity:
                self.submit_order(self.order_factory.market(key, side, quantity))

    def on_order_filled(self, event: OrderFilled) -> None:
        self.fills += 1


def make_equity(asset: str) -> Equity:
    key = InstrumentId(Symbol(asset), VENUE)
    tick, lot = Price(1e-9, 9), Quantity.from_int(1)
    return Equity(key, key.symbol, USD, 9, tick, lot, ts_event=0, ts_init=0)


def add_quotes(engine: BacktestEngine, panel: Panel, equities: list[Equity]) -> None:
    """Add one quote per bar at the open and a last one at the last close."""
    stamps = pd.DatetimeIndex(panel.timestamps).as_unit("ns").tz_localize("UTC")
    stamps = stamps.append(stamps[-1:] + pd.Timedelta(2, "ns"))
    prices = np.vstack([panel.prices["open"], panel.prices["close"][-1:]])
    quotes = []
    for equity, column in zip(equities, prices.T, strict=True):
        engine.add_instrument(equity)
        frame = pd.DataFrame({"bid_price": column, "ask_price": column}, index=stamps)
        quotes += QuoteTickDataWrangler(equity).process(frame, default_volume=1e12)
    engine.add_data(quotes, validate=False)


def main() -> None:
    args = arguments("W1")
    panel = read_panel(args.data_dir, ["open", "close"])
    engine = BacktestEngine(
        BacktestEngineConfig(
            logging=LoggingConfig(bypass_logging=True),
            risk_engine=RiskEngineConfig(bypass=True),
            run_analysis=False,
        )
    )
    engine.add_venue(
        venue=VENUE,
        oms_type=OmsType.NETTING,
        account_type=AccountType.CASH,
        base_currency=USD,
        starting_balances=[Money(INITIAL_CASH * SCALE, USD)],
        fee_model=Costs(),
        allow_cash_borrowing=True,
    )
    equities = [make_equity(asset) for asset in panel.assets]
    add_quotes(engine, panel, equities)
    stamps = panel.timestamps.astype("datetime64[ns]").astype(np.int64)
    strategy = TopScores(
        {
            int(stamps[bar + 1]) + 1: [equities[c] for c in picks]
            for bar, picks in panel.targets().items()
            if bar + 1 < len(stamps)
        }
    )
    engine.add_strategy(strategy)
    engine.run()
    equity = engine.cache.account_for_venue(VENUE).balance_total(USD).as_double()
    for position in engine.cache.positions_open():
        quote = engine.cache.quote_tick(position.instrument_id)
        equity += position.signed_qty * quote.bid_price.as_double()
    fills, total = strategy.fills, equity / SCALE
    report("nautilus_trader", "nautilus_trader", args.workload, total, fills)


if __name__ == "__main__":
    main()
