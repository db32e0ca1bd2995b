"""Fill timings: each is one class that gives its prices at one moment of a bar."""

from __future__ import annotations

import ast

import numpy as np
import pytest

from ml4t.backtest import NextClose, NextOpen, ThisClose, VolumeWeighted
from ml4t.backtest.core.batch import Batch
from ml4t.backtest.execution.timing import FillTiming
from source_files import modules

NAN = np.nan
MOMENTS = ("at_open", "at_close", "after_decision")
# Assets: one that traded, one whose bar has no volume, one without a bar.
BAR = Batch(
    t=1, open=np.array([10, NAN, NAN]), high=np.array([13, NAN, NAN]),
    low=np.array([9, NAN, NAN]), close=np.array([12.0, 20, NAN]),
    features={"vwap": np.array([11.0, 20, NAN])}, selection=None,
)  # fmt: skip


@pytest.mark.parametrize(
    ("timing", "moment", "price"),
    [
        (NextOpen(), "at_open", 10), (NextClose(), "at_close", 12),
        (VolumeWeighted(), "at_close", 11), (ThisClose(), "after_decision", 12),
    ],
)  # fmt: skip
def test_a_timing_has_prices_of_what_traded_at_one_moment(
    timing: FillTiming, moment: str, price: float
) -> None:
    for name in MOMENTS:
        prices = getattr(timing, name)(BAR)
        if name == moment:
            np.testing.assert_array_equal(prices, [price, NAN, NAN])
        else:
            assert prices is None
    assert timing.fills_decided == (moment == "after_decision")
    assert timing.is_closing == (moment == "at_close" and timing.column == "close")
    assert timing.features == ((timing.column,) if timing.column == "vwap" else ())


def test_every_timing_is_tested_here() -> None:
    # A dataclass with slots is made twice: names count.
    known = {
        one.__name__ for one in FillTiming.__subclasses__() if one.__module__.startswith("ml4t.")
    }
    assert known == {"NextOpen", "NextClose", "VolumeWeighted", "ThisClose"}


def test_an_average_that_no_trade_of_the_bar_can_have_is_no_price() -> None:
    for price, expected in ((13.5, NAN), (8.5, NAN), (13 + 1e-9, 13), (0, NAN)):
        bar = Batch(
            t=1, open=np.array([10.0]), high=np.array([13.0]), low=np.array([9.0]),
            close=np.array([12.0]), features={"vwap": np.array([price])}, selection=None,
        )  # fmt: skip
        np.testing.assert_array_equal(VolumeWeighted().at_close(bar), [expected])


def test_nobody_asks_a_timing_of_which_class_it_is() -> None:
    asked = [
        f"{name}:{node.lineno}"
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "isinstance"
        and any(word in ast.unparse(node) for word in ("NextOpen", "NextClose", "ThisClose"))
    ]
    assert asked == []
