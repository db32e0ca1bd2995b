"""The run file: its example from the module that reads it, and every key that it may have."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from ml4t.backtest import SQLStrategy, TopN, runfile, vendors
from ml4t.backtest.core.ranking import Ranking
from ml4t.backtest.runfile import FILE_TABLES, RUN_KEYS, SHORTHANDS
from ml4t.backtest.runfile_sources import SOURCE_KEYS, VENDOR
from ml4t.backtest.runfile_tables import LIMITS, RULES, SETTINGS, TIMINGS, WORDS, Family
from website.links import fenced, table
from website.pages.api import addresses

HEAD = """# Run file

`ml4t-backtest run run.toml` runs what one TOML file says; `ml4t-backtest init PRICES FEATURES`
writes a first one. Names are checked before anything is read, a relative path starts at the
folder of the file, and `"none"` stands for no value.
"""


def run_file_page() -> str:
    """Return the page: the example, and a table of keys for each part of a file."""
    _, _, rest = inspect.cleandoc(runfile.__doc__ or "").partition("::\n\n")
    example, _, after = rest.partition("\n\nOnly ")
    toml = "\n".join(line.removeprefix("    ") for line in example.splitlines())
    parts = [HEAD, "## All of it\n", fenced(toml, "toml"), f"\nOnly {after.replace('``', '`')}\n"]
    parts += [
        "## Tables\n",
        ", ".join(f"`{name}`" for name in FILE_TABLES) + ".\n",
        "## Sources\n",
        "`[sources.NAME]`, with any of "
        + ", ".join(f"`{key}`" for key in SOURCE_KEYS)
        + ". What each means is that of [`Catalog.register`](api/1-catalog.md).\n",
        f"Or with `{VENDOR}`, a function of [vendors](../vendors.md): "
        + ", ".join(f"`{name}`" for name in vendors.__all__)
        + ". `path` is its first argument, the others go by name.\n",
        "## Run\n",
        table(("key of `[run]`", "is"), [(f"`{key}`", _run_key(key)) for key in RUN_KEYS]),
        "\n## Strategy\n",
        *(_class_table(kind, "by `kind`") for kind in (TopN, SQLStrategy)),
        "`[strategy.ranking]` of an `SQLStrategy`:\n",
        _class_table(Ranking, ""),
    ]
    for name, family in SETTINGS.items():
        parts += [f"## {name.capitalize()}\n", f"`[{name}]`.\n", *_family(family)]
    parts += ["## Timings\n", "`timing` of `[execution]`.\n", *_family(TIMINGS)]
    parts += ["## Rules\n", "`[[risk]]`, one per rule.\n", *_family(RULES)]
    parts += ["## Limits\n", "`[[limit]]`, one per limit.\n", *_family(LIMITS)]
    return "\n".join(parts)


def _run_key(key: str) -> str:
    word = WORDS[RUN_KEYS[key]]
    if key in SHORTHANDS:
        section, kind = SHORTHANDS[key]
        return f'{word}: short for `[{section}]` with `kind = "{kind}"` and its `basis_points`'
    return word


def _family(family: Family) -> list[str]:
    many = len(family.classes) > 1
    parts = [_class_table(kind, f"by `{family.key}`" if many else "")
             for kind in family.classes.values()]  # fmt: skip
    if family.is_optional:
        parts.append(f'Or `{family.key} = "none"`.\n')
    return parts


def _class_table(kind: type[Any], how: str) -> str:
    """Return the keys of a class with their defaults, under its name and first line."""
    first = inspect.cleandoc(kind.__doc__ or "").partition("\n")[0]
    name = kind.__name__
    head = f"**[`{name}`][{addresses()[name]}]** {how}: {first}\n".replace(" :", ":").replace(
        "``", "`"
    )
    rows = [(f"`{name}`", default) for name, default in _keys(kind)]
    return head + ("\n" + table(("key", "default"), rows) + "\n" if rows else "")


def _keys(kind: type[Any]) -> list[tuple[str, str]]:
    if is_dataclass(kind):
        found = []
        for one in fields(kind):
            if not one.init:
                continue
            default = one.default if one.default is not MISSING else None
            if one.default is MISSING and one.default_factory is not MISSING:
                default = one.default_factory()
            needed = one.default is MISSING and one.default_factory is MISSING
            found.append((one.name, "required" if needed else _shown(default)))
        return found
    return [
        (name, "required" if one.default is one.empty else _shown(one.default))
        for name, one in inspect.signature(kind).parameters.items()
    ]


def _shown(value: object) -> str:
    if value is None:
        return "none"
    text = getattr(value, "value", value)
    return f"`{str(text).lower() if isinstance(text, bool) else text!r}`"
