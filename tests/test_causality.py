"""Verdicts of a proof against what queries do: a corpus with labels, and queries by chance.

`make causality` runs every query of the corpus over more panels, and thousands of others.
"""

from __future__ import annotations

import functools
import os
import random
import re
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest

from causality.execution import Differing, differing
from causality.grammar import Grammar
from causality.panels import TABLES, Panel, make_panel
from effort import EFFORT, examples
from ml4t.backtest.data.causality.verdicts import CAUSAL, LEAKS, LOCAL, UNPROVED, Prover, Verdict

# Queries by chance; `make causality` sets more.
CHANCE = int(os.environ.get("ML4T_QUERIES", examples(30)))
ROWS = 1_500
CORPUS = Path(__file__).parent / "causality" / "corpus"
_HEAD = re.compile(r"-- (?:clock: (?P<clock>[^;]*); )?(?P<rest>\w+)(?P<named>(?:; \S+: \w+)*)")


class Case(NamedTuple):
    """A query of the corpus, with the verdict of each column."""

    theme: str
    clock: str
    query: str
    rest: str
    named: dict[str, str]

    def label(self, column: str) -> str:
        return self.named.get(column, self.rest)


def corpus() -> list[Case]:
    """Return the queries of every theme: a head each, with a clock and verdicts, and its text."""
    found = []
    for path in sorted(CORPUS.glob("*.sql")):
        for block in path.read_text().strip().split("\n\n"):
            head, _, query = block.partition("\n")
            told = _HEAD.fullmatch(head)
            assert told is not None, head
            clock = "timestamp" if told["clock"] is None else told["clock"]
            named = dict(one.split(": ") for one in told["named"].split("; ")[1:])
            found.append(Case(path.stem, clock, query.rstrip(";"), told["rest"], named))
    return found


@pytest.fixture(scope="module")
def prover() -> Prover:
    return Prover(TABLES)


@pytest.fixture(scope="module")
def panels() -> list[Panel]:
    return [make_panel(seed, 1 if EFFORT == 1 else 3) for seed in range(2 * EFFORT)]


def test_the_corpus_has_every_verdict_in_every_number() -> None:
    labels = [label for case in corpus() for label in (case.rest, *case.named.values())]
    assert len(corpus()) >= 250
    assert min(labels.count(one) for one in (LOCAL, CAUSAL, LEAKS, UNPROVED)) >= 60


def test_each_column_of_the_corpus_has_the_verdict_of_its_label(prover: Prover) -> None:
    proved = [(case, one) for case in corpus() for one in prover.prove(case.query, case.clock)]
    wrong = [(case.query, one) for case, one in proved if one.verdict != case.label(one.column)]
    assert wrong == []
    # What leaks or is unproved says why; there is nothing to say of the others.
    untold = [one for _, one in proved if bool(one.why) != (one.verdict in (LEAKS, UNPROVED))]
    assert untold == []


def test_a_column_that_is_local_or_causal_is_so_when_it_runs(panels: list[Panel]) -> None:
    cases = corpus()
    if EFFORT == 1:
        cases = random.Random(5).sample(cases, 60)
    for case in cases:
        for panel in panels:
            found = differing(case.query, case.clock, panel)
            labels = {column: case.label(column) for column in found.without_future}
            assert not {LOCAL, CAUSAL} & set(labels.values()), (case.query, labels)
            labels = {column: case.label(column) for column in found.without_history}
            assert LOCAL not in labels.values(), (case.query, labels)


def test_a_column_that_leaks_differs_for_some_data() -> None:
    cases = [case for case in corpus() if LEAKS in (case.rest, *case.named.values())]
    panel_of = functools.cache(make_panel)
    for case in cases if EFFORT > 1 else random.Random(6).sample(cases, 20):
        differs: set[str] = set()
        for seed in range(16):
            differs |= differing(case.query, case.clock, panel_of(seed)).without_future
            if any(case.label(column) == LEAKS for column in differs):
                break
        assert any(case.label(column) == LEAKS for column in differs), case.query


def test_queries_by_chance_are_what_is_proved_of_them(prover: Prover, panels: list[Panel]) -> None:
    n_proved = 0
    for seed in range(CHANCE):
        query, clock = Grammar(seed).query()
        verdicts = prover.prove(query, clock)
        if any(one.verdict in (LOCAL, CAUSAL) for one in verdicts):
            found = _differing_of_few(query, clock, panels[seed % len(panels)])
            if found is not None:
                n_proved += 1
                assert _refuted(verdicts, found) == [], (seed, query, clock)
    assert n_proved > CHANCE / 8


def _differing_of_few(query: str, clock: str, panel: Panel) -> Differing | None:
    """Return in what a query differs; None where it fails, or has very many rows."""
    panel.connection.execute("use memory.whole")
    try:
        rows = panel.connection.execute(query).fetchmany(ROWS)
        return None if len(rows) == ROWS else differing(query, clock, panel)
    except duckdb.Error:
        return None


def _refuted(verdicts: list[Verdict], found: Differing) -> list[Verdict]:
    return [
        one
        for one in verdicts
        if (one.verdict in (LOCAL, CAUSAL) and one.column in found.without_future)
        or (one.verdict == LOCAL and one.column in found.without_history)
    ]
