"""Scripts run where the test is: a start of Python costs more than most of them do."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Run a script from another folder; return its code and what it wrote to both outputs."""

    def run(script: Path, *arguments: object) -> tuple[int, str, str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [str(script), *map(str, arguments)])
        monkeypatch.setattr(sys, "path", [str(script.parent), *sys.path])
        known, code = set(sys.modules), 0
        try:
            runpy.run_path(str(script), run_name="__main__")
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            # Neighbours of the script, of which another folder may have others.
            for name in set(sys.modules) - known:
                if (getattr(sys.modules[name], "__file__", None) or "").startswith(
                    str(script.parent)
                ):
                    del sys.modules[name]
        return code, *capsys.readouterr()

    return run
