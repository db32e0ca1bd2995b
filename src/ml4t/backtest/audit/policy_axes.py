"""Policy axes: what a run settles that bars do not tell, and what else it could be.

A bar says neither in which order its prices came nor what an order at its open met. Each axis is
one such question with its defensible answers; the run's own is one of them, or beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import product
from typing import NamedTuple

from ml4t.backtest.config import BacktestConfig
from ml4t.backtest.core.levels import LevelBase, TrailBy, TrailStart, Trigger
from ml4t.backtest.execution.account.rules import Shortfall
from ml4t.backtest.execution.costs.slippage import WorstPriceSlippage
from ml4t.backtest.execution.policy import SizedAt
from ml4t.backtest.execution.timing import NextClose, NextOpen
from ml4t.backtest.risk.manager import RiskManager

# Runs of several axes together, at the most: their whole product where it is no larger.
MOST_TOGETHER = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What says whether an axis can matter.

    Attributes
    ----------
    config : BacktestConfig
    manager : RiskManager
    columns : collection of str
        Those of ``prices``.
    """

    config: BacktestConfig
    manager: RiskManager
    columns: Collection[str]

    @property
    def no_range(self) -> str:
        """Why nothing knows the range of a bar."""
        return "" if {"high", "low"} <= set(self.columns) else "prices have no high and low"

    @property
    def no_levels(self) -> str:
        """Why no level acts inside a bar."""
        return "" if self.manager.has_levels else "no rule sets a stop or a target"

    @property
    def no_rests(self) -> str:
        """Why no level fills inside a bar."""
        at_open = self.config.levels.trigger is Trigger.NEXT_OPEN
        return self.no_levels or ("a touched level leaves at the next open" if at_open else "")

    @property
    def no_target(self) -> str:
        """Why no stop and target can meet in one bar."""
        has_target = any(one.has_target for one in self.manager.rules)
        return self.no_rests or ("" if has_target else "no rule sets a target")

    @property
    def no_entry_price(self) -> str:
        """Why no rule reads where a position counts from."""
        reads = self.manager.needs_range
        return "" if reads else "no rule reads an entry price or a water mark"

    @property
    def no_trail(self) -> str:
        """Why no trailing stop meets another."""
        rules = [one for rule in self.manager.rules for one in rule.walk()]
        meets = {one.is_trailing for one in rules if one.has_stop} == {True, False}
        return self.no_levels or ("" if meets else "no trailing stop is beside a fixed one")

    @property
    def no_queue(self) -> str:
        """Why no order waits for an open before levels act."""
        opens = self.config.execution.timing.fills_at_open
        return self.no_rests or ("" if opens else "no order of the strategy fills at an open")

    @property
    def no_open(self) -> str:
        """Why nothing can fill at an open."""
        return "" if "open" in self.columns else "prices have no open"


class Variant(NamedTuple):
    """One answer to the question of an axis.

    Attributes
    ----------
    axis, value : str
    place : str
        Part of the configuration that it changes; empty: fields of the configuration itself.
    fields : dict
        New values.
    why_not : callable
        Says why it cannot be run or cannot matter; empty: it may.
    """

    axis: str
    value: str
    place: str
    fields: dict[str, object]
    why_not: Callable[[Played], str]

    @property
    def setting(self) -> str:
        """Axis and value in words."""
        return f"{self.axis} = {self.value}"

    def of(self, config: BacktestConfig) -> BacktestConfig:
        """Return a configuration with this answer."""
        fields = self.fields
        if self.place:
            fields = {self.place: replace(getattr(config, self.place), **fields)}
        return replace(config, **fields)  # type: ignore[arg-type]


def _flag(
    place: str, name: str, why_not: Callable[[Played], str], *fields: str
) -> tuple[Variant, ...]:
    return tuple(
        Variant(
            f"{place}.{name}", str(on).lower(), place, dict.fromkeys(fields or (name,), on), why_not
        )
        for on in (True, False)
    )  # fmt: skip


def _choice(
    place: str, name: str, values: Sequence[str], why_not: Callable[[Played], str]
) -> tuple[Variant, ...]:
    return tuple(
        Variant(f"{place}.{name}", str(one), place, {name: one}, why_not) for one in values
    )


def _no_rules(played: Played) -> str:
    return "" if played.manager.rules else "there is no rule"


VARIANTS: tuple[Variant, ...] = (
    Variant("fill_price", "open", "execution", {"timing": NextOpen()}, lambda one: one.no_open),
    Variant("fill_price", "close", "execution", {"timing": NextClose()}, lambda _: ""),
    Variant(
        "fill_price", "worst of the bar", "", {"slippage": WorstPriceSlippage()},
        lambda one: one.no_range,
    ),
    *_flag("levels", "before_orders", lambda one: one.no_queue),
    *_flag("levels", "target_first", lambda one: one.no_target),
    *_flag("levels", "open_first", lambda one: one.no_target),
    *_flag("levels", "in_rule_order", lambda one: one.no_rests),
    *_choice("levels", "trail_by", tuple(TrailBy), lambda one: one.no_entry_price),
    *_choice("levels", "trail_start", tuple(TrailStart), lambda one: one.no_entry_price),
    *_choice("levels", "base", tuple(LevelBase), lambda one: one.no_entry_price),
    *_choice("levels", "trigger", tuple(Trigger), lambda one: one.no_levels),
    *_flag(
        "levels", "from_entry", lambda one: one.no_rests, "stop_from_entry", "trail_from_entry"
    ),
    *_flag("levels", "slips", lambda one: one.no_rests),
    *_flag("levels", "trail_replaces_stop", lambda one: one.no_trail),
    *_choice("execution", "sized_at", tuple(SizedAt), lambda _: ""),
    *_flag("execution", "reentry", _no_rules),
    *_flag("execution", "within_range", lambda one: one.no_range),
    # Unlimited credit is no answer to the question what a full account does.
    *_choice(
        "account", "shortfall", (Shortfall.SCALE, Shortfall.IN_TURN, Shortfall.REJECT),
        lambda _: "",
    ),
)  # fmt: skip


def choices(played: Played) -> tuple[list[Variant], dict[str, str]]:
    """Return what differs from a run's own policy, and of axes that cannot matter why not."""
    found, skipped = list[Variant](), dict[str, str]()
    for one in VARIANTS:
        if one.of(played.config) == played.config:
            continue
        if why := one.why_not(played):
            skipped[one.setting if one.axis == "fill_price" else one.axis] = why
        else:
            found.append(one)
    return found, skipped


def together(played: Played, moved: Sequence[tuple[Variant, float]]) -> list[tuple[Variant, ...]]:
    """Return the product of the axes that moved a result most, without what was run already.

    Nor is there what cannot matter beside another, as the order of levels and an open where levels
    leave at opens.

    Parameters
    ----------
    played : Played
    moved : sequence of (Variant, float)
        Each with how far it moved the result.
    """
    by_axis: dict[str, list[Variant]] = {}
    for one, _ in sorted(moved, key=lambda each: -each[1]):
        by_axis.setdefault(one.axis, []).append(one)
    size, factors = 1, list[list[tuple[Variant, ...]]]()
    for variants in by_axis.values():
        if size * (len(variants) + 1) <= MOST_TOGETHER:
            size *= len(variants) + 1
            factors.append([(), *((one,) for one in variants)])
    joined = (sum(each, ()) for each in product(*factors))
    return [
        one for one in joined
        if len(one) > 1
        and not any(
            each.why_not(replace(played, config=changed(played.config, one))) for each in one
        )
    ]  # fmt: skip


def changed(config: BacktestConfig, variants: Sequence[Variant]) -> BacktestConfig:
    """Return a configuration with several answers."""
    return reduce(lambda found, one: one.of(found), variants, config)
