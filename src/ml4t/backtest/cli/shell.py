"""Shell: SQL over a saved run, statement by statement, from a terminal or a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import typer

from ml4t.backtest.cli.group import FAILED, error_json
from ml4t.backtest.cli.output import print_json, print_rows, rows_json
from ml4t.backtest.data.database import EngineError, interruptible
from ml4t.backtest.data.sql_files import literal, render
from ml4t.backtest.errors import BacktestError
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.results.tables import TABLES

HELP = """A statement ends with a semicolon. Beside SQL there are:
  .tables         the tables of the run
  .schema TABLE   columns of a table, with types and what they mean
  .quit           leave; so does the end of the input"""


def shell(result: BacktestResult, *, as_json: bool = False) -> int:
    """Answer statements until the input ends; return how many failed.

    Parameters
    ----------
    as_json : bool
        Each answer, and each error, is one line of JSON; the commands with a dot print text.
    """
    is_terminal = sys.stdin.isatty()
    if is_terminal:
        _edit_lines()
        typer.echo("SQL over the run; .help says more", err=True)
    n_failed = 0
    for statement in _statements(is_terminal=is_terminal):
        if statement in (".quit", ".exit"):
            break
        try:
            with interruptible:
                _answer_one(result, statement, as_json=as_json)
        except KeyboardInterrupt:
            if not is_terminal:
                raise
            typer.echo("interrupted", err=True)  # one answer is given up, the shell stays
        except (BacktestError, EngineError) as error:
            n_failed += 1
            if as_json:
                print_json("error", error_json(error, str(error), FAILED), indent=None)
            typer.echo(f"error: {error}", err=True)
    return n_failed


def _answer_one(result: BacktestResult, statement: str, *, as_json: bool) -> None:
    word, _, name = statement.partition(" ")
    if word == ".help":
        typer.echo(HELP)
    elif word == ".tables":
        typer.echo("\n".join(TABLES))
    elif word == ".schema":
        _show_schema(result, name.strip())
    elif word.startswith("."):
        typer.echo(f"error: there is no {word}; .help says what there is", err=True)
    elif as_json:
        print_json("sql", {"sql": statement, **rows_json(result.sql(statement))}, indent=None)
    else:
        print_rows(result.sql(statement))


def _show_schema(result: BacktestResult, name: str) -> None:
    if name not in TABLES:
        typer.echo(f"error: .schema takes one of {', '.join(TABLES)}", err=True)
        return
    print_rows(result.sql(render("saved/described", table=literal(name))))


def _statements(*, is_terminal: bool) -> Iterator[str]:
    """Yield what is typed or piped: one line with a dot, or all up to a semicolon."""
    waiting: list[str] = []
    while True:
        try:
            line = input(("...> " if waiting else "run> ") if is_terminal else "")
        except EOFError:
            break
        except KeyboardInterrupt:
            if not is_terminal:
                raise
            waiting.clear()  # what was begun is thrown away, the shell stays
            typer.echo("", err=True)
            continue
        if not waiting and line.strip().startswith("."):
            yield line.strip()
            continue
        waiting.append(line)
        if line.rstrip().endswith(";"):
            yield "\n".join(waiting).strip().rstrip(";")
            waiting.clear()
    rest = "\n".join(waiting).strip()
    if rest:
        yield rest


def _edit_lines() -> None:
    """Have arrow keys and history, where the interpreter was built with them."""
    try:
        import readline  # noqa: F401 - input() uses it once it is loaded
    except ImportError:
        return
