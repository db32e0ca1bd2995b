"""Malformed inputs: each parameter is given every value, takes it or refuses in words."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import ml4t.backtest as package
from malformed import VALUES, Kind, verdict
from malformed_parameters import ALSO_CALLED, NOT_SETTINGS, PARAMETERS, subject
from ml4t.backtest import recipes, risk, strategies
from ml4t.backtest.strategies import Rule

EACH = [(name, parameter) for name, (_, kinds) in PARAMETERS.items() for parameter in kinds]


def wrong(kind: Kind, subjects: list[str], use: Any) -> dict[str, str]:
    """What is not right, by the label of the value."""
    found = {label: verdict(kind, subjects, value, use) for label, value in VALUES.items()}
    return {label: said for label, said in found.items() if said != "right"}


def called(parameter: str) -> list[str]:
    """What an error may call a parameter."""
    return [parameter, ALSO_CALLED.get(parameter, parameter)]


@pytest.mark.parametrize(("name", "parameter"), EACH)
def test_a_setting_takes_what_it_may_be_and_refuses_all_else_in_words(
    name: str, parameter: str
) -> None:
    beside, kinds = PARAMETERS[name]
    make = subject(name)
    found = wrong(kinds[parameter], called(parameter), lambda v: make(**{**beside, parameter: v}))
    assert found == {}


def test_every_public_parameter_has_its_kind() -> None:
    public = {
        name: getattr(place, name)
        for place in (package, risk, strategies)
        for name in place.__all__
        if inspect.isclass(getattr(place, name))
        and not issubclass(getattr(place, name), Exception)
        and name not in NOT_SETTINGS
    }
    public |= {
        f"Rule.{name}": getattr(Rule, name) for name in vars(Rule) if not name.startswith("_")
    }
    public |= {
        f"recipes.{name}": member
        for name, member in vars(recipes).items()
        if inspect.isfunction(member)
        and member.__module__ == recipes.__name__
        and not name.startswith("_")
    }
    taken = {name: set(inspect.signature(make).parameters) for name, make in public.items()}
    named = {name: set(kinds) for name, (_, kinds) in PARAMETERS.items() if name in public}
    assert named == taken


def test_there_are_more_than_700_malformed_inputs() -> None:
    n_wrong = sum(
        not PARAMETERS[name][1][parameter].takes(value)
        for name, parameter in EACH
        for value in VALUES.values()
    )
    assert n_wrong > 700
