"""Where a link of a page leads on the site.

Pages link to each other and to files of the repository by their paths there, so that they read in a
checkout as on the site. `Tree` knows which file is which page; a file that is no page gets one with
its text. A link to nothing is an error.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath

ROOT = Path(__file__).resolve().parent.parent
DOCS = "docs"
# Pages that stand elsewhere in the repository.
MOVED = {
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "LIMITATIONS.md": "limitations.md",
    "README.md": "index.md",
    "benchmarks/README.md": "benchmarks.md",
    "findings/README.md": "findings.md",
}
LANGUAGES = {"py": "python", "sh": "bash", "sql": "sql", "toml": "toml", "ipynb": "json"}
_FENCE = re.compile(r"^\s*(`{3,}|~{3,})")
_SPAN = re.compile(r"(`+)(?:.*?)\1")
_LINK = re.compile(r"(\]\()([^)\s]+)")
_OUTSIDE = re.compile(r"^([a-z]+:|#|/)")


class DeadLinkError(Exception):
    """A page links to what is not there."""


class Tree:
    """The pages of the site by their path on it, and the files of the repository behind them.

    Parameters
    ----------
    pages : mapping of str to str
        Markdown by path on the site, such as ``guide/clock.md``; its links are those of a file at
        ``docs/guide/clock.md``.
    """

    def __init__(self, pages: dict[str, str]) -> None:
        self.pages = {**pages}
        for path, page in MOVED.items():
            self.pages[page] = (ROOT / path).read_text(encoding="utf-8")
        # What a page is in the repository, where it is not at its place under docs.
        self._homes = {page: path for path, page in MOVED.items()}
        self._waiting = list(self.pages)

    def linked(self) -> dict[str, str]:
        """Return all pages with their links as the site needs them."""
        done: dict[str, str] = {}
        while self._waiting:
            page = self._waiting.pop()
            done[page] = self._relinked(page, self.pages[page])
        return done

    def _relinked(self, page: str, text: str) -> str:
        lines, fence = [], ""
        for line in text.split("\n"):
            marked = _FENCE.match(line)
            if marked and not fence:
                fence = marked[1]
            elif marked and line.strip() == fence:
                fence = ""
            elif not fence:
                line = self._of_line(page, line)
            lines.append(line)
        return "\n".join(lines)

    def _of_line(self, page: str, line: str) -> str:
        spans = [(found.start(), found.end()) for found in _SPAN.finditer(line)]

        def lead(found: re.Match[str]) -> str:
            if any(start < found.start() < end for start, end in spans):
                return found[0]
            return found[1] + self._target(page, found[2])

        return _LINK.sub(lead, line)

    def _target(self, page: str, target: str) -> str:
        if _OUTSIDE.match(target):
            return target
        target, _, anchor = target.partition("#")
        home = self._homes.get(page, f"{DOCS}/{page}")
        path = normpath(str(PurePosixPath(home).parent / target))
        there = self._page_of(path)
        if there is None:
            raise DeadLinkError(f"{home} links to {target}, which is not there")
        if there.startswith("source/"):
            anchor = ""
        if "#" in there:
            there, _, anchor = there.partition("#")
        found = relpath(there, str(PurePosixPath(page).parent))
        return f"{found}#{anchor}" if anchor else found

    def _page_of(self, path: str) -> str | None:
        """Return the page of a file of the repository; make one where it has none."""
        if path in MOVED:
            return MOVED[path]
        if path.startswith(f"{DOCS}/"):
            page = path.removeprefix(f"{DOCS}/")
            return page if page in self.pages or (ROOT / path).is_file() else None
        if path.startswith("sql/") and path.endswith(".sql"):
            folder, _, name = path.removesuffix(".sql").rpartition("/")
            return f"{folder}.md#{name}" if (ROOT / path).is_file() else None
        if (ROOT / path / "README.md").is_file():
            return self._page_of(f"{path}/README.md")
        page = f"source/{path}.md"
        if page not in self.pages:
            if not (ROOT / path).is_file():
                return None
            self.pages[page] = source_page(path)
            self._homes[page] = path
            self._waiting.append(page)
        return page


def source_page(path: str) -> str:
    """Return a page with the text of a file; searches leave it out."""
    text = (ROOT / path).read_text(encoding="utf-8")
    head = "---\nsearch:\n  exclude: true\n---\n\n"
    if path.endswith(".md"):
        return head + text
    return f"{head}# {path}\n\n{fenced(text, LANGUAGES.get(path.rpartition('.')[2], 'text'))}\n"


def fenced(text: str, language: str) -> str:
    """Return a block of code, whatever is in it."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table; a bar in a cell is escaped."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |"
        for row in lines
    )
