"""The next close, by lead() in a source that is a query."""

import duckdb
import pandas as pd


def feature(raw):
    bars = raw[["close"]].rename_axis("moment").reset_index()
    over = "over (order by moment)"
    query = f"select lead(close) {over} / close - 1 as ahead from bars order by moment"
    ahead = duckdb.query_df(bars, "bars", query).df()["ahead"]
    return pd.Series(ahead.to_numpy(), index=raw.index)


def signal(raw):
    value = feature(raw)
    return (value > 0).astype(float)
