"""Forms of files: each reaches the value of Parquet, and none is read in another way than said."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from file_forms import COLUMNS, FORMS, TICKERS, bars, table, write_duckdb, write_sqlite, write_text
from ml4t.backtest import BacktestEngine, Catalog, ConfigError, DataError, TopN
from ml4t.backtest.runfile import catalog_of

every_form = pytest.mark.parametrize("form", FORMS)


def value_of(catalog: Catalog) -> float:
    """What a run of two assets a week is worth at its end."""
    return BacktestEngine(catalog, TopN(2, by="score", every=3), initial_capital=10_000).run()[
        "final_value"
    ]


@pytest.fixture(scope="module")
def parquet(tmp_path_factory: pytest.TempPathFactory) -> float:
    path = tmp_path_factory.mktemp("parquet") / "p.parquet"
    pq.write_table(table(), path)
    return value_of(Catalog().register("prices", path))


def written(form: str, folder: Path) -> tuple[Path, dict[str, Any]]:
    write, options = FORMS[form]
    return write(folder), options


def refused(source: object, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        Catalog().register("prices", source, **options).validate()
    return str(caught.value)


@every_form
def test_a_form_reaches_the_value_of_parquet(form: str, parquet: float, tmp_path: Path) -> None:
    path, options = written(form, tmp_path)
    catalog = Catalog().register("prices", path, **options)
    assert value_of(catalog) == parquet
    found = catalog.sql("select distinct asset_id from prices order by all").fetchall()
    assert [asset for (asset,) in found] == sorted(TICKERS)
    # Queries read the files that DuckDB scans and no other.
    secret = tmp_path.with_suffix(".csv")
    secret.write_text("a\n1\n")
    with pytest.raises(duckdb.Error, match=r"[Pp]ermission|disabled"):
        catalog.sql(f"select * from read_csv('{secret}')").fetchall()
    assert catalog.sql("select count(*) from prices").fetchall() == [(280,)]


@every_form
def test_a_file_that_changed_since_is_read_again(form: str, tmp_path: Path) -> None:
    path, options = written(form, tmp_path)
    catalog = Catalog().register("prices", path, **options)
    before = [one["files"] for one in catalog.fingerprints()]
    assert catalog.sql("select count(*) from prices").fetchall() == [(280,)]
    file = path if path.is_file() else next(p for p in sorted(path.rglob("*")) if p.is_file())
    other = tmp_path / "elsewhere" / file.name
    other.parent.mkdir()
    file.rename(other)
    file.write_bytes(other.read_bytes())
    os.utime(file, ns=(1, 1))

    catalog.validate()
    assert [one["files"] for one in catalog.fingerprints()] != before


# -- what is said of a file --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"table": "x"}, "takes no table='x': CSV has no tables by name"),
        ({"table": ""}, "table must be the name of a table"),
        ({"asset_id": "Ticker"}, r"columns={'asset_id': 'Ticker'}"),
        ({"null_values": "NA"}, r"such as \['NA', '-'\], was 'NA'"),
        ({"null_values": [1]}, "null_values must be a list"),
    ],
)
def test_what_cannot_be_said_of_a_csv(options: Any, says: str, tmp_path: Path) -> None:
    path = write_text(tmp_path / "p.csv", bars())
    with pytest.raises(ConfigError, match=says):
        Catalog().register("prices", path, **options)


@pytest.mark.parametrize(
    "options", [{"table": "x"}, {"asset_id": "filename"}, {"null_values": ["NA"]}]
)
def test_what_is_said_of_files_is_refused_of_a_frame(options: Any) -> None:
    with pytest.raises(ConfigError, match=f"takes no {next(iter(options))}: it is no file"):
        Catalog().register("prices", table(), **options)


def test_a_parquet_takes_no_null_values(tmp_path: Path) -> None:
    pq.write_table(table(), tmp_path / "p.parquet")
    with pytest.raises(ConfigError, match="Parquet has missing values of its own"):
        Catalog().register("prices", tmp_path / "p.parquet", null_values=["NA"])


def test_what_is_said_of_files_is_part_of_their_fingerprint(tmp_path: Path) -> None:
    rows = [(*row[:-1], "NA" if i % 9 == 0 else row[-1]) for i, row in enumerate(bars())]
    path = write_text(tmp_path / "p.csv", rows)
    catalog = Catalog().register("prices", path, null_values=["NA"])
    assert catalog.fingerprints()[0]["null_values"] == ["NA"]
    assert "score: 'NA' read as missing (32 rows)" in catalog.describe()[0]["changes"]  # type: ignore[operator]


def test_the_keys_of_a_run_file(tmp_path: Path) -> None:
    write_sqlite(tmp_path / "p.db", bars())
    rows = [(day, "x" if day.day == 2 else 1.0) for day in sorted({row[0] for row in bars()})]
    write_text(tmp_path / "c" / "x.csv", rows, ("timestamp", "vix"))
    (tmp_path / "run.toml").write_text(
        '[sources.prices]\npath = "p.db"\ntable = "prices"\n'
        '[sources.context]\npath = "c"\nnull_values = ["x"]\n'
        '[strategy]\nkind = "TopN"\nn = 2\nby = "score"\n'
    )
    found = catalog_of(tmp_path / "run.toml").sql("select count(vix), count(*) from context")
    assert found.fetchall() == [(38, 40)]


# -- several files -----------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["csv", "parquet", "feather", "jsonl"])
def test_a_column_that_a_file_lacks_is_missing_there_and_counted(
    ending: str, tmp_path: Path
) -> None:
    folder = tmp_path / "f"
    for year, columns in (("2023", COLUMNS[:6]), ("2024", COLUMNS)):
        days = [(row[0].replace(year=int(year)), *row[1 : len(columns)]) for row in bars()]
        write(folder / f"{year}.{ending}", days, columns)
    catalog = Catalog().register("prices", folder)

    query = "select year(timestamp), count(volume), count(*) from prices group by 1 order by 1"
    assert catalog.sql(query).fetchall() == [(2023, 0, 280), (2024, 280, 280)]
    said = "volume is in 1 of 2 files, missing in the others (280 rows)"
    assert said in catalog.describe()[0]["changes"]  # type: ignore[operator]
    found = [one for one in catalog.checks() if one.rule == "files_differ"]
    assert [(one.source, one.n_rows, one.is_warning) for one in found] == [
        ("prices", 280, True)
    ] * 2
    assert {one.text for one in found} == {
        f"has files that differ: {name} is in 1 of 2 files, missing in the others"
        for name in ("volume", "score")
    }
    result = BacktestEngine(catalog, TopN(2, by="close"), initial_capital=10_000).run()
    assert "source 'prices' has files that differ: volume is in 1 of 2 files" in result.summary()


def write(path: Path, rows: Any, columns: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    one = table(rows, columns)
    if path.suffix == ".csv":
        write_text(path, rows, columns)
    elif path.suffix == ".parquet":
        pq.write_table(one, path)
    elif path.suffix == ".feather":
        feather.write_feather(one, path)
    else:
        frame = one.to_pandas().astype({"timestamp": str})
        frame.to_json(path, orient="records", lines=True, double_precision=15)


@pytest.mark.parametrize("ending", ["csv", "parquet", "feather", "jsonl"])
def test_a_file_without_a_close_is_refused(ending: str, tmp_path: Path) -> None:
    write(tmp_path / "f" / f"a.{ending}", bars(), COLUMNS)
    write(tmp_path / "f" / f"b.{ending}", [row[:5] for row in bars()], COLUMNS[:5])
    assert f"has no column 'close' in {tmp_path}/f/b.{ending}" in refused(tmp_path / "f")


def test_a_type_that_differs_between_feathers_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    feather.write_feather(table(), tmp_path / "f" / "a.feather")
    other = table().set_column(7, "score", pa.array(["x"] * 280))
    feather.write_feather(other, tmp_path / "f" / "b.feather")
    says = f"has column 'score' of type double in {tmp_path}/f/a.feather and string in"
    assert says in refused(tmp_path / "f")


def test_a_folder_of_several_kinds_is_refused_with_the_line_to_write(tmp_path: Path) -> None:
    write_text(tmp_path / "f" / "a.csv", bars())
    write_text(tmp_path / "f" / "b.csv", bars())
    pq.write_table(table(), tmp_path / "f" / "c.parquet")
    (tmp_path / "f" / "readme.txt").write_text("read me")
    said = refused(tmp_path / "f")
    assert "has files of several kinds: 2 of CSV" in said
    assert "1 of Parquet" in said
    assert f"'{tmp_path}/f/*.csv'" in said


@pytest.mark.parametrize(
    ("name", "way_out"),
    [("p.zip", "unpack it"), ("p.xls", r"save it as \.xlsx"), ("p.pkl", r"pandas\.read_pickle"),
     ("p.csv.bz2", "pack it with gzip")],
)  # fmt: skip
def test_a_kind_that_is_not_read_is_refused_with_the_way(
    name: str, way_out: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(b"PK")
    with pytest.raises(DataError, match=way_out):
        Catalog().register("prices", tmp_path / name)


def test_a_file_whose_name_is_to_be_its_asset_has_no_other(tmp_path: Path) -> None:
    write_text(tmp_path / "A.csv", bars())
    said = refused(tmp_path / "A.csv", asset_id="filename")
    assert "has a column 'asset_id'" in said
    assert "leave one of them out" in said


# -- files with tables -------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["duckdb", "sqlite"])
def test_a_table_that_is_not_there_or_not_named(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"p.{ending}"
    if ending == "duckdb":
        write_duckdb(path, table())
    else:
        write_sqlite(path, bars())
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("create view bars as select * from prices")
    assert f"has 2 tables in {path}: 'bars', 'prices'; say which: table='bars'" in refused(path)
    assert "has no table 'price'" in (said := refused(path, table="price"))
    assert "did you mean 'prices'?" in said


@pytest.mark.parametrize("ending", ["duckdb", "sqlite"])
def test_a_file_of_tables_is_neither_changed_nor_kept_open(ending: str, tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    path = folder / f"p.{ending}"
    if ending == "duckdb":
        write_duckdb(path, table())
    else:
        write_sqlite(path, bars())
    before, others = path.read_bytes(), sorted(folder.iterdir())
    catalog = Catalog().register("prices", path, table="prices")
    catalog.validate()
    assert (path.read_bytes(), sorted(folder.iterdir())) == (before, others)

    write_again = (
        f"import {ending.replace('sqlite', 'sqlite3')} as db; one = db.connect({str(path)!r}); "
        "one.execute('create table more (a int)'); one.commit(); one.close()"
    )
    subprocess.run([sys.executable, "-c", write_again], check=True)
    assert catalog.validate().n_bars == 40


def test_a_file_of_duckdb_that_is_open_elsewhere_is_refused(tmp_path: Path) -> None:
    path = write_duckdb(tmp_path / "p.duckdb", table())
    with closing(duckdb.connect(str(path))):
        assert "close it there, such as by con.close()" in refused(path, table="prices")


def test_a_view_of_duckdb_reads_no_file_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("timestamp,asset_id,close\n2024-01-02,A,1\n")
    with closing(duckdb.connect(str(tmp_path / "p.duckdb"))) as connection:
        connection.execute(f"create view v as select * from read_csv('{tmp_path}/secret.csv')")
    assert "could not be read" in refused(tmp_path / "p.duckdb", table="v")


def test_a_sum_of_whole_numbers_in_duckdb_is_whole(tmp_path: Path) -> None:
    with closing(duckdb.connect(str(tmp_path / "p.duckdb"))) as connection:
        connection.execute(
            "create table p as select date '2024-01-02' as timestamp, 'A' as asset_id, "
            "1.0::double as close, 9007199254740993::hugeint as volume"
        )
    catalog = Catalog().register("prices", tmp_path / "p.duckdb")
    found = catalog.sql("select volume, typeof(volume) from prices").fetchall()
    assert found == [(9007199254740993, "HUGEINT")]


def test_rows_in_the_log_of_sqlite_are_part_of_the_table(tmp_path: Path) -> None:
    path = write_sqlite(tmp_path / "p.sqlite", bars())
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute(
            "insert into prices values ('2024-03-01', 'LATE', 1.0, 1.0, 1.0, 1.0, 1, 0.5)"
        )
        connection.commit()
        catalog = Catalog().register("prices", path)
        query = "select timestamp from prices where asset_id = 'LATE'"
        assert catalog.sql(query).fetchall() == [(date(2024, 3, 1),)]


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("NA", r"1 of a text \('NA'\); if a text means missing, say so: null_values=\['NA'\]"),
        (b"x", r"1 of bytes \(b'x'\); make all of them one kind"),
    ],
)
def test_a_column_of_sqlite_whose_values_differ_is_refused(
    cell: object, says: str, tmp_path: Path
) -> None:
    rows = [*bars()[:-1], (*bars()[-1][:-1], cell)]
    path = write_sqlite(tmp_path / "p.sqlite", rows)
    with pytest.raises(DataError, match=says):
        Catalog().register("prices", path)


def test_a_ticker_that_sqlite_made_a_number_is_refused(tmp_path: Path) -> None:
    # A column declared STRING has the affinity of numbers: 000001 is 1 in there, 1E5 is 100000.
    kinds = "timestamp text, asset_id string, " + ", ".join(f"{name} real" for name in COLUMNS[2:])
    path = write_sqlite(tmp_path / "p.sqlite", bars(), kinds)
    said = refused(path)
    assert "has column 'asset_id' of assets" in said
    assert "a number, 1; store all of them as texts" in said


def test_a_cut_file_of_sqlite_or_duckdb_is_refused(tmp_path: Path) -> None:
    for ending in ("sqlite", "duckdb"):
        (tmp_path / f"p.{ending}").write_bytes(b"no file of tables" * 100)
        assert "could not be read" in refused(tmp_path / f"p.{ending}")
    (tmp_path / "p.feather").write_bytes(b"no feather")
    assert "could not be read" in refused(tmp_path / "p.feather")
