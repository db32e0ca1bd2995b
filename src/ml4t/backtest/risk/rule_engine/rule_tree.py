"""The rules of one run as trees: every rule with the rows in which its state is kept.

A rule says which part of a position its next target closes; which part is next is counted here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from ml4t.backtest.core.batch import Bools, Floats, Ints
from ml4t.backtest.risk.rules.held import Held, HeldOverBars
from ml4t.backtest.risk.rules.rule import Answer, RiskRule

NO_ANSWER = Answer()
# A rule whose parts are all below one lot ends nowhere; it is left at this many.
MOST_PASSED_OVER = 100
Whole = Callable[[Ints, Floats], Floats]


class RuleNode(NamedTuple):
    """A rule with its place in the state of a run.

    Attributes
    ----------
    rule : RiskRule
    children : tuple of RuleNode
    stop_row, step_row : int
        Rows of its last stops and of its steps; -1: it has none.
    has_levels, is_trailing : bool
        As the rule says.
    """

    rule: RiskRule
    children: tuple[RuleNode, ...]
    stop_row: int
    step_row: int
    has_levels: bool
    is_trailing: bool

    def walk(self) -> Iterator[RuleNode]:
        """Yield the node and, in their order, all nodes inside it."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(slots=True, kw_only=True)  # frozen would double what building one per bar costs
class RuleView:
    """The positions that the rules are asked about, with what the rules said of them before.

    Attributes
    ----------
    sids : int array
    side, entry_price, water_mark, close, bars_held, features, splits, dividends
        As in `Held`.
    peak : float array
        Largest ``|quantity|`` since the position was opened from flat.
    whole : callable or None
        ``whole(sids, quantity)`` cuts quantities toward zero to whole lots; None: there are none.
    last_stop : list of float array
        Per rule with stops; written by `ask`, as are the next two.
    offered : list of float array
        Targets of rules with steps.
    steps_done : list of int array
    missing : float array
        As long as the positions, NaN.
    none_done : int array
        As long as the positions, 0.
    asked : bool array or None
        Over several bars, ``[bars, positions]``: the asset has a bar. What moves from bar to bar is
        shaped so too, and the stops written are those of every bar. None: of one bar.
    is_entry, has_trails : bool
        On an entry bar only rules with levels are asked; those that trail where `has_trails`.
    """

    sids: Ints
    side: Floats
    entry_price: Floats
    water_mark: Floats
    close: Floats
    bars_held: Ints
    features: Mapping[str, Floats]
    splits: Floats
    dividends: Floats
    peak: Floats
    whole: Whole | None
    last_stop: list[Floats]
    offered: list[Floats]
    steps_done: list[Ints]
    missing: Floats
    none_done: Ints
    asked: Bools | None = None
    is_entry: bool = False
    has_trails: bool = True


def spans_bars(rule: RiskRule) -> bool:
    """Say whether a rule, and each inside it, can be asked about several bars at once."""
    return all("spans_bars" in vars(type(one)) and one.spans_bars for one in rule.walk())


def grow(rules: Sequence[RiskRule]) -> tuple[RuleNode, ...]:
    """Return one tree per rule; the rows count through all of them."""
    rows = [0, 0]
    return tuple(_node(rule, rows) for rule in rules)


def ask(node: RuleNode, view: RuleView) -> Answer:
    """Ask a rule, those inside it first, and note its stops and targets in the view."""
    # A rule made of rules may have targets though its stops trail; those inside it sort it out.
    is_off = node.is_trailing and not node.children and not view.has_trails
    if view.is_entry and (is_off or not node.has_levels):
        return NO_ANSWER
    kind = Held if view.asked is None else partial(HeldOverBars, asked=view.asked)
    held = kind(
        side=view.side,
        entry_price=view.entry_price,
        water_mark=view.water_mark,
        close=view.close,
        bars_held=view.bars_held,
        features=view.features,
        last_stop=view.missing if node.stop_row < 0 else view.last_stop[node.stop_row],
        steps_done=view.none_done if node.step_row < 0 else view.steps_done[node.step_row],
        splits=view.splits,
        dividends=view.dividends,
    )
    if node.children:
        answer = node.rule.combine(held, tuple(ask(child, view) for child in node.children))
    else:
        answer = node.rule.answer(held)
    if answer.stop is not None and node.stop_row >= 0:
        view.last_stop[node.stop_row] = answer.stop
    if answer.target is not None and node.step_row >= 0:
        if view.whole is not None:
            answer = _first_whole_step(node, view, held, answer, view.whole)
        if answer.target is not None:
            view.offered[node.step_row] = answer.target
    return answer


def _first_whole_step(
    node: RuleNode, view: RuleView, held: Held, answer: Answer, whole: Whole
) -> Answer:
    """Pass over the steps whose part is below one lot, unless that leaves none."""
    done = view.steps_done[node.step_row]
    before = done.copy()
    for _ in range(MOST_PASSED_OVER):
        if answer.part is None:
            break
        # NaN is not 0: there is no next step.
        is_none = whole(view.sids, answer.part * view.peak) == 0
        if not is_none.any():
            break
        done += is_none
        answer = node.rule.answer(replace(held, steps_done=done))
    if answer.target is not None:
        # A position that grows may have a lot for them yet.
        done[:] = np.where(np.isnan(answer.target), before, done)
    return answer


def _node(rule: RiskRule, rows: list[int]) -> RuleNode:
    stop_row = rows[0] if rule.has_stop else -1
    step_row = rows[1] if rule.has_steps else -1
    rows[0] += rule.has_stop
    rows[1] += rule.has_steps
    return RuleNode(
        rule=rule,
        children=tuple(_node(child, rows) for child in rule.children),
        stop_row=stop_row,
        step_row=step_row,
        has_levels=rule.has_levels,
        is_trailing=rule.is_trailing,
    )
