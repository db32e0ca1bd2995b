"""Text: what a file of CSV or JSON says is read as it stands, or refused with the line to write."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from file_forms import COLUMNS, bars, write_text
from ml4t.backtest import Catalog, DataError

HEAD = "timestamp,asset_id,close,score\n"
DAY = date(2024, 1, 2)


def written(folder: Path, text: str | bytes, name: str = "p.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def rows_of(path: Path, items: str = "*", **options: Any) -> list[tuple[Any, ...]]:
    catalog = Catalog().register("prices", path, **options)
    return catalog.sql(f"select {items} from prices order by timestamp, asset_id").fetchall()


def refused(path: Path, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        Catalog().register("prices", path, **options).validate()
    return str(caught.value)


# -- the layout of a file ----------------------------------------------------------------------

PLAIN = "2024-01-02,A,1.5,0.5\n2024-01-03,A,2.5,0.25\n"
EXPECTED = [(DAY, "A", 1.5, 0.5), (date(2024, 1, 3), "A", 2.5, 0.25)]
LAYOUTS = {
    "lines of Unix": HEAD + PLAIN,
    "lines of Windows": (HEAD + PLAIN).replace("\n", "\r\n"),
    "lines of the old Mac": (HEAD + PLAIN).replace("\n", "\r"),
    "a byte order mark": "\ufeff" + HEAD + PLAIN,
    "a byte order mark and quotes": '\ufeff"timestamp","asset_id","close","score"\n' + PLAIN,
    "a quoted header": '"timestamp","asset_id","close","score"\n' + PLAIN,
    "spaces in the header": "timestamp, asset_id, close, score\n" + PLAIN,
    "comments above": "# from a vendor\n#\n\n" + HEAD + PLAIN,
    "a separator for Excel": "sep=;\n" + (HEAD + PLAIN).replace(",", ";"),
    "blank lines": HEAD + "\n" + PLAIN.replace("\n", "\n\n"),
    "no newline at the end": (HEAD + PLAIN).rstrip(),
    "quoted values": HEAD + PLAIN.replace("A", '"A"').replace("1.5", '"1.5"'),
    "spaces before numbers": HEAD + PLAIN.replace(",1.5,", ", 1.5,"),
    "exponents": HEAD + PLAIN.replace("1.5", "15e-1").replace("0.25", "2.5E-1"),
}


def test_empty_fields_beyond_the_header_are_counted(tmp_path: Path) -> None:
    text = HEAD + '2024-01-02,"A,,,",1.5,0.5,\n2024-01-03,A,2.5,,,\n2024-01-04,A,2.5,\n'
    path = written(tmp_path, text)
    (said,) = Catalog().register("prices", path).describe()
    assert "empty fields beyond those of the header left out (2 rows)" in map(str, said["changes"])
    assert rows_of(path, "close, score") == [(1.5, 0.5), (2.5, None), (2.5, None)]
    (said,) = Catalog().register("prices", written(tmp_path, HEAD + PLAIN)).describe()
    assert not any("beyond" in str(change) for change in said["changes"])
    assert "has 5 columns" in refused(written(tmp_path, HEAD + "2024-01-02,A,1.5,0.5,x\n"))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_read(layout: str, tmp_path: Path) -> None:
    assert rows_of(written(tmp_path, LAYOUTS[layout])) == EXPECTED


def test_lines_above_the_header_and_row_numbers_are_counted(tmp_path: Path) -> None:
    text = "# a\n# b\n,timestamp,asset_id,close\n0,2024-01-02,A,1.5\n1,2024-01-03,A,2\n"
    catalog = Catalog().register("prices", written(tmp_path, text))
    changes = catalog.describe()[0]["changes"]
    assert isinstance(changes, list)
    assert changes[:2] == [
        "a column of row numbers without a name left out (2 rows)",
        "lines above the header left out (2 rows)",
    ]
    assert list(catalog.describe()[0]["columns"]) == ["timestamp", "asset_id", "close"]  # type: ignore[call-overload]


def test_a_column_without_a_name_is_the_time_where_it_holds_times_and_else_kept(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, ",asset_id,close\n2024-01-02,A,1.5\n")
    assert rows_of(path) == rows_of(path, columns={"timestamp": "column0"}) == [(DAY, "A", 1.5)]
    (source,) = Catalog().register("prices", path).describe()
    assert "timestamp is the column 'column0'" in source["changes"]
    assert "'x' is no ISO date" in refused(written(tmp_path, ",asset_id,close\nx,A,1.5\n"))


BROKEN = {
    "empty": ("", "is empty, or has nothing but comments"),
    "comments alone": ("# a\n# b\n", "is empty, or has nothing but comments"),
    "no header": ("2024-01-02,A,1.5,0.5\n2024-01-03,A,2,1\n", "header=false, names=['timestamp'"),
    "no header, ticker first": ("A,20240102,1.5,2,3,4\nA,20240103,2,1,1,1\n", "has no header: its"),
    "no header below a comment": ("# t,a,c\n2024-01-02,A,1.5\n", "has no header: its fir"),
    "a name twice": ("timestamp,asset_id,close,close\n2024-01-02,A,1,2\n", "has columns 'close'"),
    "names of one letter case": (
        "timestamp,asset_id,close,Close\n2024-01-02,A,1,2\n", "has columns 'close' and 'Close' in",
    ),
    "a short row": (HEAD + PLAIN + "2024-01-04,A,1\n", "line 4"),
    "a long row": (HEAD + PLAIN + "2024-01-04,A,1,2,3\n", "has 5 columns and the header has 4"),
    "a comment in the middle": (HEAD + PLAIN + "# note\n", "line 4"),
    "a quote that does not end": (HEAD + PLAIN + '2024-01-04,"A,1,2\n', "has a quote that does no"),
    "two kinds of lines": (
        (HEAD + PLAIN).replace("\n", "\r\n").encode() + b"2024-01-04,A,1,2\n", "could not be read",
    ),
    "Latin letters": (HEAD.encode() + b"2024-01-02,\xc4,1,2\n", "is not UTF-8; save"),
    "UTF-16": ((HEAD + PLAIN).encode("utf-16"), "is not UTF-8; save it as UTF-8"),
    "no packed file": (b"timestamp,asset_id,close\n", "could not be read"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused_with_what_was_found(case: str, tmp_path: Path) -> None:
    text, says = BROKEN[case]
    name = "p.csv.gz" if case == "no packed file" else "p.csv"
    assert says in refused(written(tmp_path, text, name))


def test_the_line_for_a_file_without_header_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = refused(written(tmp_path, "2024-01-02,A,1.5\n2024-01-03,A,2\n"))
    monkeypatch.chdir(tmp_path)
    assert said.count('"') == 2
    catalog = Catalog().register("prices", said.split('"')[1])
    assert catalog.sql("select close from prices order by timestamp").fetchall() == [(1.5,), (2,)]


# -- the types of columns ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "assets",
    [("NA",), ("TRUE", "FALSE"), ("000001", "600519"), ("1E5",), ("INF", "NAN"), ("NULL",),
     ("2024-01-02",), ("12",)],
)  # fmt: skip
def test_a_ticker_is_text_whatever_it_looks_like(assets: tuple[str, ...], tmp_path: Path) -> None:
    text = "Date,Ticker,Close\n" + "".join(f"2024-01-02,{asset},1\n" for asset in assets)
    found = rows_of(written(tmp_path, text), "asset_id", null_values=["NA", "NULL"])
    assert found == [(asset,) for asset in sorted(assets)]


TYPES = {
    "whole": (["1", "-2", ""], [1, -2, None], "BIGINT"),
    "fractions": (["1", "2.5", ""], [1.0, 2.5, None], "DOUBLE"),
    "all digits of a double": (["0.1", "1e-300", "123456789.12345679"],
                               [0.1, 1e-300, 123456789.12345679], "DOUBLE"),
    "codes": (["007", "010", "600"], ["007", "010", "600"], "VARCHAR"),
    "flags": (["true", "FALSE", ""], [True, False, None], "BOOLEAN"),
    "words": (["a", "1", "b"], ["a", "1", "b"], "VARCHAR"),
    "nothing": (["", "", ""], [None] * 3, "DOUBLE"),
    "nan among numbers": (["1.5", "nan", "2"], [1.5, None, 2.0], "DOUBLE"),
    "more than 64 bits": (["1", "18446744073709551616", "3"],
                          [1.0, 18446744073709551616.0, 3.0], "DOUBLE"),
    "underscores are no digits": (["a", "1_000", "b"], ["a", "1_000", "b"], "VARCHAR"),
}  # fmt: skip


@pytest.mark.parametrize("case", TYPES)
def test_a_column_has_the_type_of_all_its_texts(case: str, tmp_path: Path) -> None:
    texts, values, kind = TYPES[case]
    rows = [f"2024-01-0{i + 2},A,1,{text}\n" for i, text in enumerate(texts)]
    found = rows_of(written(tmp_path, HEAD + "".join(rows)), "score, typeof(score)")
    assert found == [(value, kind) for value in values]


def test_a_word_behind_the_samples_of_a_reader_is_seen(tmp_path: Path) -> None:
    lines = [f"2024-01-02,A{i},1.5,{i}\n" for i in range(21_000)]
    text = HEAD + "".join(lines)
    assert rows_of(written(tmp_path, text), "typeof(score)")[0] == ("BIGINT",)
    said = refused(written(tmp_path, text + "2024-01-02,Z,1.5,N/A\n"))
    assert "has column 'score' of numbers with 'N/A' among them" in said
    assert "null_values=['N/A']" in said


@pytest.mark.parametrize("word", ["NA", "-", "n/a", "null", "."])
def test_a_word_among_prices_is_refused_and_the_line_reads_it(word: str, tmp_path: Path) -> None:
    path = written(tmp_path, HEAD + PLAIN + f"2024-01-04,A,1.5,{word}\n")
    said = refused(path)
    assert (
        f"with {word!r} among them; if that means missing, say so: null_values=[{word!r}]" in said
    )
    assert rows_of(path, "score", null_values=[word])[2] == (None,)
    catalog = Catalog().register("prices", path, null_values=[word])
    assert f"score: {word!r} read as missing (1 rows)" in catalog.describe()[0]["changes"]  # type: ignore[operator]


def test_a_price_that_is_missing_is_refused_by_the_checks(tmp_path: Path) -> None:
    path = written(tmp_path, HEAD + PLAIN + "2024-01-04,A,,1\n")
    assert "has bars without 'close'" in refused(path)


NUMBERS = {
    "a currency": ("$12.5", "null_values=['$12.5']; else mend the file"),
    "per cent": ("5%", "null_values=['5%']; else mend the file"),
    "a sign that may be either": ('"1,234"', "decimal sign, with decimal_separator=','"),
}  # fmt: skip


@pytest.mark.parametrize("case", NUMBERS)
def test_a_number_in_another_form_is_refused(case: str, tmp_path: Path) -> None:
    text, says = NUMBERS[case]
    said = refused(written(tmp_path, HEAD + PLAIN + f"2024-01-04,A,{text},1\n"))
    assert "has column 'close' of numbers with" in said
    assert says in said


SIGNS = {
    "thousands": ("Date,Ticker,Close\n2024-01-02,000001,\"1,234.5\"\n", 1234.5),
    "millions": ("Date,Ticker,Close\n2024-01-02,000001,\"1,234,567\"\n", 1_234_567.0),
    "European": ("Date;Ticker;Close\n2024-01-02;000001;1.234,5\n", 1234.5),
    "European and whole": (
        "Date;Ticker;Close;Volume\n2024-01-02;000001;2,5;1.234\n", 2.5,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SIGNS)
def test_the_line_for_other_signs_reads_the_file(case: str, tmp_path: Path) -> None:
    text, value = SIGNS[case]
    said = refused(written(tmp_path, text))
    catalog = Catalog().register("prices", said.split('"')[1])
    found = catalog.sql("select timestamp, asset_id, close from prices").fetchall()
    assert found == [(DAY, "000001", value)]


def test_a_decimal_comma_that_may_part_thousands_is_refused(tmp_path: Path) -> None:
    text = "timestamp;asset_id;close\n2024-01-02;A;1,234\n2024-01-03;A;2,345\n"
    assert "decimal_separator=','" in refused(written(tmp_path, text))
    # One that can part no thousands says what the others are.
    text += "2024-01-04;A;2,5\n"
    assert rows_of(written(tmp_path, text), "close") == [(1.234,), (2.345,), (2.5,)]


def test_a_folder_without_data_says_what_it_was_searched_for(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("read me")
    assert "a pattern such as '*.txt' (a folder is searched for .parquet" in refused(tmp_path)


# -- dates -------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["03/04/2024", "13/04/2024", "20240403", "4 Mar 2024"])
def test_a_date_in_another_form_is_not_guessed(text: str, tmp_path: Path) -> None:
    assert "date_format=" in refused(written(tmp_path, HEAD + f"{text},A,1,2\n"))


@pytest.mark.parametrize(
    ("text", "date_format"), [("03/04/2024", "%d/%m/%Y"), ("04/03/2024", "%m/%d/%Y"),
                              ("20240403", "%Y%m%d"), ("3-Apr-24", "%d-%b-%y")],
)  # fmt: skip
def test_a_date_is_read_as_is_said(text: str, date_format: str, tmp_path: Path) -> None:
    path = written(tmp_path, HEAD + f"{text},A,1,2\n")
    assert rows_of(path, "timestamp", date_format=date_format) == [(date(2024, 4, 3),)]


def test_an_end_that_no_row_has_is_open(tmp_path: Path) -> None:
    prices = write_text(tmp_path / "p.csv", bars())
    universe = written(tmp_path, "asset_id,start_date,end_date\nTRUE,2024-01-01,\n", "u.csv")
    catalog = Catalog().register("prices", prices).register("universe", universe)
    assert catalog.validate().has_universe


# -- JSON --------------------------------------------------------------------------------------


def test_a_string_of_json_is_text_and_a_number_a_number(tmp_path: Path) -> None:
    text = (
        '{"timestamp": "2024-01-02", "asset_id": "000001", "close": 1, "a": "1", "b": 2, "c": true}'
        '\n{"timestamp": "2024-01-03", "asset_id": "TRUE", "close": 0.1, "a": "2", "b": 3}\n'
    )
    found = rows_of(written(tmp_path, text, "p.jsonl"), "asset_id, close, a, b, c")
    assert found == [("000001", 1.0, "1", 2, True), ("TRUE", 0.1, "2", 3, None)]


JSON_BROKEN = {
    "a list a line": ("[1, 2]\n", "each line of JSON must be an object"),
    "cut short": ('{"timestamp": "2024-01-02"\n', "could not be read"),
    "an object inside": (
        '{"timestamp": "2024-01-02", "asset_id": "A", "close": {"x": 1}}\n',
        "has column 'close' with a value that is an object; flatten it",
    ),
    "a word among numbers": (
        "".join(f'{{"timestamp": "2024-01-0{i}", "asset_id": "A", "close": {c}}}\n'
                for i, c in ((2, 1), (3, 2), (4, '"NA"'))),
        "say so: null_values=['NA']",
    ),
    "a day that may be a month": (
        '{"timestamp": "01-02-2024", "asset_id": "A", "close": 1}\n', "date_format=",
    ),
    "names of one letter case": (
        '{"timestamp": "2024-01-02", "asset_id": "A", "close": 1, "Close": 2}\n',
        "which are one to SQL; rename one of them",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", JSON_BROKEN)
def test_broken_json_is_refused_with_what_was_found(case: str, tmp_path: Path) -> None:
    text, says = JSON_BROKEN[case]
    assert says in refused(written(tmp_path, text, "p.jsonl"))


def test_files_of_columns_in_another_order_go_together_by_name(tmp_path: Path) -> None:
    rows = bars()
    write_text(tmp_path / "f" / "a.csv", rows[:100])
    back = [row[::-1] for row in rows[100:]]
    write_text(tmp_path / "f" / "b.csv", back, COLUMNS[::-1], delimiter=";", quoting=csv.QUOTE_ALL)
    assert rows_of(tmp_path / "f", "close") == [
        (row[5],) for row in sorted(rows, key=lambda row: row[:2])
    ]


@pytest.mark.parametrize("suffix", ["csv", "parquet", "feather", "jsonl"])
def test_a_folder_per_asset_names_the_assets_of_its_files(tmp_path: Path, suffix: str) -> None:
    for asset in ("BRK.B", "it's"):
        (tmp_path / asset).mkdir()
        frame = pl.DataFrame({"Date": [date(2024, 1, 2)], "Close": [1.5]})
        if suffix == "csv":
            frame.write_csv(tmp_path / asset / "data.csv")
        elif suffix == "jsonl":
            frame.write_ndjson(tmp_path / asset / "data.jsonl")
        elif suffix == "feather":
            frame.write_ipc(tmp_path / asset / "data.feather")
        else:
            frame.write_parquet(tmp_path / asset / "data.parquet")
    catalog = Catalog().register("prices", tmp_path, asset_id="folder")
    found = catalog.sql("select asset_id, close from prices order by all").fetchall()
    assert found == [("BRK.B", 1.5), ("it's", 1.5)]
    # By their names they would be one asset twice a day, and dropping rows would leave none.
    with pytest.raises(DataError, match=r"2 files, all called 'data'.* say asset_id='folder'"):
        Catalog().register("prices", tmp_path, asset_id="filename", on_bad_rows="drop")


def test_a_ticker_with_a_quote_in_a_folder_with_brackets_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "it's [new]*"
    write_text(folder / "A'B [x].csv", [row[:1] + row[2:] for row in bars()[:40]],
               (COLUMNS[0], *COLUMNS[2:]))  # fmt: skip
    catalog = Catalog().register("prices", folder, asset_id="filename")
    found = catalog.sql("select distinct asset_id from prices").fetchall()
    assert found == [("A'B [x]",)]
