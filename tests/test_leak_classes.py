"""Classes of look-ahead that are planted are found, and what is done right is not accused.

`make leaks` does so for all thirty, and for six packages: docs/look-ahead.md.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from effort import examples, some
from leaks.at_work import (
    AT_WORK,
    AtWork,
    World,
    close_at_the_open,
    fill_at_best_price,
    make_world,
)
from leaks.generated import generated
from leaks.ours import at_work, of_file
from leaks.panel import write_panel
from leaks.raw_table import planted_files
from ml4t.backtest.synthetic import make_market

FILES = {file.stem: file for file in planted_files()}
BAKED_IN = [stem for stem in FILES if stem[0] == "c" and int(stem[1:3]) < min(AT_WORK)]


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_panel(tmp_path_factory.mktemp("panel"), n_assets=4, n_bars=64)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), n_bars=110)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_market(tmp_path_factory.mktemp("market"), n_assets=6, n_bars=50)


@pytest.mark.parametrize("stem", some(BAKED_IN, 1))
def test_a_planted_file_is_found_and_named(stem: str, panel: Path) -> None:
    found = [one for one in of_file(FILES[stem], panel, 1) if one.by == "cuts"]
    assert found[0].what == "planted"
    assert "signals.planted of S000" in found[0].says


@pytest.mark.parametrize("stem", some([stem for stem in FILES if stem[0] == "k"], 1))
def test_a_clean_file_is_not_accused(stem: str, panel: Path) -> None:
    assert of_file(FILES[stem], panel, 1) == []


# Smells ask for more data than a test has.
@pytest.mark.parametrize("plant", [fill_at_best_price, close_at_the_open])
def test_a_class_at_work_is_found_where_it_is_planted_alone(plant: AtWork, world: World) -> None:
    assert at_work(plant, world, honest=False, cuts=1)
    assert at_work(plant, world, honest=True, cuts=1) == []


@pytest.mark.parametrize("seed", range(examples(2)))
def test_what_is_causal_by_its_making_is_clean(seed: int, market: Path) -> None:
    audit = generated(market, seed).audit(1, seed=seed)
    assert audit.is_clean, audit.title
    assert audit.smells.fetchall() == []


def test_a_timing_of_a_users_own_is_not_said_to_fill_at_its_decision(world: World) -> None:
    found = at_work(fill_at_best_price, world, honest=False, cuts=1)
    says = [one.says for one in found if one.what == "not_after_decision"]
    assert says == [
        "BestPrice is a timing of your own, which may fill at any time; what holds of it says "
        "before_decision"
    ]
