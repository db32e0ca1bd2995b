"""Register: whatever the source was, the views hold the same rows; what cannot serve is refused."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from effort import each_value
from ml4t.backtest import BacktestEngine, Catalog, ConfigError, DataError, TopN

ROWS = [
    (date(2024, 1, 2), "AAPL", 10.0, 10.5),
    (date(2024, 1, 2), "MSFT", 20.0, 20.5),
    (date(2024, 1, 3), "AAPL", 11.0, 11.5),
    (date(2024, 1, 3), "MSFT", 21.0, 21.5),
]
NAMES = ("timestamp", "asset_id", "open", "close")
PRICES = {name: [row[i] for row in ROWS] for i, name in enumerate(NAMES)}
TABLE = pa.table(PRICES)
QUERY = "select timestamp, asset_id, open, close from prices order by timestamp, asset_id"


def features(**columns: object) -> dict[str, object]:
    """Two feature rows of AAPL, with `columns` on top."""
    return {"timestamp": [date(2024, 1, 2), date(2024, 1, 3)], "asset_id": ["AAPL"] * 2, **columns}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one Parquet file per day, a copy by asset, and nothing else."""
    (tmp_path / "days").mkdir()
    pq.write_table(TABLE.slice(0, 2), tmp_path / "days" / "2024-01-02.parquet")
    pq.write_table(TABLE.slice(2, 2), tmp_path / "days" / "2024-01-03.parquet")
    pq.write_table(TABLE, tmp_path / "all.parquet")
    pq.write_to_dataset(TABLE, tmp_path / "by_asset", partition_cols=["asset_id"])
    return tmp_path


# -- every kind of source -------------------------------------------------------------------

FILE_SOURCES = {
    "path as text": lambda folder: str(folder / "all.parquet"),
    "path": lambda folder: folder / "all.parquet",
    "glob": lambda folder: str(folder / "days" / "*.parquet"),
    "list of paths": lambda folder: sorted((folder / "days").iterdir()),
    "tuple of texts": lambda folder: tuple(map(str, (folder / "days").iterdir())),
    "folder": lambda folder: folder / "days",
    "hive-partitioned folder": lambda folder: folder / "by_asset",
    "recursive glob": lambda folder: f"{folder}/by_asset/**/*.parquet",
    "SQL text over files": lambda folder: f"select * from '{folder}/all.parquet'",
    "Arrow dataset": lambda folder: ds.dataset(folder / "days"),
    "Polars lazy over files": lambda folder: pl.scan_parquet(folder / "all.parquet"),
}

FRAME_SOURCES = {
    "dict": lambda: PRICES,
    "Arrow table": lambda: TABLE,
    "Arrow reader": lambda: pa.RecordBatchReader.from_batches(TABLE.schema, TABLE.to_batches()),
    "Arrow in-memory dataset": lambda: ds.dataset(TABLE),
    "Polars": lambda: pl.DataFrame(PRICES),
    "Polars lazy": lambda: pl.DataFrame(PRICES).lazy(),
    "pandas": lambda: pd.DataFrame(PRICES),
    "pandas with a named index": lambda: pd.DataFrame(PRICES).set_index("timestamp"),
    "pandas with two named levels": lambda: pd.DataFrame(PRICES).set_index(
        ["timestamp", "asset_id"]
    ),
    "pandas with a meaningless index": lambda: pd.DataFrame(PRICES, index=[7, 7, 7, 7]),
    "DuckDB relation": lambda: duckdb.connect().from_arrow(TABLE),
    "SQL text": lambda: (
        "select * from (values (date '2024-01-02', 'AAPL', 10.0, 10.5), "
        "(date '2024-01-02', 'MSFT', 20.0, 20.5), (date '2024-01-03', 'AAPL', 11.0, 11.5), "
        "(date '2024-01-03', 'MSFT', 21.0, 21.5)) as rows(timestamp, asset_id, open, close)"
    ),
    "SQL text with a comment before it": lambda: (
        "-- two days\nselect date '2024-01-02' + day as timestamp, name as asset_id, "
        "base + day as open, base + day + 0.5 as close from (values (0), (1)) as days(day), "
        "(values ('AAPL', 10.0), ('MSFT', 20.0)) as assets(name, base)"
    ),
    "SQL text in brackets": lambda: (
        "( (select date '2024-01-02' + day as timestamp, 'AAPL' as asset_id, 10.0 + day as open, "
        "10.5 + day as close from (values (0), (1)) as days(day)) ) union all (select "
        "date '2024-01-02' + day, 'MSFT', 20.0 + day, 20.5 + day from (values (0), (1)) as d(day))"
    ),
    "SQL text that turns rows into columns": lambda: (
        "pivot (select date '2024-01-02' + day as timestamp, name as asset_id, what, "
        "base + day + plus as value from (values (0), (1)) as days(day), "
        "(values ('AAPL', 10.0), ('MSFT', 20.0)) as assets(name, base), "
        "(values ('open', 0.0), ('close', 0.5)) as whats(what, plus)) "
        "on what using first(value) group by timestamp, asset_id"
    ),
    "SQL text with a CTE": lambda: (
        "with days as (select unnest([2, 3]) as day) "
        "select make_date(2024, 1, day) as timestamp, name as asset_id, "
        "base + day - 2 as open, base + day - 1.5 as close "
        "from days, (values ('AAPL', 10.0), ('MSFT', 20.0)) as assets(name, base)"
    ),
}


@pytest.mark.parametrize("kind", FILE_SOURCES)
def test_every_kind_of_file_source_gives_the_same_prices(kind: str, folder: Path) -> None:
    catalog = Catalog().register("prices", FILE_SOURCES[kind](folder))

    assert catalog.sql(QUERY).fetchall() == ROWS


@pytest.mark.parametrize("kind", FRAME_SOURCES)
def test_every_kind_of_frame_gives_the_same_prices(kind: str) -> None:
    catalog = Catalog().register("prices", FRAME_SOURCES[kind]())

    assert catalog.sql(QUERY).fetchall() == ROWS


@pytest.mark.parametrize("kind", FRAME_SOURCES)
def test_a_source_survives_a_registration_after_the_first_query(kind: str) -> None:
    catalog = Catalog().register("prices", FRAME_SOURCES[kind]())
    assert catalog.sql("select count(*) from prices").fetchall() == [(4,)]

    catalog.register("context", {"timestamp": [date(2024, 1, 2)], "vix": [13.0]})

    assert catalog.sql(QUERY).fetchall() == ROWS
    assert catalog.sql("select vix from market order by timestamp").fetchall() == [(13.0,)] * 2


def test_names_in_any_case_become_ours_and_extra_columns_keep_their_spelling() -> None:
    catalog = Catalog().register(
        "prices",
        {
            "Timestamp": PRICES["timestamp"],
            "ASSET_ID": PRICES["asset_id"],
            "Close": PRICES["close"],
            "Dollar Volume": [1, 2, 3, 4],
        },
    )

    assert catalog.sql("select * from prices").columns == [
        "timestamp", "asset_id", "close", "Dollar Volume",
    ]  # fmt: skip


def test_prices_become_doubles_whatever_the_number_type() -> None:
    frame = pa.table(PRICES).set_column(3, "close", pa.array([10, 20, 11, 21], pa.int32()))
    catalog = Catalog().register("prices", frame)

    prices = catalog.sql("select * from prices")
    types = dict(zip(prices.columns, map(str, prices.types), strict=True))
    assert types == {
        "timestamp": "DATE", "asset_id": "VARCHAR", "open": "DOUBLE", "close": "DOUBLE",
    }  # fmt: skip


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_bars_in_every_timestamp_unit_run(unit: str) -> None:
    frame = pd.DataFrame(PRICES)
    frame["timestamp"] = pd.to_datetime(frame["timestamp"]).astype(f"datetime64[{unit}]")

    result = BacktestEngine(Catalog().register("prices", frame), TopN(1, by="close")).run()

    assert result.sql("select timestamp from equity order by timestamp").fetchall() == [
        (datetime(2024, 1, 2),), (datetime(2024, 1, 3),),
    ]  # fmt: skip


def test_bars_with_a_time_zone_run() -> None:
    stamps = [datetime(*day.timetuple()[:3], tzinfo=UTC) for day in PRICES["timestamp"]]
    catalog = Catalog().register("prices", PRICES | {"timestamp": stamps})

    result = BacktestEngine(catalog, TopN(1, by="close")).run()

    assert result.sql(
        "select epoch(timestamp)::bigint from equity order by timestamp"
    ).fetchall() == [(1704153600,), (1704240000,)]


def test_paths_with_a_quote_in_them_are_read(tmp_path: Path) -> None:
    path = tmp_path / "o'brien's prices.parquet"
    pq.write_table(TABLE, path)

    assert Catalog().register("prices", path).sql(QUERY).fetchall() == ROWS


def test_several_features_sources_stand_side_by_side() -> None:
    catalog = (
        Catalog()
        .register("prices", PRICES)
        .register("features", features(momentum=[0.1, 0.2]))
        .register("features", features(quality=[5, 6]), name="fundamentals")
    )

    assert catalog.sql(
        "select timestamp, momentum, quality from signals where asset_id = 'AAPL' order by 1"
    ).fetchall() == [(date(2024, 1, 2), 0.1, 5), (date(2024, 1, 3), 0.2, 6)]
    assert catalog.sql("select count(*) from fundamentals").fetchall() == [(2,)]


# -- refusals ------------------------------------------------------------------------------


def test_a_missing_column_is_named_with_the_nearest_one() -> None:
    frame = {("closing" if name == "close" else name): v for name, v in PRICES.items()}

    with pytest.raises(
        DataError, match=r"source 'prices' has no column 'close'; did you mean 'closing'\?"
    ) as error:
        Catalog().register("prices", frame)
    assert (error.value.source, error.value.rule) == ("prices", "columns")


@pytest.mark.parametrize(
    ("role", "frame", "missing"),
    [
        ("prices", {"timestamp": [], "close": []}, "asset_id"),
        ("features", {"asset_id": [], "x": []}, "timestamp"),
        ("context", {"month": [], "vix": []}, "timestamp"),
        ("universe", {"asset_id": [], "start_date": []}, "end_date"),
    ],
)
def test_every_role_refuses_a_source_without_its_keys(
    role: str, frame: dict[str, list[object]], missing: str
) -> None:
    with pytest.raises(DataError, match=f"has no column '{missing}'"):
        Catalog().register(role, frame)  # type: ignore[arg-type]


def test_a_missing_availability_column_is_named_with_the_nearest_one() -> None:
    with pytest.raises(DataError, match=r"no column 'published_at'; did you mean 'publishd_at'"):
        Catalog().register(
            "features", features(publishd_at=[date(2024, 1, 5)] * 2), available_at="published_at"
        )


@pytest.mark.parametrize(
    ("stamps", "kind"),
    [
        (["02/01/2024", "02/01/2024", "03/01/2024", "03/01/2024"], "VARCHAR"),
        ([20240102, 20240102, 20240103, 20240103], "BIGINT"),
    ],
)
def test_a_timestamp_that_is_no_time_is_refused(stamps: list[object], kind: str) -> None:
    with pytest.raises(
        DataError, match=f"'timestamp' of type {kind}; it must be a DATE or TIMESTAMP"
    ) as error:
        Catalog().register("prices", PRICES | {"timestamp": stamps})
    assert error.value.rule == "types"


def test_a_price_that_is_no_number_is_refused() -> None:
    with pytest.raises(DataError, match="'close' of type VARCHAR; a price must be a number"):
        Catalog().register("prices", PRICES | {"close": ["10.5", "20.5", "11.5", "21.5"]})


def test_a_volume_that_is_no_number_is_a_data_error() -> None:
    with pytest.raises(DataError, match="volume"):
        Catalog().register("prices", PRICES | {"volume": ["1", "2", "n/a", "4"]})


def test_asset_ids_of_another_type_than_those_of_prices_are_a_data_error() -> None:
    catalog = Catalog().register("prices", PRICES)
    catalog.register("features", features(x=[1.0, 2.0]) | {"asset_id": [17, 17]})

    with pytest.raises(DataError, match="asset_id"):
        catalog.validate()


def test_columns_of_unequal_length_are_a_data_error() -> None:
    with pytest.raises(DataError, match="could not be read"):
        Catalog().register("prices", PRICES | {"close": [1.0]})


def test_a_truncated_parquet_file_is_refused(folder: Path) -> None:
    whole = (folder / "all.parquet").read_bytes()
    (folder / "cut.parquet").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(DataError, match="source 'prices' could not be read") as error:
        Catalog().register("prices", folder / "cut.parquet")
    assert error.value.rule == "readable"


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "prices.parquet").write_text("timestamp,asset_id,close\n")

    with pytest.raises(DataError, match="could not be read"):
        Catalog().register("prices", tmp_path / "prices.parquet")


def test_a_file_of_another_kind_is_refused_and_the_way_out_reads_it(tmp_path: Path) -> None:
    (tmp_path / "prices.dat").write_text(
        "timestamp,asset_id,open,close\n2024-01-02,A,1,2\n", encoding="utf-8"
    )
    with pytest.raises(DataError, match="is no Parquet: it begins with b'timestamp") as caught:
        Catalog().register("prices", tmp_path / "prices.dat")
    query = str(caught.value).split('"')[1].replace("prices.dat", f"{tmp_path}/prices.dat")
    catalog = Catalog().register("prices", query)
    assert catalog.sql("select close from prices").fetchall() == [(2.0,)]


@pytest.mark.parametrize(
    "name",
    ["none.parquet", "*.parquet", "no/such/folder", "x" * 300, "a\0b.parquet", "loop", "loop/x"],
)
def test_a_path_that_matches_no_file_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "pool")
    (tmp_path / "pool").symlink_to(tmp_path / "loop")
    for source in (tmp_path / name, str(tmp_path / name), [tmp_path / name]):
        with pytest.raises(DataError, match="source 'prices' matches no file"):
            Catalog().register("prices", source)


def test_a_path_in_the_home_folder_of_nobody_is_refused() -> None:
    for source in ("~no-such-user/x.parquet", ["~no-such-user/x.parquet"]):
        with pytest.raises(
            ConfigError, match=r"'prices' is '~no.* no such user's home folder; write '\./~no-such"
        ):
            Catalog().register("prices", source)


@pytest.mark.parametrize(
    "source",
    [
        lambda path: path,
        lambda path: path.parent,
        lambda path: pq.read_table(path),
        lambda path: pl.read_parquet(path),
        lambda path: pl.scan_parquet(path),
        lambda path: pq.read_table(path).to_pandas(),
        lambda path: dict(features(x=[1.0, 2.0], X=[3.0, 4.0])),
        lambda path: ds.dataset(path),
        lambda path: duckdb.sql("select date '2024-01-02' as timestamp, 'A' as asset_id, 1 as x, "
                                "2 as X"),
    ],
)  # fmt: skip
def test_columns_that_differ_in_case_alone_are_refused(
    source: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "features.parquet"
    pq.write_table(pa.table(features(x=[1.0, 2.0], X=[3.0, 4.0])), path)
    with pytest.raises(
        DataError, match=r"'features' has columns '[xX]' and '[xX]', which"
    ) as error:
        Catalog().register("features", source(path))
    assert error.value.rule == "columns"


def test_columns_that_differ_in_a_number_are_columns_of_their_own(tmp_path: Path) -> None:
    table = pa.table(features(x=[1.0, 2.0], x_1=[3.0, 4.0], X_2=[5.0, 6.0]))
    pq.write_table(table, tmp_path / "features.parquet")
    for source in (table, tmp_path / "features.parquet"):
        catalog = Catalog().register("prices", PRICES).register("features", source)
        assert {"x", "x_1", "X_2"} <= set(catalog.sql("select * from signals").columns)


def test_a_lazy_frame_that_names_what_is_not_there_is_refused() -> None:
    with pytest.raises(DataError, match=r"'prices' could not be collected: .*opened"):
        Catalog().register("prices", pl.DataFrame(PRICES).lazy().select("timestamp", "opened"))
    with pytest.raises(DataError, match=r"'prices' could not be collected: .*nowhere"):
        Catalog().register("prices", pl.scan_parquet("nowhere.parquet"))


def test_sql_that_fails_is_refused() -> None:
    with pytest.raises(DataError, match="source 'prices' could not be read"):
        Catalog().register("prices", "select nonsense from nowhere")


@pytest.mark.parametrize("role", ["prices", "features"])
def test_a_relation_whose_query_fails_on_its_data_is_refused(role: str) -> None:
    rows = duckdb.sql("select timestamp '2024-01-02' as timestamp, 'A' as asset_id, 1.0 as close")
    source = rows.query("given", "select *, asset_id::double as x from given")
    with pytest.raises(DataError, match=f"source '{role}' could not be read: .*string 'A'"):
        Catalog().register(role, source)


@pytest.mark.parametrize("n_rows", [1, 100])
def test_values_without_names_are_refused_by_their_columns(n_rows: int) -> None:
    rows = ", ".join(f"({i}, 'A')" for i in range(n_rows))
    with pytest.raises(DataError, match="'prices' has no column 'timestamp'; known: col0, col1"):
        Catalog().register("prices", f"values {rows}")


@pytest.mark.parametrize("folder", ["values", "pivot tables", "values 2024", "(old)", "from"])
def test_a_path_may_begin_with_such_a_word(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(folder).mkdir()
    pl.DataFrame(PRICES).write_parquet(Path(folder) / "p.parquet")
    catalog = Catalog().register("prices", f"{folder}/p.parquet")
    assert catalog.sql("from prices").fetchall()


def test_an_object_that_is_no_source_is_refused() -> None:
    with pytest.raises(ConfigError, match="source 'prices' is a int; pass a path"):
        Catalog().register("prices", 3)
    for one, add in ((pl.Series("close", [1.0]), "with_columns"), (pd.Series([1.0]), "assign")):
        with pytest.raises(ConfigError, match=rf"a Series without times; .*\.{add}\(timestamp="):
            Catalog().register("prices", one)


def test_an_unknown_role_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match=r"unknown role 'price'; did you mean 'prices'\?"):
        Catalog().register("price", PRICES)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"^unknown role of type dict; known: actions"):
        Catalog().register(PRICES, "prices")  # type: ignore[arg-type]


def test_lag_and_available_at_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match="available_at or lag, not both"):
        Catalog().register(
            "features", features(known=[date(2024, 1, 5)] * 2), available_at="known", lag="1 day"
        )


@pytest.mark.parametrize("setting", ["lag", "max_age"])
@pytest.mark.parametrize(
    ("interval", "says"), [("soon", "must be an interval"), ("-1 day", "must not be negative")]
)
def test_an_interval_that_is_none_is_refused(setting: str, interval: str, says: str) -> None:
    with pytest.raises(ConfigError, match=f"{setting} {says}"):
        Catalog().register("features", features(x=[1, 2]), **{setting: interval})  # type: ignore[arg-type]


@pytest.mark.parametrize("setting", ["available_at", "lag", "max_age"])
def test_prices_take_no_clock_of_their_own(setting: str) -> None:
    with pytest.raises(ConfigError, match="prices take no available_at, lag or max_age"):
        Catalog().register("prices", PRICES, **{setting: "1 day"})  # type: ignore[arg-type]


def test_a_second_source_needs_a_name_of_its_own() -> None:
    catalog = Catalog().register("features", features(x=[1, 2]))

    with pytest.raises(ConfigError, match="named 'features' is registered already; pass name="):
        catalog.register("features", features(y=[1, 2]))


def test_there_is_one_source_of_prices() -> None:
    catalog = Catalog().register("prices", PRICES)

    with pytest.raises(ConfigError, match="prices"):
        catalog.register("prices", PRICES, name="more")


@pytest.mark.parametrize("name", ["signals", "market", "prices", "stage"])
def test_a_source_cannot_take_a_name_of_the_engine(name: str) -> None:
    with pytest.raises(ConfigError, match="kept by the engine"):
        Catalog().register("features", features(x=[1, 2]), name=name)


@pytest.mark.parametrize("name", ["PRICES", "Signals", "Market", "Context", "Universe"])
def test_a_name_in_another_case_is_the_same_name(name: str) -> None:
    # DuckDB does not tell cases apart: the view of prices would be replaced.
    with pytest.raises(ConfigError, match="kept by the engine"):
        Catalog().register("prices", PRICES).register("features", features(x=[1, 2]), name=name)


def test_two_sources_cannot_differ_by_case_alone() -> None:
    catalog = Catalog().register("features", features(x=[1, 2]), name="filings")

    with pytest.raises(ConfigError, match="registered already"):
        catalog.register("features", features(y=[1, 2]), name="Filings")


@pytest.mark.parametrize("name", ["bars", "decisions", "at_0", "at_risk"])
def test_a_name_of_a_table_of_the_run_is_refused_or_harmless(name: str) -> None:
    catalog = Catalog().register("prices", PRICES)

    with suppress(ConfigError):  # refused up front is as good
        catalog.register("features", features(x=[2.0, 3.0]), name=name)
        result = BacktestEngine(catalog, TopN(1, by="x")).run()
        assert result.sql("select score from selections order by score").fetchall() == [
            (2.0,),
            (3.0,),
        ]


@pytest.mark.parametrize("name", ["known", "my features", 'a "quoted" name', "select", "main"])
def test_a_source_of_any_other_name_can_be_ranked_by(name: str) -> None:
    catalog = Catalog().register("prices", PRICES)
    catalog.register("features", features(x=[2.0, 3.0]), name=name)

    result = BacktestEngine(catalog, TopN(1, by="x")).run()
    assert result.sql("select score from selections order by timestamp").fetchall() == [
        (2.0,), (3.0,),
    ]  # fmt: skip


def test_a_column_cannot_take_a_name_of_the_engine() -> None:
    with pytest.raises(DataError, match="has a column 'sid', a name kept by the engine"):
        Catalog().register("features", features(sid=[1, 2]))


def test_on_bad_rows_is_raise_or_drop() -> None:
    with pytest.raises(ConfigError, match="on_bad_rows must be 'raise' or 'drop', was 'ignore'"):
        Catalog().register("prices", PRICES, on_bad_rows="ignore")


def test_two_sources_with_one_column_name_are_refused() -> None:
    catalog = (
        Catalog()
        .register("prices", PRICES)
        .register("features", features(x=[1, 2]))
        .register("features", features(x=[3, 4]), name="more")
    )

    with pytest.raises(DataError, match="source 'more' has a column 'x', and so has 'features'"):
        catalog.sql("select 1")


def test_a_features_column_cannot_hide_membership() -> None:
    catalog = (
        Catalog()
        .register("prices", PRICES)
        .register("features", features(is_member=[False, False]))
        .register("universe", {"asset_id": ["AAPL"], "start_date": [date(2024, 1, 1)],
                               "end_date": [date(2025, 1, 1)]})
    )  # fmt: skip

    with pytest.raises(DataError, match="is_member"):
        catalog.validate()


def test_a_catalog_without_prices_says_so() -> None:
    catalog = Catalog().register("features", features(x=[1, 2]))

    with pytest.raises(ConfigError, match=r"no prices are registered; call catalog\.register"):
        catalog.sql("select 1")


def test_prices_without_rows_are_refused() -> None:
    catalog = Catalog().register("prices", TABLE.slice(0, 0))

    with pytest.raises(DataError, match="prices"):
        catalog.validate()


# -- registration after a query ------------------------------------------------------------


def test_registering_after_a_query_adds_to_signals() -> None:
    catalog = Catalog().register("prices", PRICES)
    assert catalog.sql("select * from signals").columns == list(NAMES)

    catalog.register("features", features(x=[1.0, 2.0]))

    assert catalog.sql("select * from signals").columns == [*NAMES, "x"]


def test_a_refused_registration_after_a_query_leaves_the_catalog_as_it_was() -> None:
    catalog = Catalog().register("prices", PRICES)
    catalog.sql("select 1")

    with pytest.raises(DataError):
        catalog.register("features", {"timestamp": ["no time"], "asset_id": ["AAPL"]})

    assert catalog.sql(QUERY).fetchall() == ROWS
    assert [record["source"] for record in catalog.describe()] == ["prices"]


def test_a_relation_from_before_a_registration_still_answers() -> None:
    catalog = Catalog().register("prices", PRICES)
    before = catalog.sql(QUERY)

    catalog.register("features", features(x=[1.0, 2.0]))

    assert before.fetchall() == ROWS


# -- the clock column ----------------------------------------------------------------------


def x_seen(rows: dict[str, object], **clock: str) -> object:
    """The values of x that any bar sees; None where the registration is refused."""
    catalog = Catalog().register("prices", PRICES)
    try:
        catalog.register("features", rows, **clock)  # type: ignore[arg-type]
    except DataError:
        return None
    return catalog.sql("select distinct x from signals order by x").fetchall()


@pytest.mark.parametrize(
    "order", [("published_at", "available_at"), ("available_at", "published_at")]
)
def test_the_named_clock_wins_over_a_column_called_available_at(order: tuple[str, str]) -> None:
    clocks = {"available_at": PRICES["timestamp"][::2], "published_at": [date(2030, 1, 1)] * 2}
    rows = features(x=[1.0, 2.0], **{name: clocks[name] for name in order})

    # Published after the last bar: never seen. To refuse the ambiguity is as good.
    assert x_seen(rows, available_at="published_at") in (None, [(None,)])


def test_a_column_called_available_at_is_the_clock_or_is_refused() -> None:
    rows = features(x=[1.0, 2.0], available_at=[date(2030, 1, 1)] * 2)

    assert x_seen(rows) in (None, [(None,)])


def test_timestamp_named_as_the_clock_is_the_clock_or_is_refused() -> None:
    catalog = Catalog().register("prices", PRICES)

    with suppress(ConfigError, DataError):
        catalog.register("features", features(x=[1.0, 2.0]), available_at="timestamp")
        assert catalog.sql(
            "select timestamp, x from signals where asset_id = 'AAPL' order by timestamp"
        ).fetchall() == [(date(2024, 1, 2), 1.0), (date(2024, 1, 3), 2.0)]


def test_a_clock_that_tells_no_time_is_refused() -> None:
    with pytest.raises((ConfigError, DataError), match="'asset_id'"):
        Catalog().register("features", features(x=[1.0, 2.0]), available_at="asset_id")


def test_a_column_called_available_at_takes_no_lag() -> None:
    rows = features(x=[1.0, 2.0], available_at=PRICES["timestamp"][::2])

    with pytest.raises(ConfigError, match="available_at"):
        Catalog().register("features", rows, lag="1 day")


# -- lock-down -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "select * from read_text('/etc/passwd')",
        "select * from read_csv('/etc/passwd')",
        "select * from '/etc/passwd'",
        "select * from glob('/etc/*')",
        "copy (select 1) to '/etc/written.csv'",
        "attach '/etc/written.duckdb'",
        "load httpfs",
        "install httpfs",
        "set threads = 1",
        "set enable_external_access = true",
        "set python_enable_replacements = true",
        "set lock_configuration = false",
        "reset threads",
        "pragma threads = 1",
        "set timezone = 'America/New_York'",
    ],
)
def test_queries_can_neither_leave_the_sources_nor_change_settings(query: str) -> None:
    catalog = Catalog().register("prices", PRICES)

    with pytest.raises((duckdb.Error, ConfigError)):
        catalog.sql(query).fetchall()

    assert catalog.sql(QUERY).fetchall() == ROWS


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_queries_cannot_read_a_local_variable(make: object) -> None:
    secret = make({"a": [1]})  # type: ignore[operator]
    catalog = Catalog().register("prices", PRICES)

    with pytest.raises(duckdb.CatalogException, match="secret does not exist"):
        catalog.sql("select * from secret")
    assert len(secret) == 1


def test_a_query_source_cannot_read_a_local_variable() -> None:
    secret = pd.DataFrame(PRICES)

    with pytest.raises(DataError, match="secret does not exist"):
        Catalog().register("prices", "select * from secret")
    assert len(secret) == 4


def test_a_registered_file_stays_readable_and_its_neighbour_does_not(folder: Path) -> None:
    catalog = Catalog().register("prices", folder / "days" / "2024-01-02.parquet")

    file = f"{folder}/days/2024-01-02.parquet"
    assert catalog.sql(f"select count(*) from '{file}'").fetchall() == [(2,)]
    for name in ("all.parquet", "days/2024-01-03.parquet", "days/*.parquet"):
        with pytest.raises(duckdb.PermissionException):
            catalog.sql(f"select count(*) from read_parquet('{folder}/{name}')").fetchall()


def test_without_file_sources_no_folder_can_be_written(tmp_path: Path) -> None:
    catalog = Catalog().register("prices", PRICES)

    with pytest.raises(ConfigError, match="only reads"):
        catalog.sql(f"copy (select 1) to '{tmp_path}/written.csv'")
    assert list(tmp_path.iterdir()) == []


# -- describe ------------------------------------------------------------------------------


def test_describe_tells_rows_span_clock_and_columns() -> None:
    catalog = (
        Catalog()
        .register("prices", PRICES)
        .register("features", features(momentum=[0.1, 0.2]), lag="1 day", max_age="5 days")
        .register("features", features(eps=[1.0, 2.0], filed=[date(2024, 1, 5)] * 2),
                  name="fundamentals", available_at="filed")
        .register("context", {"timestamp": [date(2024, 1, 2)], "vix": [13.0]})
        .register("universe", {"asset_id": ["AAPL", "MSFT"],
                               "start_date": [date(2020, 1, 1), date(2021, 1, 1)],
                               "end_date": pa.array([None, None], pa.date32())})
    )  # fmt: skip

    facts = {
        record["source"]: (
            record["role"], record["n_rows"], record["n_assets"], record["first_timestamp"],
            record["last_timestamp"], record["known_at"], record["max_age"],
        )
        for record in catalog.describe()
    }  # fmt: skip
    second, third = date(2024, 1, 2), date(2024, 1, 3)
    assert facts == {
        "prices": ("prices", 4, 2, second, third, "timestamp", None),
        "features": ("features", 2, 1, second, third, "timestamp + 1 day", "5 days"),
        "fundamentals": ("features", 2, 1, second, third, "filed", None),
        "context": ("context", 1, None, second, second, "timestamp", None),
        "universe": ("universe", 2, 2, date(2020, 1, 1), date(2021, 1, 1), "start_date", None),
    }
    assert catalog.describe()[2]["columns"] == {
        "timestamp": "DATE", "asset_id": "VARCHAR", "eps": "DOUBLE", "available_at": "DATE",
    }  # fmt: skip


def test_describe_counts_the_rows_that_are_left_after_a_drop() -> None:
    catalog = Catalog().register(
        "prices", PRICES | {"close": [10.5, -1.0, 11.5, 21.5]}, on_bad_rows="drop"
    )

    assert catalog.describe()[0]["n_rows"] == 3


def test_an_equal_frame_has_an_equal_fingerprint_and_a_changed_one_another() -> None:
    def print_of(frame: object) -> object:
        return Catalog().register("prices", frame).fingerprints()[0]["content_hash"]

    changed = PRICES | {"close": [10.5, 20.5, 11.5, 21.6]}
    assert print_of(TABLE) == print_of(PRICES) == print_of(TABLE.take([3, 1, 0, 2]))
    assert print_of(changed) != print_of(PRICES)


def test_a_file_source_is_identified_by_path_size_and_time(folder: Path) -> None:
    path = folder / "all.parquet"
    facts = Catalog().register("prices", path).fingerprints()[0]

    assert facts["files"] == [
        {"path": str(path), "bytes": path.stat().st_size, "modified_ns": path.stat().st_mtime_ns}
    ]


@pytest.mark.parametrize("library", ["polars", "pandas"])
def test_nanoseconds_with_a_zone_are_read_as_microseconds(library: str) -> None:
    moments = [datetime(2024, 1, 2, 14, 30, tzinfo=UTC), datetime(2024, 1, 3, 14, 30, tzinfo=UTC)]
    columns = {"asset_id": ["A", "A"], "open": [1.0, 2.0], "close": [1.0, 2.0]}
    frame: object
    if library == "polars":
        times = pl.Series(moments).dt.cast_time_unit("ns")
        frame = pl.DataFrame({"timestamp": times, **columns})
    else:
        frame = pd.DataFrame({"timestamp": pd.DatetimeIndex(moments).as_unit("ns"), **columns})
    result = BacktestEngine(Catalog().register("prices", frame), TopN(1, by="close")).run()
    assert [row[0] for row in result.sql("select timestamp from equity").fetchall()] == moments


# -- a name is taken by what was registered alone ---------------------------------------------

REFUSED: dict[str, object] = {
    "SQL text": "select 1 as x",
    "SQL that cannot run": "select * from nowhere",
    "a frame": {"x": [1]},
    "a folder that is not there": "/nowhere/at/all.parquet",
}


@each_value
@pytest.mark.parametrize("second", REFUSED)
@pytest.mark.parametrize("first", REFUSED)
@pytest.mark.parametrize("role", ["prices", "features"])
def test_a_refused_registration_leaves_its_name_free(role: str, first: str, second: str) -> None:
    catalog = Catalog()
    if role == "features":
        catalog.register("prices", PRICES)
    for refused in (first, second):
        with pytest.raises(DataError):
            catalog.register(role, REFUSED[refused])  # type: ignore[arg-type]

    rows = PRICES if role == "prices" else features(x=[1.0, 2.0])
    catalog.register(role, rows)  # type: ignore[arg-type]

    assert len(catalog.sql(f"select * from {role}").fetchall()) == (4 if role == "prices" else 2)


def test_a_registration_refused_after_a_query_leaves_the_catalog_as_it_was() -> None:
    catalog = Catalog().register("prices", PRICES)
    before = catalog.sql(QUERY).fetchall()

    with pytest.raises(DataError, match="no column 'timestamp'"):
        catalog.register("features", "select 1 as asset_id", name="extra")

    assert catalog.sql(QUERY).fetchall() == before
    catalog.register("features", features(x=[1.0, 2.0]), name="extra")
    assert catalog.sql("select sum(x) from extra").fetchall() == [(3.0,)]


@pytest.mark.parametrize("column", ["close", "open", "volume"])
def test_lists_of_numbers_are_no_prices(column: str) -> None:
    with pytest.raises(
        DataError, match=rf"column '{column}' of type .*\[\]; a .* must be a number"
    ):
        Catalog().register("prices", {**PRICES, column: [[1.0]] * 4})


# -- settings of a catalog --------------------------------------------------------------------


@pytest.mark.parametrize("threads", [0, -1, True, 1.0, "2", 10**9])
def test_threads_that_are_no_whole_number_of_threads_are_refused(threads: object) -> None:
    with pytest.raises(ConfigError, match="threads must be a whole number from 1 to 1,024, was"):
        Catalog(threads=threads)  # type: ignore[arg-type]


@pytest.mark.parametrize("limit", ["", "0", "0GB", "-1", "x", "4", 4, 4e9, "GB"])
def test_a_memory_limit_that_is_no_size_is_refused(limit: object) -> None:
    with pytest.raises(ConfigError, match="memory_limit must be a size above 0 such as '4GB', was"):
        Catalog(memory_limit=limit)  # type: ignore[arg-type]


@pytest.mark.parametrize("limit", ["4GB", "0.5 GiB", "80%", "500mb"])
def test_sizes_are_memory_limits(limit: str) -> None:
    catalog = Catalog(threads=np.int64(1), memory_limit=limit).register("prices", PRICES)
    assert len(catalog.sql(QUERY).fetchall()) == 4


def test_a_kernel_that_refuses_the_setting_of_the_progress_bar_has_a_catalog(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connect, refused = duckdb.connect, []

    class Kernel:
        """A connection as in a notebook without ipywidgets."""

        def __init__(self, *args: object, **settings: object) -> None:
            self._own = connect(*args, **settings)  # type: ignore[arg-type]

        def __getattr__(self, name: str) -> object:
            return getattr(self._own, name)

        def execute(self, statement: str, *parameters: object) -> object:
            if "enable_progress_bar" in statement:
                refused.append(statement)
                raise duckdb.InvalidInputException("required package 'ipywidgets' is missing")
            return self._own.execute(statement, *parameters)

    monkeypatch.setattr(duckdb, "connect", Kernel)
    catalog = Catalog().register("prices", PRICES)

    assert len(catalog.sql(QUERY).fetchall()) == 4
    assert refused
