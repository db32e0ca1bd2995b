"""The scripts that time us: they reach into a run, and do what they say on a small market."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from ml4t.backtest.synthetic import make_market

SCRIPTS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Import scripts of the folder, which are gone again after the test."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(SCRIPTS))
    yield import_module
    for name in set(sys.modules) - before:
        if str(SCRIPTS) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_the_loop_alone_is_timed(script, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = script("loop")
    monkeypatch.setattr(loop, "N_BARS", 30)
    monkeypatch.setattr(loop, "ROUNDS", 1)
    assert 0 < loop.seconds_per_bar(60) < 1


def test_every_table_is_counted_in_a_timed_run(
    script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_market(tmp_path, n_assets=40, n_bars=30)
    ours, forms = script("ours"), script("forms")
    monkeypatch.setattr(sys, "argv", ["ours.py", str(tmp_path)])
    ours.main()
    said = json.loads(capsys.readouterr().out)
    assert said["fills"] > 0
    result, seconds = forms.run(forms.catalog_of(str(tmp_path)), forms.FORMS["topn"]())
    query = "select arg_max(equity, timestamp) from equity"
    assert result.sql(query).fetchall() == [(said["final_equity"],)]
    assert seconds > 0
