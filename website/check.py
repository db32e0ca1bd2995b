"""Look at the pages that were built: no dead link, nothing that a browser fetches elsewhere.

Zensical looks at the links of the Markdown alone; these are those that a reader meets, of the API
and of generated anchors too.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import ml4t.backtest

# What a browser fetches by itself, and the attribute that says from where.
FETCHED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


class Page(HTMLParser):
    """Links, anchors and what is fetched, of one page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.fetched: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take what a tag says."""
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if given.get(FETCHED.get(tag, "")):
            self.fetched.append(given[FETCHED[tag]])

    def has(self, anchor: str) -> bool:
        """Say whether there is such an anchor; the page itself is the empty one."""
        return not anchor or unquote(anchor) in self.anchors


def problems(site: Path) -> list[str]:
    """Return what is wrong with a site, one line each."""
    pages = {path: Page(path) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        # A server sends this one for any path.
        if path.name == "404.html":
            continue
        here = path.relative_to(site)
        for target in page.fetched:
            if urlsplit(target).scheme or target.startswith("//"):
                found.append(f"{here} fetches {target}")
            elif not (path.parent / unquote(urlsplit(target).path)).exists():
                found.append(f"{here} fetches {target}, which is not there")
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target_path = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target_path.exists():
                found.append(f"{here} links to {link}, which is not there")
            elif target_path in pages and not pages[target_path].has(parts.fragment):
                found.append(f"{here} links to {link}: no such anchor")
    documented = set().union(*(page.anchors for page in pages.values()))
    found += [
        f"the API has no ml4t.backtest.{name}"
        for name in ml4t.backtest.__all__
        if name != "Engine" and f"ml4t.backtest.{name}" not in documented
    ]
    found += [
        f"{path.relative_to(site)} names a place of the network in a style"
        for path in site.rglob("*.css")
        if "url(http" in path.read_text(encoding="utf-8")
    ]
    return found


if __name__ == "__main__":
    wrong = problems(Path(sys.argv[1]).resolve())
    for line in wrong:
        print(line, file=sys.stderr)
    sys.exit(bool(wrong))
