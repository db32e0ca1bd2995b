"""Forms that are easily got wrong: each is refused with what was found and what to write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml4t.backtest import Catalog
from ml4t.backtest.errors import ConfigError, DataError

DAYS = pd.bdate_range("2024-01-02", periods=4, name="Date")
CLOSES = pd.DataFrame(np.arange(12.0).reshape(4, 3) + 10, index=DAYS, columns=["AAPL", "IBM", "KO"])
PANEL = pd.concat({"open": CLOSES, "close": CLOSES}, axis=1, names=["Price", "Ticker"])
LONG = CLOSES.stack().rename("close").reset_index()
LONG.columns = pd.Index(["timestamp", "asset_id", "close"])


def _csv(frame: pd.DataFrame, **options: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        frame.to_csv(folder / "prices.csv", **options)
        return folder / "prices.csv"

    return write


def _parquet_called_csv(folder: Path) -> Path:
    LONG.to_parquet(folder / "prices.csv")
    return folder / "prices.csv"


WRONG: dict[str, tuple[Callable[[Path], Any], str]] = {
    "two rows of names": (
        _csv(PANEL),
        r"prices.csv has several rows of names, Price, open, open above Ticker, AAPL, IBM, .* "
        r"pandas.read_csv\('.*prices.csv', header=\[0, 1\], index_col=0, parse_dates=True\)",
    ),
    "a header alone": (_csv(LONG.iloc[:0], index=False), "'prices' has no rows"),
    "Parquet called CSV": (_parquet_called_csv, r"prices.csv is Parquet; .* suffix \.parquet"),
    "seconds since 1970": (
        _csv(LONG.assign(timestamp=LONG["timestamp"].astype("datetime64[s]").astype("int64"))),
        r"'timestamp' of type BIGINT; .* date_format='%Y%m%d' (.|\n)*to_timestamp",
    ),
    "a price of another name": (
        lambda _: LONG.rename(columns={"close": "value"}),
        r"no column 'close'; known: .* if one of them is it, say so: columns={'close': 'value'}",
    ),
    "prices that are text": (
        lambda _: LONG.assign(close="x"), "'close' of type VARCHAR; a price must be .* cast it",
    ),
    "assets by times": (
        lambda _: CLOSES.T, "has times as columns; turn it round: frame.T",
    ),
    "a wide frame of rows by number": (
        lambda _: CLOSES.reset_index(drop=True),
        "has no times: neither its index nor one column is such; .* date_format=",
    ),
    "a wide frame of texts as times": (
        lambda _: CLOSES.set_axis(DAYS.strftime("%d %b %Y")), "date_format='%d/%m/%Y'",
    ),
    "rows as dicts": (
        lambda _: LONG.to_dict("records"), r"is a list of dict; .* pandas.DataFrame\(rows\)",
    ),
    "rows as lists": (
        lambda _: LONG.to_numpy().tolist(), "is a list of list; .* with columns= where rows are",
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", WRONG)
def test_a_wrong_form_is_refused_with_the_line_to_write(form: str, tmp_path: Path) -> None:
    make, message = WRONG[form]
    with pytest.raises((DataError, ConfigError), match=message) as refused:
        Catalog().register("prices", make(tmp_path)).validate()
    assert "'prices'" in str(refused.value)


def test_an_array_of_other_axes_says_what_names_its_rows_and_columns() -> None:
    with pytest.raises(DataError, match="4 timestamps x 1 assets; timestamps= names each of its"):
        Catalog().register("prices", np.ones((4, 3)), timestamps=DAYS, asset_ids=["AAPL"])
