"""A real kernel without ipywidgets, and marimo; `make test-notebook` installs them."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ml4t.backtest.results.tables import TABLES

HAS_KERNEL = importlib.util.find_spec("ipykernel") and importlib.util.find_spec("nbclient")
needs_kernel = pytest.mark.skipif(not HAS_KERNEL, reason="needs ipykernel and nbclient")
needs_marimo = pytest.mark.skipif(not importlib.util.find_spec("marimo"), reason="needs marimo")
SECONDS = 60.0
BEGIN = """
import os, tempfile
from pathlib import Path
from ml4t.backtest import BacktestEngine, BacktestResult, Catalog, TopN, progress
from ml4t.backtest.synthetic import make_market
progress.SECONDS_BETWEEN = 0.0
folder = make_market(Path(tempfile.mkdtemp()), n_assets=10, n_bars=60)
catalog = Catalog()
for role in ("prices", "features"):
    catalog.register(role, folder / f"{role}.parquet")
engine = BacktestEngine(catalog, TopN(3, by="ml_score", every=5))
"""


class Answer(NamedTuple):
    """What a cell shows: outputs by MIME type in order, what it prints, and its error."""

    outputs: list[dict[str, str]]
    updates: list[dict[str, str]]
    printed: str
    error: str


class Kernel:
    """A kernel and a client of it, as a notebook's page is one."""

    def __init__(self) -> None:
        from jupyter_client.manager import start_new_kernel

        self.manager, self.client = start_new_kernel(kernel_name="python3")

    def run(self, code: str, *, interrupt_at: str = "") -> Answer:
        """Run a cell; interrupt it as soon as it has printed `interrupt_at`."""
        asked, answer = self.client.execute(code), Answer([], [], "", "")
        while True:
            message = self.client.get_iopub_msg(timeout=SECONDS)
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind in ("display_data", "execute_result"):
                answer.outputs.append(content["data"])
            elif kind == "update_display_data":
                answer.updates.append(content["data"])
            elif kind == "stream":
                answer = answer._replace(printed=answer.printed + content["text"])
                if interrupt_at and interrupt_at in content["text"]:
                    time.sleep(0.1)
                    self.manager.interrupt_kernel()
            elif kind == "error":
                answer = answer._replace(error=f"{content['ename']}: {content['evalue']}")
            elif kind == "status" and content["execution_state"] == "idle":
                return answer

    def completed(self, code: str) -> list[str]:
        """Return what the tab key offers at the end of `code`."""
        found = self.client.complete(code, reply=True, timeout=SECONDS)
        offered: list[str] = found["content"]["matches"]
        return offered


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    one = Kernel()
    assert one.run(BEGIN).error == ""
    assert one.run("result = engine.run()").error == ""
    yield one
    one.client.stop_channels()
    one.manager.shutdown_kernel(now=True)


@needs_kernel
def test_the_kernel_has_no_widgets(kernel: Kernel) -> None:
    answer = kernel.run("import importlib.util as u; print(u.find_spec('ipywidgets'))")
    assert answer.printed == "None\n"


@needs_kernel
@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("catalog", "ml_score, atr"),
        ("catalog.sql('select asset_id from prices limit 1')", "asset_id"),
        ("catalog.preview(engine.strategy, '2020-03-25')", "rank 4 of 3"),
        ("result", "First bar"),
        ("result.trades", "exit_rule"),
    ],
)
def test_what_a_cell_ends_with_is_a_table(cell: str, shown: str, kernel: Kernel) -> None:
    answer = kernel.run(cell)
    assert answer.error == ""
    (output,) = answer.outputs
    assert output["text/html"].startswith("<table")
    assert shown in output["text/html"]


@needs_kernel
def test_a_run_shows_its_progress_in_one_output_and_takes_it_away(kernel: Kernel) -> None:
    answer = kernel.run("engine.run(True);")
    assert answer.error == answer.printed == ""
    assert len(answer.outputs) == 1
    assert [*answer.outputs, *answer.updates][-1]["text/plain"] == ""


@needs_kernel
def test_a_long_run_replaces_what_it_shows(kernel: Kernel) -> None:
    code = "shown = progress.progress_of(True)\nfor i in (1, 2, 3, 4): shown(i, 4)"
    answer = kernel.run(code)
    assert len(answer.outputs) == 1
    assert "1/4 bars" in answer.outputs[0]["text/plain"]
    assert ["2/4" in one["text/plain"] for one in answer.updates] == [True, False, False]
    assert answer.updates[-1]["text/plain"] == ""


@needs_kernel
def test_the_tab_key_offers_tables_and_metrics(kernel: Kernel) -> None:
    assert set(TABLES) <= set(kernel.completed("result."))
    assert {"trades", "trade_metrics"} <= set(kernel.completed("result.tra"))
    assert kernel.completed("result.cash_f") == ["cash_flows"]
    assert {"sharpe", "final_value"} <= set(kernel.completed('result["'))
    assert kernel.completed("result['shar") == ["sharpe"]


@needs_kernel
def test_an_interrupt_ends_a_run_and_the_kernel_goes_on(kernel: Kernel) -> None:
    code = "import time\ndef wait(done, n):\n    print('in the run', flush=True); time.sleep(30)\n"
    answer = kernel.run(f"{code}again = engine.run(wait)", interrupt_at="in the run")
    assert answer.error == "KeyboardInterrupt: "
    assert kernel.run("again").error == "NameError: name 'again' is not defined"
    assert kernel.run("print(engine.run()['n_bars'])").printed == "60\n"


@needs_kernel
@pytest.mark.parametrize("name", ["run.duckdb", "run"])
def test_an_interrupt_during_a_save_loses_no_run(name: str, kernel: Kernel) -> None:
    code = f"""
from ml4t.backtest.results.keeping import saving
target, whole = folder / "beside {name}" / "{name}", saving.sync
result.save(target)
def wait(path):
    import time
    print("in the save", flush=True); time.sleep(30)
saving.sync = wait
try:
    result.save(target)
finally:
    saving.sync = whole
"""
    assert kernel.run(code, interrupt_at="in the save").error == "KeyboardInterrupt: "
    checks = "print(BacktestResult.open(target) == result, os.listdir(target.parent))"
    assert kernel.run(checks).printed == f"True ['{name}']\n"
    assert kernel.run("result.save(target)" + f"\n{checks}").printed == f"True ['{name}']\n"


@needs_kernel
def test_a_notebook_runs_from_its_first_cell_to_its_last() -> None:
    import nbformat
    from nbclient import NotebookClient

    cells = [BEGIN, "engine.run(True)"]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in cells])
    NotebookClient(book, timeout=int(SECONDS), kernel_name="python3").execute()
    shown = [output["data"] for output in book.cells[1]["outputs"]]
    assert [sorted(one) for one in shown] == [["text/plain"], ["text/html", "text/plain"]]
    assert shown[0]["text/plain"] == ""


# -- marimo ----------------------------------------------------------------------------------

MARIMO = f"""
import marimo

app = marimo.App()


@app.cell
def _():
{"".join(f"    {line}{chr(10)}" for line in BEGIN.strip().splitlines())}
    catalog
    return catalog, engine, progress


@app.cell
def _(catalog, engine):
    catalog.preview(engine.strategy, "2020-03-25")
    return


@app.cell
def _(engine):
    result = engine.run(True)
    result
    return (result,)


@app.cell
def _(progress):
    progress.SECONDS_BETWEEN_LINES = 0.0
    shown = progress.progress_of(True)
    for i in (1, 2, 3, 4):
        shown(i, 4)
    return


@app.cell
def _(result):
    print("bars", result["n_bars"])
    result.trades
    return


if __name__ == "__main__":
    app.run()
"""


def marimo(folder: Path, *line: str) -> Any:
    (folder / "book.py").write_text(MARIMO)
    return subprocess.run(
        [sys.executable, *line], cwd=folder, capture_output=True, text=True, check=False,
        timeout=2 * SECONDS, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@needs_marimo
def test_a_marimo_notebook_runs_as_a_script(tmp_path: Path) -> None:
    done = marimo(tmp_path, "book.py")
    assert (done.returncode, done.stdout) == (0, "bars 60\n")
    said = [f"{i} of 4 bars after 0:00, 0:00 to go" for i in (1, 2, 3)]
    assert done.stderr.splitlines() == said


@needs_marimo
def test_marimo_shows_catalog_preview_result_and_tables(tmp_path: Path) -> None:
    done = marimo(tmp_path, "-m", "marimo", "export", "html", "book.py", "-o", "book.html")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "book.html").read_text()
    for shown in ("ml_score, atr", "rank 4 of 3", "First bar", "exit_rule", "3 of 4 bars"):
        assert shown in page
