"""How hard the suite tries, and what is checked after every run that any test makes."""

from __future__ import annotations

import os
from functools import wraps
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from document_blocks import document  # noqa: F401 - a fixture
from effort import EFFORT, examples, thinned
from invariants import check_dividends, check_invariants
from leverage import check_leverage
from ml4t.backtest import BacktestEngine, BacktestResult
from ml4t.backtest.data import database
from ml4t.backtest.data.stream.period import bound_of, find_period
from scripts import run_script  # noqa: F401 - a fixture

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

# Whose tests share what takes seconds to make. They come first: workers split what is left at the
# end, and each would make it.
SHARED_FOR_LONG = {"test_zones", "test_examples_walk_forward", "test_coming_from"}


def pytest_configure(config: pytest.Config) -> None:
    for marker in ("each_value", "long"):
        config.addinivalue_line("markers", f"{marker}: see tests/effort.py")
    # What says no number of its own; by default hypothesis draws a hundred.
    settings.register_profile("suite", max_examples=examples(30))
    settings.load_profile("suite")
    if EFFORT == 1:
        connect, made = database._connect, count()

        def with_few_threads(given: dict[str, Any]) -> Any:
            # A sixth of the time of a small run goes into threads with nothing to do.
            few = {"threads": 1} if next(made) % 8 else {}
            return connect({**few, **given})

        database._connect = with_few_threads


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out combinations that only a test of more effort runs; pytest counts them.

    What several tests share and takes long comes first.
    """
    # Who names a test or a marker, or kills many a process, wants all of it.
    is_named = config.option.markexpr or any("::" in str(one) for one in config.args)
    if EFFORT == 1 and not is_named and "ML4T_KILLS" not in os.environ:
        items[:], waiting = thinned(items)
        config.hook.pytest_deselected(items=waiting)
    items.sort(key=lambda item: item.path.stem not in SHARED_FOR_LONG)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what was left out for want of the market data, instead of dots alone."""
    skipped = [
        report
        for report in terminalreporter.stats.get("skipped", ())
        if isinstance(report.longrepr, tuple) and "next to this checkout" in report.longrepr[2]
    ]
    if skipped:
        terminalreporter.write_line(
            f"{len(skipped)} skipped: market data and documents are not at ../shared"
        )


@pytest.fixture(autouse=True)
def _invariants(monkeypatch: pytest.MonkeyPatch) -> None:
    run = BacktestEngine.run

    @wraps(run)
    def checked(self: BacktestEngine, *args: Any, **kwargs: Any) -> BacktestResult:
        result = run(self, *args, **kwargs)
        check_invariants(result, self.config.account)
        sides = (bound_of(n, kwargs.get(n)) or getattr(self, n) for n in ("start", "end"))
        check_dividends(result, self.catalog, find_period(*sides, self.catalog.prepare()))
        check_leverage(self, result)
        return result

    monkeypatch.setattr(BacktestEngine, "run", checked)
