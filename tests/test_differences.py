"""docs/differences.md: each row names its version and what shows it; every finding has its row."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import talib

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "differences.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("| ").split(" | ")]
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith(("| of |", "| --- |"))
]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_row_has_a_version_that_what_shows_it_names(row: list[str]) -> None:
    assert len(row) == 5
    links = re.findall(r"\]\(([^)#]+)", row[4])
    shown = "".join((ROOT / "docs" / one).resolve().read_text(encoding="utf-8") for one in links)
    if "test" in row[4]:  # what packages said was recorded with the page of metrics
        shown += (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    versions = re.findall(r"\d+(?:\.\d+)+", f"{row[1]} {row[2]}")
    assert versions
    own = row[0] == "the first value of an exponential average"  # what the tests run with
    assert own or [one for one in versions if one not in shown] == []


def test_every_finding_has_a_row() -> None:
    for script in (ROOT / "findings").glob("*.sh"):
        assert f"](../findings/{script.name})" in PAGE
        assert f"({script.name})" in (ROOT / "findings" / "README.md").read_text(encoding="utf-8")


def test_exponential_averages_begin_at_the_first_close_or_at_a_mean() -> None:
    closes = pd.Series([10.0, 11.0, 15.0, 15.0])
    adjusted, recursive = closes.ewm(span=3).mean(), closes.ewm(span=3, adjust=False).mean()
    by_talib = talib.EMA(closes.to_numpy(), 3)
    assert adjusted[1] == pytest.approx((11 + 0.5 * 10) / 1.5)
    assert recursive.tolist() == [10.0, 10.5, 12.75, 13.875]
    assert np.isnan(by_talib[:2]).all()
    assert by_talib[2:].tolist() == [12.0, 13.5]
