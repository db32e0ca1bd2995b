"""docs/coming-from: our code on each page does what the other package's code did.

What that did is in ``coming_from/recorded.json``; `make test-coming-from` has the packages do it
again. Quantities and prices agree to 1e-6, absolute.
"""

from __future__ import annotations

import ast
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    BacktestResult,
    BasisPointCommission,
    BasisPointSlippage,
    Catalog,
    TopN,
)
from page_blocks import blocks_of, run_page

HERE = Path(__file__).resolve().parent
PAGES = HERE.parent / "docs" / "coming-from"
RECORDED = json.loads((HERE / "coming_from" / "recorded.json").read_text(encoding="utf-8"))
# bt takes the commission out of a position's amount, so that quantities differ; see its page.
EQUAL = ("backtrader", "vectorbt", "zipline")
Fills = list[tuple[str, str, float, float]]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, BacktestResult]:
    """The result of our code on each page, which prints what the page says."""
    folder = tmp_path_factory.mktemp("coming_from")
    shutil.copy(PAGES / "prices.csv", folder)
    found: dict[str, BacktestResult] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for page in sorted(PAGES.glob("*.md")):
            if page.stem != "index":
                result = run_page(page)["result"]
                assert isinstance(result, BacktestResult)
                found[page.stem] = result
    return found


def fills_of(result: BacktestResult) -> Fills:
    query = """
        select timestamp::date::varchar, asset_id, quantity, price from fills
        order by timestamp, asset_id
    """
    return result.sql(query).fetchall()


def recorded_fills(package: str) -> Fills:
    """What the package filled, by date and asset: its order within a bar is its own."""
    return sorted((tuple(fill) for fill in RECORDED[package]["fills"]), key=lambda fill: fill[:2])


def require_equal(ours: Fills, theirs: Fills) -> None:
    assert [fill[:2] for fill in ours] == [fill[:2] for fill in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert one[2:] == pytest.approx(other[2:], rel=0, abs=1e-6), one[:2]


@pytest.mark.parametrize("package", EQUAL)
def test_fills_and_end_are_those_of_the_package(
    package: str, results: dict[str, BacktestResult]
) -> None:
    theirs = recorded_fills(package)
    assert len(theirs) == 33
    require_equal(fills_of(results[package]), theirs)
    value = RECORDED[package]["final_value"]
    assert results[package]["final_value"] == pytest.approx(value, rel=0, abs=1e-6)


def test_bt_fills_the_same_assets_on_the_same_days_and_ends_where_its_page_says(
    results: dict[str, BacktestResult],
) -> None:
    ours, theirs = fills_of(results["bt"]), recorded_fills("bt")
    assert len(ours) == 33
    assert [(*fill[:2], fill[3]) for fill in ours] == [(*fill[:2], fill[3]) for fill in theirs]
    gap = results["bt"]["final_value"] - RECORDED["bt"]["final_value"]
    assert f"{gap:.2f} apart" in (PAGES / "bt.md").read_text(encoding="utf-8")
    # The first purchases: 48% of 100,000 with the commission in it, and without.
    for (*_, quantity, price), (*_, their_quantity, _) in zip(ours[:2], theirs[:2], strict=True):
        assert quantity * price == pytest.approx(48_000)
        assert their_quantity * price * 1.001 == pytest.approx(48_000)


def test_freqtrade_differs_by_what_it_sells_at_the_last_open(
    results: dict[str, BacktestResult],
) -> None:
    result = results["freqtrade"]
    # freqtrade's bars are dated by their number; the run begins at bar 20.
    days = result.sql("select timestamp::date::varchar from equity order by timestamp").fetchall()
    number = {day: 20 + i for i, (day,) in enumerate(days)}
    ours = sorted((number[day], *fill) for day, *fill in fills_of(result))
    theirs = sorted((int(bar), *fill) for bar, *fill in RECORDED["freqtrade"]["fills"])
    forced = [fill for fill in theirs if fill[0] == 249]
    assert ours == [fill for fill in theirs if fill[0] < 249]
    assert len(ours) == 104

    marks = dict(result.sql(
        "select asset_id, price from positions qualify timestamp = max(timestamp) over ()"
    ).fetchall())  # fmt: skip
    assert set(marks) == {asset for _, asset, *_ in forced}
    fallen = sum(-quantity * (price - marks[asset]) for _, asset, quantity, price in forced)
    commission = sum(-quantity * price * 0.001 for _, _, quantity, price in forced)
    gap = RECORDED["freqtrade"]["final_value"] - result["final_value"]
    assert gap == pytest.approx(fallen - commission)
    text = (PAGES / "freqtrade.md").read_text(encoding="utf-8")
    assert f"{fallen:.2f}" in text
    assert f"{commission:.2f}" in text


def test_the_table_of_ends_is_that_of_the_runs(results: dict[str, BacktestResult]) -> None:
    text = (PAGES / "index.md").read_text(encoding="utf-8")
    catalog = Catalog().register("prices", PAGES / "prices.csv")
    catalog.indicators.returns(20)
    config = BacktestConfig(commission=BasisPointCommission(10), slippage=BasisPointSlippage(0))
    strategy = TopN(2, by="returns_20", weight="0.48", every="month_start")
    engine = BacktestEngine(catalog, strategy, config=config, initial_capital=100_000)
    default = f"{engine.run()['final_value']:,.2f}"
    for name, result in results.items():
        (line,) = (one for one in text.splitlines() if f"({name}.md)" in one)
        known = RECORDED.get(name)
        said = [known["version"], f"{known['final_value']:,.2f}"] if known else ["-", "not run"]
        said.append(f"{result['final_value']:,.2f}")
        cells = [cell.strip() for cell in line.split("|")[2:-1]]
        assert cells[:3] == said, name
        assert cells[4] == ("the same" if name == "freqtrade" else default), name


def test_the_code_of_another_package_is_python() -> None:
    titled = {
        page.stem: [block for block in blocks_of(page) if block.title]
        for page in PAGES.glob("*.md")
        if page.stem != "index"
    }
    assert set(titled) == {*RECORDED, "quantconnect"}
    for name, (block,) in titled.items():
        assert block.title == name
        ast.parse(block.code)


def test_the_prices_are_those_that_their_script_makes() -> None:
    sys.path.insert(0, str(HERE / "coming_from"))
    try:
        import make_prices
    finally:
        sys.path.pop(0)
    head, *lines = (PAGES / "prices.csv").read_text(encoding="utf-8").splitlines()
    rows: list[tuple[Any, ...]] = make_prices.rows()
    assert head == "date,asset_id,open,high,low,close,volume"
    assert lines == [",".join(map(str, row)) for row in rows]
