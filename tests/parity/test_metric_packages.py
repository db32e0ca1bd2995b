"""Our metrics against what packages said of odd series, in recorded/metrics.json.

Recorded by ``make parity-metrics``; docs/metrics.md has the same on real prices.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import metric_page
import metric_reasons
import pytest
from metric_ours import ours_of, result_of
from metric_series import SERIES

RECORDED = Path(__file__).parent / "recorded" / "metrics.json"
PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


@cache
def recorded() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(RECORDED.read_text(encoding="utf-8"))
    return document


@cache
def ours(series: str) -> dict[str, Any]:
    return ours_of(result_of(SERIES[series]))


@pytest.mark.parametrize("series", SERIES)
def test_a_metric_is_what_the_packages_say_or_there_is_a_reason(series: str) -> None:
    mine = ours(series)
    unexplained = [
        (metric, package, mine[metric], theirs)
        for metric, packages in recorded()["numbers"][series].items()
        for package, theirs in packages.items()
        if not metric_reasons.is_equal(mine[metric], theirs)
        and metric_reasons.reason(series, metric, package) is None
    ]
    assert unexplained == []


def test_every_reason_explains_some_difference() -> None:
    unused = {("always", *one) for one in metric_reasons.ALWAYS}
    unused |= {
        (series, *one) for series, reasons in metric_reasons.SOMETIMES.items() for one in reasons
    }
    for series, metrics in recorded()["numbers"].items():
        mine = ours(series)
        for metric, packages in metrics.items():
            for package, theirs in packages.items():
                if not metric_reasons.is_equal(mine[metric], theirs):
                    unused -= {("always", metric, package), (series, metric, package)}
    assert unused == set()


def test_nothing_is_infinite_or_no_number() -> None:
    for series in SERIES:
        for metric, value in ours(series).items():
            for one in value if isinstance(value, list) else [value]:
                assert not isinstance(one, float) or abs(one) < float("inf"), (series, metric)


def test_the_page_says_of_metrics_views_and_reasons_what_the_code_says() -> None:
    written = PAGE.read_text(encoding="utf-8")
    for table in (metric_page.meanings(), metric_page.tables(), metric_page.odd()):
        assert table in written, "run `make parity-metrics`"
