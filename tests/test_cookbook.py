"""docs/cookbook.md: its code runs, and every query answers what stands below it."""

from __future__ import annotations

from pathlib import Path

import pytest

from website.cookbook import PAGE, answers, recipes

TEXT = PAGE.read_text(encoding="utf-8")


def test_every_query_of_the_cookbook_answers_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = list(answers(TEXT))
    # `make cookbook` writes them.
    assert [(one.question, answer) for one, answer in found if answer != one.answer] == []
    assert len(found) >= 40


def test_every_block_of_the_cookbook_is_one_that_runs() -> None:
    assert TEXT.count("```sql") == len(recipes(TEXT)) == TEXT.count("\n### ")
    assert TEXT.count("```python") == 1
    assert {one.of for one in recipes(TEXT)} == {"run", "catalog", "store"}
