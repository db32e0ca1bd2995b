"""Dates that are text: the one form that is read without a word, and what is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

from ml4t.backtest import Catalog
from ml4t.backtest.errors import ConfigError, DataError
from ml4t.backtest.runfile import catalog_of

PRICES = {"asset_id": ["A", "B"], "open": [10.0, 20.0], "close": [10.5, 20.5]}


def registered(stamps: list[object], **options: str) -> Catalog:
    return Catalog().register("prices", PRICES | {"timestamp": stamps}, **options)  # type: ignore[arg-type]


def first(catalog: Catalog) -> object:
    return catalog.sql("select min(timestamp) from prices").fetchall()[0][0]


@pytest.mark.parametrize(
    ("stamps", "kind", "moment"),
    [
        (["2024-01-02", "2024-01-03"], "DATE", date(2024, 1, 2)),
        (["2024-01-02 10:00", "2024-01-02T10:00:30.5"], "TIMESTAMP", datetime(2024, 1, 2, 10)),
        (
            ["2024-01-02T10:00Z", "2024-01-02 10:00:00-05:00"],
            "TIMESTAMP WITH TIME ZONE",
            datetime(2024, 1, 2, 10, tzinfo=UTC),
        ),
    ],
)
def test_text_of_the_iso_form_is_read_and_said(
    stamps: list[object], kind: str, moment: object
) -> None:
    catalog = registered(stamps)
    assert first(catalog) == moment
    assert catalog.describe()[0]["changes"] == [
        f"timestamp: text in ISO form, read as {kind} (2 rows)"
    ]


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame(PRICES | {"Date": ["2024-01-02", "2024-01-03"]}),
        pd.DataFrame(PRICES | {"Date": ["2024-01-02", "2024-01-03"]}),
        pd.DataFrame(PRICES | {"Date": ["2024-01-02", "2024-01-03"]}).astype({"Date": "category"}),
        pl.DataFrame(PRICES | {"Date": ["2024-01-02", "2024-01-03"]}).lazy(),
        "select * from (values ('A', 1.0, '2024-01-02')) as rows(asset_id, close, \"Date\")",
    ],
    ids=["polars", "pandas", "categories", "lazy", "sql"],
)
def test_every_source_is_read_by_one_rule(frame: object) -> None:
    assert first(Catalog().register("prices", frame)) == date(2024, 1, 2)


@pytest.mark.parametrize(
    ("stamps", "says"),
    [
        (["01/02/2024", "01/03/2024"], "'01/02/2024' is no ISO date"),
        (["2024-01-02", "2024-02-30"], "'2024-02-30' is no ISO date"),
        (["20240102", "20240103"], "'20240102' is no ISO date"),
        (["2024-01-02 24:00", "2024-01-02 10:00"], "'2024-01-02 24:00' is no ISO date"),
        (["2024-01-02", "2024-01-03 10:00"], "of a date and of a time in one"),
        ([20240102, 20240103], "date_format='%Y%m%d'"),
    ],
)
def test_other_text_is_refused_with_the_line_to_write(stamps: list[object], says: str) -> None:
    with pytest.raises(DataError, match=says) as error:
        registered(stamps)
    assert error.value.rule == "types"


@pytest.mark.parametrize(
    ("stamps", "date_format", "moment"),
    [
        (["01/02/2024", "13/02/2024"], "%d/%m/%Y", date(2024, 2, 1)),
        ([20240102, 20240103], "%Y%m%d", date(2024, 1, 2)),
        (["1/2/24 16:05", "1/3/24 16:05"], "%m/%d/%y %H:%M", datetime(2024, 1, 2, 16, 5)),
    ],
)
def test_a_format_that_is_said_is_read_and_counted(
    stamps: list[object], date_format: str, moment: object
) -> None:
    catalog = registered(stamps, date_format=date_format)
    assert first(catalog) == moment
    assert catalog.describe()[0]["changes"] == [f"timestamp: read as {date_format} (2 rows)"]


def test_a_value_of_another_format_is_counted_and_refused() -> None:
    with pytest.raises(DataError, match=r"'01/22/2024', which is not written as") as error:
        registered(["01/02/2024", "01/22/2024"], date_format="%d/%m/%Y")
    assert error.value.n_rows == 1


def test_a_format_without_a_use_is_refused() -> None:
    with pytest.raises(DataError, match="no text already; leave date_format"):
        registered([date(2024, 1, 2), date(2024, 1, 3)], date_format="%d/%m/%Y")
    with pytest.raises(ConfigError, match="must be a format such as"):
        registered(["01/02/2024", "01/03/2024"], date_format="dd/mm/yyyy")
    with pytest.raises(ConfigError, match="cannot be used"):
        registered(["01/02/2024", "01/03/2024"], date_format="%Q")


def test_a_run_file_says_the_format_too(tmp_path: Path) -> None:
    pl.DataFrame(PRICES | {"timestamp": ["02.01.2024", "03.01.2024"]}).write_parquet(
        tmp_path / "prices.parquet"
    )
    run = tmp_path / "run.toml"
    run.write_text(
        "[sources.prices]\npath = 'prices.parquet'\ndate_format = '%d.%m.%Y'\n"
        "[strategy]\ntype = 'TopN'\nn = 1\nby = 'close'\n"
    )
    assert first(catalog_of(run)) == date(2024, 1, 2)
