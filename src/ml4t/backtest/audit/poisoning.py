"""Poisoning: runs over sources whose rows after some bars stay and lie.

Cut sources show what is read of later rows as long as these are missed. What counts them, or takes
a number of each whatever it is, and what reaches for bars that lie in memory behind the one at
hand, finds them here, and something else in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ml4t.backtest.audit.audit_tables import AuditPart
from ml4t.backtest.audit.comparing import Found
from ml4t.backtest.audit.steps import Steps
from ml4t.backtest.audit.truncation import (
    CutRun,
    WholeRun,
    outcome_of,
    own_setup,
    run_beside,
)
from ml4t.backtest.data.cut.poisoned_catalog import PoisonedCatalog


def run_poisoned(whole: WholeRun, seed: int, steps: Steps) -> AuditPart:
    """Run to each cut over poisoned sources, and return what differs up to it."""
    steps.expect(len(whole.cuts))
    runs: list[CutRun] = []
    for cut in whole.cuts:
        setup = own_setup(whole.setup)
        poisoned = partial(PoisonedCatalog, setup.catalog, cut.bar, seed)
        runs.append(run_beside(whole, cut, setup, poisoned, ends=True))
        steps.done()
    return _part_of(runs)


def _part_of(runs: Sequence[CutRun]) -> AuditPart:
    n_run, said, is_clean = outcome_of(runs)
    rows: list[tuple[object, ...]] = [
        (run.cut.bar.text, *one, None) for run in runs for one in run.found
    ]
    nothing = (None,) * len(Found._fields)
    rows += [(run.cut.bar.text, *nothing, run.problem) for run in runs if run.problem]
    return AuditPart(
        rows={"poisoned": rows},
        said=f"{n_run} with later rows poisoned: {said}",
        is_clean=is_clean,
    )
