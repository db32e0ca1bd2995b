"""docs/data.md: each line of its tables is run on data of its kind."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import file_forms as made
from ml4t.backtest import BacktestEngine, Catalog, TopN

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "data.md").read_text(encoding="utf-8")
LINES = dict(re.findall(r"^\| ([^|`]+) \| (`catalog\.[^|]+`) \|", PAGE, re.MULTILINE))
IN_MEMORY = dict(  # run by test_shapes
    re.findall(
        r"^\| ([^|`]+) \| (`catalog\.[^|]+`) \|",
        PAGE.partition("## In memory")[2].partition("\n## ")[0],
        re.MULTILINE,
    )
)
LINES = {name: line for name, line in LINES.items() if name not in IN_MEMORY}


def _csv(folder: Path, name: str = "prices.csv") -> None:
    made.write_text(folder / name, made.bars(), delimiter="\t" if name.endswith("tsv") else ",")


def _european(folder: Path) -> None:
    rows = [(f"{row[0]:%d/%m/%Y}", *row[1:]) for row in made.bars()]
    made.write_text(folder / "european.csv", rows)


def _words(folder: Path) -> None:
    rows = [(*row, "-" if i % 2 else i) for i, row in enumerate(made.bars())]
    made.write_text(folder / "words.csv", rows, (*made.COLUMNS, "more"))


def _named(folder: Path) -> None:
    names = ["Code" if name == "asset_id" else name.title() for name in made.COLUMNS]
    made.write_text(folder / "named.csv", made.bars(), names)


def _form(form: str, name: str) -> Callable[[Path], None]:
    """Have what a form writes, under the name that the page has for it."""

    def write(folder: Path) -> None:
        path = made.FORMS[form][0](folder / "made")
        shutil.move(path, folder / name)

    return write


def _parquet(folder: Path) -> None:
    pq.write_table(made.table(), folder / "prices.parquet")


def _two_parquets(folder: Path) -> None:
    (folder / "parquet").mkdir()
    pq.write_table(made.table().slice(0, 99), folder / "parquet" / "a.parquet")
    pq.write_table(made.table().slice(99), folder / "parquet" / "b.parquet")


def _wide_scores(folder: Path) -> None:
    """Have bars without their score, and scores as dates x tickers."""
    bars = made.table().to_pandas()
    bars.drop(columns="score").to_parquet(folder / "bars.parquet")
    scores = bars.pivot(index="timestamp", columns="asset_id", values="score")
    scores.to_csv(folder / "scores.csv")


# What is written for a line of the table, by what it is of.
WRITERS: dict[str, Callable[[Path], None]] = {
    "Parquet": _parquet,
    "a folder of Parquet": _two_parquets,
    "CSV": _csv,
    "CSV, packed": lambda folder: _csv(folder, "prices.csv.gz"),
    "CSV with dates of its own": _european,
    "CSV with words for what is missing": _words,
    "CSV with other names": _named,
    "TSV, text": lambda folder: _csv(folder, "prices.tsv"),
    "JSON lines": _form("JSON lines", "prices.jsonl"),
    "Feather, Arrow IPC": _form("Feather", "prices.feather"),
    "Excel": lambda folder: made.write_excel(folder / "prices.xlsx"),
    "DuckDB": _form("DuckDB", "market.duckdb"),
    "SQLite": _form("SQLite", "market.sqlite"),
    "a Delta table": lambda folder: made.write_delta(folder / "delta"),
    "an Iceberg table": lambda folder: made.write_iceberg(folder / "iceberg"),
    "one file per asset": _form("a CSV of each asset", "per_asset"),
    "columns of assets, in any of these": _wide_scores,
    "a folder per asset": _form("folders of tickers, CSV", "hive"),
    "SQL of DuckDB": _csv,
}
NEEDS = {
    "Excel": "openpyxl",
    "a Delta table": "deltalake",
    "an Iceberg table": "pyiceberg.catalog.sql",
}


def value_of(catalog: Catalog) -> float:
    """What the run at the top of the page is worth at its end."""
    strategy = TopN(2, by="score", every=3)
    return BacktestEngine(catalog, strategy, initial_capital=10_000).run()["final_value"]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> float:
    folder = tmp_path_factory.mktemp("parquet")
    _parquet(folder)
    return value_of(Catalog().register("prices", folder / "prices.parquet"))


def test_every_line_of_the_page_has_its_data() -> None:
    assert set(LINES) == set(WRITERS)


@pytest.mark.parametrize("kind", LINES)
def test_a_line_of_the_page_reaches_the_value_of_parquet(
    kind: str, expected: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind in NEEDS:
        pytest.importorskip(NEEDS[kind])
    (tmp_path / "made").mkdir()
    WRITERS[kind](tmp_path)
    monkeypatch.chdir(tmp_path)
    lines = re.findall(r"`([^`]+)`", LINES[kind])
    assert 1 <= len(lines) <= 2
    names: dict[str, object] = {"catalog": Catalog()}
    exec(compile("\n".join(lines), "docs/data.md", "exec"), names)
    catalog = names["catalog"]
    assert isinstance(catalog, Catalog)
    # Writers of Excel keep 16 digits of a double, of which some need 17.
    assert value_of(catalog) == pytest.approx(expected, rel=1e-12 if kind == "Excel" else 0, abs=0)


def test_the_code_at_the_top_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _csv(tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(PAGE.split("```python\n")[1].split("```")[0], "docs/data.md", "exec"), names)
    assert "result" in names
