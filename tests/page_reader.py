"""A run that has all that a page shows, and what stands in a page, read without a browser."""

from __future__ import annotations

import gzip
import json
import re
from base64 import b64decode
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ml4t.backtest import BacktestEngine, BacktestResult, Catalog, TopN
from ml4t.backtest.risk import RiskManager, StopLoss, TimeBasedExit
from ml4t.backtest.synthetic import make_market


def run_with_stops(folder: Path, *, n: int = 3) -> BacktestResult:
    """A run of 160 bars with stops, time exits, decisions and a benchmark."""
    make_market(folder, n_assets=12, n_bars=160)
    catalog = Catalog()
    for role in ("prices", "features"):
        catalog.register(role, folder / f"{role}.parquet")
    return BacktestEngine(
        catalog,
        TopN(n, by="ml_score", every=5),
        risk_manager=RiskManager([StopLoss(0.04), TimeBasedExit(12)]),
        benchmark="equal_weight",
    ).run()


@dataclass
class Page:
    """A page: its text, and what its script would read."""

    text: str

    def __post_init__(self) -> None:
        packed = re.search(r'id="data">([^<]*)<', self.text)
        assert packed is not None
        self._bytes = gzip.decompress(b64decode(packed[1]))
        size = int.from_bytes(self._bytes[:4], "little")
        self.head: dict[str, Any] = json.loads(self._bytes[4 : 4 + size])
        self._start = 4 + size

    def rows(self, name: str) -> list[tuple[Any, ...]]:
        """Rows of a figure; times as datetimes."""
        (figure,) = (one for one in self.head["figures"] if one["name"] == name)
        columns = [self.column(one["data"]) for one in figure["columns"]]
        return list(zip(*columns, strict=True))

    def column(self, place: int) -> list[Any]:
        """A column by its number."""
        return read_column(self._bytes[self._start :], self.head["columns"][place])

    def metric(self, name: str, tag: str = "dd") -> str:
        """The text of a metric where it first stands."""
        found = re.search(rf'data-metric="{name}".*?<{tag}[^>]*>(.*?)</{tag}>', self.text)
        assert found is not None, name
        return found[1]


def read_column(content: bytes, form: dict[str, Any]) -> list[Any]:
    """A column as `assets/js/data.js` reads it."""
    n, at = form["n"], form["at"]
    width = form.get("width", 8)
    planes = np.frombuffer(content, np.uint8, n * width, at).reshape(width, n)
    plain = np.ascontiguousarray(planes.T)
    if form["kind"] == "double":
        return [None if np.isnan(one) else float(one) for one in plain.view("<f8")[:, 0]]
    codes = [int(one) for one in plain.view(f"<u{width}")[:, 0]] if n else []
    if form["moves"]:
        last, moved = 0, []
        for code in codes:
            last += -(code + 1) // 2 if code % 2 else code // 2
            moved.append(last)
        codes = moved
    places = [code - form["null"] for code in codes]
    whole = [None if one < 0 else form["least"] + one * form["step"] for one in places]
    if form["kind"] == "text":
        return [None if one is None else form["texts"][one] for one in whole]
    if form["kind"] == "time":
        return [None if one is None else datetime.fromtimestamp(one / 1e6) for one in whole]
    scale = 10 ** form["decimals"]
    return [None if one is None else one / scale if scale > 1 else one for one in whole]
