"""What `save` wrote, read by other versions of DuckDB: `make test-versions` installs them.

DuckDB sums in an order of its own, which changes with its version: a double may differ in its last
digits there, and in nothing else.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pytest

from file_reader import found_in
from ml4t.backtest import BacktestResult
from ml4t.backtest.results.page.figures import FIGURES
from ml4t.backtest.results.report.views import VIEWS
from ml4t.backtest.results.tables import TABLES
from test_results import make_run

# Interpreters with a DuckDB of their own, set by `make test-versions`.
READERS = [Path(one) for one in os.environ.get("ML4T_DUCKDBS", "").split()]
SCRIPT = Path(__file__).parent / "file_reader.py"
FIGURES_SQL = SCRIPT.parents[1] / "sql" / "page"


@pytest.fixture(scope="module")
def run() -> BacktestResult:
    return make_run(1)


@pytest.fixture(scope="module")
def saved(run: BacktestResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run.save(tmp_path_factory.mktemp("saved") / "run.duckdb")


def of(run: BacktestResult) -> dict[str, list[list[Any]]]:
    """What the result says, as the reader tells it."""
    places = [f"main.{name}" for name in TABLES] + [f"report.{name}" for name in VIEWS]
    return {
        place: [
            [one if isinstance(one, float | int) else str(one) for one in row]
            for row in run.sql(f"from {place}").fetchall()
        ]
        for place in sorted(places)
    }


def test_a_client_without_the_package_reads_what_the_result_says(
    run: BacktestResult, saved: Path
) -> None:
    assert found_in(saved) == of(run)


def test_a_file_is_of_the_first_form_that_all_clients_read_and_small(saved: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"attach '{saved}' as run (read_only)")
        query = "select tags['storage_version'] from duckdb_databases() where database_name = 'run'"
        ((form,),) = connection.execute(query).fetchall()
    assert form.startswith("v1.2.0")
    assert saved.stat().st_size < 600_000


@pytest.mark.skipif(not READERS, reason="make test-versions names the interpreters")
@pytest.mark.parametrize("reader", READERS, ids=str)
def test_another_version_of_duckdb_reads_every_table_and_view(
    reader: Path, run: BacktestResult, saved: Path
) -> None:
    told = subprocess.run(
        [str(reader), str(SCRIPT), str(saved), str(FIGURES_SQL)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    answer = json.loads(told.stdout)
    assert answer["version"].startswith("1.")
    assert answer["queries"] == {
        name: len(run.sql(figure.query).fetchall()) for name, figure in FIGURES.items()
    }
    expected = of(run)
    assert answer["rows"].keys() == expected.keys()
    for place, rows in expected.items():
        found = answer["rows"][place]
        if place.startswith("main."):
            assert found == rows, place
            continue
        assert len(found) == len(rows), place
        for one, other in zip(found, rows, strict=True):
            assert one == [
                pytest.approx(value, rel=1e-12) if isinstance(value, float) else value
                for value in other
            ], place
