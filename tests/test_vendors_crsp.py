"""CRSP's daily file in both layouts: what a holder earned is `ret`, and at the end `dlret`."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from ml4t.backtest import BacktestEngine, Catalog, TopN, vendors
from ml4t.backtest.data.sources.adapted import Adapted
from ml4t.backtest.errors import DataError
from vendor_files import DSEDELIST, DSF, DSF_V2, run_of


def table(text: str) -> pl.DataFrame:
    return pl.read_csv(text.encode(), infer_schema=False, null_values=[""])


def changes(adapted: Adapted) -> list[str]:
    return [str(change) for source in adapted for change in source.changes]


def legacy(*lines: str) -> pl.DataFrame:
    return table("permno,date,prc,vol,ret,cfacpr,cfacshr\n" + "\n".join(lines) + "\n")


def actions_of(*lines: str) -> list[tuple[str, float]]:
    found = vendors.crsp(legacy(*lines))["actions"].to_pylist()
    return [(row["kind"], row["value"]) for row in found]


def test_splits_dividends_and_delistings_are_told_by_returns_and_factors() -> None:
    adapted = vendors.crsp(table(DSF), table(DSEDELIST))
    split, dividend, end = adapted["actions"].to_pylist()
    assert split == {"asset_id": 10001, "ex_date": date(2024, 1, 4), "kind": "split", "value": 2.0}
    assert (dividend["ex_date"], dividend["kind"]) == (date(2024, 1, 5), "dividend")
    assert dividend["value"] == pytest.approx(0.40)  # flat at 51.60 from 52 with a return of 0
    assert end == {"asset_id": 10001, "ex_date": date(2024, 1, 9), "kind": "delisting",
                   "value": pytest.approx(35.0)}  # fmt: skip
    assert changes(adapted) == [
        "prices: as traded",
        "close: an average of bid and ask, its sign dropped (1 rows)",
        "days without a price, left out (1 rows)",
        "open: missing, from the close (1 rows)",
        "splits: steps of cfacshr or cfacpr (1 rows)",
        "dividends: what ret is above the prices, to six digits of ret (1 rows)",
        "ret: missing or a code, no dividend known (1 rows)",
        "delistings: dlret over the last price, behind it (1 rows)",
    ]


def test_the_present_layout_reads_as_the_legacy_one() -> None:
    old, new = vendors.crsp(table(DSF), table(DSEDELIST)), vendors.crsp(table(DSF_V2))
    assert new["prices"] == old["prices"]
    assert new["actions"] == old["actions"]


def test_a_negative_price_is_an_average_on_which_nothing_fills() -> None:
    row = vendors.crsp(table(DSF), table(DSEDELIST))["prices"].to_pylist()[7]
    assert row == {"timestamp": date(2024, 1, 4), "asset_id": 10002, "open": 20.5, "high": 20.75,
                   "low": 20.25, "close": 20.5, "volume": 0.0, "is_quote": True}  # fmt: skip


def test_a_holder_earns_what_crsp_says() -> None:
    """Bought at 100, the open of the 3rd and the close before it, and held to the end."""
    adapted = vendors.crsp(table(DSF), table(DSEDELIST))
    strategy = TopN(1, by="-asset_id", when="timestamp = date '2024-01-02'")
    catalog = Catalog().register_all(adapted)
    run = BacktestEngine(catalog, strategy, initial_capital=10_000.0).run()
    final = float(run.metrics["final_value"])
    # ret and dlret compound to 70.54, the dividend of 0.40 invested again; as cash it is spared the
    # falls behind it.
    compounded = 100 * 1.02 * 1.019608 * 1.0 * 0.968992 * 0.7
    assert compounded == pytest.approx(70.54, abs=0.01)
    assert final == pytest.approx(10_000 / 1.0015 / 100 * 2 * (50.0 * 0.7 + 0.40), rel=1e-5)


def test_a_spin_off_is_cash_and_a_right_that_is_paid_for_is_no_share() -> None:
    # The price factor moves by the child's worth, the number of shares does not.
    assert actions_of("1,20240102,100,9,,1.25,1", "1,20240103,80,9,0.0,1.0,1") == [
        ("dividend", pytest.approx(20.0))
    ]
    # One new share for two, at a price: more shares outstanding, but a holder who pays nothing
    # has what the price factor says.
    assert actions_of("1,20240102,100,9,,1.1,1.5", "1,20240103,91,9,0.001,1.0,1.0") == [
        ("split", pytest.approx(1.1))
    ]
    assert actions_of("1,20240102,100,9,,1,1", "1,20240103,101,9,0.010001,1,1") == []


def test_codes_are_missing_and_what_does_not_fit_is_said() -> None:
    lines = ("1,20240102,100,9,,1,1", "1,20240103,101,-99,-99.0,1,1", "1,20240104,102,9,C,1,1",
             "1,20240105,103,9,-0.5,1,1")  # fmt: skip
    adapted = vendors.crsp(legacy(*lines))
    assert adapted["prices"]["volume"].to_pylist() == [9.0, None, 9.0, 9.0]
    assert adapted["actions"].num_rows == 0
    said = changes(adapted)
    assert "ret: missing or a code, no dividend known (2 rows)" in said
    assert "ret: below what prices and factors make, no dividend (1 rows)" in said
    assert any(one.startswith("delistings: none are given; pass dsedelist") for one in said)
    assert "open: none is given, the close stands for it (4 rows)" in said


def test_rows_that_events_repeat_count_once_and_delistings_may_be_joined() -> None:
    joined = table(DSF).join(
        table(DSEDELIST).select(PERMNO="permno", DLSTCD="dlstcd", DLRET="dlret"), on="PERMNO"
    )
    twice = pl.concat([joined, joined.filter(pl.col("date") == "2024-01-05")])
    adapted = vendors.crsp(twice.with_columns(DIVAMT=pl.lit("0.4")))
    expected = vendors.crsp(table(DSF), table(DSEDELIST))
    assert adapted["prices"] == expected["prices"]
    assert adapted["actions"] == expected["actions"]
    assert "rows that were there before, left out (2 rows)" in changes(adapted)


def test_a_delisting_return_that_is_missing_is_a_value_not_known() -> None:
    unknown = table(DSEDELIST.replace("-0.30", "-55.0"))
    adapted = vendors.crsp(table(DSF), unknown)
    assert adapted["actions"].to_pylist()[-1]["value"] is None
    assert "delistings: their return is missing, a value not known (1 rows)" in changes(adapted)
    worthless = vendors.crsp(table(DSF), table(DSEDELIST.replace("-0.30", "-1.0")))
    assert worthless["actions"].to_pylist()[-1]["value"] == 0.0


def test_a_file_of_another_layout_says_what_it_lacks() -> None:
    with pytest.raises(DataError, match=r"lacks ret in daily; its columns are permno, date"):
        vendors.crsp(table(DSF).drop("RET"))
    with pytest.raises(DataError, match=r"lacks dlydelflg in daily"):
        vendors.crsp(table(DSF_V2).drop("dlydelflg"))
    with pytest.raises(DataError, match=r"lacks dlret in delistings"):
        vendors.crsp(table(DSF), table(DSEDELIST).drop("dlret"))


def test_a_run_equals_that_of_the_same_rows_registered_by_hand() -> None:
    rows = [line.split(",") for line in DSF.strip().splitlines()[1:]]
    rows = [row for row in rows if row[2]]
    prices = {
        "timestamp": [date.fromisoformat(row[1]) for row in rows],
        "asset_id": [int(row[0]) for row in rows],
        "open": [float(row[3] or row[2].lstrip("-")) for row in rows],
        "close": [abs(float(row[2])) for row in rows],
        "volume": [float(row[6]) for row in rows],
    }
    actions = {
        "asset_id": [10001] * 3,
        "ex_date": [date(2024, 1, day) for day in (4, 5, 9)],
        "kind": ["split", "dividend", "delisting"],
        "value": [2.0, 52.0 - 51.6, 50 * 0.7],
    }
    hand = Catalog().register("prices", prices).register("actions", actions)
    adapted = vendors.crsp(table(DSF), table(DSEDELIST))
    results = [run_of(Catalog().register_all(adapted), 2), run_of(hand, 2)]
    assert results[0].metrics["n_fills"] == results[1].metrics["n_fills"] > 0
    assert results[0].metrics["final_value"] == results[1].metrics["final_value"]
