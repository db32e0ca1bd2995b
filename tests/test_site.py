"""The site's pages: all there, each in the navigation, each link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import ml4t.backtest
from ml4t.backtest.data.sources.roles import ROLES
from ml4t.backtest.results.report.views import VIEWS
from ml4t.backtest.results.tables import COLUMNS
from ml4t.backtest.runfile import RUN_KEYS
from ml4t.backtest.runfile_sources import SOURCE_KEYS, VENDOR
from ml4t.backtest.runfile_tables import LIMITS, RULES, SETTINGS
from website.assemble import pages
from website.check import problems
from website.links import ROOT, DeadLinkError, Tree
from website.navigation import navigation
from website.pages.api import PAGES, names_of


@pytest.fixture(scope="module")
def site() -> dict[str, str]:
    """All pages: a link of one of them that leads nowhere would have raised."""
    return pages()


def test_every_page_stands_in_the_navigation(site: dict[str, str]) -> None:
    sections = [next(iter(section.values())) for section in navigation(site)]
    listed = [next(iter(entry.values())) for section in sections for entry in section]
    assert sorted(listed) == sorted(set(listed))
    assert {*listed} == {page for page in site if not page.startswith(("source/", "sql/"))}


def test_every_public_name_stands_on_a_page_of_the_api() -> None:
    named = {name for stem in PAGES for name in names_of(stem)}
    # Another name of BacktestEngine.
    assert {*ml4t.backtest.__all__} - {"Engine"} <= named


# Which test runs the code of a page, where its module is not named after it.
RUN_BY = {"data": "data_page", "trades": "explained", "calendars": "calendars", "guide": "guide",
          "coming-from": "coming_from", "cookbook": "cookbook", "at-scale": "portable"}  # fmt: skip


def test_every_page_with_code_has_a_test_that_runs_it() -> None:
    for path in (ROOT / "docs").rglob("*.md"):
        if re.search(r"^```(python|sql)", path.read_text(encoding="utf-8"), re.MULTILINE):
            page = path.relative_to(ROOT / "docs").with_suffix("").parts[0]
            module = RUN_BY.get(page, f"{page.replace('-', '_')}_page")
            text = (ROOT / "tests" / f"test_{module}.py").read_text(encoding="utf-8")
            assert "exec(" in text or "run_page(" in text or "answers(" in text


def test_every_column_of_tables_and_views_is_described(site: dict[str, str]) -> None:
    page = site["reference/results.md"]
    parts = dict(re.findall(r"^### ([\w.]+)\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL))
    assert parts.keys() == {*COLUMNS, *(f"report.{name}" for name in VIEWS)}
    for name, columns in COLUMNS.items():
        assert re.findall(r"^\| `(\w+)`", parts[name], re.MULTILINE) == list(columns)
        assert all(text.replace("|", "\\|") in parts[name] for text in columns.values())
    for name, view in VIEWS.items():
        lines = re.findall(r"^\| `(\w+)` .*\| *(.*?) *\|$", parts[f"report.{name}"], re.MULTILINE)
        assert [column for column, meaning in lines if not meaning] == [], name
        assert {*view.columns} <= {column for column, _ in lines}


def test_every_file_of_sql_has_its_line_and_its_text(site: dict[str, str]) -> None:
    for path in (ROOT / "sql").rglob("*.sql"):
        folder, name = path.parent.name, path.stem
        assert f"](../sql/{folder}.md#{name})" in site["reference/sql.md"]
        assert path.read_text(encoding="utf-8").rstrip() in site[f"sql/{folder}.md"]


def test_every_check_and_every_key_of_a_run_file_is_named(site: dict[str, str]) -> None:
    checks = {check.rule for spec in ROLES.values() for check in spec.checks}
    assert checks <= {*re.findall(r"\[`(\w+)`\]", site["reference/errors.md"])}
    families = (*SETTINGS.values(), RULES, LIMITS)
    named = {*RUN_KEYS, *SOURCE_KEYS, VENDOR, *(name for one in families for name in one.classes)}
    assert named <= {*re.findall(r"`(\w+)`", site["reference/run-file.md"])}


def test_a_link_to_nothing_is_an_error() -> None:
    assert Tree({"a.md": "[b](b.md#there)\n`[c](c.md)`", "b.md": "# B"}).linked()["a.md"]
    with pytest.raises(DeadLinkError, match=r"docs/a\.md links to c\.md, which is not there"):
        Tree({"a.md": "[c](c.md)"}).linked()


def test_a_file_that_a_page_links_to_is_a_page(site: dict[str, str]) -> None:
    found = Tree({"deep/a.md": "[one](../../tests/conftest.py) [two](../../LIMITATIONS.md#x)"})
    linked = found.linked()
    assert linked["deep/a.md"] == "[one](../source/tests/conftest.py.md) [two](../limitations.md#x)"
    assert "```python\n" in linked["source/tests/conftest.py.md"]


def test_dead_links_and_what_is_fetched_elsewhere_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<a href="b.html#there"></a><a href="b.html#gone"></a><a href="c.html"></a>'
        '<script src="https://cdn.example/x.js"></script>'
    )
    (tmp_path / "b.html").write_text('<p id="there"></p><a href="https://example.org"></a>')
    found = [line for line in problems(tmp_path) if not line.startswith("the API")]
    assert found == [
        "a.html fetches https://cdn.example/x.js",
        "a.html links to b.html#gone: no such anchor",
        "a.html links to c.html, which is not there",
    ]


def test_the_words_of_the_glossary_are_in_order_and_each_once() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    _, _, *words = re.findall(r"^\| `?([^|`]+)", text, re.MULTILINE)
    plain = [word.strip().lower().replace("_", " ").replace("-", " ") for word in words]
    assert plain == sorted(set(plain))
