"""The command line and its run file: what is printed where, and with which exit code."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ml4t.backtest import BacktestConfig, BacktestResult
from ml4t.backtest.cli import app
from ml4t.backtest.presets import PRESETS
from ml4t.backtest.runfile import engine_of
from ml4t.backtest.synthetic import make_market

CONFIG = """
[sources.prices]
path = "prices.parquet"

[sources.features]
path = ["features.parquet"]

[sources.context]
path = "*ontext.parquet"

[strategy]
kind = "TopN"
n = 5
by = "ml_score"
where = "atr is not null"
when = "vix <= 30"
every = 5

[[risk]]
rule = "VolatilityScaledStopLoss"
atr_multiplier = 2

[[risk]]
rule = "DynamicTrailingStop"
initial_trail_pct = 0.05

[[risk]]
rule = "TakeProfit"
fraction = 9.0

[run]
initial_capital = 50_000
commission_bps = 1
slippage_bps = 2.5
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = make_market(tmp_path_factory.mktemp("cli"), n_assets=30, n_bars=80)
    (made / "run.toml").write_text(CONFIG, encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def saved(folder) -> Path:
    path = folder / "saved.duckdb"
    engine_of(folder / "run.toml").run().save(path)
    return path


def call(*arguments: object):
    return CliRunner().invoke(app, [str(one) for one in arguments])


def edited(folder: Path, old: str, new: str) -> Path:
    assert old in CONFIG
    path = folder / "edited.toml"
    path.write_text(CONFIG.replace(old, new, 1), encoding="utf-8")
    return path


# -- commands -------------------------------------------------------------------------


def test_demo_prints_summary_queries_and_the_path_of_the_result(tmp_path):
    shown = call("demo", "--out", tmp_path / "demo")
    assert shown.exit_code == 0, shown.output
    assert f"saved to {tmp_path / 'demo' / 'run.duckdb'}" in shown.stdout
    for text in (
        "Total return",
        "DynamicTrailingStop",
        "P&L by exit rule",
        "2020-12-01",
        "limit 5",
    ):
        assert text in shown.stdout
    assert shown.stderr == ""


def test_demo_is_the_reference_rotation(tmp_path):
    document = json.loads(call("demo", "--out", tmp_path, "--json").stdout)
    saved = BacktestResult.open(document["saved_to"])
    assert saved["final_value"] == document["metrics"]["final_value"]
    assert document["schema"] == "ml4t-backtest/demo/1"
    assert document["metrics"]["n_bars"] == 252
    assert document["metrics"]["initial_capital"] == 1_000_000
    assert saved.sql("select max(rank) from selections").fetchall() == [(25,)]
    assert [len(query["rows"]) for query in document["queries"]] == [3, 12, 5]
    for query in document["queries"]:
        assert list(saved.sql(query["sql"]).columns) == query["columns"]


def test_run_prints_the_summary_and_saves_where_it_is_told(folder, tmp_path):
    shown = call("run", folder / "run.toml", "--out", tmp_path / "x" / "run.duckdb")
    assert shown.exit_code == 0, shown.output
    for line in (
        "50,000.00",
        "Fill policy: orders decided at a close fill at the next open",
        "Account: CashAccount(",
        "Never fired: TakeProfit, evaluated ",
    ):
        assert line in shown.stdout
    assert f"saved to {tmp_path / 'x' / 'run.duckdb'}" in shown.stdout
    assert len(BacktestResult.open(tmp_path / "x" / "run.duckdb").equity.fetchall()) == 80


def test_run_as_json_is_one_document(folder):
    document = json.loads(call("run", folder / "run.toml", "--json").stdout)
    assert document["saved_to"] is None
    assert document["metrics"]["first_timestamp"] == "2020-01-02T00:00:00"
    assert {"exit_rule", "n_trades", "pnl"} <= set(document["exits"][0])
    assert document["fill_policy"].startswith("orders decided at a close fill at the next open; ")
    assert document["configuration"]["account"]["kind"] == "CashAccount"
    assert [one["name"] for one in document["activity"]] == [
        "VolatilityScaledStopLoss", "DynamicTrailingStop", "TakeProfit",
    ]  # fmt: skip


def test_inspect_reads_signals_before_any_run(folder):
    query = "select count(*) as n, count(atr) as n_atr from signals"
    document = json.loads(call("inspect", folder / "run.toml", "--sql", query, "--json").stdout)
    assert document == {
        "schema": "ml4t-backtest/inspect/1",
        "columns": ["n", "n_atr"],
        "types": ["BIGINT", "BIGINT"],
        "rows": [[2400, 1800]],
    }


def test_a_long_answer_is_cut_and_says_so(folder):
    query = "select asset_id as id from signals order by timestamp desc, asset_id"
    shown = call("inspect", folder / "run.toml", "--sql", query).stdout
    lines = [line.strip() for line in shown.splitlines() if line.strip().startswith("S0")]
    assert lines[:2] == ["S0000", "S0001"]
    assert len(lines) == 100
    assert "the first 100 rows; --json prints all" in shown
    answer = call("inspect", folder / "run.toml", "--sql", query, "--json").stdout
    assert len(json.loads(answer)["rows"]) == 2400


def test_query_prints_a_table(saved):
    shown = call("query", saved, "--sql", "select 1234.5 as a, null as b, '[red]' as c")
    assert shown.exit_code == 0
    assert [word for line in shown.stdout.splitlines() for word in line.split()][-3:] == [
        "1234.5", "-", "[red]",
    ]  # fmt: skip


def test_query_as_json_knows_times_maps_and_nan(saved):
    query = "select timestamp, map {'a': 1.5} as m, 'nan'::double as x from equity limit 1"
    shown = call("query", saved, "--sql", query, "--json")
    assert json.loads(shown.stdout)["rows"] == [["2020-01-02T00:00:00", {"a": 1.5}, None]]


def test_summary_shows_the_metrics_of_a_saved_run(saved):
    assert "Max drawdown" in call("summary", saved).stdout
    document = json.loads(call("summary", saved, "--json").stdout)
    assert document["metrics"]["final_value"] == BacktestResult.open(saved)["final_value"]


def test_orders_shows_what_waits_for_the_next_bar(saved):
    waiting = BacktestResult.open(saved).next_orders()
    shown = call("orders", saved)
    assert shown.exit_code == 0, shown.output
    assert "reference_price" in shown.stdout.split()
    assert "target" in shown.stdout.split()
    rows = json.loads(call("orders", saved, "--json").stdout)["rows"]
    assert [row[0] for row in rows] == [row[0] for row in waiting.fetchall()]
    lines = list(csv.reader(call("orders", saved, "--csv").stdout.splitlines()))
    assert lines[0] == list(waiting.columns)
    assert lines[1:] == [["" if one is None else str(one) for one in row] for row in rows]
    assert len(rows) > 1


def test_orders_takes_one_form_for_machines(saved):
    shown = call("orders", saved, "--csv", "--json")
    assert shown.exit_code == 1
    assert "keep one of them" in shown.stderr


def test_preset_prints_every_setting_as_tables_of_a_run_file():
    shown = call("preset", "backtrader")
    assert shown.exit_code == 0, shown.output
    account = shown.stdout[shown.stdout.index("[account]") : shown.stdout.index("[execution]")]
    assert account.split("\n") == [
        "[account]",
        'kind = "CashAccount"',
        'shortfall = "reject"',
        "overdraft = 0.0",
        "shorting = true",
        "checks_submission = true",
        "settlement = 0",
        "",
        "",
    ]
    document = json.loads(call("preset", "backtrader", "--json").stdout)
    assert document["settings"] == BacktestConfig.preset("backtrader").to_dict()


def test_preset_without_a_name_lists_the_presets():
    names = [line.split()[0] for line in call("preset").stdout.splitlines()]
    assert names == list(PRESETS)
    assert list(json.loads(call("preset", "--json").stdout)["presets"]) == names


# -- errors ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("select * from trade", "error: Catalog Error: Table with name trade does not exist!"),
        ("select from", "error: Parser Error"),
        ("", "error: query must be SQL text, was ''"),
        ("-- nothing", "error: a result takes one query, was 0 statements"),
        ("select 'x'::integer", "error: Conversion Error"),
        ("drop table trades", "error: a result takes one query, was DROP"),
    ],
)
def test_an_error_in_the_users_sql_is_one_message_on_stderr(saved, sql, message):
    shown = call("query", saved, "--sql", sql)
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert shown.stderr.startswith(message)
    assert "Traceback" not in shown.stderr


def test_an_unknown_preset_is_an_error_that_suggests_the_nearest():
    shown = call("preset", "ziplien")
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert shown.stderr == "error: there is no preset 'ziplien'; did you mean 'zipline'?\n"


def test_a_missing_run_is_an_error(tmp_path):
    shown = call("summary", tmp_path / "none.duckdb")
    assert shown.exit_code == 1
    assert shown.stderr == f"error: there is no run at '{tmp_path / 'none.duckdb'}'\n"


def test_an_error_of_the_package_is_one_message_on_stderr(folder):
    shown = call("run", edited(folder, '"ml_score"', '"ml_scor"'))
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert "unknown column 'ml_scor'; did you mean 'ml_score'?" in shown.stderr


def test_a_folder_that_cannot_be_written_is_an_error(folder, tmp_path):
    (tmp_path / "file").write_text("")
    shown = call("run", folder / "run.toml", "--out", tmp_path / "file" / "run.duckdb")
    assert shown.exit_code == 1
    assert shown.stderr.startswith("error: ")


@pytest.mark.parametrize("arguments", [["query"], ["dem"], ["run", "--fast"], ["query", "x"]])
def test_a_command_line_that_cannot_be_read_is_code_2(arguments):
    assert call(*arguments).exit_code == 2


def test_the_package_imports_neither_typer_nor_rich():
    code = "import sys, ml4t.backtest; print({'typer', 'rich', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
