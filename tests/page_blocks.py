"""The code of a page of ours: its blocks in order, run in one namespace, and what they print.

A block of Python runs as it stands. A block ``text`` right after it is what it prints. A block
with a ``title`` is run by who asks for that title: pages that show another package have some.
"""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

FENCED = re.compile(r'^```(\w+)(?: title="([^"]*)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block; `line` is that of its first line of code, `follows` what stands before it."""

    language: str
    title: str
    code: str
    line: int
    follows: str


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of a page in order."""
    text = page.read_text(encoding="utf-8")
    found: list[Block] = []
    end = 0
    for match in FENCED.finditer(text):
        language, title, code = match.groups()
        found.append(
            Block(
                language=language,
                title=title or "",
                code=code,
                line=text.count("\n", 0, match.start(3)) + 1,
                follows=text[end : match.start()],
            )
        )
        end = match.end()
    return found


def run_page(page: Path, title: str = "") -> dict[str, object]:
    """Run the Python of a page in the working folder; hold what it prints to what it says.

    Returns the names that are there at its end.
    """
    names: dict[str, object] = {"__name__": page.stem}
    printed = ""
    before: Block | None = None
    for block in blocks_of(page):
        if block.language == "python" and block.title == title:
            # Lines of an error are those of the page.
            code = "\n" * (block.line - 1) + block.code
            with redirect_stdout(StringIO()) as said:
                exec(compile(code, str(page), "exec"), names)
            printed = said.getvalue()
        follows = before is not None and before.title == title and not block.follows.strip()
        if block.language == "text" and follows:
            assert printed == block.code, f"{page.name}, line {block.line}: {printed}"
        before = block
    return names
