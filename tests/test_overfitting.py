"""Overfitting of a sweep's trials: a published example, and short loops that agree."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import combinations
from math import log, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from ml4t.backtest.errors import ConfigError
from ml4t.backtest.sweep.overfitting import overfitting, rank_out_of_sample
from trials import FIRST, Returns, metrics_of, noise, records, row, sweep_of


def sharpe(returns: Returns) -> float:
    """Of the bars that a trial has; 0 where there is none."""
    own = returns[~np.isnan(returns)]
    is_flat = len(own) < 2 or np.ptp(own) < 1e-15
    return 0.0 if is_flat else round(float(np.mean(own) / np.std(own, ddof=1)), 12)


def relative_rank(values: list[float], one: int) -> float:
    """Of a value among all, from the lowest on, ties at their mean."""
    below = sum(value < values[one] for value in values)
    equal = sum(value == values[one] for value in values)
    return (below + (equal + 1) / 2) / (len(values) + 1)


def by_hand(returns: Returns, n_blocks: int) -> dict[tuple[int, ...], tuple[Any, ...]]:
    """Blocks in sample: best trial, its Sharpe in and out of sample, relative rank, mean of all."""
    n_bars, n_trials = returns.shape
    blocks = np.array_split(np.arange(n_bars), n_blocks)
    found = {}
    for chosen in combinations(range(n_blocks), n_blocks // 2):
        is_in = np.isin(np.arange(n_bars), np.concatenate([blocks[one] for one in chosen]))
        inside = [sharpe(returns[is_in, trial]) for trial in range(n_trials)]
        outside = [sharpe(returns[~is_in, trial]) for trial in range(n_trials)]
        best = int(np.argmax(inside))
        facts = inside[best], outside[best], relative_rank(outside, best), np.mean(outside)
        found[tuple(block + 1 for block in chosen)] = (best + 1, *facts)
    return found


def with_holes() -> Returns:
    """Returns that are missing, twins, in a scale, and flat in some blocks or at the end."""
    returns = noise(3, 61, 7)
    returns[5:9, 0] = np.nan
    returns[:, 2] = returns[:, 1]
    returns[:, 3] = returns[:, 1] * 3
    returns[31:, 4] = 0.0
    returns[:16, 5] = -0.0001
    returns[31:, 6] = np.nan
    return returns


@pytest.mark.parametrize(
    ("returns", "n_blocks"),
    [
        (noise(0, 64, 5), 2),
        (noise(1, 83, 9), 4),
        (noise(2, 100, 12), 6),
        (with_holes(), 6),
        (with_holes(), 2),
        (noise(4, 16, 3), 8),
    ],
    ids=["two", "four", "six", "holes", "holes-two", "two-bars-a-block"],
)
def test_splits_are_those_of_a_loop_over_all_of_them(returns: Returns, n_blocks: int) -> None:
    found = overfitting(sweep_of(returns), n_blocks=n_blocks)
    expected = by_hand(returns, n_blocks)
    splits = {tuple(one["in_sample_blocks"]): one for one in records(found.splits)}
    assert set(splits) == set(expected)
    for blocks, (trial, inside, outside, rank, mean) in expected.items():
        split = splits[blocks]
        assert split["trial"] == trial, blocks
        assert split["in_sample"] == pytest.approx(inside, abs=2e-12)
        assert split["out_of_sample"] == pytest.approx(outside, abs=2e-12)
        assert split["relative_rank"] == pytest.approx(rank, abs=1e-15)
        assert split["logit"] == pytest.approx(log(rank / (1 - rank)), abs=1e-14)
        assert split["mean_out_of_sample"] == pytest.approx(mean, abs=2e-12)
        assert split["rank"] == pytest.approx((split["n_trials"] + 1) * (1 - rank))


def r_normals(seed: int, n: int) -> Returns:
    """What R's rnorm has after set.seed: Mersenne Twister, by inversion (R 4, RNG.c, snorm.c)."""
    for _ in range(50):
        seed = (69069 * seed + 1) % 2**32
    state = []
    for _ in range(625):
        seed = (69069 * seed + 1) % 2**32
        state.append(seed)
    twister = np.random.MT19937()
    key = np.array(state[1:], dtype=np.uint32)
    twister.state = {"bit_generator": "MT19937", "state": {"key": key, "pos": 624}}
    uniform = twister.random_raw(2 * n) * 2.3283064365386963e-10
    big = 134217728
    fine = (np.floor(big * uniform[::2]) + uniform[1::2]) / big
    return np.array([NormalDist().inv_cdf(one) for one in fine])


def test_the_published_example_of_the_pbo_package() -> None:
    """The vignette of R's pbo 1.3.5: p_bo 1, "slope" -0.0030456, ar^2 0.97, p_loss 1.

    Its lm() has in sample on out of sample, and what it calls slope is the intercept of that.
    """
    returns = r_normals(765, 100 * 2400).reshape(100, 2400).T
    returns *= 1 / sqrt(252) / np.std(returns, axis=0, ddof=1)
    returns -= np.mean(returns, axis=0)
    found = overfitting(sweep_of(returns - 0.03 / 252), n_blocks=8)
    facts = row(found.overfitting)
    assert (facts["n_trials"], facts["n_bars"], facts["n_splits"]) == (100, 2400, 70)
    assert (facts["pbo"], facts["probability_of_loss"]) == (1.0, 1.0)
    pairs = np.array(found.splits.project("in_sample, out_of_sample").fetchall())
    _, intercept = np.polyfit(pairs[:, 1], pairs[:, 0], 1)
    assert intercept == pytest.approx(-0.0030456, abs=5e-8)
    adjusted = 1 - (1 - facts["r_squared"]) * 69 / 68
    assert adjusted == pytest.approx(0.97, abs=5e-3)


def distribution(values: Returns, at: float) -> float:
    return float(np.mean(values <= at))


@pytest.mark.parametrize("edge", [0.0, 0.004, 0.008])
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_the_summary_is_that_of_its_splits(seed: int, edge: float) -> None:
    returns = noise(seed, 96, 7)
    returns[:, 3] += edge
    found = overfitting(sweep_of(returns), n_blocks=6)
    facts, splits = row(found.overfitting), records(found.splits)
    best = np.array([one["out_of_sample"] for one in splits])
    mean = np.array([one["mean_out_of_sample"] for one in splits])
    inside = np.array([one["in_sample"] for one in splits])
    assert (facts["n_trials"], facts["n_bars"], facts["n_blocks"], facts["n_splits"]) == (
        7,
        96,
        6,
        20,
    )
    assert facts["pbo"] == np.mean([one["relative_rank"] <= 0.5 for one in splits])
    assert facts["probability_of_loss"] == np.mean(best < 0)
    ranks = [one["relative_rank"] for one in splits]
    assert [*facts][:3] == ["pbo", "probability_of_loss", "n_splits"]  # what a terminal shows
    assert facts["median_relative_rank"] == pytest.approx(np.median(ranks))
    slope, intercept = np.polyfit(inside, best, 1)
    assert (facts["slope"], facts["intercept"]) == pytest.approx((slope, intercept))
    assert facts["r_squared"] == pytest.approx(np.corrcoef(inside, best)[0, 1] ** 2)
    at = np.sort(np.concatenate([best, mean]))
    gaps = np.array([distribution(mean, x) - distribution(best, x) for x in at])
    areas = np.cumsum(gaps[:-1] * np.diff(at))
    assert facts["is_dominant_first_order"] == bool(np.all(gaps > -1e-12) and np.any(gaps > 1e-12))
    assert facts["is_dominant_second_order"] == bool(np.all(areas > -1e-12) and areas.max() > 1e-9)
    assert facts["is_dominant_first_order"] == (edge > 0.005)


def test_a_trial_with_an_edge_is_no_overfit_and_is_seen_as_such() -> None:
    returns = noise(21, 320, 20)
    returns[:, 12] += 0.01
    found = overfitting(sweep_of(returns))
    facts = row(found.overfitting)
    assert (facts["n_splits"], facts["pbo"], facts["probability_of_loss"]) == (12870, 0.0, 0.0)
    assert found.splits.aggregate("min(trial), max(trial), count(distinct in_sample_blocks)"
                                  ).fetchall() == [(13, 13, 12870)]  # fmt: skip


def test_a_median_of_ties_is_overfit() -> None:
    """All alike but for rounding: each split takes the first, which is at the median."""
    returns = noise(22, 40, 1) * np.array([[1.0, 3.0, 0.7]])
    found = overfitting(sweep_of(returns), n_blocks=4)
    facts = row(found.overfitting)
    assert (facts["pbo"], facts["median_relative_rank"]) == (1.0, 0.5)
    assert found.splits.aggregate("max(trial), max(abs(logit))").fetchall() == [(1, 0.0)]


def test_trials_that_failed_or_never_traded_are_not_ranked() -> None:
    returns = noise(23, 40, 5)
    returns[:, 1] = 0.0
    found = overfitting(sweep_of(returns, {4: "out of memory"}), n_blocks=4)
    kept = returns[:, [0, 2, 4]]
    expected = by_hand(kept, 4)
    splits = {tuple(one["in_sample_blocks"]): one for one in records(found.splits)}
    assert {blocks: (one["n_trials"], one["trial"]) for blocks, one in splits.items()} == {
        blocks: (3, (1, 3, 5)[trial - 1]) for blocks, (trial, *_) in expected.items()
    }


@pytest.mark.parametrize("side", ["in_sample", "out_of_sample"])
def test_a_trial_in_cash_that_earns_interest_is_not_the_best_of_all(side: str) -> None:
    """All its returns of a half are alike: a deviation of rounding alone is none."""
    returns = noise(24, 40, 9)
    rates = np.random.default_rng(0).uniform(0.00001, 0.0003, 9)
    returns[:20] = np.where(np.arange(9) > 0, rates, returns[:20])
    if side == "out_of_sample":
        returns = returns[::-1]
    found = rank_out_of_sample(sweep_of(returns), FIRST + timedelta(days=20))
    sharpes = {one["trial"]: one[side] for one in records(found.ranks)}
    assert sharpes.pop(1) != 0
    assert sharpes == dict.fromkeys(range(2, 10), 0.0)


def test_threads_change_nothing() -> None:
    returns = noise(25, 170, 40)
    runs = [overfitting(sweep_of(returns, threads=threads), n_blocks=10) for threads in (1, 4)]
    one, other = ([run.overfitting.fetchall(), run.splits.fetchall()] for run in runs)
    assert one == other


@pytest.mark.parametrize(
    ("returns", "n_blocks", "said"),
    [
        (noise(0, 40, 3), 5, "n_blocks must be even"),
        (noise(0, 40, 3), 22, "n_blocks must be a whole number from 2 to 20, was 22"),
        (noise(0, 40, 3), 0, "n_blocks must be a whole number from 2 to 20, was 0"),
        (noise(0, 31, 3), 16, "31 bars cannot be cut into 16 blocks of 2 or more"),
        (noise(0, 40, 1), 4, "takes two or more with a Sharpe ratio, and 1 of 1 have one$"),
        (np.zeros((40, 3)), 4, "0 of 3 have one; 3 had no returns that differ"),
    ],
)
def test_what_cannot_be_split_is_refused(returns: Returns, n_blocks: int, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        overfitting(sweep_of(returns), n_blocks=n_blocks)


def test_trials_that_failed_are_told_from_those_that_never_traded() -> None:
    returns = np.column_stack((noise(0, 40, 2), np.zeros(40)))
    database = sweep_of(returns)
    database.execute("update trials set error = 'no such column' where trial = 2")
    with pytest.raises(ConfigError, match=r"1 of 3 have one; 1 failed; 1 had no returns"):
        overfitting(database)


def test_a_sweep_without_returns_cannot_be_split_and_says_so() -> None:
    with pytest.raises(ConfigError, match="kept the metrics of its trials alone"):
        overfitting(metrics_of([1.0, 2.0]))
    with pytest.raises(ConfigError, match="kept the metrics of its trials alone"):
        rank_out_of_sample(metrics_of([1.0, 2.0]), "2020-01-10")


# -- one split --------------------------------------------------------------------------------


@pytest.mark.parametrize("start", ["2020-01-26", FIRST + timedelta(days=24, hours=1)])
def test_ranks_before_and_after_a_time_are_those_of_a_loop(start: str | datetime) -> None:
    returns = with_holes()
    found = rank_out_of_sample(sweep_of(returns), start)
    sides = [
        [sharpe(side[:, trial]) for trial in range(7)] for side in (returns[:25], returns[25:])
    ]
    ranked = [[8 - 8 * relative_rank(side, trial) for trial in range(7)] for side in sides]
    expected = sorted(zip(ranked[0], range(1, 8), ranked[1], *sides, strict=True))
    rows = records(found.ranks)
    for one, (inside, trial, outside, in_sample, out_of_sample) in zip(rows, expected, strict=True):
        assert one["trial"] == trial
        assert (one["in_sample_rank"], one["out_of_sample_rank"]) == pytest.approx(
            (inside, outside)
        )
        assert one["in_sample"] == pytest.approx(in_sample, abs=2e-12)
        assert one["out_of_sample"] == pytest.approx(out_of_sample, abs=2e-12)
        assert one["relative_rank"] == pytest.approx(1 - outside / 8)
    winner = row(found.winner)
    shared = set(winner) & set(rows[0])
    assert shared == {"trial", "in_sample", "out_of_sample", "out_of_sample_rank", "relative_rank"}
    assert {name: winner[name] for name in shared} == {name: rows[0][name] for name in shared}
    assert winner["rank_correlation"] == pytest.approx(np.corrcoef(*ranked)[0, 1])
    assert [*winner][:3] == ["trial", "out_of_sample_rank", "n_trials"]  # what a terminal shows
    assert (winner["n_trials"], winner["n_bars_in_sample"], winner["n_bars_out_of_sample"]) == (
        7,
        25,
        36,
    )


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ("2020-01-02", "start 2020-01-02 leaves 1 bars in sample and 39 out of it"),
        ("2020-02-09", "leaves 39 bars in sample and 1 out of it"),
        ("2031-01-01", "trials have bars from 2020-01-01 00:00:00 to 2020-02-09"),
        (None, "start must be the time"),
        ("soon", "start must be a date or a time"),
    ],
)
def test_a_time_that_parts_nothing_is_refused(start: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        rank_out_of_sample(sweep_of(noise(0, 40, 3)), start)


def test_bars_that_are_dates_are_parted_by_one() -> None:
    database = sweep_of(noise(0, 40, 3))
    database.execute("alter table trial_returns alter timestamp type date")
    assert row(rank_out_of_sample(database, "2020-01-11").winner)["n_bars_in_sample"] == 10
