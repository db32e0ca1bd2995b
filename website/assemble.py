"""Write the pages of the site into a folder, as Zensical builds it: `make site`.

1. Pages of ``docs/`` as they are; beside them what is generated: results, SQL, API, command line,
   run file, errors, performance. What is generated is never committed: it says what the code says.
2. `links` leads every link to its page, and makes one of each file that is linked to.
3. `navigation` sorts them; the settings are ``mkdocs.yml`` with both added.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from website.links import DOCS, ROOT, Tree
from website.navigation import navigation
from website.pages.api import api_pages
from website.pages.command_line import command_line_page
from website.pages.errors import errors_page
from website.pages.performance import performance_page
from website.pages.run_file import run_file_page
from website.pages.schema import results_page
from website.pages.sql_files import sql_pages

HERE = ROOT / "website"


def written() -> dict[str, str]:
    """Return the pages that people write, by path on the site."""
    folder = ROOT / DOCS
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*.md"))
    }


def generated() -> dict[str, str]:
    """Return the pages that follow from the code, by path on the site."""
    return {
        "reference/results.md": results_page(),
        "reference/run-file.md": run_file_page(),
        "reference/cli.md": command_line_page(),
        "reference/errors.md": errors_page(),
        "performance.md": performance_page(),
        **api_pages(),
        **sql_pages(),
    }


def pages() -> dict[str, str]:
    """Return all pages, with links that lead to pages of the site."""
    made = generated()
    ours = written()
    if both := made.keys() & ours.keys():
        raise ValueError(f"pages that are written and generated: {', '.join(sorted(both))}")
    return Tree({**ours, **made}).linked()


def assemble(folder: Path) -> None:
    """Write pages, pictures and settings into an empty folder."""
    found = pages()
    shutil.rmtree(folder, ignore_errors=True)
    for path, text in found.items():
        target = folder / "pages" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    for path in (ROOT / DOCS).rglob("*"):
        if path.is_file() and path.suffix != ".md":
            target = folder / "pages" / path.relative_to(ROOT / DOCS)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    shutil.copytree(HERE / "assets", folder / "pages" / "assets", dirs_exist_ok=True)
    settings = (HERE / "mkdocs.yml").read_text(encoding="utf-8").replace("../", f"{ROOT}/")
    # YAML takes JSON.
    more = {"docs_dir": "pages", "site_dir": "site", "nav": navigation(found)}
    settings += "".join(f"{key}: {json.dumps(value)}\n" for key, value in more.items())
    (folder / "mkdocs.yml").write_text(settings, encoding="utf-8")


if __name__ == "__main__":
    assemble(Path(sys.argv[1]))
