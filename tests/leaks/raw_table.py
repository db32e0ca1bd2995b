"""The table that the files of `planted` read: one asset's bars, with all that belongs to them.

A column other than those of the bars has a value at the bars at which something happens:
``earnings`` at the ends of periods, as first published; ``published`` the same at the bar at which
they were; ``restated`` their last revision, at that bar; ``split`` new shares per old; ``vix`` and
``news`` every fifth bar.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

PLANTED = Path(__file__).parent / "planted"
BARS = ["open", "high", "low", "close", "volume"]
EXTRA = [
    "earnings", "published", "restated", "split", "vix", "news", "is_member_today", "close_b",
    "close_c",
]  # fmt: skip


def planted_files() -> list[Path]:
    """Return the files of the thirty classes, then those of the clean five."""
    return sorted(PLANTED.glob("[ck][0-9]*.py"))


def imported(file: Path) -> ModuleType:
    """Import a planted file."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    return module


def columns_read(file: Path) -> list[str]:
    """Return the columns beside those of the bars that a planted file reads."""
    said = set(re.findall(r'"(\w+)"', file.read_text(encoding="utf-8")))
    return [name for name in EXTRA if name in said]


def raw_table(prices: pd.DataFrame, reports: pd.DataFrame, asset: str) -> pd.DataFrame:
    """Return the table of one asset of the panel that `panel.write_panel` writes."""
    assets = sorted(prices["asset_id"].unique())
    others = [assets[(assets.index(asset) + i) % len(assets)] for i in (1, 2)]
    by_asset = {
        one: prices[prices["asset_id"] == one].set_index("timestamp").sort_index()
        for one in (asset, *others)
    }
    own = by_asset[asset][BARS].rename_axis("timestamp")
    reports = reports[reports["asset_id"] == asset].sort_values(["available_at", "timestamp"])
    first, last = (reports.drop_duplicates("timestamp", keep=keep) for keep in ("first", "last"))
    places = own.index.searchsorted(first["available_at"])
    is_there = places < len(own)
    at = own.index[places[is_there]]
    of_last = last.set_index("timestamp").loc[first["timestamp"], "earnings"].to_numpy()
    n = np.arange(len(own))
    return own.assign(
        earnings=first.set_index("timestamp")["earnings"],
        published=pd.Series(first["earnings"].to_numpy()[is_there], at),
        restated=pd.Series(of_last[is_there], at),
        split=pd.Series(np.where(n == 75, 2.0, np.nan), own.index),
        vix=pd.Series(20 + 8 * np.sin(n / 9), own.index)[::5],
        news=pd.Series(np.sin(n * n / 7), own.index)[::5],
        is_member_today=1.0,
        close_b=by_asset[others[0]]["close"],
        close_c=by_asset[others[1]]["close"],
    )


def panel_feature(file: Path) -> Callable[[Any], pd.DataFrame]:
    """Return a planted file as a function of the sources of a catalog, asset by asset."""
    feature, extra = imported(file).feature, columns_read(file)

    def planted(sources: Any) -> pd.DataFrame:
        prices, reports = sources.prices.df(), sources.reports.df()
        parts = []
        for asset in sorted(prices["asset_id"].unique()):
            raw = raw_table(prices, reports, asset)[[*BARS, *extra]]
            values = pd.Series(np.asarray(feature(raw), dtype=float), raw.index)
            parts.append(values.rename("planted").reset_index().assign(asset_id=asset))
        return pd.concat(parts)[["timestamp", "asset_id", "planted"]]

    return planted
