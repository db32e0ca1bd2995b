"""Vendors: one function per layout of a data vendor, from its files to our roles.

Each returns an `Adapted`: ``catalog.register_all(vendors.binance_klines("klines/*.csv"))``. Its
docstring says what is odd about the layout and what is done about it.
"""

from typing import TYPE_CHECKING

from ml4t.backtest.lazy import names_of

if TYPE_CHECKING:
    from ml4t.backtest.vendors.binance import binance_klines
    from ml4t.backtest.vendors.crsp_daily import crsp
    from ml4t.backtest.vendors.csvdir import zipline_csvdir
    from ml4t.backtest.vendors.databento import databento_dbn
    from ml4t.backtest.vendors.lean import lean_zip
    from ml4t.backtest.vendors.qlib import qlib_bin
    from ml4t.backtest.vendors.sharadar_tables import sharadar
    from ml4t.backtest.vendors.text_bars import firstrate, kibot
    from ml4t.backtest.vendors.yahoo import yfinance
    from ml4t.backtest.vendors.zipline import zipline_bundle

__all__ = [
    "binance_klines",
    "crsp",
    "databento_dbn",
    "firstrate",
    "kibot",
    "lean_zip",
    "qlib_bin",
    "sharadar",
    "yfinance",
    "zipline_bundle",
    "zipline_csvdir",
]

# A module is not named as its function: importing it would put it in the function's place.
__getattr__, __dir__ = names_of(
    __name__,
    {
        "binance": ("binance_klines",),
        "crsp_daily": ("crsp",),
        "csvdir": ("zipline_csvdir",),
        "databento": ("databento_dbn",),
        "lean": ("lean_zip",),
        "qlib": ("qlib_bin",),
        "sharadar_tables": ("sharadar",),
        "text_bars": ("firstrate", "kibot"),
        "yahoo": ("yfinance",),
        "zipline": ("zipline_bundle",),
    },
)
