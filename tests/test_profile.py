"""The profile of a catalog's columns against rows that are counted by hand, and against pandas."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml4t.backtest import Catalog, ConfigError
from ml4t.backtest.data.diagnostics.profile import PROFILE_TABLES


def day(t: int) -> date:
    return date(2024, 1, 30) + timedelta(days=t)


def rows(catalog: Catalog, query: str, period: str = "month") -> list[tuple[Any, ...]]:
    return catalog.profile(period).sql(query).fetchall()


def small() -> Catalog:
    """A with bars 0 to 5 but 3, B with bars 0 to 5; days 0 and 1 are of January."""
    bars = [(t, a) for t in range(6) for a in "AB" if (t, a) != (3, "A")]
    made = Catalog().register(
        "prices",
        {
            "timestamp": [day(t) for t, _ in bars],
            "asset_id": [a for _, a in bars],
            "close": [10.0 + t for t, _ in bars],
        },
    )
    known = [(1, "A", 1.0), (1, "B", None), (2, "B", 5.0), (4, "A", float("inf")), (2, "Z", 0.0)]
    made.register(
        "features",
        {
            "timestamp": [day(t) for t, _, _ in known],
            "asset_id": [a for _, a, _ in known],
            "quality": [v for _, _, v in known],
        },
        max_age="1 day",
    )
    made.register("context", {"timestamp": [day(-1), day(3)], "vix": [20.0, 30.0]})
    return made.register("assets", {"asset_id": ["A", "B"], "sector": ["tech", None]})


def test_every_column_of_every_source_is_told() -> None:
    found = rows(
        small(),
        "select source, column_name, column_type, n_rows, n_null, n_not_finite, n_distinct, min, "
        "median, max, first_known from columns",
    )
    assert found == [
        ("assets", "asset_id", "VARCHAR", 2, 0, 0, 2, None, None, None, None),
        ("assets", "sector", "VARCHAR", 2, 1, 0, 1, None, None, None, None),
        ("context", "vix", "DOUBLE", 2, 0, 0, 2, 20.0, 25.0, 30.0, "2024-01-29"),
        ("features", "quality", "DOUBLE", 5, 1, 1, 4, 0.0, 1.0, 5.0, "2024-01-31"),
        ("prices", "close", "DOUBLE", 11, 0, 0, 6, 10.0, 12.0, 15.0, "2024-01-30"),
    ]  # fmt: skip


def test_coverage_is_what_was_known_at_the_bars() -> None:
    """A: bars 1, 2 and, infinite, 4, 5; B: 2 and 3, for its row of bar 1 is NULL."""
    found = rows(small(), "select period, n_bars, n_known from coverage where source = 'features'")
    assert found == [(date(2024, 1, 1), 4, 1), (date(2024, 2, 1), 7, 5)]
    prices = rows(small(), "select distinct coverage from coverage where source = 'prices'")
    assert prices == [(1.0,)]


def test_staleness_is_the_age_of_the_match() -> None:
    query = (
        "select n_bars, unmatched_share, too_old_share, min_age_bars, median_age_bars, "
        "max_age_bars, max_age_days from staleness where period is null and source = "
    )
    # Ages: A 0, 1, 0, 1; B 0, 0, 1, 2, 3, of which the last two are past a day.
    assert rows(small(), f"{query} 'features'") == [
        (11, pytest.approx(2 / 11), pytest.approx(2 / 11), 0, 1, 3, 3.0)
    ]
    # Known before the first bar: it is counted from there in bars, in days from its own time.
    assert rows(small(), f"{query} 'context'") == [(6, 0.0, 0.0, 0, 1, 2, 3.0)]


def test_gaps_are_bars_of_the_market_without_a_row() -> None:
    found = rows(
        small(),
        "select source, asset_id, n_bars, n_missing, n_gaps, longest_gap, gap_after from gaps",
    )
    assert found == [
        ("context", None, 2, 2, 1, 2, day(0)),
        ("features", "A", 2, 2, 1, 2, day(1)),
        ("features", "B", 2, 0, 0, 0, None),
        ("prices", "A", 5, 1, 1, 1, day(2)),
        ("prices", "B", 6, 0, 0, 0, None),
    ]


def test_dispersion_and_drift_are_those_of_pandas() -> None:
    rng = np.random.default_rng(3)
    values = pd.DataFrame(
        rng.normal(size=(59, 8)), pd.date_range("2024-01-01", periods=59), list("abcdefgh")
    )
    values.iloc[31:] = np.round(values.iloc[31:] * 2 + 1)
    values.iloc[40] = 1.0
    flat = values.stack()
    made = Catalog().register(
        "prices",
        {
            "timestamp": [t.date() for t, _ in flat.index],
            "asset_id": [a for _, a in flat.index],
            "close": [10.0] * len(flat),
            "score": flat.to_list(),
        },
    )
    profile = made.profile("month")
    january, february = flat[:"2024-01-31"].to_numpy(), flat["2024-02-01":].to_numpy()
    edges = np.quantile(january, np.arange(1, 10) / 10)
    shares = [
        np.maximum(np.bincount(np.searchsorted(edges, x), minlength=10) / len(x), 0.0001)
        for x in (january, february)
    ]
    psi = ((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum()
    query = "select n_values, mean, median, psi from drift where column_name = 'score'"
    first, second = profile.sql(query).fetchall()
    assert first == (248, pytest.approx(january.mean()), pytest.approx(np.median(january)), None)
    assert second[3] == pytest.approx(psi)
    query = (
        "select n_bars, mean_of_means, mean_std, min_std, n_bars_alike from dispersion "
        "where column_name = 'score' and period = '2024-02-01'"
    )
    part = values.iloc[31:]
    assert profile.sql(query).fetchall() == [
        (28, pytest.approx(part.mean(axis=1).mean()), pytest.approx(part.std(axis=1).mean()), 0, 1)
    ]


def test_revisions_and_zones_and_numbers_for_assets_are_profiled() -> None:
    times = [pd.Timestamp("2024-01-02 16:00", tz="UTC") + pd.Timedelta(days=n) for n in range(4)]
    made = Catalog(timezone="America/New_York").register(
        "prices", {"timestamp": times, "asset_id": [7] * 4, "close": [1.0, 2.0, 3.0, 4.0]}
    )
    made.register(
        "features",
        {
            "timestamp": times[:2] * 2, "asset_id": [7] * 4,
            "available_at": [times[1], times[2], times[3], times[3]],
            "eps": [1.0, 2.0, 3.0, 4.0],
        },
        available_at="available_at",
    )  # fmt: skip
    found = rows(made, "select n_known from coverage where column_name = 'eps'", "year")
    assert found == [(3,)]
    ages = "select median_age_bars, max_age_days from staleness where period is null"
    assert rows(made, ages, "quarter") == [(0, 0.0)]


def test_prices_alone_have_no_staleness_and_all_tables_are_there() -> None:
    made = Catalog().register(
        "prices", {"timestamp": [day(0), day(1)], "asset_id": ["A", "A"], "close": [1.0, 2.0]}
    )
    profile = made.profile()
    assert {name: getattr(profile, name).shape[0] for name in PROFILE_TABLES} == {
        "columns": 1, "coverage": 1, "staleness": 0, "drift": 1, "dispersion": 0,
        "gaps": 1,
    }  # fmt: skip
    assert "<td>prices</td>" in profile._repr_html_()


def test_another_period_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(
        ConfigError, match="period must be one of 'month', 'quarter', 'year', was 'day'"
    ):
        small().profile("day")
