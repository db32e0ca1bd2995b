"""The panel: what the checks have read fills the chunks, and nothing else changes."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from effort import examples
from ml4t.backtest import BacktestEngine, Catalog, TopN, risk
from ml4t.backtest.core.batch import Chunk
from ml4t.backtest.data import panel, spilled
from ml4t.backtest.data.stream.batches import batches, plan_batches

START, N_BARS, N_ASSETS = date(2024, 1, 1), 7, 3
READ = ("open", "high", "low", "close", "volume", "x", "flag")
# A missing row, a bar without volume, one of which nobody counted it, and bars.
BARS = st.lists(st.sampled_from([None, 0, None, -1, 5, 7]), min_size=21, max_size=21)
# A missing row, a NULL, and values.
VALUES = st.lists(st.sampled_from(["", None, 0.0, 1.0, 2.5]), min_size=21, max_size=21)


def market(
    bars: list[int | None],
    values: list[float | str | None],
    *,
    has_open: bool,
    lag: str | None = None,
    order: Random | None = None,
) -> Catalog:
    """Bars at the first and the last day of every asset, and those drawn between them."""
    cells = [(START + timedelta(days=t), f"A{i}") for t in range(N_BARS) for i in range(N_ASSETS)]
    ends = [5, 5, 5]
    volumes = [*ends, *bars[3:-3], *ends]
    rows = [
        {
            "timestamp": day, "asset_id": asset, "close": 10.0 + n, "high": 11.0 + n,
            "low": 9.0 + n, "volume": None if volume == -1 else volume,
            **({"open": 10.5 + n} if has_open else {}),
        }
        for n, ((day, asset), volume) in enumerate(zip(cells, volumes, strict=True))
        if volume is not None
    ]  # fmt: skip
    known = [
        {"timestamp": day, "asset_id": asset, "x": value, "flag": value == 1.0}
        for (day, asset), value in zip(cells, values, strict=True)
        if value != ""
    ] or [{"timestamp": START, "asset_id": "A0", "x": 1.0, "flag": True}]
    if order is not None:
        order.shuffle(rows)
        order.shuffle(known)
    catalog = Catalog(threads=1)
    catalog.register("prices", {name: [row[name] for row in rows] for name in rows[0]})
    return catalog.register("features", {n: [row[n] for row in known] for n in known[0]}, lag=lag)


@contextmanager
def room(place: str) -> Iterator[None]:
    """Have columns be in memory, in a file of stretches of two bars, or nowhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(panel, "KEPT_BYTES", 1 << 20 if place == "memory" else 0)
        patch.setattr(spilled, "MOST_OF_FREE", 0.0 if place == "nowhere" else 0.5)
        patch.setattr(spilled, "STRETCH_CELLS", 2 * N_ASSETS)
        yield


def chunks(catalog: Catalog, place: str, *, n_bars: int = 2) -> list[Chunk]:
    with room(place):
        prepared = catalog.again().validate(READ)
        assert bool(prepared.panel.kept) == (place == "memory")
        assert bool(prepared.panel.spilled) == (place == "file")
        plan = plan_batches(prepared, has_levels=True, features=("x", "flag", "volume"))
        return list(batches(plan, None, prepared, chunk_cells=n_bars * N_ASSETS))


@settings(max_examples=examples(8), deadline=None)
@given(
    bars=BARS, values=VALUES, has_open=st.booleans(), place=st.sampled_from(["memory", "file"]),
    n_bars=st.integers(1, 3), order=st.randoms(use_true_random=False),
)  # fmt: skip
def test_chunks_are_the_same_whether_they_are_kept_or_read(
    bars: list[int | None], values: list[float | str | None], place: str, n_bars: int,
    order: Random, *, has_open: bool,
) -> None:  # fmt: skip
    catalog = market(bars, values, has_open=has_open, order=order)
    each = (chunks(catalog, one, n_bars=n_bars) for one in (place, "nowhere"))
    for kept, read in zip(*each, strict=True):
        for name, values_read in {**read.prices, **read.features}.items():
            values_kept = (kept.prices if name in read.prices else kept.features)[name]
            np.testing.assert_array_equal(values_kept, values_read, err_msg=name)
        for name in READ:
            if name in read.signals.names:
                np.testing.assert_array_equal(kept.signals[name], read.signals[name], err_msg=name)
        assert (kept.traded_close is None) == (read.traded_close is None) == has_open
        if kept.traded_close is not None:
            np.testing.assert_array_equal(kept.traded_close, read.traded_close)


@pytest.mark.parametrize("place", ["memory", "file"])
def test_what_is_kept_cannot_be_written(place: str) -> None:
    catalog = market([5] * 21, [1.0] * 21, has_open=True)
    with pytest.raises(ValueError, match="read-only"):
        chunks(catalog, place)[0].signals["close"][0, 0] = 0.0


@pytest.mark.parametrize(
    ("values", "lag", "has_all"),
    [([1.0] * 21, None, True), ([None] * 21, None, True), (["", *[1.0] * 20], None, False),
     ([1.0] * 21, "1 day", False)],
    ids=["a row at each bar", "rows without a value", "a bar without a row", "rows known later"],
)  # fmt: skip
def test_a_source_is_known_to_have_all_bars(
    values: list[float | str | None], lag: str | None, *, has_all: bool
) -> None:
    market_panel = market([5] * 21, values, has_open=True, lag=lag).validate().panel
    assert market_panel.has_all("features") == has_all


def test_it_is_known_that_a_source_has_all_bars_whichever_was_registered_first() -> None:
    days = [START + timedelta(days=t) for t in range(2)]
    catalog = Catalog(threads=1)
    catalog.register("features", {"timestamp": days, "asset_id": ["A"] * 2, "x": [1.0, 2.0]})
    catalog.register("prices", {"timestamp": days, "asset_id": ["A"] * 2, "close": [1.0, 2.0]})

    assert catalog.validate().panel.has_no_other("features")


@pytest.mark.parametrize(
    ("bars", "values", "has_others"),
    [([5] * 21, [1.0] * 21, False), ([*[5] * 10, None, *[5] * 10], [1.0] * 21, True),
     ([5] * 21, ["", *[1.0] * 20], True)],
    ids=["the same rows", "a row between bars", "a bar without a row"],
)  # fmt: skip
def test_prices_are_not_read_for_a_ranking_of_a_source_with_the_same_rows(
    bars: list[int | None], values: list[float | str | None], *, has_others: bool
) -> None:
    values = [value and -1.0 - n for n, value in enumerate(values)]
    catalog = market(bars, values, has_open=True)
    strategy = TopN(1, by="x", where="asset_id <> 'A0'", every=1)  # A1 is above A2
    assert catalog.validate().panel.has_no_other("features") != has_others

    result = BacktestEngine(catalog, strategy).run()

    found = result.sql("select asset_id from selections order by timestamp").fetchall()
    has_bar = [bars[3 * t + 1] is not None for t in range(N_BARS)]
    assert found == [("A1",) if there else ("A2",) for there in has_bar]
    read = " ".join(one.sql for one in catalog.explain(strategy) if "known_bars" in one.sql)
    assert bool(read) != has_others
    assert "main.prices" not in read


def test_columns_that_do_not_fit_are_not_kept() -> None:
    catalog = market([5] * 21, [1.0] * 21, has_open=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(panel, "KEPT_BYTES", 2 * 8 * N_BARS * N_ASSETS)
        kept = catalog.validate(("close", "x", "flag")).panel.kept
    assert {source: set(one.columns) for source, one in kept.items()} == {"prices": {"close"}}


@pytest.mark.parametrize("room", [2, 3])
def test_volume_is_kept_for_fills_as_long_as_no_bar_needs_the_room(room: int) -> None:
    catalog = market([5] * 21, [1.0] * 21, has_open=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(panel, "KEPT_BYTES", room * 8 * N_BARS * N_ASSETS)
        kept = catalog.validate(("close", "x")).panel.kept
    prices = {"close", "volume"} if room == 3 else {"close"}
    assert {source: set(one.columns) for source, one in kept.items()} == {
        "prices": prices, "features": {"x"},
    }  # fmt: skip


def test_fills_have_the_volume_of_their_bars_whether_it_was_kept_or_read() -> None:
    found = []
    for place in ("memory", "file", "nowhere"):
        catalog = market([5, 7, -1, 7, 5, -1, 7] * 3, [1.0, 2.5, 0.0] * 7, has_open=True)
        with room(place):
            result = BacktestEngine(catalog, TopN(2, by="x", every=1)).run()
        found.append(
            result.sql("select fill_id, timestamp, asset_id, volume from fills").fetchall()
        )
    assert found[0] == found[1] == found[2]
    assert {volume for *_, volume in found[0]} == {None, 5.0, 7.0}


def test_a_run_takes_the_columns_along_and_the_next_reads_them_again() -> None:
    prepared = market([5] * 21, [1.0] * 21, has_open=True).validate(("close",))
    scans, database = dict(prepared.panel.scans), prepared.database
    first = prepared.panel.take("prices", ("close", "asset_id"), database)
    assert not prepared.panel.kept
    again = prepared.panel.take("prices", ("close", "open"), database)
    assert first is not None
    assert again is not None
    np.testing.assert_array_equal(first.columns["close"], again.columns["close"])
    assert again.columns.keys() >= {"open", "close"}
    assert all(prepared.panel.scans[name] is scans[name] for name in scans)


def test_columns_that_do_not_fit_are_in_one_file_for_all_runs_of_a_catalog() -> None:
    with room("file"):
        prepared = market([5] * 21, [1.0] * 21, has_open=True).validate(("close", "x"))
        taken = [prepared.panel.take("prices", ("close",), prepared.database) for _ in "ab"]
    assert taken[0] is taken[1] is prepared.panel.spilled["prices"]
    assert prepared.panel.spilled["features"].names == ("x",)


def test_a_full_disk_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    written = []

    def full(self: spilled.SpilledColumns, values: np.ndarray) -> int:
        written.append(values)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spilled.SpilledColumns, "_write", full)
    with room("file"):
        found = market([5] * 21, [1.0] * 21, has_open=True).validate(("close",)).panel
    assert len(written) == 1
    assert not found.spilled


def test_without_a_folder_for_temporary_files_there_is_no_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with room("file"):
        assert not market([5] * 21, [1.0] * 21, has_open=True).validate(("close",)).panel.spilled


@pytest.mark.skipif(sys.platform == "win32", reason="has no forks")
def test_a_fork_does_not_move_what_another_reads() -> None:
    with room("file"):
        prepared = market([5] * 21, [1.0] * 21, has_open=True).validate(("close",))
        taken = prepared.panel.take("prices", ("close",), prepared.database)
    assert isinstance(taken, spilled.SpilledColumns)
    before = taken._file.tell()
    taken.cut(("close",), slice(0, N_BARS))
    assert taken._file.tell() == before  # a place that forks share


def test_columns_may_be_called_as_anything_that_is_read_beside_them() -> None:
    """Only names that begin with two underscores are the package's own."""
    names = ("cell", "flags", "source", "timeline", "assets", "n_assets", "more", "has_row")
    days = [START + timedelta(days=t) for t in range(N_BARS)]
    values = [float(t % 3 + 1) for t in range(N_BARS)]
    prices = {"timestamp": days, "asset_id": ["A"] * N_BARS, "open": values, "close": values}
    catalog = Catalog(threads=1).register("prices", {**prices, "volume": [1.0, 0.0] + [1.0] * 5})
    catalog.register(
        "features",
        {"timestamp": days, "asset_id": ["A"] * N_BARS, **dict.fromkeys(names, values)},
    )
    for name in names:
        rules = risk.RiskManager([risk.SignalExit(f"{name} > 2", features=(name,))])
        run = BacktestEngine(catalog, TopN(1, by=name), risk_manager=rules).run()
        seen = run.sql("select features from decisions").fetchall()
        assert seen == [({name: 3.0},)] * 2
