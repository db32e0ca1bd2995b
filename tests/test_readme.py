"""The README is a promise: its code runs as written, and what it leads to is there.

Its picture is held to its run in `test_examples`, which has that run.
"""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from ml4t.backtest.synthetic import make_market
from page_blocks import blocks_of, run_page

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
MADE = ROOT / "docs" / "reference"


def test_the_python_of_the_readme_runs_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_market(tmp_path / "data", n_assets=60, n_bars=200)
    (tmp_path / "prices").mkdir()
    (data / "prices.parquet").rename(tmp_path / "prices" / "2020.parquet")
    (data / "context.parquet").rename(tmp_path / "vix.parquet")
    duckdb.sql(
        f"copy (select *, timestamp + interval 1 hour as published_at from "
        f"'{data}/features.parquet') to '{tmp_path}/features.parquet' (format parquet)"
    )
    monkeypatch.chdir(tmp_path)
    run_page(README)

    saved = duckdb.connect(str(tmp_path / "run.duckdb"), read_only=True)
    assert saved.sql("select count(*) from fills").fetchall()[0][0] > 100
    saved.close()


def test_the_readme_is_what_a_visitor_needs() -> None:
    """What it is, a picture, two commands, a screen of code, links: the rest is in the guide."""
    text = README.read_text(encoding="utf-8")
    assert text.count("\n") < 110
    assert [block.language for block in blocks_of(README)] == ["bash", "python"]
    commands, code = blocks_of(README)
    assert len(commands.code.splitlines()) == 2
    assert len(code.code.splitlines()) < 40


def test_links_of_the_readme_and_the_guide_lead_to_a_file_and_its_heading() -> None:
    dead = []
    for page in [README, *sorted((ROOT / "docs").rglob("*.md"))]:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"https?:", target):
                continue
            path, _, heading = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            if MADE in file.parents:
                continue  # `make site` makes it, and finds what is dead there
            if not file.exists() or (heading and heading not in headings(file)):
                dead.append(f"{page.name}: {target}")
    assert dead == []


def headings(page: Path) -> set[str]:
    """Return the anchors that a page's headings get."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).strip().replace(" ", "-") for one in found}


def test_every_page_with_code_is_read_by_a_test() -> None:
    """Those of the folders guide and coming-from are, as they come."""
    tests = "\n".join(one.read_text(encoding="utf-8") for one in Path(__file__).parent.glob("*.py"))
    unread = [
        page.name
        for page in (ROOT / "docs").glob("*.md")
        if {"python", "sql", "toml"} & {block.language for block in blocks_of(page)}
        and f'"{page.name}"' not in tests
        and f'"""docs/{page.name}: ' not in tests
    ]
    assert unread == []
