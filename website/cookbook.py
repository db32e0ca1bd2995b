"""The cookbook: its queries run, and what they answer stands below each as a table.

``make cookbook`` writes the answers; a test holds them to what the queries say.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import chdir
from dataclasses import dataclass

import duckdb

from website.links import DOCS, ROOT, table

PAGE = ROOT / DOCS / "cookbook.md"
_SETUP = re.compile(r"```python\n(.*?)```", re.DOTALL)
_RECIPE = re.compile(
    r"^### (?P<question>.+)\n(?:(?!###|```).*\n)*"
    r'```sql(?: title="(?P<of>\w+)")?\n(?P<query>(?:(?!```).*\n)*)```\n(?P<answer>\n(?:\|.*\n)+)?',
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A question, its query, what it is asked of (the saved run by default), and the answer."""

    question: str
    of: str
    query: str
    answer: str


def recipes(text: str) -> list[Recipe]:
    """Return the recipes of a page in order."""
    return [
        Recipe(
            question=found["question"],
            of=found["of"] or "run",
            query=found["query"],
            answer=(found["answer"] or "").strip(),
        )
        for found in _RECIPE.finditer(text)
    ]


def answers(text: str) -> Iterator[tuple[Recipe, str]]:
    """Run the code at the top of a page in the working folder, then its queries one by one."""
    names: dict[str, object] = {}
    setup = _SETUP.search(text)
    assert setup is not None
    exec(compile(setup[1], PAGE.name, "exec"), names)
    with duckdb.connect("run.duckdb", read_only=True) as saved:
        asked: dict[str, Callable[[str], duckdb.DuckDBPyRelation]] = {
            "run": saved.sql,
            "catalog": names["catalog"].sql,  # type: ignore[attr-defined]
            "store": names["store"].sql,  # type: ignore[attr-defined]
        }
        for recipe in recipes(text):
            yield recipe, rendered(asked[recipe.of](recipe.query))


def rendered(answer: duckdb.DuckDBPyRelation) -> str:
    """Return the rows of an answer as a table of Markdown."""
    names = answer.columns
    rows = [tuple(map(_cell, names, row)) for row in answer.fetchall()]
    return table(tuple(names), rows)


def _cell(name: str, value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, float):
        return f"{value + 0.0:,.12g}"  # -0.0 is 0
    is_count = isinstance(value, int) and not name.endswith("_id")
    return f"{value:,}" if is_count else str(value)


def write() -> None:
    """Write every answer below its query."""
    text = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        found = iter([answer for _, answer in answers(text)])

    def answered(match: re.Match[str]) -> str:
        without = match[0].removesuffix(match["answer"] or "")
        return f"{without}\n{next(found)}\n"

    PAGE.write_text(_RECIPE.sub(answered, text), encoding="utf-8")


if __name__ == "__main__":
    write()
