"""Auditing: the parts of an audit, one after the other, over one run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from ml4t.backtest.audit.audit import Audit
from ml4t.backtest.audit.audit_tables import AuditPart
from ml4t.backtest.audit.certificate import AuditBasis, fingerprints
from ml4t.backtest.audit.delays import run_delayed
from ml4t.backtest.audit.exhaustive import audit_each_bar
from ml4t.backtest.audit.fill_checks import fill_checks
from ml4t.backtest.audit.poisoning import run_poisoned
from ml4t.backtest.audit.policies import audit_policies
from ml4t.backtest.audit.proving import proved_columns
from ml4t.backtest.audit.reproducing.reproducer import Audited
from ml4t.backtest.audit.run_smells import smells_of_run
from ml4t.backtest.audit.steps import Steps
from ml4t.backtest.audit.truncation import CutRun, outcome_of, run_to_cuts, run_whole
from ml4t.backtest.audit.warm_up import audit_warm_up
from ml4t.backtest.data.cut.cut_catalog import CutSource
from ml4t.backtest.data.stream.period import Bound, find_period
from ml4t.backtest.progress import Progress
from ml4t.backtest.walking import RunSetup


class AuditRequest(NamedTuple):
    """What an audit shall try, by the names that `BacktestEngine.audit` has for it.

    Attributes
    ----------
    cuts : int
        Bars at which the sources are cut.
    seed : int
        Of what is drawn.
    poison : bool
        Whether there are runs over sources whose rows after a cut lie.
    delays : tuple of str
        How much later each source is known, one after the other.
    strict : bool
        What smells is refused.
    warm_up : tuple of int
        Bars of history before the run that are asked about, one after the other.
    policies : bool
        Whether other policies of execution are run.
    exhaustive : bool
        Whether every bar is a cut for all that SQL computes.
    """

    cuts: int
    seed: int
    poison: bool = False
    delays: tuple[str, ...] = ()
    strict: bool = False
    warm_up: tuple[int, ...] = ()
    policies: bool = False
    exhaustive: bool = False


def audited(
    setup: RunSetup,
    bounds: tuple[Bound | None, Bound | None],
    request: AuditRequest,
    progress: Progress | None,
) -> Audit:
    """Run over everything, try what is asked, and return what was found."""
    steps = Steps(progress)
    run = run_whole(setup, bounds, request.cuts, request.seed, steps)
    whole, runs = run.result, run_to_cuts(run, steps)
    bar_type = setup.catalog.prepare().timestamp_type
    parts = [
        _of_cuts(runs),
        fill_checks(whole, setup.catalog),
        smells_of_run(setup, whole, strict=request.strict),
    ]
    if request.exhaustive:
        parts.append(audit_each_bar(setup, find_period(*bounds, setup.catalog.prepare()), steps))
    if request.poison:
        parts.append(run_poisoned(run, request.seed, steps))
    if request.delays:
        parts.append(run_delayed(setup, whole, bounds, request.delays, steps))
    if request.warm_up:
        period = find_period(*bounds, setup.catalog.prepare())
        parts.append(audit_warm_up(setup.catalog, period, whole, request.warm_up, steps))
    if request.policies:
        parts.append(audit_policies(setup, bounds, whole, steps))
    asked = {**request._asdict(), "start": _text(bounds[0]), "end": _text(bounds[1])}
    basis = AuditBasis(asked, partial(fingerprints, setup.catalog))
    again = Audited(run.setup, bounds, request.seed)
    return Audit(whole, bar_type, [*parts, proved_columns(setup.catalog)], basis, again)


def _text(bound: Bound | None) -> str | None:
    return None if bound is None else bound.text


def _of_cuts(runs: Sequence[CutRun]) -> AuditPart:
    sources = next((one.sources for one in runs if one.sources), [])
    n_run, said, is_clean = outcome_of(runs)
    n_whole = sum(bool(each.why) for one in sources for each in one.inputs)
    said += f"; inputs that were not cut: {n_whole:,}" if n_whole else ""
    return AuditPart(
        rows={
            "differences": [(run.cut.bar.text, *one) for run in runs for one in run.found],
            "cuts": [
                (run.cut.bar.text, run.cut.reason, len(run.found), run.problem or None)
                for run in runs
            ],
            "sources": [row for one in sources for row in _rows_of(one)],
        },
        said=f"audit of {n_run} cuts: {said}",
        is_clean=is_clean,
    )


def _rows_of(source: CutSource) -> list[tuple[object, ...]]:
    return [
        (source.name, None, source.clock or None, source.why or None),
        *((source.name, one.text, one.clock or None, one.why or None) for one in source.inputs),
    ]
