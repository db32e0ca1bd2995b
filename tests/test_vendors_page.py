"""docs/vendors.md: its code runs on files of each vendor, and its table names every function."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ml4t.backtest import Catalog, vendors
from vendor_files import WRITERS

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "vendors.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_table_has_a_line_of_every_function() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == vendors.__all__


@pytest.mark.parametrize(
    "block", BLOCKS, ids=lambda block: re.findall(r"vendors\.(\w+)\(", block)[0]
)
def test_the_code_of_the_page_runs_on_the_vendors_files(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in re.findall(r"vendors\.(\w+)\(", block):
        WRITERS[name](tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"Catalog": Catalog, "vendors": vendors}
    exec(compile(block, "docs/vendors.md", "exec"), names)
    catalog = names["catalog"]
    assert isinstance(catalog, Catalog)
    assert catalog.validate().n_bars > 1
    assert all(record["changes"] for record in catalog.describe())


@pytest.mark.parametrize("name", vendors.__all__)
def test_a_docstring_says_layout_source_and_date(name: str) -> None:
    said = str(getattr(vendors, name).__doc__)
    assert "Layout:" in said
    assert re.search(r"Sources?: .*20\d\d", said, re.DOTALL)


def test_a_function_is_loaded_when_it_is_named() -> None:
    code = (
        "import sys; from ml4t.backtest import vendors; "
        "loaded = {'ml4t.backtest.vendors.binance', 'pandas', 'polars', 'pyarrow'}; "
        "print(bool(loaded & set(sys.modules)), set(vendors.__all__) <= set(dir(vendors)), "
        "[getattr(vendors, name).__name__ for name in vendors.__all__] == vendors.__all__, "
        "hasattr(vendors, 'bloomberg'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "True", "False"]
