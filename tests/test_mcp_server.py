"""The server of the Model Context Protocol, driven by the SDK's own client; `make test-explore`."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from market_run_file import RUN_FILE
from ml4t.backtest.cli import app
from ml4t.backtest.synthetic import make_market

needs_mcp = pytest.mark.skipif(not importlib.util.find_spec("mcp"), reason="needs mcp")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make_market(tmp_path_factory.mktemp("mcp"), n_assets=6, n_bars=40)
    (made / "run.toml").write_text(RUN_FILE, encoding="utf-8")
    words = ["run", str(made / "run.toml"), "--out", str(made / "run.duckdb")]
    assert CliRunner().invoke(app, words).exit_code == 0
    return made


def words(folder: Path) -> list[str]:
    return ["-m", "ml4t.backtest", "mcp", str(folder / "run.duckdb"), "--folder", str(folder)]


def asked(folder: Path, ask: Callable[[Any], Awaitable[None]]) -> None:
    """Start the server as a client does, ask, and have it end."""
    from mcp import Client, StdioServerParameters, stdio_client

    async def talk() -> None:
        # Without this the client hands on no PYTHONPATH.
        server = StdioServerParameters(
            command=sys.executable, args=words(folder), env=dict(os.environ)
        )
        async with Client(stdio_client(server)) as client:
            await ask(client)

    asyncio.run(talk())


def test_without_the_sdk_the_line_that_installs_it_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    done = CliRunner().invoke(app, ["mcp", str(folder / "run.duckdb")])
    assert done.exit_code == 1
    assert "this needs mcp: pip install 'ml4t-backtest-duckdb[mcp]'" in done.stderr


@needs_mcp
def test_a_client_finds_the_tools_and_asks_them(folder: Path) -> None:
    async def ask(client: Any) -> None:
        tools = (await client.list_tools()).tools
        assert [one.name for one in tools] == [
            "describe", "sql", "compare", "run", "preview", "inspect",
        ]  # fmt: skip
        assert all(one.annotations.read_only_hint for one in tools)
        assert "read-only query in DuckDB SQL" in tools[1].description

        said = (await client.call_tool("describe", {})).structured_content
        assert said["kind"] == "one run"
        query = "select count(*) as n from equity"
        answer = await client.call_tool("sql", {"query": query})
        assert answer.structured_content["rows"] == [[40]]
        assert json.loads(answer.content[0].text)["rows"] == [[40]]

        made = await client.call_tool("run", {"run_file": "run.toml", "end": "2020-02-10"})
        run_id = made.structured_content["run_id"]
        compared = await client.call_tool("compare", {"run_ids": [run_id, said["run_ids"][0]]})
        assert set(compared.structured_content["metrics"]) == {run_id, said["run_ids"][0]}
        shown = await client.call_tool("preview", {"run_file": "run.toml", "date": "2020-02-05"})
        assert len(shown.structured_content["rows"]) == 6

    asked(folder, ask)


@needs_mcp
def test_a_client_reads_what_was_wrong(folder: Path) -> None:
    async def ask(client: Any) -> None:
        for tool, given, said in (
            ("sql", {"query": "select * from trade"}, "Table with name trade does not exist"),
            ("sql", {"query": "drop table fills"}, "a result takes one query, was DROP"),
            ("sql", {"query": "select * from read_text('/etc/hostname')"}, "Permission Error"),
            ("describe", {"name": "fils"}, "did you mean 'fills'"),
            ("run", {"run_file": "../x.toml"}, "outside of the folder"),
        ):
            answer = await client.call_tool(tool, given)
            assert answer.is_error
            assert said in answer.content[0].text, answer.content[0].text

    asked(folder, ask)


@needs_mcp
def test_nothing_but_the_protocol_is_on_stdout(folder: Path) -> None:
    """The server is asked by hand: every line that it writes is a message."""
    hello = {
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {},
                   "clientInfo": {"name": "by hand", "version": "1"}},
    }  # fmt: skip
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    call = {
        "jsonrpc": "2.0", "id": 2, "method": "tools/call",
        "params": {"name": "run", "arguments": {"run_file": "run.toml"}},
    }  # fmt: skip
    with subprocess.Popen(
        [sys.executable, *words(folder)], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as server:  # fmt: skip
        assert server.stdin is not None
        assert server.stdout is not None
        lines = []
        for message in (hello, ready, call):
            server.stdin.write(json.dumps(message) + "\n")
            server.stdin.flush()
            if "id" in message:
                lines.append(server.stdout.readline())
        rest, _ = server.communicate(timeout=60)  # closes its input: it ends
    answers = [json.loads(line) for line in [*lines, *rest.splitlines()]]
    assert [one["id"] for one in answers] == [1, 2]
    assert all(one["jsonrpc"] == "2.0" for one in answers)
    assert answers[1]["result"]["structuredContent"]["metrics"]["n_bars"] == 40
    assert server.returncode == 0
