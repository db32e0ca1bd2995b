"""McpServer: the tools over the Model Context Protocol, by its official SDK."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from threading import Lock
from typing import Any

from ml4t.backtest.cli.serving.run_tools import RunTools, ToolAnswer
from ml4t.backtest.data.database import EngineError
from ml4t.backtest.data.packages import package
from ml4t.backtest.errors import BacktestError
from ml4t.backtest.version import own_version

INSTRUCTIONS = (
    "Saved backtests, read-only. Call describe first: it lists runs, tables and figures. Then sql; "
    "a figure's query is a good start. Fractions are fractions (0.05 is 5%), money is account "
    "currency, costs are positive."
)


def serve(tools: RunTools) -> None:
    """Answer a client on stdin and stdout until it closes them.

    Raises
    ------
    ConfigError
        The SDK is not installed.
    """
    server = package("mcp.server", extra="mcp").MCPServer(
        "ml4t-backtest", version=own_version(), instructions=INSTRUCTIONS, log_level="ERROR"
    )
    anticipated = package("mcp.server.mcpserver.exceptions", extra="mcp").ToolError
    hints = package("mcp_types", extra="mcp").ToolAnnotations(
        read_only_hint=True, destructive_hint=False, open_world_hint=False
    )
    one_at_a_time = Lock()
    for tool in tools.tools():
        server.add_tool(_told(tool, anticipated, one_at_a_time), annotations=hints)
    server.run("stdio")


def _told(
    tool: Callable[..., ToolAnswer], anticipated: type[Exception], one_at_a_time: Lock
) -> Callable[..., ToolAnswer]:
    """Return a tool whose errors reach the client in words; the SDK hides what it does not know."""

    @wraps(tool)
    def told(*given: Any, **named: Any) -> ToolAnswer:
        try:
            with one_at_a_time:
                return tool(*given, **named)
        except (BacktestError, EngineError, OSError) as error:
            raise anticipated(f"{type(error).__name__}: {error}") from error

    return told
