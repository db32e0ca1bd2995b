"""The scripts that time us: they reach into a run, and do what they say on a small market."""

from __future__ import annotations

import json
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from ml4t.backtest.synthetic import make_market

SCRIPTS = Path(__file__).parents[1] / "benchmarks"


def script(name: str) -> ModuleType:
    spec = spec_from_file_location(f"timing_{name}", SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_loop_alone_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = script("loop")
    monkeypatch.setattr(loop, "N_BARS", 30)
    monkeypatch.setattr(loop, "ROUNDS", 1)
    assert 0 < loop.seconds_per_bar(60) < 1


def test_every_table_is_counted_in_a_timed_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
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
