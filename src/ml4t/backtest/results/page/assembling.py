"""Assembling: one file of HTML from the template, styles, scripts and data of a page.

Nothing in it is fetched: its policy names by their hashes the scripts and styles that may run, and
allows no address at all.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from html import escape
from pathlib import Path

from ml4t.backtest.core.workplace import sync
from ml4t.backtest.errors import ResultError
from ml4t.backtest.results.keeping.saving import write_beside
from ml4t.backtest.results.page.embedding import ASKING_SCRIPTS, Embedded

ASSETS = Path(__file__).parent / "assets"
# In the order in which they run: each gives its names to the object `page`.
SCRIPTS = (
    "vendor/uPlot.iife.min.js", "js/data.js", "js/format.js", "js/theme.js", "js/charts.js",
    "js/marks.js", "js/table.js", "js/trade.js", "js/figures.js", "js/main.js",
)  # fmt: skip
STYLES = ("vendor/uPlot.min.css", "css/page.css", "css/figures.css")
# How a page of ours begins; no other file is written over.
MARK = "<!doctype html>\n<!-- a page of ml4t-backtest-duckdb -->\n"
_PLACE = re.compile(r"\{\{(\w+)\}\}")


def assembled(places: Mapping[str, str], stream: bytes, embedded: Embedded | None = None) -> str:
    """Return the page.

    Parameters
    ----------
    places : mapping of str to str
        HTML for the places of ``assets/page.html``.
    stream : bytes
        What `Packed.stream` gave.
    embedded : Embedded, optional
        The run as a database, with what reads it.
    """
    scripts = [asset(name) for name in SCRIPTS]
    if embedded is not None:
        asking = [asset(name) for name in ASKING_SCRIPTS]
        # What they give their names to is made by the first of ours, and what they need is there.
        scripts = [*scripts[:-1], *embedded.scripts, *asking, scripts[-1]]
    styles = [asset(name) for name in STYLES]
    filled = {
        **places,
        "policy": _policy(scripts, styles, has_engine=embedded is not None),
        "styles": "\n".join(f"<style>{text}</style>" for text in styles),
        "scripts": "\n".join(f"<script>{text}</script>" for text in scripts),
        "data": b64encode(stream).decode(),
        "embedded": embedded.html if embedded is not None else "",
        "licence": asset("vendor/uPlot.LICENSE") + _licences(embedded),
    }
    return MARK + _PLACE.sub(lambda match: filled[match[1]], asset("page.html"))


def put_page(text: str, path: Path) -> None:
    """Write a page at a path in one step.

    Raises
    ------
    ResultError
        Something else than a page of ours stands there, or it cannot be written.
    """

    def write(made: Path) -> None:
        made.write_text(text, encoding="utf-8", newline="\n")
        sync(made)
        sync(made.parent)

    write_beside(path, write, "written", require=_require_ours)


@cache
def asset(name: str) -> str:
    """Return the text of a file under ``assets``."""
    return (ASSETS / name).read_text(encoding="utf-8")


def _require_ours(target: Path) -> None:
    if target.is_dir():
        raise ResultError(
            f"'{target}' is a folder; a page is a file, such as '{target}/report.html'"
        )
    if target.exists():
        with target.open(encoding="utf-8", errors="replace") as file:
            if file.read(len(MARK)) != MARK:
                raise ResultError(
                    f"'{target}' is no page of a run, and is not written over; name another file"
                )


def _licences(embedded: Embedded | None) -> str:
    return "" if embedded is None else "\n\n" + escape(embedded.licences)


def _policy(scripts: list[str], styles: list[str], *, has_engine: bool) -> str:
    # An engine is compiled in a worker, which is text of the page and has its policy.
    engine = (" 'wasm-unsafe-eval'", ["worker-src blob:"]) if has_engine else ("", [])
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {' '.join(map(_hash, scripts))}{engine[0]}",
            *engine[1],
            f"style-src {' '.join(map(_hash, styles))}",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
