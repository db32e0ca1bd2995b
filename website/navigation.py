"""The navigation: sections in the order in which a newcomer needs them.

Folders of prose are taken whole, their pages in the order given and then by name; a page that
nobody has put into a section stands in the last one.
"""

from __future__ import annotations

import re

# Title and pages of each section; a page that ends in / is a folder.
SECTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Start", ("index.md", "guide/quickstart.md", "guide/real-prices.md")),
    ("Your data", ("guide/sources.md", "data.md", "vendors.md", "calendars.md")),
    ("Guide", ("guide/",)),
    (
        "Results",
        ("guide/results.md", "guide/page.md", "explore.md", "reference/results.md", "metrics.md",
         "trades.md", "runs.md", "factors.md", "interchange.md"),
    ),
    ("SQL", ("cookbook.md", "reference/sql.md")),
    ("Coming from", ("coming-from/",)),
    (
        "Reference",
        ("reference/api/", "reference/run-file.md", "reference/cli.md", "reference/errors.md",
         "for-programs.md"),
    ),
    (
        "Trust",
        ("parity.md", "look-ahead.md", "differences.md", "findings.md", "performance.md",
         "benchmarks.md", "at-scale.md", "limitations.md"),
    ),
    ("About", ("glossary.md", "architecture.md", "contributing.md", "changelog.md")),
)  # fmt: skip
# Order inside a folder, by the stem; others follow by name.
FIRST = {
    "guide/": (
        "clock", "features", "strategies", "orders", "costs", "market-rules", "futures",
        "perpetuals", "currencies", "risk", "audit", "smells", "sweeps", "walk-forward",
    ),
    "coming-from/": ("index",),
    "reference/api/": (),
}  # fmt: skip
# In place of a heading that does not say it beside the others.
TITLES = {
    "index.md": "Overview",
    "guide/command-line.md": "On the command line",
    "reference/api/7-results.md": "Results and stores",
}
NAMED = {name for _, names in SECTIONS for name in names}
# Pages that others lead to.
UNLISTED = ("source/", "sql/")


def navigation(pages: dict[str, str]) -> list[dict[str, object]]:
    """Return the navigation of the pages that are there."""
    sections: list[dict[str, object]] = []
    left = {page for page in pages if not page.startswith(UNLISTED)}
    for title, names in SECTIONS:
        found = [page for name in names for page in _pages_of(name, left)]
        left -= set(found)
        if found:
            sections.append(
                {title: [{TITLES.get(page) or title_of(pages[page]): page} for page in found]}
            )
    if left:
        sections.append({"More": [{title_of(pages[page]): page} for page in sorted(left)]})
    return sections


def _pages_of(name: str, pages: set[str]) -> list[str]:
    if not name.endswith("/"):
        return [name] if name in pages else []
    order = {f"{name}{stem}.md": i for i, stem in enumerate(FIRST[name])}
    inside = (page for page in pages - NAMED if page.startswith(name))
    return sorted(inside, key=lambda page: (order.get(page, len(order)), page))


def title_of(text: str) -> str:
    """Return the first heading of a page."""
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"a page without a heading: {text[:60]!r}")
    return found[1].replace("`", "")
