"""docs/guide: the code of each page runs as written and prints what the page says it prints."""

from __future__ import annotations

import inspect
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ml4t.backtest import risk
from ml4t.backtest.cli import app
from ml4t.backtest.data.sources.roles import ROLES
from ml4t.backtest.presets import PRESETS
from ml4t.backtest.results.tables import COLUMNS
from ml4t.backtest.strategy.base import Strategy
from ml4t.backtest.synthetic import make_market
from page_blocks import blocks_of, run_page

ROOT = Path(__file__).resolve().parents[1]
GUIDE = ROOT / "docs" / "guide"
PAGES = sorted(GUIDE.glob("*.md"))
HAVE_PYTHON = [
    page for page in PAGES if any(block.language == "python" for block in blocks_of(page))
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the demo has run, on fewer assets."""
    path = tmp_path_factory.mktemp("guide")
    make_market(path / "out" / "demo", n_assets=30, n_bars=200)
    return path


def text_of(name: str) -> str:
    return (GUIDE / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", HAVE_PYTHON, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs_and_prints_what_it_says(
    page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    names = run_page(page)
    assert {"catalog", "result"} & names.keys()


def test_a_page_that_says_it_prints_something_else_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nprint(2)\n```\n\n```text\n3\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError, match=r"page.md, line 6"):
        run_page(page)


def test_every_role_is_a_line_of_the_page_on_sources() -> None:
    cells = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", text_of("sources"), re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(cells))) == set(ROLES)


def test_every_rule_and_limit_is_a_line_of_the_page_on_risk() -> None:
    named = set(re.findall(r"`(\w+)\(", text_of("risk")))
    kinds = (risk.RiskRule, risk.Limit)
    there = {
        name
        for name in risk.__all__
        if inspect.isclass(one := getattr(risk, name)) and issubclass(one, kinds)
    }
    assert named == there - {"RiskRule", "Limit"}


def test_every_helper_and_handler_of_a_strategy_is_on_a_page() -> None:
    text = text_of("strategies") + text_of("orders")
    left_to_the_package = {
        "bind", "has_run", "is_running", "needs_range", "on_event", "query", "ranking", "rules",
        "running",
    }  # fmt: skip
    helpers = {
        name for name, one in inspect.getmembers(Strategy)
        if not name.startswith("_") and (callable(one) or isinstance(one, property))
    } - left_to_the_package  # fmt: skip
    assert sorted(name for name in helpers if not re.search(rf"\b{name}\b", text)) == []


def test_every_preset_is_on_the_page_of_orders() -> None:
    assert [name for name in PRESETS if f'"{name}"' not in text_of("orders")] == []


def test_the_page_on_results_names_every_table() -> None:
    assert " ".join(COLUMNS) in " ".join(text_of("results").split())


def test_every_command_of_the_guide_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for name in ("prices", "features"):
        shutil.copy(folder / "out" / "demo" / f"{name}.parquet", folder)
    script, file = blocks_of(GUIDE / "command-line.md")
    assert (script.language, file.language) == ("bash", "toml")
    Path("strategy.toml").write_text(file.code, encoding="utf-8")
    for line in script.code.splitlines():
        program, *words = shlex.split(line, comments=True)
        assert program == "ml4t-backtest"
        if words == ["demo"]:
            continue  # 500 assets: `make demo` runs it
        done = CliRunner().invoke(app, words, input="select 1;\n")
        assert done.exit_code == 0, f"{line}: {done.stderr}"
        if words[0] == "run":
            shutil.copy("run.duckdb", "other.duckdb")
    assert list(Path("tables").iterdir())


def test_the_targets_that_pages_name_are_those_of_make() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    there = set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        text = page.read_text(encoding="utf-8")
        named = set(re.findall(r"(?:^|`)make ([\w-]+)", text, re.MULTILINE))
        assert named <= there, page.name


def test_the_picture_of_the_clock_is_the_one_that_its_script_draws() -> None:
    sys.path.insert(0, str(ROOT / "examples"))
    try:
        import clock_picture
    finally:
        sys.path.pop(0)
    assert clock_picture.PICTURE.read_text(encoding="utf-8") == clock_picture.picture()
