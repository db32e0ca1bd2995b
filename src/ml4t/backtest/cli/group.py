"""Group: what all commands have in common: how they fail, and what a program is told of it."""

from __future__ import annotations

import errno
from typing import Any

import typer
from typer.core import TyperGroup

from ml4t.backtest.cli.output import print_json
from ml4t.backtest.data.database import EngineError, interruptible
from ml4t.backtest.errors import BacktestError
from ml4t.backtest_main import begin

FAILED = 1
INTERRUPTED = 130  # what a shell expects of a program that Ctrl-C ended
AS_JSON = "ml4t.as_json"
# A command line that cannot be read; typer has no public name for it.
USAGE: type[Any] = typer.BadParameter.__bases__[0]


class Commands(TyperGroup):
    """Turn errors that a user can mend into one message and exit code 1, Ctrl-C into 130.

    With ``--json`` the message stands on stderr too, and stdout has a document of it: a program
    reads one document whatever comes, and asks its `schema` which one it is.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line, and note whether a program asks."""
        # As given: of a line that cannot be read nobody knows yet what the option would be.
        ctx.meta[AS_JSON] = "--json" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Call a command; what fails is told."""
        begin()
        try:
            with interruptible:
                return super().invoke(ctx)
        except USAGE as error:
            _tell(ctx, error, error.format_message(), error.exit_code)
            raise
        except (BacktestError, EngineError) as error:
            failed: Exception = error
        except KeyboardInterrupt as interrupt:
            message = f"interrupted{interrupt}"
            _tell(ctx, interrupt, message, INTERRUPTED)
            typer.echo(message, err=True)
            raise typer.Exit(INTERRUPTED) from None
        except OSError as error:
            if error.errno == errno.EPIPE:  # `| head` closed our stdout: no one to tell
                raise
            failed = error
        _tell(ctx, failed, str(failed), FAILED)
        typer.echo(f"error: {failed}", err=True)
        raise typer.Exit(FAILED)


def _tell(ctx: Any, error: BaseException, message: str, code: int) -> None:
    """Tell a program on stdout what failed."""
    if ctx.meta.get(AS_JSON):
        print_json("error", error_json(error, message, code))


def error_json(error: BaseException, message: str, code: int) -> dict[str, object]:
    """Return what failed: its class, its message, and the facts that an error of ours keeps."""
    facts = vars(error) if isinstance(error, BacktestError) else {}
    return {
        "kind": type(error).__name__,
        "message": message,
        "exit_code": code,
        "facts": {name: fact for name, fact in facts.items() if not name.startswith("_")},
    }
