"""Frames that yfinance 1.7.0 made (yahoo_frames.py): what is adjusted, and when a bar ends."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pytest

from ml4t.backtest import BacktestEngine, Catalog, TopN, vendors
from ml4t.backtest.data.sources.adapted import Adapted
from ml4t.backtest.errors import ConfigError, DataError
from vendor_files import YFINANCE, run_of


def frame(name: str) -> pd.DataFrame:
    """A frame as yfinance returns it."""
    header = 0 if name == "history" else [0, 1]
    return pd.read_csv(YFINANCE / f"{name}.csv", header=header, index_col=0, parse_dates=True)


def changes(adapted: Adapted) -> list[str]:
    return [str(change) for source in adapted for change in source.changes]


def test_split_adjusted_prices_have_their_dividends_and_no_splits() -> None:
    adapted = vendors.yfinance(frame("by_field"))
    assert adapted["actions"].to_pylist() == [
        {"asset_id": "MSFT", "ex_date": date(2024, 6, 7), "kind": "dividend", "value": 0.75},
        {"asset_id": "NVDA", "ex_date": date(2024, 6, 6), "kind": "dividend", "value": 0.25},
    ]
    assert adapted["prices"].to_pylist()[0] == {
        "timestamp": date(2024, 6, 3), "asset_id": "MSFT", "open": 412.5, "high": 414.0,
        "low": 412.0, "close": 413.0, "volume": 1000.0,
    }  # fmt: skip
    assert changes(adapted) == [
        "prices: adjusted for splits, not for dividends",
        "Stock Splits: left out, they are in the prices (1 rows)",
        "Adj Close: left out; it is Close less later dividends",
        "rows without a price, left out (1 rows)",
        "actions: Dividends, adjusted for splits as the prices are (2 rows)",
    ]


def test_either_order_of_the_columns_and_a_saved_frame_are_the_same() -> None:
    by_field = vendors.yfinance(frame("by_field"))
    for other in (frame("by_ticker"), YFINANCE / "by_field.csv", str(YFINANCE / "by_ticker.csv")):
        read = vendors.yfinance(other)
        assert read["prices"] == by_field["prices"]
        assert read["actions"] == by_field["actions"]


def test_adjusted_prices_have_no_actions() -> None:
    adapted = vendors.yfinance(frame("adjusted"))
    assert [one.role for one in adapted] == ["prices"]
    assert changes(adapted)[0] == (
        "prices: adjusted for splits and dividends; no actions belong to them"
    )


def test_a_ticker_that_failed_does_not_make_adjusted_prices_unadjusted() -> None:
    # It has an empty Adj Close, though auto_adjust=True has none; MSFT pays 0.75 in Dividends.
    given = frame("one_failed")
    assert ("Adj Close", "GONE") in given.columns
    adapted = vendors.yfinance(given)
    assert [one.role for one in adapted] == ["prices"]
    assert "Dividends: left out, they are in the prices (1 rows)" in changes(adapted)
    assert "assets without any price, left out: GONE" in changes(adapted)
    with pytest.raises(DataError, match="has no price at all, of GONE"):
        vendors.yfinance(given.xs("GONE", axis=1, level=1), asset_id="GONE")


def test_a_position_earns_a_dividend_once_whichever_way_it_was_downloaded() -> None:
    """A buy-and-hold of MSFT over its ex-date, on the frame before and after adjustment."""

    def total_return(name: str) -> float:
        one = frame(name).xs("MSFT", axis=1, level=1)
        catalog = Catalog().register_all(vendors.yfinance(one, asset_id="MSFT"))
        metrics = BacktestEngine(catalog, TopN(1, by="1"), initial_capital=1e6).run().metrics
        return float(metrics["total_return"])

    # The answers' Adj Close takes 1.00 off where 0.75 were paid: 0.25 of 416, six hundredths.
    assert total_return("by_field") == pytest.approx(total_return("adjusted"), abs=1e-3)
    assert total_return("by_field") == pytest.approx((427 + 0.75) / 415.5 - 1, abs=2e-3)


def test_history_names_no_ticker_and_its_midnights_are_days() -> None:
    with pytest.raises(ConfigError, match=r"names no ticker; name it: .*asset_id='AAPL'"):
        vendors.yfinance(frame("history"))
    given = frame("history")
    assert given.index.tz is not None  # midnight in New York, 04:00 UTC
    one = vendors.yfinance(given, asset_id="NVDA")
    assert one["prices"]["timestamp"][0].as_py() == date(2024, 6, 3)
    assert vendors.yfinance({"NVDA": given})["prices"] == one["prices"]
    assert vendors.yfinance(YFINANCE / "history.csv", asset_id="NVDA")["prices"] == one["prices"]


def test_an_hour_is_stamped_where_it_ends_and_a_week_at_its_last_day() -> None:
    hours = vendors.yfinance(frame("hours"))["prices"]["timestamp"].to_pylist()
    assert hours[0] == datetime(2024, 6, 3, 14, 30, tzinfo=UTC)  # 9:30 to 10:30 in New York
    assert vendors.yfinance(YFINANCE / "hours.csv")["prices"]["timestamp"].to_pylist() == hours
    shorter = vendors.yfinance(frame("hours"), bar="30min")["prices"]["timestamp"][0].as_py()
    assert shorter == datetime(2024, 6, 3, 14, 0, tzinfo=UTC)
    weeks = vendors.yfinance(frame("weeks"))
    assert weeks["prices"]["timestamp"][0].as_py() == date(2024, 6, 9)
    assert "timestamp: the last day of bars of 7 days (3 rows)" in changes(weeks)
    months = frame("weeks")
    months.index = pd.DatetimeIndex(["2024-01-01", "2024-02-01", "2024-03-01"], name="Date")
    assert vendors.yfinance(months)["prices"]["timestamp"].to_pylist() == [
        date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31),
    ]  # fmt: skip


def test_gains_that_are_within_dividends_count_once() -> None:
    given = frame("fund")  # falls by 7.90, Dividends are 7.86, of which 6.42 are gains
    within = vendors.yfinance(given)
    assert within["actions"]["value"].to_pylist() == [7.86]
    assert "Capital Gains: within Dividends already (1 rows)" in changes(within)
    given.loc[given.index[2], ("Dividends", "FUND")] = 1.44  # as repair=True mends it
    beside = vendors.yfinance(given)
    assert beside["actions"]["value"].to_pylist() == [pytest.approx(7.86)]
    assert "Capital Gains: added to Dividends (1 rows)" in changes(beside)


def test_a_volume_that_nobody_counts_halts_nothing() -> None:
    adapted = vendors.yfinance(frame("fx"))
    assert adapted["prices"]["volume"].to_pylist() == [None] * 3
    assert "volume: 0 throughout an asset, taken as missing (3 rows)" in changes(adapted)
    assert run_of(Catalog().register_all(adapted)).metrics["n_fills"] > 0


def test_prices_without_actions_say_what_to_download() -> None:
    adapted = vendors.yfinance(frame("without_actions"))
    assert [one.role for one in adapted] == ["prices"]
    assert "dividends: there are none; download with actions=True to have them" in changes(adapted)


def test_what_is_no_such_frame_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Close above its High in 67% .*as back_adjust=True makes"):
        vendors.yfinance(frame("back_adjusted"))
    mixed = {
        "MSFT": frame("adjusted").xs("MSFT", axis=1, level=1),
        "NVDA": frame("by_field").xs("NVDA", axis=1, level=1),
    }
    with pytest.raises(DataError, match="some tickers with Adj Close and some without"):
        vendors.yfinance(mixed)
    times = {"HOUR": frame("hours").xs("HOUR", axis=1, level=1), "NVDA": mixed["NVDA"]}
    with pytest.raises(DataError, match="days of some tickers and times of others"):
        vendors.yfinance(times)
    with pytest.raises(ConfigError, match=r"was a list: vendors\.yfinance\(yfinance\.download"):
        vendors.yfinance([1])
    with pytest.raises(DataError, match=r"finds no file at .*prices\.csv"):
        vendors.yfinance(tmp_path / "prices.csv")
    with pytest.raises(DataError, match=r"lacks Open, .*Volume for MSFT; its columns are Close"):
        vendors.yfinance(frame("history").drop(columns="Open")[["Close"]], asset_id="MSFT")
    swapped = frame("by_field").rename(columns=str.lower, level=0)
    with pytest.raises(DataError, match=r"two levels, neither of which is Open, High.*'adj close'"):
        vendors.yfinance(swapped)


def test_a_run_equals_that_of_the_same_rows_registered_by_hand() -> None:
    given = frame("by_field")
    rows = [
        (day.date(), name, given.loc[day, ("Open", name)], given.loc[day, ("Close", name)])
        for name in ("MSFT", "NVDA")
        for day in given.index
        if given.loc[day, ("Close", name)] > 0
    ]
    hand = (
        Catalog()
        .register("prices", pd.DataFrame(rows, columns=["timestamp", "asset_id", "open", "close"]))
        .register("actions", {"asset_id": ["MSFT", "NVDA"], "kind": ["dividend", "dividend"],
                              "ex_date": [date(2024, 6, 7), date(2024, 6, 6)],
                              "value": [0.75, 0.25]})
    )  # fmt: skip
    results = [run_of(Catalog().register_all(vendors.yfinance(given)), 2), run_of(hand, 2)]
    assert results[0].metrics["dividends"] == results[1].metrics["dividends"] > 0
    assert results[0].metrics["final_value"] == results[1].metrics["final_value"]
