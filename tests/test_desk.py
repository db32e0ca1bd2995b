"""The first hour at the desk: init, compare, export, the shell, progress, notebooks, Ctrl-C."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from ml4t.backtest import BacktestEngine, BacktestResult, Catalog, TopN, __version__
from ml4t.backtest import progress as progress_module
from ml4t.backtest.cli import app
from ml4t.backtest.cli.group import error_json
from ml4t.backtest.cli.keeping import finishing
from ml4t.backtest.cli.output import document_text, schema_name
from ml4t.backtest.cli.shell import shell
from ml4t.backtest.errors import ConfigError, ResultError
from ml4t.backtest.progress import ShownProgress, progress_of
from ml4t.backtest.results.tables import TABLES
from ml4t.backtest.runfile import engine_of
from ml4t.backtest.synthetic import make_market


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_market(tmp_path_factory.mktemp("desk"), n_assets=10, n_bars=60)


def engine(folder: Path, n: int = 3) -> BacktestEngine:
    catalog = Catalog()
    for role in ("prices", "features"):
        catalog.register(role, folder / f"{role}.parquet")
    return BacktestEngine(catalog, TopN(n, by="ml_score", every=5))


@pytest.fixture(scope="module")
def result(folder: Path) -> BacktestResult:
    return engine(folder).run()


@pytest.fixture(scope="module")
def saved(folder: Path, result: BacktestResult) -> Path:
    return result.save(folder / "three.duckdb")


def called(*arguments: object, stdin: str | None = None) -> Any:
    return CliRunner().invoke(app, [str(one) for one in arguments], input=stdin)


def printed(*arguments: object, stdin: str | None = None) -> str:
    done = called(*arguments, stdin=stdin)
    assert done.exit_code == 0, done.output
    return done.stdout


# -- init ------------------------------------------------------------------------------------


def test_the_version_is_printed() -> None:
    assert printed("--version") == f"ml4t-backtest {__version__}\n"


def test_the_package_is_a_command_too() -> None:
    command = [sys.executable, "-m", "ml4t.backtest", "--version"]
    assert subprocess.check_output(command, text=True) == f"ml4t-backtest {__version__}\n"


def test_init_writes_a_run_file_that_runs(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "run.toml"
    out.parent.mkdir()
    files = [folder / f"{role}.parquet" for role in ("features", "context", "prices")]
    said = printed("init", *files, "--out", out)
    for role, file in zip(("features", "context", "prices"), files, strict=True):
        assert f"{file}: {role}" in said
    text = out.read_text()
    assert text.startswith("[sources.prices]")
    assert 'by = "ml_score"' in text
    assert engine_of(out).run()["n_fills"] > 0


def test_init_says_what_it_took_for_what(tmp_path: Path) -> None:
    days = [date(2024, 1, day) for day in (2, 3, 4)]
    prices = {"Date": days, "Ticker": ["A"] * 3, "Open": [1.0] * 3, "Close": [1.0, 2.0, 3.0]}
    pl.DataFrame(prices).write_parquet(tmp_path / "bars.parquet")
    pl.DataFrame({"date": days, "symbol": ["A"] * 3, "alpha": [1.0, 2.0, 3.0]}).write_parquet(
        tmp_path / "one.parquet"
    )
    pl.DataFrame({"date": days, "symbol": ["A"] * 3, "beta": [1.0, 2.0, 3.0]}).write_parquet(
        tmp_path / "two more.parquet"
    )
    out = tmp_path / "run.toml"
    names = ("one.parquet", "two more.parquet", "bars.parquet")
    said = printed("init", *(tmp_path / name for name in names), "--out", out)
    assert "timestamp is the column 'Date'" in said
    text = out.read_text()
    assert "# asset_id is the column 'Ticker'" in text
    assert '[sources.two_more]\nrole = "features"\npath = "two more.parquet"' in text
    assert engine_of(out).run()["n_bars"] == 3


def test_init_ranks_by_the_close_of_the_assets_where_the_market_has_one_too(
    folder: Path, tmp_path: Path
) -> None:
    days = pl.read_parquet(folder / "prices.parquet")["timestamp"].unique().sort()
    pl.DataFrame({"timestamp": days, "close": [20.0] * len(days)}).write_parquet(
        tmp_path / "vix.parquet"
    )
    out = tmp_path / "run.toml"
    printed("init", folder / "prices.parquet", tmp_path / "vix.parquet", "--out", out)
    assert 'by = "signals.close"' in out.read_text()
    assert engine_of(out).run()["n_fills"] > 0


def test_init_takes_prices_with_an_adjusted_close_to_be_traded_at_it(tmp_path: Path) -> None:
    text = "Date,Ticker,Open,Close,Adj Close,my score\n"
    text += "".join(f"2024-01-0{day},A,{day},{day},{day / 2},{day}\n" for day in range(1, 8))
    (tmp_path / "long.csv").write_text(text)
    out = tmp_path / "run.toml"
    printed("init", tmp_path / "long.csv", "--out", out)
    assert 'adjusted = "Adj Close"' in out.read_text()
    result = engine_of(out).run()
    assert result["n_fills"] == 1
    assert result.sql("select price from fills").fetchall() == [(pytest.approx(3.0 * 1.0005),)]
    assert '"my score"' in result.summary()
    assert "adjustment_unapplied" not in result.summary()


def test_init_takes_closes_and_a_file_per_asset(tmp_path: Path) -> None:
    days = [f"2024-01-0{day}" for day in range(1, 8)]
    (tmp_path / "wide.csv").write_text("Date,A,B\n" + "".join(f"{day},1,2\n" for day in days))
    (tmp_path / "bars").mkdir()
    for asset in "AB":
        rows = "".join(f"{day},1,2\n" for day in days)
        (tmp_path / "bars" / f"{asset}.csv").write_text("Date,Open,Close\n" + rows)
        (tmp_path / "folders" / asset).mkdir(parents=True)
        (tmp_path / "folders" / asset / "day.csv").write_text("Date,Open,Close\n" + rows)
    wide, bars, folders = (tmp_path / f"{name}.toml" for name in ("wide", "bars", "folders"))
    printed("init", tmp_path / "folders", "--out", folders)
    printed("init", tmp_path / "wide.csv", "--out", wide)
    printed("init", tmp_path / "bars", "--out", bars)
    assert [engine_of(one).run()["n_fills"] for one in (wide, bars, folders)] == [2, 2, 2]
    assert 'timing = "NextClose"' in wide.read_text()
    assert 'asset_id = "filename"' in bars.read_text()
    assert 'asset_id = "folder"' in folders.read_text()


@pytest.mark.parametrize(
    ("names", "match"),
    [
        (["features.parquet"], "As prices: source 'prices' has no column 'close'"),
        (["features.parquet"], "none of the files has prices"),
        (["prices.parquet", "prices.parquet"], "there is one source of prices"),
        (["nothing.parquet"], "matches no file"),
    ],
)
def test_init_refuses_what_makes_no_run(
    folder: Path, tmp_path: Path, names: list[str], match: str
) -> None:
    out = tmp_path / "run.toml"
    done = called("init", *(folder / name for name in names), "--out", out)
    assert done.exit_code == 1
    assert match in done.stderr
    assert not out.exists()


def test_init_says_which_file_has_names_of_its_own_and_what_to_write(tmp_path: Path) -> None:
    own = tmp_path / "own.parquet"
    pl.DataFrame({"trade_day": [date(2024, 1, 2)], "company": ["A"], "last": [1.0]}).write_parquet(
        own
    )
    done = called("init", own, "--out", tmp_path / "run.toml")
    assert done.exit_code == 1
    assert "own.parquet'; where its columns have names of your own" in done.stderr


def test_init_does_not_write_over_a_file(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run.toml"
    out.write_text("mine")
    done = called("init", folder / "prices.parquet", "--out", out)
    assert (done.exit_code, out.read_text()) == (1, "mine")
    assert "is there already" in done.stderr


# -- compare, export, shell ------------------------------------------------------------------


def test_compare_shows_metrics_and_the_settings_that_differ(
    folder: Path, saved: Path, result: BacktestResult
) -> None:
    other = engine(folder, n=5).run()
    path = other.save(folder / "five.duckdb")
    text = printed("compare", saved, path)
    for run in (result, other):
        assert f"{run['final_value']:,.2f}" in text
    assert "TopN(3," in text
    assert "TopN(5," in text
    assert "commission" not in text.split("setting")[1]


def test_compare_of_equal_settings_says_so(folder: Path, saved: Path) -> None:
    again = engine(folder).run().save(folder / "again.duckdb")
    assert "The settings are the same." in printed("compare", saved, again)


def test_compare_takes_two_runs_or_more(saved: Path) -> None:
    assert "two saved runs or more" in called("compare", saved).stderr
    assert "one run twice" in called("compare", saved, saved).stderr


def test_csv_has_every_row_with_all_its_digits(saved: Path, result: BacktestResult) -> None:
    out = saved.parent / "csv"
    for _ in range(2):  # the second replaces the first
        printed("export", "csv", saved, "--out", out)
    assert {path.name for path in out.iterdir()} == {f"{table}.csv" for table in TABLES}
    with (out / "fills.csv").open() as file:
        rows = list(csv.DictReader(file))
    prices = [row[0] for row in result.sql("select price from fills").fetchall()]
    assert sorted(float(row["price"]) for row in rows) == sorted(prices)
    assert rows[0]["timestamp"].startswith("20")


def test_csv_is_not_written_over_what_is_not_its_own(
    tmp_path: Path, result: BacktestResult
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ResultError, match=r"holds 'notes\.txt', which no export wrote"):
        result.to_csv(tmp_path)
    with pytest.raises(ResultError, match="is no folder"):
        result.to_csv(tmp_path / "notes.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_the_shell_answers_statement_by_statement(saved: Path) -> None:
    text = printed(
        "sql", saved, stdin="select count(*) as n\nfrom fills;\n.tables\n.schema fills\n"
    )
    assert " n " in text
    assert "cash_flows" in text
    assert "commission" in text


def test_the_shell_goes_on_after_an_error_and_tells_a_script(saved: Path) -> None:
    done = called("sql", saved, stdin="select nonsense;\n.sch\nselect 41 + 1 as answer")
    assert done.exit_code == 1
    assert "nonsense" in done.stderr
    assert "there is no .sch" in done.stderr
    assert "42" in done.stdout
    assert printed("sql", saved, stdin=".quit\nselect nonsense;") == ""


# -- progress --------------------------------------------------------------------------------


class _Stream(io.StringIO):
    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now[0])
    return now


def walk(clock: list[float], seconds: float = 2.0) -> None:
    report = progress_of(True)
    assert report is not None
    for done in range(10, 101, 10):
        clock[0] += seconds
        report(done, 100)


def test_a_terminal_gets_a_line_that_is_gone_at_the_end(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    stream = _Stream(is_terminal=True)
    monkeypatch.setattr(sys, "stderr", stream)
    walk(clock)
    pictures = stream.getvalue().split("\r\x1b[K")
    assert "50/100 bars  0:10 gone, 0:10 to go" in pictures[5]
    assert pictures[-1] == ""
    assert "\n" not in stream.getvalue()


def test_a_log_gets_a_line_at_each_tenth_and_at_most_one_a_second(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    stream = _Stream(is_terminal=False)
    monkeypatch.setattr(sys, "stderr", stream)
    walk(clock)
    assert len(stream.getvalue().splitlines()) == 9
    assert stream.getvalue().startswith("10 of 100 bars after 0:02, 0:18 to go\n")
    stream.truncate(0)
    walk(clock, seconds=0.3)
    assert len(stream.getvalue().splitlines()) == 2


def test_a_notebook_gets_one_output_that_is_replaced(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    shown: list[str] = []

    def display(data: dict[str, str], **options: Any) -> Any:
        shown.append(data["text/plain"])
        assert options == {"raw": True, "display_id": True}
        return SimpleNamespace(update=lambda data, raw: shown.append(data["text/plain"]))

    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    walk(clock)
    assert len(shown) == 10
    assert "10/100 bars" in shown[0]
    assert shown[-1] == ""


def test_progress_is_off_unless_asked_for(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert progress_of(None) is None
    assert progress_of(False) is None
    seen: list[tuple[int, int]] = []
    engine(folder).run(lambda *both: seen.append(both))
    assert seen[-1] == (60, 60)
    engine(folder).run(True)
    assert capfd.readouterr() == ("", "")
    with pytest.raises(ConfigError, match="progress must be True or a function"):
        engine(folder).run("yes")  # type: ignore[arg-type]


def test_the_time_to_go_is_that_of_the_bars_left(clock: list[float]) -> None:
    shown = ShownProgress("bars")
    clock[0] = 1.0
    assert shown.picture(0, 4).endswith("0/4 bars  0:01 gone")
    clock[0] = 3_600.0
    assert shown.picture(1, 4).endswith("1/4 bars  1:00:00 gone, 3:00:00 to go")


def test_what_was_there_before_took_no_time_and_what_failed_is_told(clock: list[float]) -> None:
    shown = ShownProgress("trials")
    shown.n_there, shown.n_failed = 30, 2
    clock[0] = 60.0
    assert shown.line(30, 60) == "30 of 60 trials after 1:00, 2 failed"
    assert shown.line(40, 60) == "40 of 60 trials after 1:00, 2:00 to go, 2 failed"


# -- notebooks -------------------------------------------------------------------------------


def test_a_result_shows_itself_as_a_table_and_completes(result: BacktestResult) -> None:
    html = result._repr_html_()
    assert f"{result['final_value']:,.2f}" in html
    assert "TopN(" in html
    assert set(TABLES) <= set(dir(result))
    assert result._ipython_key_completions_() == list(result.metrics)


def test_what_a_user_wrote_is_no_html(folder: Path) -> None:
    catalog = Catalog().register("prices", folder / "prices.parquet")
    catalog.register("context", {"timestamp": [date(2024, 1, 2)], "<b>x": [1.0]})
    assert "&lt;b&gt;x" in catalog._repr_html_()
    assert "<b>x" not in catalog._repr_html_()
    shown = BacktestEngine(catalog, TopN(1, by="close", where="close < 1e9")).run()._repr_html_()
    assert "close &lt; 1e9" in shown


# -- Ctrl-C ----------------------------------------------------------------------------------


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Have Ctrl-C as at a desk: a shell in the background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_ctrl_c_during_a_save_finishes_it_and_ends_with_130(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed("init", folder / "prices.parquet", "--out", tmp_path / "run.toml")
    whole = BacktestResult.save

    def save(self: BacktestResult, path: Path) -> Path:
        os.kill(os.getpid(), signal.SIGINT)
        return whole(self, path)

    monkeypatch.setattr(BacktestResult, "save", save)
    out = tmp_path / "run.duckdb"
    done = called("run", tmp_path / "run.toml", "--out", out)
    assert done.exit_code == 130
    assert f"the run was finished, and is saved to {out}" in done.stderr
    assert BacktestResult.open(out)["n_bars"] == 60
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("_interruptible")
def test_a_second_ctrl_c_gives_the_save_up(tmp_path: Path) -> None:
    def twice() -> None:
        with finishing(tmp_path):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        twice()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_ends_a_program_with_130(folder: Path, tmp_path: Path) -> None:
    printed("init", folder / "prices.parquet", "--out", tmp_path / "run.toml")
    code = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from ml4t.backtest.cli import commands\n"
        "commands.engine_of = lambda *_, **__: os.kill(os.getpid(), signal.SIGINT)\n"
        "commands.main()\n"
    )
    line = [sys.executable, "-c", code, "run", str(tmp_path / "run.toml")]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "interrupted\n"


@pytest.mark.parametrize("asked", [[], ["--json"]])
def test_ctrl_c_while_the_command_line_is_imported_ends_it_with_130(asked: list[str]) -> None:
    code = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'ml4t.backtest.engine':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "from ml4t.backtest_main import main\n"
        "main()\n"
    )
    line = [sys.executable, "-c", code, "preset", *asked]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")
    document = error_json(KeyboardInterrupt(), "interrupted", 130)
    said = document_text({"schema": schema_name("error"), **document}, indent=2) + "\n"
    assert done.stdout == (said if asked else "")


def interrupted_rows(relation: object) -> None:
    raise RuntimeError("Query interrupted")  # as DuckDB says it


def test_ctrl_c_during_an_answer_ends_a_program_with_130(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml4t.backtest.cli.output.print_rows", interrupted_rows)
    done = called("query", saved, "--sql", "from runs")
    assert (done.exit_code, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_ctrl_c_during_an_answer_leaves_a_terminals_shell_open(
    saved: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = iter(["from runs;", ".quit"])
    monkeypatch.setattr("ml4t.backtest.cli.shell.print_rows", interrupted_rows)
    monkeypatch.setattr("builtins.input", lambda prompt: next(typed))
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    assert shell(BacktestResult.open(saved)) == 0
    assert capsys.readouterr().err.splitlines()[-1] == "interrupted"
    assert list(typed) == []


def test_ctrl_c_during_an_answer_ends_a_script_of_statements(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml4t.backtest.cli.shell.print_rows", interrupted_rows)
    assert called("sql", saved, stdin="from runs;\n.quit\n").exit_code == 130


@pytest.mark.usefixtures("_interruptible")
def test_ctrl_c_in_a_callback_of_a_run_is_a_keyboard_interrupt(folder: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt) as kept:
        engine(folder).run(stop)
    # However long somebody keeps the error.
    assert kept.tb is not None
    assert [one for one in threading.enumerate() if one not in before] == []
