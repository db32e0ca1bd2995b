"""The commands: what each takes, from the declarations that the command line itself reads."""

from __future__ import annotations

from typing import Any, get_args, get_origin

import typer.main

from ml4t.backtest.cli import app
from website.links import table

HEAD = """# Commands

`ml4t-backtest` comes with the package. A command that fails prints one line, `error: ...`, and
ends with 1; Ctrl-C ends with 130. `--json` prints one JSON document and nothing else.
"""


def command_line_page() -> str:
    """Return the page of all commands."""
    root: Any = typer.main.get_command(app)
    parts = [HEAD]
    for name, command in _commands(root, "ml4t-backtest"):
        arguments = [one for one in command.params if type(one).__name__ == "TyperArgument"]
        options = [one for one in command.params if one not in arguments and one.help]
        usage = " ".join([name, *(_word(one) for one in arguments)])
        parts += [f"## {name}\n", f"{command.help.strip()}\n", f"```text\n{usage}\n```\n"]
        rows = [_argument(one) for one in arguments] + [_option(one) for one in options]
        if rows:
            parts.append(table(("argument", "is", "default", "meaning"), rows) + "\n")
    return "\n".join(parts)


def _commands(group: Any, path: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, command in group.commands.items():
        inside = hasattr(command, "commands")
        found += _commands(command, f"{path} {name}") if inside else [(f"{path} {name}", command)]
    return found


def _word(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper()) + ("..." if argument.nargs == -1 else "")


def _argument(argument: Any) -> tuple[str, ...]:
    default = "required" if argument.required else _default(argument)
    return f"`{_word(argument)}`", _kind(argument), default, argument.help or ""


def _option(option: Any) -> tuple[str, ...]:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    default = "required" if option.required else _default(option)
    return names, _kind(option), default, option.help


def _kind(parameter: Any) -> str:
    annotation = parameter.type_descriptor.annotation
    if get_origin(annotation) is list:
        return f"{get_args(annotation)[0].__name__}, any number"
    kind = getattr(annotation, "__name__", str(annotation))
    return {"Path": "path", "str": "text", "bool": "flag", "int": "number"}.get(kind, kind)


def _default(parameter: Any) -> str:
    default = parameter.default
    return "" if default in (None, False, (), []) or callable(default) else f"`{default}`"
