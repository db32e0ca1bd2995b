"""What an audit finds of each class, and of the same run without it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from leaks.at_work import AtWork, World, base_of_an_array
from leaks.panel import panel_catalog
from leaks.raw_table import panel_feature
from ml4t.backtest import BacktestEngine, TopN
from ml4t.backtest.audit.audit import Audit
from ml4t.backtest.errors import BacktestError

CUTS = 3


class Finding(NamedTuple):
    """What was found.

    Attributes
    ----------
    by : str
        Part of the audit, ``refused``, or ``cannot be``.
    what : str
        Smell, check or column, as the audit names it.
    says : str
    """

    by: str
    what: str
    says: str


def audited(engine: BacktestEngine, cuts: int = CUTS) -> list[Finding]:
    """Audit a run with all that there is, and return what it found."""
    try:
        return list(_findings(engine.audit(cuts)))
    except BacktestError as error:
        return [Finding("refused", type(error).__name__, str(error))]


def _findings(audit: Audit) -> Iterator[Finding]:
    ((told,),) = audit.result.sql("select warnings from runs").fetchall()
    for warning in json.loads(told or "[]"):
        yield Finding("checks", warning["rule"], f"{warning['source']} {warning['text']}")
    for place, column, asset, bar, whole, cut in audit.sql(
        'select place, "column", asset_id, bar, whole_value, cut_value from differences '
        "where cut = (select min(cut) from differences) limit 3"
    ).fetchall():
        says = f"{place}.{column} of {asset} at {bar}: {whole} with all data, {cut} without"
        yield Finding("cuts", column, says)
    for smell, source, column, sample in audit.sql(
        'select smell, source, "column", sample from smells'
    ).fetchall():
        yield Finding("smells", smell, f"{source}.{column}: {sample}")
    for check, says, n_failed in audit.sql(
        'select "check", says, n_failed from fill_checks where n_failed > 0'
    ).fetchall():
        yield Finding("fills", check, f"{n_failed:,} fills are not as they must be: {says}")
    for check, why in audit.sql(
        """select "check", unchecked from fill_checks where "check" = 'not_after_decision' """
        "and unchecked is not null"
    ).fetchall():
        yield Finding("fills", check, why)
    for row in audit.sql("select * from columns where verdict = 'leaks'").fetchall():
        yield Finding("prover", "columns", ", ".join(map(str, row)))


def of_file(file: Path, folder: Path, cuts: int = CUTS) -> list[Finding]:
    """Audit a run that ranks by a planted file, as a function of its sources."""
    catalog = panel_catalog(folder, panel_feature(file))
    return audited(BacktestEngine(catalog, TopN(5, by="planted", every=5)), cuts)


def of_finished_file(file: Path, folder: Path) -> list[Finding]:
    """Audit the same run, where the values come as a table that was made elsewhere."""
    made = panel_catalog(folder, panel_feature(file))
    rows = made.sql("select timestamp, asset_id, planted from signals").to_arrow_table()
    return audited(BacktestEngine(panel_catalog(folder, rows), TopN(5, by="planted", every=5)))


def at_work(plant: AtWork, world: World, *, honest: bool, cuts: int = CUTS) -> list[Finding]:
    """Audit a run of `at_work`."""
    try:
        engine = plant(world, honest=honest)
    except BacktestError as error:
        return [Finding("refused", type(error).__name__, str(error))]
    found = audited(engine, cuts)
    if not honest and plant is base_of_an_array:
        fills = "select * exclude (run_id) from fills order by all"
        runs = [plant(world, honest=each).run() for each in (True, False)]
        decided = [run.sql(fills).fetchall() for run in runs]
        if decided[0] == decided[1]:
            says = "Batch.close: no later bar stands in an array that a strategy is handed"
            return [Finding("cannot be", "close", says), *found]
    return found
