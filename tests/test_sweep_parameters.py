"""Parameters: which sets a grid, a list and a sample are, and what is none."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pytest

from ml4t.backtest import Between, ConfigError, LatinHypercube, RandomSample
from ml4t.backtest.sweep.parameters import parameter_sets
from ml4t.backtest.sweep.result import planned_table


def column(sets: list[dict[str, Any]], name: str) -> list[Any]:
    return [one[name] for one in sets]


# -- grids and lists ------------------------------------------------------------------------


def test_a_grid_is_every_combination_and_the_last_name_changes_fastest() -> None:
    grid = {"n": [10, 25], "by": ("score", "atr"), "every": range(1, 3)}
    assert [tuple(one.values()) for one in parameter_sets(grid)] == [
        (10, "score", 1), (10, "score", 2), (10, "atr", 1), (10, "atr", 2),
        (25, "score", 1), (25, "score", 2), (25, "atr", 1), (25, "atr", 2),
    ]  # fmt: skip


def test_sets_of_a_list_may_have_names_of_their_own() -> None:
    given = [{"n": 1}, {"n": 1, "every": 2}, {}]
    assert parameter_sets(iter(given)) == given


def test_numbers_of_numpy_are_those_of_python() -> None:
    (one,) = parameter_sets({"n": np.array([3]), "x": [np.float64(0.1)], "is_on": [np.bool_(True)]})
    assert [(type(value), value) for value in one.values()] == [
        (int, 3), (float, 0.1), (bool, True)
    ]  # fmt: skip


@pytest.mark.parametrize("kind", [RandomSample, LatinHypercube])
def test_what_a_sample_draws_are_numbers_of_python(kind: Callable[..., RandomSample]) -> None:
    one = kind({**SPACE, "list": np.array([1.5, 2.5]), "whole_log": Between(1, 9, is_log=True)}, 4)
    types = [{type(each[name]) for each in one.sets()} for name in one.space]
    assert types == [{float}, {float}, {int}, {float}, {int}]


def test_equal_numbers_of_two_types_are_two_sets() -> None:
    assert len(parameter_sets({"x": [1, 1.0, True]})) == 3


class Named:
    def sets(self) -> list[dict[str, Any]]:
        return [{"n": 1}, {"n": 1}]


REFUSED: dict[str, tuple[Any, str]] = {
    "twice": ({"n": [1, 2, 1]}, "trials 1 and 3 have the same parameters"),
    "twice in a list": ([{"a": 1, "b": 2}, {"b": 2, "a": 1}], "trials 1 and 2"),
    "twice in a sample of one's own": (Named(), "trials 1 and 2"),
    "no values": ({"n": []}, "'n' has no values"),
    "no names": ({}, "mapping of names to values"),
    "no sets": ([], "no set of parameters"),
    "a text": ({"by": "score"}, r"write \{'by': \['score'\]\}"),
    "a text as a grid": ("n", "a grid is a mapping"),
    "a number": (3, "a grid is a mapping"),
    "a set": ({"n": {1, 2}}, "are a list"),
    "a list of numbers": ([1], "has mappings, one was 1"),
    "a range in a grid": ({"x": Between(0, 1.0)}, "draw from it"),
    "a name that is none": ({"take profit": [1]}, "that of an argument"),
    "a number as a name": ([{1: 2}], "that of an argument"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_grid_is_refused_and_says_why(case: str) -> None:
    grid, message = REFUSED[case]
    with pytest.raises(ConfigError, match=message):
        parameter_sets(grid)


# -- samples --------------------------------------------------------------------------------

N = 40
SPACE = {"x": Between(-1.0, 3.0), "log": Between(0.01, 100.0, is_log=True), "n": Between(1, 400)}


@pytest.mark.parametrize("seed", range(3))
def test_a_latin_hypercube_has_one_in_each_part_of_every_range(seed: int) -> None:
    sets = LatinHypercube(SPACE, N, seed).sets()
    shares = {
        "x": [(x + 1) / 4 for x in column(sets, "x")],
        "log": [(math.log10(x) + 2) / 4 for x in column(sets, "log")],
        "n": [(n - 1) / 400 for n in column(sets, "n")],
    }
    for name, found in shares.items():
        # A whole number stands for all that is cut to it.
        assert sorted(math.floor(one * N + 1e-9) for one in found) == [*range(N)], name
    assert shares["x"] != sorted(shares["x"])
    assert np.argsort(shares["x"]).tolist() != np.argsort(shares["log"]).tolist()


def test_a_latin_hypercube_takes_each_value_of_a_list_equally_often() -> None:
    sets = LatinHypercube({"by": ["a", "b", "c", "d"], "x": Between(0.0, 1.0)}, 40).sets()
    assert Counter(column(sets, "by")) == dict.fromkeys("abcd", 10)


@pytest.mark.parametrize("kind", [RandomSample, LatinHypercube])
def test_a_seed_draws_the_same_sets_and_another_seed_draws_others(
    kind: Callable[..., RandomSample],
) -> None:
    first, again, other = (kind(SPACE, 7, seed).sets() for seed in (1, 1, 2))
    assert first == again
    assert not {*column(first, "x")} & {*column(other, "x")}


def test_whole_ranges_have_both_ends_as_often_as_what_is_between() -> None:
    sets = RandomSample({"n": Between(2, 6), "x": Between(0.0, 1.0)}, 5000).sets()
    found = Counter(column(sets, "n"))
    assert sorted(found) == [2, 3, 4, 5, 6]
    # Within four standard deviations of a fifth.
    assert all(abs(times - 1000) < 4 * math.sqrt(5000 * 0.2 * 0.8) for times in found.values())


def test_logarithms_of_whole_numbers_are_uniform_from_the_lower_to_the_upper_end() -> None:
    space = {"n": Between(1, 15, is_log=True), "x": Between(0.0, 1.0)}
    found = Counter(column(RandomSample(space, 8000).sets(), "n"))
    assert sorted(found) == [*range(1, 16)]
    for low in (1, 2, 4, 8):  # of 16 = 2 ** 4 each doubling is a quarter
        times = sum(found[n] for n in range(low, 2 * low))
        assert abs(times - 2000) < 4 * math.sqrt(8000 * 0.25 * 0.75)


def test_numbers_of_a_range_stay_within_it() -> None:
    values = Between(1e-3, 10.0, is_log=True)
    assert (values.at(0.0), values.at(0.5)) == (pytest.approx(1e-3), pytest.approx(0.1))
    assert values.at(np.nextafter(1.0, 0.0)) <= 10.0
    assert Between(1, 3, is_log=True).at(np.nextafter(1.0, 0.0)) == 3
    assert repr(Between(np.int64(1), np.int64(3))) == repr(Between(1, 3))
    assert isinstance(Between(1, 3.0).at(0.4), float)


@pytest.mark.parametrize("kind", [RandomSample, LatinHypercube])
def test_all_of_a_small_space_is_found_and_each_set_once(kind: Callable[..., RandomSample]) -> None:
    sets = kind({"n": Between(1, 4), "by": ["a", "b", "c"]}, 12).sets()
    assert {(one["n"], one["by"]) for one in sets} == {
        (n, by) for n in (1, 2, 3, 4) for by in "abc"
    }  # fmt: skip


def test_values_of_a_list_that_are_equal_end_a_sample_in_words() -> None:
    with pytest.raises(ConfigError, match="found 2 different sets in 1,000 draws"):
        RandomSample({"n": [1, 1, 2]}, 3).sets()


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "more than there are": (lambda: RandomSample({"n": Between(1, 3)}, 4), "has 3 sets"),
    "none": (lambda: LatinHypercube({"x": Between(0, 1.0)}, 0), "n must be"),
    "half a set": (lambda: RandomSample({"x": Between(0, 1.0)}, 1.5), "n must be"),  # type: ignore[arg-type]
    "a seed below 0": (lambda: RandomSample({"x": Between(0, 1.0)}, 1, -1), "seed must be"),
    "nothing": (lambda: RandomSample({}, 1), "mapping of names"),
    "the higher first": (lambda: Between(3, 1), "lower first"),
    "equal ends": (lambda: Between(1.0, 1.0), "lower first"),
    "no end": (lambda: Between(0, math.inf), "finite"),
    "no number": (lambda: Between(math.nan, 1), "finite"),
    "a flag": (lambda: Between(False, True), "two numbers"),
    "a text": (lambda: Between("1", 2), "two numbers"),  # type: ignore[arg-type]
    "the logarithm of 0": (lambda: Between(0, 1.0, is_log=True), "above 0"),
    "a flag that is none": (lambda: Between(1, 2, is_log=1), "is_log"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_sample_is_refused_and_says_why(case: str) -> None:
    make, message = WRONG[case]
    with pytest.raises(ConfigError, match=message):
        make()


# -- columns of the table of trials ------------------------------------------------------------

COLUMNS: dict[str, tuple[list[Any], str, list[Any]]] = {
    "whole numbers": ([1, None, -(2**63)], "int64", [1, None, -(2**63)]),
    "numbers": ([1, 2.5, None], "double", [1.0, 2.5, None]),
    "flags": ([True, False], "bool", [True, False]),
    "flags and numbers": ([True, 1], "string", ["True", "1"]),
    "too large": ([2**70, 1], "string", [str(2**70), "1"]),
    "no double": ([2**53 + 1, 0.5], "string", [str(2**53 + 1), "0.5"]),
    "texts": (["a'b", None, "NULL"], "string", ["a'b", None, "NULL"]),
    "objects": ([date(2024, 1, 2), (1, 2)], "string", ["datetime.date(2024, 1, 2)", "(1, 2)"]),
    "not a number": ([math.inf, 1.5], "double", [math.inf, 1.5]),
}


@pytest.mark.parametrize("case", COLUMNS)
def test_a_parameter_is_a_column_of_the_type_that_holds_all_of_its_values(case: str) -> None:
    values, kind, expected = COLUMNS[case]
    rows = [
        {"trial": i, "run_id": None, "error": None, "seconds": None, "parameters": {"x": one}}
        for i, one in enumerate(values)
    ]
    found = planned_table(rows, ["x"])["x"]
    assert (str(found.type), found.to_pylist()) == (kind, expected)
