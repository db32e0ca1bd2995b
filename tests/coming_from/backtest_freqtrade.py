"""Has freqtrade backtest a strategy over the pages' prices, without a network.

freqtrade asks an exchange for its markets even to backtest; here it is told them. Its candles have
no days off, so that the bars are dated day by day from the first.
"""

from __future__ import annotations

import csv
import json
import logging
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from freqtrade.configuration import Configuration
from freqtrade.enums import RunMode
from freqtrade.exchange import Exchange
from freqtrade.optimize.backtesting import Backtesting

EXCHANGE, CASH = "kraken", 100_000
FIRST = datetime(2023, 1, 3, tzinfo=UTC)
PRICES = ("open", "high", "low", "close", "volume")


def backtest(strategy: str) -> tuple[float, list[list[object]]]:
    """Return final balance and fills: the number of the bar, asset, quantity, price."""
    logging.disable(logging.WARNING)
    assets = write_candles(Path("user_data/data") / EXCHANGE)
    folder = Path("user_data/strategies")
    folder.mkdir(parents=True)
    (folder / "page.py").write_text(strategy, encoding="utf-8")
    Exchange._load_async_markets = told(assets)
    Path("config.json").write_text(json.dumps(settings(assets)), encoding="utf-8")
    arguments = {
        "config": ["config.json"], "strategy": "AboveMean", "user_data_dir": "user_data",
        "export": "none",
    }  # fmt: skip
    backtesting = Backtesting(Configuration(arguments, RunMode.BACKTEST).get_config())
    backtesting.start()
    found = backtesting.results["strategy"]["AboveMean"]
    fills: list[list[object]] = []
    for trade in found["trades"]:
        asset = trade["pair"].partition("/")[0]
        for side, word in ((1, "open"), (-1, "close")):
            bar = (trade[f"{word}_date"] - FIRST).days
            fills.append([bar, asset, side * trade["amount"], trade[f"{word}_rate"]])
    return found["final_balance"], fills


def write_candles(folder: Path) -> list[str]:
    """Write a file per asset, and return the assets."""
    folder.mkdir(parents=True)
    candles: dict[str, list[list[float]]] = defaultdict(list)
    with Path("prices.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            known = candles[row["asset_id"]]
            day = FIRST + timedelta(days=len(known))
            known.append([day.timestamp() * 1000, *(float(row[name]) for name in PRICES)])
    for asset, rows in candles.items():
        (folder / f"{asset}_USD-1d.json").write_text(json.dumps(rows), encoding="utf-8")
    return list(candles)


def told(assets: list[str]) -> Any:
    """Return what stands for the loading of markets."""
    free = {"min": None, "max": None}
    markets = [
        {
            "id": f"{asset}USD", "symbol": f"{asset}/USD", "base": asset, "quote": "USD",
            "active": True, "type": "spot", "spot": True, "contract": False,
            "precision": {"amount": 1e-8, "price": 1e-8},
            "limits": {"amount": free, "cost": free, "price": free, "leverage": free},
            "info": {},
        }
        for asset in assets
    ]  # fmt: skip

    def load(self: Exchange, reload: bool = False) -> None:
        for api in (self._api, self._api_async):
            api.set_markets(markets)

    return load


def settings(assets: list[str]) -> dict[str, Any]:
    """Return the configuration: 10 basis points a side, at most one trade per asset."""
    pricing = {"price_side": "other", "use_order_book": False}
    orders = {"entry": "market", "exit": "market", "stoploss": "market"}
    return {
        "stake_currency": "USD", "stake_amount": 10_000, "dry_run_wallet": CASH, "dry_run": True,
        "max_open_trades": len(assets), "tradable_balance_ratio": 1.0, "fee": 0.001,
        "exchange": {
            "name": EXCHANGE, "pair_whitelist": [f"{asset}/USD" for asset in assets],
        },
        "pairlists": [{"method": "StaticPairList"}],
        "entry_pricing": pricing, "exit_pricing": pricing,
        "order_types": {**orders, "stoploss_on_exchange": False},
        "timeframe": "1d", "dataformat_ohlcv": "json",
    }  # fmt: skip
