"""The patterns and the complete example run as their docstrings say, and show what they promise."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

import pytest

from conftest import SHARED_DATA
from effort import EFFORT, long
from scripts import Run

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
PATTERNS = sorted(
    path.name for path in (EXAMPLES / "patterns").glob("*.py") if path.name != "shared.py"
)
HELPERS = {
    "get_position", "get_positions", "get_position_value", "get_cash", "get_portfolio_value",
    "get_unrealized_pnl", "get_unrealized_pnl_pct", "buy_percent", "sell_percent",
    "close_position", "reduce_position", "set_position_percent", "size_by_confidence",
    "rebalance_to_weights",
}  # fmt: skip


def run(script: str, *arguments: object, cwd: Path) -> str:
    """Run an example from another folder, warnings being errors, and return what it prints."""
    command = [sys.executable, "-W", "error", EXAMPLES / script, *arguments]
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, cwd=cwd, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_pattern_of_the_documents_has_an_example() -> None:
    assert PATTERNS == [
        "context_filtered.py", "ensemble.py", "indicator_confirmed.py", "kelly_by_confidence.py",
        "ml_only.py", "monthly_rebalancing.py", "multi_signal.py", "regime_sizing.py",
        "stop_loss.py", "top_n_rotation.py", "vectorbt_preprocessing.py",
    ]  # fmt: skip


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_runs_and_its_ways_make_the_same_trades(name: str, run_script: Run) -> None:
    if name == "vectorbt_preprocessing.py" and find_spec("vectorbt") is not None:
        warnings.simplefilter("default")  # vectorbt and what it imports warn by themselves
    code, printed, _ = run_script(EXAMPLES / "patterns" / name)
    assert code == 0
    figures = re.findall(r"return +(-?[\d.]+)%.*closed trades +(\d+)$", printed, re.MULTILINE)
    if name == "vectorbt_preprocessing.py" and find_spec("vectorbt") is None:
        assert len(figures) == 1
        assert "vectorbt is not installed" in printed
        return
    assert len(figures) >= 2
    assert int(figures[0][1]) > 10
    n_ways, n_trades = re.findall(r"^(\d) ways, the same (\d+) trades", printed, re.MULTILINE)[0]
    # A risk rule that acts inside the bar is another strategy, shown beside the two that are one.
    assert int(n_ways) == len(figures) - (name == "stop_loss.py")
    assert len(set(figures[: int(n_ways)])) == 1
    assert int(n_trades) >= int(figures[0][1])


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_says_what_it_shows_and_how_it_is_run(name: str) -> None:
    text = ast.get_docstring(ast.parse((EXAMPLES / "patterns" / name).read_text(encoding="utf-8")))
    assert text is not None
    assert f"python examples/patterns/{name}" in text


@long
def test_patterns_that_disagree_are_found_out(tmp_path: Path) -> None:
    text = (EXAMPLES / "patterns" / "ml_only.py").read_text(encoding="utf-8")
    (tmp_path / "ml_only.py").write_text(text.replace("PercentSizer(0.2)", "PercentSizer(0.3)"))
    shared = (EXAMPLES / "patterns" / "shared.py").read_text(encoding="utf-8")
    (tmp_path / "shared.py").write_text(shared)
    done = subprocess.run(
        [sys.executable, tmp_path / "ml_only.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "AssertionError: trades differ" in done.stderr


def test_the_complete_example_uses_every_helper(tmp_path: Path) -> None:
    tree = ast.parse((EXAMPLES / "ml_strategy_example.py").read_text(encoding="utf-8"))
    called = {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "self"
    }
    assert called >= HELPERS

    printed = run("ml_strategy_example.py", cwd=tmp_path)
    # Every way to order was taken, and its orders filled.
    orders = dict(re.findall(r"^(\w[\w ]*?) +[\d,]+ +([\d,]+)$", printed, re.MULTILINE))
    assert set(orders) == {
        "rebalanced", "halved by VIX", "stop loss", "profit taken", "cut back", "sure", "inclined",
    }  # fmt: skip
    assert all(int(n) > 5 for n in orders.values())
    (heard,) = re.findall(r"([\d,]+) fills heard of", printed)
    assert int(heard) == sum(map(int, orders.values()))
    assert re.search(r"^Return: -?[\d.]+%\nFinal Value: \$[\d,]+\.\d\d$", printed, re.MULTILINE)
    (events, seconds, rate) = re.findall(
        r"^([\d,]+) events in ([\d.]+) s: ([\d,]+) events per second, measured", printed, re.M
    )[0]
    assert events == "5,040"
    # What is printed was measured: the rate is that of the seconds, as far as they are shown.
    assert int(rate.replace(",", "")) == pytest.approx(5040 / float(seconds), rel=0.1)


def test_a1_and_a3_are_shown_to_be_one(tmp_path: Path, run_script: Run) -> None:
    has_prices = EFFORT > 1 and SHARED_DATA.is_dir()
    given = SHARED_DATA if has_prices else tmp_path
    code, printed, _ = run_script(EXAMPLES / "a1_a3_equal.py", given)
    assert code == 0
    assert ("real prices are left out" in printed) != has_prices
    assert printed.count("A3, rules: yes; hybrid: yes") == 6 + has_prices
    assert printed.endswith(": the same trades and orders\n")
