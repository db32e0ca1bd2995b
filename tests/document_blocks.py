"""The Python blocks of the three documents: found, named, and run.

A block is named after its document and its number there. The table in `document_table` says of
each what it takes to run it; `on` binds a test to a block, and the fixture `document` is that
block, which the test has to run.
"""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from document_table import TABLE

FOLDER = Path(__file__).parent / "documents"
FENCE = "```"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One Python block of a document; `headings` lead to it, the outermost first."""

    name: str
    headings: tuple[str, ...]
    code: str

    @property
    def digest(self) -> str:
        """Another one for other code, and under another heading."""
        return sha256("\n".join((*self.headings, self.code)).encode()).hexdigest()[:8]

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.code)

    @property
    def is_python(self) -> bool:
        """Whether it compiles: it may parse and still return outside of a function."""
        try:
            compile(self.code, self.name, "exec")
        except SyntaxError:
            return False
        return True

    @property
    def has_ellipsis(self) -> bool:
        """Whether ``...`` stands for a value that the reader has to think of."""
        return any(
            isinstance(node, ast.Constant) and node.value is ... for node in ast.walk(self.tree)
        )

    @property
    def is_comment(self) -> bool:
        return not self.tree.body

    @property
    def classes(self) -> list[ast.ClassDef]:
        return [node for node in self.tree.body if isinstance(node, ast.ClassDef)]


def blocks_of(text: str, document: str) -> Iterator[Block]:
    """Yield the Python blocks of a Markdown text in their order."""
    headings: list[str] = []
    language, lines, n = None, [""], 0
    for line in text.split("\n"):
        if language is None and line.startswith(FENCE):
            language, lines = line.removeprefix(FENCE).strip(), []
        elif line.startswith(FENCE):
            if language == "python":
                n += 1
                code = "\n".join(lines) + "\n"
                yield Block(name=f"{document} {n}", headings=tuple(headings), code=code)
            language = None
        elif language is not None:
            lines.append(line)
        elif found := re.match(r"(#+) (.+)", line):
            headings = [*headings[: len(found[1]) - 1], found[2]]


BLOCKS = {
    block.name: block
    for path in sorted(FOLDER.glob("*.md"))
    for block in blocks_of(path.read_text(encoding="utf-8"), path.stem)
}


# -- running one ---------------------------------------------------------------------------------


class Document:
    """A block on its way through a test.

    Parameters
    ----------
    block : Block
    stand_ins : set of str
        What the table says that it needs.
    folder : Path
        Working directory of the test.
    """

    def __init__(self, block: Block, stand_ins: frozenset[str], folder: Path) -> None:
        self.block, self._stand_ins, self._folder = block, stand_ins, folder
        self.has_run = False

    def run(
        self,
        /,  # a block may read a name `self`
        *,
        files: Mapping[str, Callable[[Path], object]] | None = None,
        modules: Mapping[str, Mapping[str, object]] | None = None,
        patches: Mapping[str, object] | None = None,
        **names: object,
    ) -> dict[str, Any]:
        """Run the block unchanged; return what it has defined.

        Parameters
        ----------
        files : mapping of name to function
            Each function is called with the path to write.
        modules : mapping of name to contents
            Importable while the block runs.
        patches : mapping of dotted name to object
            In place of what is there while the block runs.
        names : object
            Supplied to the block.
        """
        given = {*names, *(files or {}), *(modules or {}), *(patches or {})}
        assert given == self._stand_ins, f"{self.block.name} runs with {sorted(self._stand_ins)}"
        for name, write in (files or {}).items():
            write(self._folder / name)
        # From a file, as users do: numba keeps what it compiles beside it.
        path = self._folder / f"{self.block.name.replace(' ', '_')}.py"
        path.write_text(self.block.code, encoding="utf-8")
        found: dict[str, Any] = {"__name__": "__main__", **names}
        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
            warnings.simplefilter("error")
            for name, contents in (modules or {}).items():
                parts = name.split(".")
                for i in range(len(parts)):
                    module = ModuleType(".".join(parts[: i + 1]))
                    module.__path__ = []
                    patch.setitem(sys.modules, module.__name__, module)
                vars(module).update(contents)
            for name, replacement in (patches or {}).items():
                patch.setattr(name, replacement)
            exec(compile(self.block.code, str(path), "exec"), found)
        self.has_run = True
        return found


@pytest.fixture
def document(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Document]:
    """The block that `on` names, to be run by the test, in an empty working directory."""
    name: str = request.param
    monkeypatch.chdir(tmp_path)
    ours = Document(BLOCKS[name], TABLE[name].stand_ins, tmp_path)
    yield ours
    assert ours.has_run, f"{name} was not run"


def on(*names: str) -> pytest.MarkDecorator:
    """Bind a test to a block, or to several in turn."""
    return pytest.mark.parametrize("document", names, indirect=True)


def blocks_on(module: ModuleType) -> set[str]:
    """Return the blocks to which the tests of a module are bound."""
    return {
        name
        for test in vars(module).values()
        for mark in getattr(test, "pytestmark", ())
        if mark.name == "parametrize" and mark.args[0] == "document"
        for name in mark.args[1]
    }


# -- what a block holds ---------------------------------------------------------------------------


def imported(block: Block) -> set[str]:
    """Return the names that a block imports for itself."""
    return {
        one.asname or one.name
        for node in ast.walk(block.tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for one in node.names
    }


def code_lines(node: ast.AST) -> int:
    """Count the lines of a node that hold code: no blank ones, comments and docstrings."""
    lines = {
        line
        for one in ast.walk(node)
        if isinstance(one, ast.stmt | ast.expr | ast.arg)
        for line in (one.lineno, one.end_lineno or one.lineno)
    }
    for one in ast.walk(node):
        if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant):
            lines -= set(range(one.lineno, (one.end_lineno or one.lineno) + 1))
    return len(lines)
