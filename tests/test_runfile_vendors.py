"""A vendor's files in a run file: its tables are those of the function in Python."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml4t.backtest import Catalog, ConfigError, vendors
from ml4t.backtest.runfile import catalog_of, engine_of
from vendor_files import WRITERS

# What the table says beside `vendor`, and the call that it stands for.
SAID = {
    "binance_klines": ('path = "klines/*.zip"', ["klines/*.zip"], {}),
    "kibot": ('path = "kibot/*.txt"\nadjusted = true', ["kibot/*.txt"], {"adjusted": True}),
    "crsp": ('path = "dsf.csv"\ndelistings = "dsedelist.csv"', ["dsf.csv", "dsedelist.csv"], {}),
    "sharadar": (
        'path = "SHARADAR_SEP.csv"\nactions = "SHARADAR_ACTIONS.csv"\n'
        'tickers = "SHARADAR_TICKERS.csv"',
        ["SHARADAR_SEP.csv", "SHARADAR_ACTIONS.csv", "SHARADAR_TICKERS.csv"],
        {},
    ),
    "yfinance": ('path = "yahoo.csv"', ["yahoo.csv"], {}),
    "qlib_bin": ('path = "cn_data"\nmarket = "all"', ["cn_data"], {"market": "all"}),
    "zipline_csvdir": ('path = "csvdir"', ["csvdir"], {}),
}


def run_file(folder: Path, table: str, head: str = "[sources.bars]") -> Path:
    strategy = '[strategy]\nkind = "TopN"\nn = 1\nby = "close"\n'
    path = folder / "run.toml"
    path.write_text(f"{head}\n{table}\n\n{strategy}", encoding="utf-8")
    return path


def rows_of(catalog: Catalog) -> dict[str, object]:
    return {
        str(record["source"]): (
            record["changes"],
            catalog.sql(f"select * from {record['source']} order by all").fetchall(),
        )
        for record in catalog.describe()
    }


@pytest.mark.parametrize("name", SAID)
def test_a_vendor_in_a_run_file_reads_what_it_reads_in_python(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path)
    text, files, options = SAID[name]
    found = catalog_of(run_file(tmp_path, f'vendor = "{name}"\n{text}'))
    said = getattr(vendors, name)(*(str(tmp_path / file) for file in files), **options)
    assert rows_of(found) == rows_of(Catalog().register_all(said))
    assert "prices" in rows_of(found)


def test_a_run_file_runs_on_a_vendors_files_beside_others(tmp_path: Path) -> None:
    WRITERS["kibot"](tmp_path)
    path = run_file(tmp_path, 'vendor = "kibot"\npath = ["kibot/*.txt"]\nadjusted = false')
    assert engine_of(path).run()["n_bars"] > 1


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('vendor = "kibott"', r"\[sources.bars\] has the unknown vendor 'kibott'; did you mean"),
        ('vendor = "kibot"\nadjusted = true', "has no path; vendors.kibot needs it"),
        ('vendor = "kibot"\npath = "x"', "has no adjusted; vendors.kibot needs it"),
        ('vendor = "kibot"\npath = "x"\nadjust = true', "of vendor kibot has the unknown key"),
        ('vendor = "kibot"\npath = "x"\nadjusted = "yes"', "adjusted must be true or false"),
        ('vendor = "kibot"\npath = " "\nadjusted = true', "path must not be blank"),
        ('vendor = "kibot"\npath = "x"\nadjusted = true\nbar = 5', "bar must be a text, was 5"),
        ('vendor = "crsp"\npath = "x"\ndelistings = 3', "delistings must be a text, was 3"),
        ('vendor = "lean_zip"\npath = "x"\nresolution = "day"', "one of 'daily', 'hour', 'minute'"),
        ('role = "features"\npath = "x"', r"no table \[sources.prices\]; .* vendor = \"kibot\""),
    ],
)
def test_a_mistake_names_place_and_way_out(table: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        catalog_of(run_file(tmp_path, table))


@pytest.mark.parametrize("name", vendors.__all__)
def test_what_a_function_takes_by_place_is_a_file_and_all_else_a_value_of_toml(name: str) -> None:
    """What `runfile_sources` rests on."""
    parameters = vendors.__dict__.get(name) or getattr(vendors, name)
    hints = {key: str(hint) for key, hint in parameters.__annotations__.items()}
    files = [
        key
        for key in hints
        if any(word in hints[key] for word in ("Paths", "Path", "Any")) and key != "return"
    ]
    taken = parameters.__code__
    assert files == list(taken.co_varnames[: taken.co_argcount])
    for key in taken.co_varnames[taken.co_argcount : taken.co_argcount + taken.co_kwonlyargcount]:
        assert any(word in hints[key] for word in ("bool", "str", "int", "Literal")), key
