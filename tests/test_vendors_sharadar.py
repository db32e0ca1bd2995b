"""Sharadar's tables: as traded with actions or adjusted without, and never both."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from ml4t.backtest import BacktestEngine, Catalog, TopN, vendors
from ml4t.backtest.data.sources.adapted import Adapted
from ml4t.backtest.errors import ConfigError, DataError
from vendor_files import ACTIONS, SEP, TICKERS, run_of, zipped


def table(text: str) -> pl.DataFrame:
    return pl.read_csv(text.encode(), infer_schema=False, null_values=[""])


def changes(adapted: Adapted) -> list[str]:
    return [str(change) for source in adapted for change in source.changes]


def with_action(*lines: str) -> pl.DataFrame:
    return table(ACTIONS.splitlines()[0] + "\n" + "\n".join(lines) + "\n")


def test_with_actions_prices_are_as_traded() -> None:
    adapted = vendors.sharadar(table(SEP), table(ACTIONS))
    old = [row for row in adapted["prices"].to_pylist() if row["asset_id"] == "OLD"]
    assert [row["close"] for row in old] == [100, 102, 52, 53]
    assert old[0] == {"timestamp": date(2024, 1, 2), "asset_id": "OLD", "open": 98, "high": 102,
                      "low": 96, "close": 100, "volume": 1000}  # fmt: skip
    assert adapted["actions"].to_pylist() == [
        # 0.2 per share of today were 0.4 per share of the 3rd; on the 5th both are one.
        {"asset_id": "OLD", "ex_date": date(2024, 1, 3), "kind": "dividend", "value": 0.4},
        {"asset_id": "OLD", "ex_date": date(2024, 1, 5), "kind": "dividend", "value": 0.4},
        {"asset_id": "OLD", "ex_date": date(2024, 1, 4), "kind": "split", "value": 2.0},
        {"asset_id": "OLD", "ex_date": date(2024, 1, 6), "kind": "delisting", "value": None},
    ]
    assert changes(adapted) == [
        "prices: as traded, by closeunadj / close (9 rows)",
        "dividends: put back from today's shares to those of the day (1 rows)",
        "delisted: the day after the last price, at a price not known (1 rows)",
        "acquisitionby: not used (1 rows)",
        "tickerchangefrom: not used (1 rows)",
        "tickerchangeto: not used (1 rows)",
    ]


def test_a_dividend_on_the_day_of_a_split_is_per_share_before_it() -> None:
    adapted = vendors.sharadar(
        table(SEP), with_action("2024-01-04,dividend,OLD,Old Inc,0.2,N/A,N/A")
    )
    assert adapted["actions"]["value"].to_pylist() == [0.4]


def test_without_actions_prices_are_adjusted_and_stay_alone() -> None:
    adapted = vendors.sharadar(table(SEP))
    assert [one.role for one in adapted] == ["prices"]
    first = adapted["prices"].to_pylist()[-4]
    assert (first["asset_id"], first["close"]) == ("OLD", pytest.approx(49.2))
    assert first["open"] == pytest.approx(49 * 49.2 / 50)
    assert first["volume"] == 2000
    assert "no actions belong to them (9 rows)" in changes(adapted)[0]


def test_a_holder_earns_the_same_either_way() -> None:
    """OLD from the open of the 3rd, an ex-date, to the close of the 5th: two of 53.4."""

    def final_value(*tables: pl.DataFrame) -> float:
        sep = table(SEP).filter(pl.col("ticker") == "OLD")
        adapted = vendors.sharadar(sep, *tables)
        strategy = TopN(1, by="1", when="timestamp = date '2024-01-02'")
        run = BacktestEngine(Catalog().register_all(adapted), strategy, initial_capital=10_000.0)
        return float(run.run().metrics["final_value"])

    raw, adjusted = final_value(table(ACTIONS)), final_value()
    shares = 10_000 / 1.0015 / 100
    assert raw == pytest.approx(shares * 2 * (53 + 0.4), rel=1e-3)
    assert adjusted == pytest.approx(raw, rel=5e-3)


@pytest.mark.parametrize(("action", "value"), [("split", "2"), ("adrratiosplit", "0.5")])
def test_a_split_counts_by_its_value_or_its_inverse_as_prices_show(action: str, value: str) -> None:
    line = f"2024-01-04,{action},OLD,Old Inc,{value},N/A,N/A"
    adapted = vendors.sharadar(table(SEP), with_action(line))
    assert adapted["actions"].to_pylist() == [
        {"asset_id": "OLD", "ex_date": date(2024, 1, 4), "kind": "split", "value": 2.0}
    ]
    assert ("splits filed by their inverse (1 rows)" in changes(adapted)) == (value == "0.5")


def test_a_split_that_prices_do_not_show_is_left_out_and_one_filed_twice_counts_once() -> None:
    adapted = vendors.sharadar(table(SEP), with_action(
        "2024-01-04,split,NEW,New Inc,3,N/A,N/A", "2024-01-04,split,OLD,Old Inc,2,N/A,N/A",
        "2024-01-04,adrratiosplit,OLD,Old Inc,2,N/A,N/A",
    ))  # fmt: skip
    assert adapted["actions"]["asset_id"].to_pylist() == ["OLD"]
    assert "splits that the prices do not show, left out (1 rows)" in changes(adapted)
    assert "splits filed twice on one day (1 rows)" in changes(adapted)


def test_cash_of_one_day_adds_up_and_a_row_that_repeats_counts_once() -> None:
    line = "2024-01-05,dividend,OLD,Old Inc,0.4,N/A,N/A"
    adapted = vendors.sharadar(table(SEP), with_action(
        line, line, "2024-01-05,dividend,OLD,Old Inc,0.4,OLD,N/A",
        "2024-01-05,spinoffdividend,OLD,Old Inc,3,KID,Kid Inc",
        "2024-01-05,spinoff,OLD,Old Inc,0.25,KID,Kid Inc",
    ))  # fmt: skip
    assert adapted["actions"]["value"].to_pylist() == [pytest.approx(3.8)]
    said = changes(adapted)
    assert "rows that were there before, left out (1 rows)" in said
    assert "spinoffdividend: paid in cash, the child is not held (1 rows)" in said
    assert "dividends of one day of an asset, added up (2 rows)" in said
    assert "spinoff: not used (1 rows)" in said


def test_an_end_with_prices_after_it_comes_behind_them() -> None:
    line = "2024-01-03,delisted,OLD,Old Inc,1,N/A,N/A"
    adapted = vendors.sharadar(table(SEP), with_action(line))
    assert adapted["actions"]["ex_date"].to_pylist() == [date(2024, 1, 6)]
    assert "delisted: with prices after it, ended behind those (1 rows)" in changes(adapted)


def test_assets_are_the_lines_of_the_tables_of_prices() -> None:
    adapted = vendors.sharadar(table(SEP), table(ACTIONS), table(TICKERS))
    assert adapted["assets"].to_pylist()[0] == {
        "asset_id": "OLD", "permaticker": "100", "exchange": "NYSE",
        "category": "Domestic Common Stock", "sector": "Energy", "industry": "Oil",
    }  # fmt: skip
    assert adapted["assets"].num_rows == 2
    assert "TICKERS: lines of other tables or without prices, left out (2 rows)" in changes(adapted)
    assert "TICKERS: what is so today, for all of the past (2 rows)" in changes(adapted)


def test_zips_unsorted_rows_and_typed_frames_read_alike(tmp_path: Path) -> None:
    first, *rest = SEP.strip().splitlines()
    zipped(tmp_path / "SEP.zip", [first, *reversed(rest)])
    typed = pl.read_csv(SEP.encode(), try_parse_dates=True)
    expected = vendors.sharadar(table(SEP))["prices"]
    assert vendors.sharadar(tmp_path / "SEP.zip")["prices"] == expected
    assert vendors.sharadar(typed)["prices"] == expected
    assert vendors.sharadar(typed.to_pandas())["prices"] == expected
    typed.write_parquet(tmp_path / "sep.parquet")
    assert vendors.sharadar(tmp_path / "sep.parquet")["prices"] == expected


def test_a_table_of_another_layout_says_what_it_lacks() -> None:
    with pytest.raises(DataError, match=r"lacks closeunadj in SEP; its columns are ticker, date"):
        vendors.sharadar(table(SEP).drop("closeunadj"))
    with pytest.raises(DataError, match=r"lacks date, action, value in ACTIONS"):
        vendors.sharadar(table(SEP), table(TICKERS))
    with pytest.raises(ConfigError, match="SEP must be a path or a frame, was a int"):
        vendors.sharadar(3)


def test_a_run_equals_that_of_the_same_tables_registered_by_hand() -> None:
    rows = [line.split(",") for line in SEP.strip().splitlines()[1:]]
    prices = {
        "timestamp": [date.fromisoformat(row[1]) for row in rows],
        "asset_id": [row[0] for row in rows],
        "open": [float(row[2]) * float(row[8]) / float(row[5]) for row in rows],
        "close": [float(row[8]) for row in rows],
    }
    actions = {
        "asset_id": ["OLD"] * 4,
        "ex_date": [date(2024, 1, day) for day in (3, 4, 5, 6)],
        "kind": ["dividend", "split", "dividend", "delisting"],
        "value": [0.4, 2.0, 0.4, None],
    }
    hand = Catalog().register("prices", prices).register("actions", actions)
    adapted = vendors.sharadar(table(SEP), table(ACTIONS), table(TICKERS))
    results = [run_of(Catalog().register_all(adapted), 2), run_of(hand, 2)]
    assert results[0].metrics["dividends"] == results[1].metrics["dividends"] > 0
    assert results[0].metrics["final_value"] == results[1].metrics["final_value"]
