"""Data in memory in every shape: each ends at the value of the long table, to the last digit."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from ml4t.backtest import BacktestConfig, BacktestEngine, Catalog, TopN
from ml4t.backtest.errors import ConfigError, DataError
from ml4t.backtest.execution import ExecutionPolicy, NextClose, NextOpen

FIELDS = ["open", "high", "low", "close", "volume"]
ASSETS = ["AAPL", "IBM", "KO", "LOW", "MSFT"]
N_DAYS = 40


def long_frame() -> pd.DataFrame:
    """Bars of five assets: KO comes late, IBM ends early, LOW does not trade on two days."""
    draw = np.random.default_rng(12)
    days = pd.bdate_range("2024-01-02", periods=N_DAYS)
    rows = []
    for asset in ASSETS:
        close = 50 * np.exp(np.cumsum(draw.normal(0, 0.02, N_DAYS)))
        first = close * np.exp(draw.normal(0, 0.005, N_DAYS))
        for i, day in enumerate(days):
            is_out = {"KO": i < 5, "IBM": i > 30, "LOW": i in (12, 13)}.get(asset, False)
            if not is_out:
                high, low = max(first[i], close[i]) * 1.01, min(first[i], close[i]) * 0.99
                volume = int(draw.integers(1_000, 9_000))
                rows.append((day, asset, first[i], high, low, close[i], volume, draw.normal()))
    return pd.DataFrame(rows, columns=["timestamp", "asset_id", *FIELDS, "score"])


LONG = long_frame()
DAYS = pd.DatetimeIndex(sorted(LONG["timestamp"].unique()))
WIDE = {
    name: LONG.pivot(index="timestamp", columns="asset_id", values=name).rename_axis(
        index=None, columns=None
    )
    for name in [*FIELDS, "score"]
}
SCORES = LONG[["timestamp", "asset_id", "score"]]
INDEXED = LONG.set_index(["timestamp", "asset_id"])[FIELDS]
BY_ASSET = {
    asset: rows.set_index("timestamp")[FIELDS].rename_axis(None)
    for asset, rows in LONG.groupby("asset_id")
}
BY_FIELD = {name: WIDE[name] for name in FIELDS}
# (field, asset) columns, as pandas makes them.
PANEL = pd.concat(BY_FIELD, axis=1)


def final(prices: Any, features: Any = SCORES, universe: Any = None, **options: Any) -> float:
    catalog = Catalog().register("prices", prices, **options)
    if features is not None:
        catalog = catalog.register("features", features, **({} if features is SCORES else SCORED))
    if universe is not None:
        catalog.register("universe", universe)
    return run(catalog)


def run(catalog: Catalog) -> float:
    """Return the final equity; without opens it is of fills at the next close."""
    strategy = TopN(2, by="score", every=3)
    has_open = "open" in catalog.registered("prices")[0]
    timing = NextOpen() if has_open else NextClose()
    config = BacktestConfig(execution=ExecutionPolicy(timing=timing))
    result = BacktestEngine(catalog, strategy, initial_capital=10_000, config=config).run()
    return float(result.sql("select last(equity order by timestamp) from equity").fetchall()[0][0])


SCORED = {"field": "score"}
WHOLE = final(LONG[["timestamp", "asset_id", *FIELDS]])
CLOSES = LONG[["timestamp", "asset_id", "close"]]


def closes(prices: Any, **options: Any) -> list[tuple[Any, ...]]:
    """Return the rows of prices."""
    catalog = Catalog().register("prices", prices, **options)
    query = "select timestamp::timestamp, asset_id, close from prices order by all"
    return catalog.sql(query).fetchall()


CLOSED = closes(CLOSES)
WORTH_AT_CLOSES = final(CLOSES)


def changes(catalog: Catalog, name: str = "prices") -> Any:
    return next(one["changes"] for one in catalog.describe() if one["source"] == name)


def test_the_shapes_hold_holes_and_late_listings() -> None:
    assert WIDE["close"].isna().sum().to_dict() == {
        "AAPL": 0, "IBM": 9, "KO": 5, "LOW": 2, "MSFT": 0
    }  # fmt: skip
    assert len(CLOSED) == N_DAYS * len(ASSETS) - 16


def array_of(*names: str) -> Any:
    return np.stack([WIDE[name].to_numpy(dtype=float) for name in names], axis=2)


def structured() -> Any:
    made = np.zeros((N_DAYS, len(ASSETS)), dtype=[(name, float) for name in FIELDS])
    for name in FIELDS:
        made[name] = WIDE[name].to_numpy(dtype=float)
    return made


def masked() -> Any:
    values = WIDE["close"].to_numpy()
    return np.ma.masked_array(np.nan_to_num(values, nan=-1.0), mask=np.isnan(values))


AXES = {"timestamps": DAYS, "asset_ids": ASSETS}


@pytest.mark.parametrize(
    ("prices", "options"),
    [
        (PANEL, {}),
        (PANEL.swaplevel(axis=1).sort_index(axis=1), {}),
        (PANEL.sample(frac=1, random_state=1), {}),
        (INDEXED, {}),
        (INDEXED.rename_axis(index=[None, None]), {}),
        (INDEXED.swaplevel().sort_index().rename_axis(index=[None, None]), {}),
        (INDEXED.rename_axis(index=["Date", None]), {}),
        (LONG.set_index("timestamp").rename_axis(None)[["asset_id", *FIELDS]], {}),
        (LONG.set_index("timestamp").rename_axis("Date")[["asset_id", *FIELDS]], {}),
        (BY_ASSET, {}),
        ({key: pl.from_pandas(one.rename_axis("Date").reset_index())
          for key, one in BY_ASSET.items()}, {}),
        ({key: pl.from_pandas(one.rename_axis("time").reset_index()).lazy()
          for key, one in BY_ASSET.items()}, {}),
        (BY_FIELD, {}),
        ({key: one.sample(frac=1, random_state=3) for key, one in BY_FIELD.items()}, {}),
        (array_of(*FIELDS), {"field": FIELDS, **AXES}),
        (structured(), AXES),
        ({name: WIDE[name].to_numpy() for name in FIELDS}, AXES),
    ],
    ids=["field-asset", "asset-field", "unsorted", "levels", "unnamed-levels", "swapped-levels",
         "half-named-levels", "unnamed-index", "named-index", "by-asset", "by-asset-polars",
         "by-asset-lazy", "by-field", "by-field-unsorted", "array-3d", "structured", "dict-2d"],
)  # fmt: skip
def test_bars_of_every_shape_end_at_the_value_of_the_long_table(
    prices: Any, options: dict[str, Any]
) -> None:
    assert final(prices, **options) == WHOLE


@pytest.mark.parametrize(
    ("prices", "options"),
    [
        (WIDE["close"].rename_axis(columns="ticker"), {}),
        (WIDE["close"].rename_axis("Date"), {"field": "close"}),
        (WIDE["close"], {"field": "close"}),
        (WIDE["close"].reset_index(names="Date"), {"field": "close"}),
        (WIDE["close"].reset_index(names="When"), {"field": "close",
                                                  "columns": {"timestamp": "When"}}),
        (pl.from_pandas(WIDE["close"].reset_index(names="date")), {"field": "close"}),
        (pl.from_pandas(WIDE["close"].reset_index(names="date")).lazy(), {"field": "close"}),
        (pa.Table.from_pandas(WIDE["close"].reset_index(names="date")), {"field": "close"}),
        (WIDE["close"].stack(), {}),
        (WIDE["close"].stack().rename("close"), {}),
        (WIDE["close"].stack().swaplevel().sort_index(), {"field": "close"}),
        (WIDE["close"].to_numpy(), AXES),
        (np.asfortranarray(WIDE["close"].to_numpy()), AXES),
        (masked(), AXES),
        (WIDE["close"].to_numpy(), {"timestamps": DAYS.strftime("%Y-%m-%d").tolist(),
                                    "asset_ids": np.array(ASSETS)}),
        (WIDE["close"].to_numpy(), {"timestamps": DAYS.to_numpy().astype("datetime64[D]"),
                                    "asset_ids": tuple(ASSETS)}),
        (WIDE["close"].set_axis(DAYS.strftime("%Y-%m-%d")), {"field": "close"}),
        (WIDE["close"].set_axis([day.date() for day in DAYS]), {"field": "close"}),
        (WIDE["close"].set_axis(DAYS.as_unit("ns")), {"field": "close"}),
        (WIDE["close"].set_axis(DAYS.as_unit("s")), {"field": "close"}),
        (WIDE["close"].astype("Float64"), {"field": "close"}),
        (WIDE["close"].astype(object), {"field": "close"}),
        (WIDE["close"].set_axis(pd.Index(ASSETS, dtype="category"), axis=1), {"field": "close"}),
        (WIDE["close"].set_axis(pd.Index(ASSETS, dtype=object), axis=1), {"field": "close"}),
    ],
)  # fmt: skip
def test_closes_of_every_shape_are_those_of_the_long_table(
    prices: Any, options: dict[str, Any]
) -> None:
    assert closes(prices, **options) == CLOSED


def test_a_wide_frame_of_numbers_is_one_of_closes() -> None:
    without = WIDE["close"].drop(columns="LOW")
    assert closes(without) == [row for row in CLOSED if row[1] != "LOW"]


@pytest.mark.parametrize("features", [WIDE["score"], WIDE["score"].stack()])
def test_a_wide_signal_is_the_long_one(features: Any) -> None:
    assert final(LONG[["timestamp", "asset_id", *FIELDS]], features) == WHOLE


def test_what_was_made_is_said_with_counts() -> None:
    catalog = Catalog().register("prices", WIDE["close"], field="close")
    assert changes(catalog) == [
        "wide frame: its 5 columns are assets, of close",
        "empty cells between values of an asset: no bars (2 rows)",
        "empty cells before the first or after the last value of an asset: no bars (14 rows)",
    ]
    catalog = Catalog().register("prices", WIDE["close"].assign(NONE=np.nan), field="close")
    assert changes(catalog)[-1] == "assets without any value: 'NONE'"


def test_a_gap_of_a_wide_signal_is_missing_and_not_the_value_before() -> None:
    days = [date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 4)]
    closes = pd.DataFrame({"A": [1.0, 2.0, 3.0], "B": [1.0, 2.0, 3.0]}, index=days)
    scores = pd.DataFrame({"A": [0.1, np.nan, 0.3], "B": [np.nan, 0.2, 0.2]}, index=days)
    catalog = Catalog().register("prices", closes).register("features", scores, field="score")
    found = catalog.sql("select score from signals order by asset_id, timestamp").fetchall()
    assert found == [(0.1,), (None,), (0.3,), (None,), (0.2,), (0.2,)]
    assert changes(catalog, "features")[1:] == [
        "empty cells between values of an asset: missing from then on, none before the first "
        "(1 rows)",
        "empty cells before the first or after the last value of an asset: missing from then on, "
        "none before the first (1 rows)",
    ]


def test_zones_and_intraday_times_stay_what_they_are() -> None:
    times = pd.date_range("2024-01-02 09:30", periods=3, freq="5min", tz="America/New_York")
    closes = pd.DataFrame({7: [1.0, 2.0, 3.0], 9: [1.0, 2.0, 3.0]}, index=times)
    catalog = Catalog().register("prices", closes)
    assert catalog.sql(
        "select asset_id, timestamp from prices order by all limit 1"
    ).fetchall() == [(7, datetime(2024, 1, 2, 14, 30, tzinfo=UTC))]


def test_whole_numbers_and_fractions_go_together() -> None:
    closes = pd.DataFrame({"A": [1, 2], "B": [1.5, 2.5]}, index=pd.to_datetime(
        ["2024-01-02", "2024-01-03"]))  # fmt: skip
    catalog = Catalog().register("prices", closes)
    assert catalog.sql("select sum(close) from prices").fetchall() == [(7.0,)]


def test_a_context_is_a_series_or_has_an_index_without_a_name() -> None:
    vix = pd.Series(np.arange(N_DAYS, dtype=float), index=DAYS, name="vix")
    for given in (vix, vix.to_frame()):
        catalog = Catalog().register("prices", LONG).register("context", given)
        assert catalog.sql("select max(vix) from market").fetchall() == [(N_DAYS - 1.0,)]
    assert changes(catalog, "context") == ["timestamp is the index, which has no name"]


def test_frames_by_asset_that_lack_a_column_have_null_there() -> None:
    frames = BY_ASSET | {"KO": BY_ASSET["KO"].drop(columns="volume")}
    catalog = Catalog().register("prices", frames)
    assert "volume: NULL of 1 of 5 assets, whose frames lack it" in changes(catalog)
    found = catalog.sql("select distinct asset_id from prices where volume is null").fetchall()
    assert found == [("KO",)]


def test_keys_of_features_are_what_is_said() -> None:
    by_asset = {asset: rows.set_index("timestamp")[["score"]]
                for asset, rows in SCORES.groupby("asset_id")}  # fmt: skip
    catalog = Catalog().register("prices", LONG[["timestamp", "asset_id", *FIELDS]])
    catalog.register("features", by_asset, asset_ids=list(by_asset))
    assert run(catalog) == WHOLE
    catalog = Catalog().register("prices", LONG[["timestamp", "asset_id", *FIELDS]])
    catalog.register("features", {"score": WIDE["score"]}, field=["score"])
    assert run(catalog) == WHOLE
    with pytest.raises(DataError, match=r"asset_ids=list\(frames\) or field=list\(frames\)"):
        Catalog().register("features", by_asset)


# -- membership ------------------------------------------------------------------------------------

DATES = [date(2024, 1, 2), date(2024, 1, 9), date(2024, 1, 16)]
MATRIX = pd.DataFrame({"A": [1, 1, 0], "B": [0, 1, 1], "C": [1, 0, 1]}, index=DATES)
MEMBERS = [
    ("A", DATES[0], DATES[2]),
    ("B", DATES[1], None),
    ("C", DATES[0], DATES[1]),
    ("C", DATES[2], None),
]
SNAPSHOTS = [(day, asset) for day in DATES for asset in "ABC" if MATRIX.loc[day, asset]]
FLAGS = MATRIX.stack().rename_axis(["date", "ticker"]).rename("is_in")


@pytest.mark.parametrize(
    ("universe", "options"),
    [
        (MATRIX, {}),
        (MATRIX.astype(bool), {}),
        (MATRIX.astype(float).replace(0.0, np.nan), {}),
        (MATRIX.iloc[::-1], {}),
        (pl.from_pandas(MATRIX.reset_index(names="date")), {}),
        (MATRIX.to_numpy(), {"timestamps": DATES, "asset_ids": list("ABC")}),
        (MATRIX.astype(bool).stack(), {}),
        (pd.DataFrame(SNAPSHOTS, columns=["timestamp", "asset_id"]), {}),
        (pl.DataFrame(SNAPSHOTS, schema=["date", "ticker"], orient="row"), {}),
        (pd.DataFrame(SNAPSHOTS, columns=["d", "asset_id"]).set_index("d").rename_axis(None), {}),
        (FLAGS.reset_index(), {"field": "is_in"}),
    ],
)
def test_members_of_every_shape_are_intervals(universe: Any, options: dict[str, Any]) -> None:
    closes = pd.DataFrame({one: [1.0, 2.0] for one in "ABC"}, index=[DATES[0], DATES[2]])
    catalog = Catalog().register("prices", closes).register("universe", universe, **options)
    query = "select asset_id, start_date, end_date from universe order by all"
    assert catalog.sql(query).fetchall() == MEMBERS
    assert "intervals of members made of them (4 rows)" in changes(catalog, "universe")


def test_intervals_stay_what_they_are() -> None:
    rows = pd.DataFrame(MEMBERS, columns=["asset_id", "start_date", "end_date"])
    catalog = Catalog().register("prices", MATRIX + 1).register("universe", rows)
    assert changes(catalog, "universe") == []


@pytest.mark.parametrize(
    ("universe", "says"),
    [
        (MATRIX * 0.5, r"other values than 0 and 1, such as 0.5.*frame > 0"),
        (pd.concat([MATRIX, MATRIX]), "has a date twice"),
        (FLAGS.astype(bool).reset_index(), "with a flag 'is_in'.*field='is_in'"),
        (pd.DataFrame({"timestamp": ["02/01/2024"], "asset_id": ["A"]}), "in the form 2024-01-31"),
    ],
)
def test_members_that_are_not_said_are_refused(universe: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        Catalog().register("universe", universe)


# -- refusals --------------------------------------------------------------------------------------


ONE = BY_ASSET["KO"]


@pytest.mark.parametrize(
    ("prices", "options", "says"),
    [
        (ONE, {}, r"has no column 'asset_id', and columns 'open', 'high', .*\{'AAPL': frame\}"),
        (pl.from_pandas(ONE.reset_index(names="date")), {}, "if they are assets.*field='close'"),
        (LONG.rename(columns={"asset_id": "own"}), {}, r"if 'own' is it: columns=\{'asset_id'"),
        (pl.from_pandas(WIDE["close"].reset_index(names="own")), {"field": "close"},
         r"none is its times; say which: columns=\{'timestamp'"),
        (WIDE["close"], {}, "columns 'LOW': .*field='close'"),
        (WIDE["close"].rename(columns={"LOW": "DATE"}), {}, "columns 'DATE': .*field='close'"),
        (WIDE["close"][["KO"]], {}, "columns 'KO': .*field='close'"),
        (WIDE["close"].T, {"field": "close"}, "times as columns; turn it round: frame.T"),
        (WIDE["close"].T.reset_index(names="date"), {"field": "close"}, "has no times"),
        (pd.concat([WIDE["close"]] * 2, axis=1), {"field": "close"}, "two columns 'AAPL'"),
        (WIDE["close"].set_axis(DAYS.strftime("%d/%m/%Y")), {"field": "close"},
         "is read by date_format="),
        (WIDE["close"].set_axis(DAYS.to_period("D")), {"field": "close"}, "of periods.*to_time"),
        (WIDE["close"].set_axis([1, "B", 3, 4, 5], axis=1), {"field": "close"},
         "named by int and str.*astype"),
        (WIDE["close"]["KO"], {}, r"series.to_frame\('AAPL'\), field='KO'"),
        (PANEL.rename(columns={"close": "last"}), {}, "set_names"),
        (pd.concat({"x": PANEL}, axis=1), {}, "3 levels"),
        (WIDE["close"].to_numpy(), {}, "say them: timestamps=, asset_ids="),
        (WIDE["close"].to_numpy().T, AXES, "turn it round: array.T"),
        (array_of("open", "close"), AXES, "name the fields: field="),
        ({"KO": ONE, "close": ONE}, {}, "say it: asset_ids"),
        ({"KO": ONE.reset_index(drop=True)}, {}, "'KO' has no times"),
        ({"KO": ONE.assign(ticker="KO")}, {}, "has a column 'ticker'"),
    ],
)  # fmt: skip
def test_what_may_be_two_things_is_refused_with_the_line_to_write(
    prices: Any, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(DataError, match=says):
        Catalog().register("prices", prices, **options)


def test_the_line_to_write_works() -> None:
    close = WIDE["close"]
    by_asset = Catalog().register("prices", {"KO": ONE})
    one = Catalog().register("prices", close["KO"].to_frame("KO"), field="close")
    every = Catalog().register("prices", close, field="close")
    for catalog, n_rows in (
        (by_asset, len(ONE)),
        (one, close["KO"].count()),
        (every, close.count().sum()),
    ):
        assert catalog.sql("select count(close) from prices").fetchall() == [(n_rows,)]


def test_features_without_a_name_are_refused() -> None:
    with pytest.raises(DataError, match="field='score'"):
        Catalog().register("features", WIDE["score"])
    with pytest.raises(DataError, match="field='score'"):
        Catalog().register("features", WIDE["score"].stack())
    catalog = Catalog().register("prices", LONG)
    catalog.register("features", WIDE["score"].rename_axis(columns="ticker"), name="momentum")
    assert "momentum" in catalog.sql("select * from signals").columns


@pytest.mark.parametrize("option", [{"field": "close"}, {"timestamps": DAYS}, {"asset_ids": ["A"]}])
def test_an_option_without_a_use_is_refused(option: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(option))}="):
        Catalog().register("prices", LONG, **option)


@pytest.mark.parametrize("field", ["", 3, [], ["a", "a"]])
def test_what_names_no_field_is_refused(field: Any) -> None:
    with pytest.raises(ConfigError, match="field must be the name"):
        Catalog().register("prices", WIDE["close"], field=field)


def test_a_frame_edited_later_changes_nothing() -> None:
    frame = WIDE["close"].copy()
    catalog = Catalog().register("prices", frame, field="close")
    before = catalog.sql("select close from prices order by all").fetchall()
    frame.iloc[:, :] = 1.0
    assert catalog.sql("select close from prices order by all").fetchall() == before


def test_a_late_day_of_a_matrix_is_open() -> None:
    day = DATES[-1] + timedelta(days=1)
    matrix = pd.concat([MATRIX, pd.DataFrame({"A": [1]}, index=[day])])
    catalog = Catalog().register("prices", MATRIX + 1).register("universe", matrix)
    query = "select start_date, end_date from universe where asset_id = 'A' order by all"
    assert catalog.sql(query).fetchall() == [(DATES[0], DATES[2]), (day, None)]
    assert "empty cells: no members (2 rows)" in changes(catalog, "universe")


# -- the page of data ------------------------------------------------------------------------------

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "data.md").read_text(encoding="utf-8")
IN_MEMORY = PAGE.partition("## In memory")[2].partition("\n## ")[0]
SHOWN = dict(re.findall(r"^\| ([^|`]+) \| `(catalog\.[^|]+)` \|", IN_MEMORY, re.MULTILINE))
ON_PAGE = {
    "frame": LONG[["timestamp", "asset_id", *FIELDS[:4]]],
    "indexed": INDEXED[FIELDS[:4]].rename_axis(index=[None, None]),
    "opens": WIDE["open"], "highs": WIDE["high"], "lows": WIDE["low"], "closes": WIDE["close"],
    "by_asset": {asset: rows[FIELDS[:4]] for asset, rows in BY_ASSET.items()},
    "panel": PANEL[FIELDS[:4]],
    "scores": WIDE["score"],
    "array": array_of(*FIELDS[:4]), "days": DAYS, "assets": ASSETS,
    "snapshots": LONG[["timestamp", "asset_id"]],
}  # fmt: skip


def test_the_page_shows_every_kind() -> None:
    assert len(SHOWN) == 10


@pytest.mark.parametrize("what", SHOWN)
def test_a_line_of_the_page_ends_at_the_value_of_the_long_table(what: str) -> None:
    catalog = Catalog()
    exec(SHOWN[what], {"catalog": catalog, **ON_PAGE})
    names = {name for name in ("prices", "features", "universe") if name in catalog._sources}
    if "prices" not in names:
        catalog.register("prices", ON_PAGE["frame"])
    if "features" not in names:
        catalog.register("features", SCORES)
    has_open = "open" in catalog.registered("prices")[0]
    assert run(catalog) == (WHOLE if has_open else WORTH_AT_CLOSES)
