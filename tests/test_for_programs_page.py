"""docs/for-programs.md: its commands run, and their documents have the keys that it names."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ml4t.backtest.cli import app
from ml4t.backtest.cli.output import SCHEMAS, schema_name

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "for-programs.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
# Of the tables: command (none of an error), schema, keys.
ROWS = re.findall(
    r"^\|(?: `([\w ]+)` \|)? `(ml4t-backtest/[\w/-]+)` \| (.*) \|$", PAGE, re.MULTILINE
)


def called(line: str) -> tuple[int, str]:
    """Exit code and stdout of a line of a shell, of the form that the page has."""
    line, _, code = line.partition("    # exit code ")
    said, _, command = line.rpartition(" | ")
    name, *words = shlex.split(command)
    assert name == "ml4t-backtest"
    text = shlex.split(said)[1].replace("\\n", "\n") if said else None
    done = CliRunner().invoke(app, words, input=text)
    assert done.exit_code == int(code or 0), done.output
    return done.exit_code, done.stdout


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("programs"))
        for language, code in BLOCKS:
            if language == "python":
                exec(compile(code, "docs/for-programs.md", "exec"), {})
                continue
            for line in code.splitlines() if language == "bash" else ():
                if "pip install" in line or " mcp " in line:  # see test_mcp_server
                    continue
                _, answer = called(line)
                lines = answer.splitlines() if " sql " in line else [answer]
                found += [json.loads(one) for one in lines]
    return found


def test_every_command_of_the_page_answers_one_document(documents: list[dict[str, Any]]) -> None:
    schemas = [document["schema"] for document in documents]
    # The demo has a market of its own, and a test in test_cli.
    assert set(schemas) == {schema_name(name) for name in SCHEMAS} - {schema_name("demo")}
    assert schemas.count("ml4t-backtest/sql/1") == 2
    assert schemas.count("ml4t-backtest/error/1") == 2


def test_the_tables_name_every_document_and_its_keys(documents: list[dict[str, Any]]) -> None:
    assert {schema for _, schema, _ in ROWS} == {schema_name(name) for name in SCHEMAS}
    said = {
        schema: re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", keys)) for _, schema, keys in ROWS
    }
    said["ml4t-backtest/summary/1"] = said["ml4t-backtest/run/1"]
    for document in documents:
        keys, schema = list(document)[1:], document["schema"]
        assert set(said[schema]) <= set(keys), schema
        if schema not in ("ml4t-backtest/run/1", "ml4t-backtest/summary/1"):
            assert set(said[schema]) == set(keys), schema


def test_what_stands_in_lists_has_the_keys_that_the_page_names(
    documents: list[dict[str, Any]],
) -> None:
    of = {document["schema"]: document for document in documents}
    for schema, key in (("init", "sources"), ("explain", "statements")):
        row = next(keys for _, name, keys in ROWS if name == schema_name(schema))
        inner = re.findall(r"`(\w+)`", row.split("(")[1])
        assert inner
        assert set(inner) <= set(of[schema_name(schema)][key][0]), schema


def test_the_answers_are_those_of_the_run(documents: list[dict[str, Any]]) -> None:
    of = {document["schema"]: document for document in documents}
    run, traded = of["ml4t-backtest/summary/1"], of["ml4t-backtest/query/1"]
    assert [source["role"] for source in of["ml4t-backtest/init/1"]["sources"]] == [
        "prices", "features",
    ]  # fmt: skip
    assert run["metrics"]["n_trades"] > 0
    assert traded["columns"] == ["column_name", "data_type", "comment"]
    assert all(
        Path(file).suffix == ".csv" for file in of["ml4t-backtest/export-csv/1"]["files"].values()
    )
    assert of["ml4t-backtest/diff/1"]["table"] == "fills"
    assert of["ml4t-backtest/diff/1"]["differing"]["rows"]


def test_an_error_names_its_kind_and_keeps_its_facts(documents: list[dict[str, Any]]) -> None:
    sql, usage = [one for one in documents if one["schema"] == "ml4t-backtest/error/1"]
    assert (sql["kind"], sql["exit_code"]) == ("CatalogException", 1)
    assert "Table with name trade does not exist" in sql["message"]
    assert (usage["kind"], usage["exit_code"]) == ("MissingParameter", 2)


def test_an_error_of_data_hands_on_its_rows(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text("timestamp,asset_id,open,close\n2024-01-02,A,1,-1\n")
    (tmp_path / "run.toml").write_text(
        '[sources.prices]\npath = "prices.csv"\n[strategy]\nkind = "TopN"\nn = 1\nby = "close"\n'
    )
    done = CliRunner().invoke(app, ["run", str(tmp_path / "run.toml"), "--json"])
    document = json.loads(done.stdout)
    assert done.exit_code == document["exit_code"] == 1
    assert document["kind"] == "DataError"
    facts = document["facts"]
    assert (facts["source"], facts["n_rows"]) == ("prices", 1)
    assert facts["sample"][0]["asset_id"] == "A"
    assert facts["query"].lstrip().startswith(("select", "--"))
    assert done.stderr.startswith("error: source 'prices' ")
