"""The command line and its run file: what is printed where, and with which exit code."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ml4t.backtest import BacktestResult, Catalog, ConfigError
from ml4t.backtest.cli import app
from ml4t.backtest.demo import demo_engine
from ml4t.backtest.runfile import catalog_of, engine_of
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
schedule = [[0.10, 0.03], [0.20, 0.02]]

[run]
initial_capital = 50_000
commission_bps = 1
slippage_bps = 2.5

[account]
reserve_costs = true
overdraft = 0.0
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
    assert document["metrics"]["n_bars"] == 252
    assert document["metrics"]["initial_capital"] == 1_000_000
    assert saved.sql("select max(rank) from selections").fetchall() == [(25,)]
    assert [len(query["rows"]) for query in document["queries"]] == [3, 12, 5]
    for query in document["queries"]:
        assert list(saved.sql(query["sql"]).columns) == query["columns"]


def test_run_prints_the_summary_and_saves_where_it_is_told(folder, tmp_path):
    shown = call("run", folder / "run.toml", "--out", tmp_path / "x" / "run.duckdb")
    assert shown.exit_code == 0, shown.output
    assert "50,000.00" in shown.stdout
    assert f"saved to {tmp_path / 'x' / 'run.duckdb'}" in shown.stdout
    assert len(BacktestResult.open(tmp_path / "x" / "run.duckdb").equity.fetchall()) == 80


def test_run_as_json_is_one_document(folder):
    document = json.loads(call("run", folder / "run.toml", "--json").stdout)
    assert document["saved_to"] is None
    assert document["metrics"]["first_timestamp"] == "2020-01-02T00:00:00"
    assert {"exit_rule", "n_trades", "pnl"} <= set(document["exits"][0])


def test_inspect_reads_signals_before_any_run(folder):
    query = "select count(*) as n, count(atr) as n_atr from signals"
    document = json.loads(call("inspect", folder / "run.toml", "--sql", query, "--json").stdout)
    assert document == {"columns": ["n", "n_atr"], "rows": [[2400, 1800]]}


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


# -- errors ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("select * from trade", "error: Catalog Error: Table with name trade does not exist!"),
        ("select from", "error: Parser Error"),
        ("", "error: the statement returned no rows; --sql takes a query"),
        ("select 'x'::integer", "error: Conversion Error"),
        ("drop table trades", "error: Catalog Error"),
    ],
)
def test_an_error_in_the_users_sql_is_one_message_on_stderr(saved, sql, message):
    shown = call("query", saved, "--sql", sql)
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert shown.stderr.startswith(message)
    assert "Traceback" not in shown.stderr


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


# -- the run file ---------------------------------------------------------------------


def test_a_run_file_builds_what_python_would(folder):
    engine = engine_of(folder / "run.toml")
    assert repr(engine.strategy) == (
        "TopN(5, by='ml_score', where='atr is not null', when='vix <= 30', every=5)"
    )
    assert [repr(rule) for rule in engine.risk_manager.rules] == [
        "VolatilityScaledStopLoss(atr_multiplier=2, volatility_key='atr', priority=100)",
        "DynamicTrailingStop(initial_trail_pct=0.05, schedule=((0.1, 0.03), (0.2, 0.02)), "
        "priority=100)",
    ]
    assert engine.initial_capital == 50_000
    assert engine.config.to_dict() == {
        "commission": {"kind": "BasisPointCommission", "basis_points": 1},
        "slippage": {"kind": "BasisPointSlippage", "basis_points": 2.5},
        "account": {"kind": "CashAccount", "reserve_costs": True, "overdraft": 0.0},
    }


def test_what_a_run_file_leaves_out_is_as_in_python(folder):
    path = folder / "short.toml"
    head = CONFIG[: CONFIG.index("[sources.context]")]
    path.write_text(head + '[strategy]\nkind = "TopN"\nn = 5\nby = "ml_score"\n', encoding="utf-8")
    engine, default = engine_of(path), demo_engine(folder)
    assert engine.initial_capital == 100_000
    assert engine.risk_manager.rules == []
    assert engine.config == default.config


def test_a_second_features_source_has_a_name_and_a_role(folder):
    more = '[sources.more]\nrole = "features"\npath = "features.parquet"\nlag = "1 day"\n[strategy]'
    path = edited(folder, "[strategy]", more)
    path.write_text(path.read_text().replace("[sources.features]", "[sources.unused]", 1)
                    .replace('path = ["features.parquet"]',
                             'role = "context"\npath = "context.parquet"', 1)
                    .replace('[sources.context]\npath = "*ontext.parquet"', "", 1))  # fmt: skip
    assert isinstance(catalog_of(path), Catalog)
    first = "select ml_score is null from signals order by timestamp, asset_id limit 1"
    assert catalog_of(path).sql(first).fetchall() == [(True,)]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[account]", "[acount]", "unknown table 'acount'; did you mean 'account'"),
        ("[sources.prices]", "[sources.price]", "has no table .sources.prices."),
        ("[sources.context]", "[sources.contxt]", "unknown role 'contxt'; did you mean 'context'"),
        ("path =", "paht =", "unknown key 'paht'; did you mean 'path'"),
        ('path = "prices.parquet"', "", r"\[sources.prices\] has no path"),
        ('path = "prices.parquet"', "path = 3", "path must be a text, was 3"),
        ("[strategy]", "[run]", "is no TOML"),
        ('kind = "TopN"', 'kind = "topn"', "unknown kind 'topn'; did you mean 'TopN'"),
        ('kind = "TopN"', "", "has no kind; known: TopN"),
        ("every = 5", "evry = 5", "unknown key 'evry'; did you mean 'every'"),
        ("n = 5\n", "", "has no n$"),
        ("n = 5\n", 'n = "5"\n', "n must be a whole number, was '5'"),
        ("n = 5\n", "n = 0\n", "n must be a whole number of at least 1, was 0"),
        ("DynamicTrailingStop", "TrailingStop", "did you mean 'DynamicTrailingStop'"),
        ("atr_multiplier = 2", "multiplier = 2", "did you mean 'atr_multiplier'"),
        ("atr_multiplier = 2", 'atr_multiplier = "2"', "must be a number, was '2'"),
        ("atr_multiplier = 2", "atr_multiplier = true", "must be a number, was True"),
        (
            "initial_trail_pct = 0.05",
            "initial_trail_pct = 5",
            "must be a number above 0 and below 1, was 5",
        ),
        ("[[0.10, 0.03], [0.20, 0.02]]", "[[0.10]]", "schedule holds"),
        ("commission_bps", "comission_bps", "did you mean 'commission_bps'"),
        ("commission_bps = 1", "commission_bps = -1", "must be from 0 to 10,000"),
        ("50_000", "-1", "initial_capital must be a number above 0"),
        ("reserve_costs = true", "reserve_costs = 1", "must be true or false, was 1"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_run_file_names_the_place_and_the_way_out(folder, old, new, message):
    with pytest.raises(ConfigError, match=message):
        engine_of(edited(folder, old, new))


def test_a_run_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no run file at '.*none\.toml'"):
        engine_of(tmp_path / "none.toml")
