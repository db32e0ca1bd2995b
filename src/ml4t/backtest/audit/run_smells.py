"""Run smells: what smells of the sources of a run, and of how it fills."""

from __future__ import annotations

from collections.abc import Iterator

from ml4t.backtest.audit.audit_tables import AuditPart
from ml4t.backtest.data.smells.smell import FoundSmell, found_smell, require_no_smell
from ml4t.backtest.data.sql_files import render
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.walking import RunSetup


def smells_of_run(setup: RunSetup, whole: BacktestResult, *, strict: bool) -> AuditPart:
    """Return what smells of a run, as a part of its audit.

    Raises
    ------
    SmellError
        With `strict`: something does.
    """
    found = [*setup.catalog.smells().found, *_of_settings(setup, whole)]
    if strict:
        require_no_smell(found)
    said = f"{len(found)} smell{'' if len(found) == 1 else 's'}" if found else ""
    return AuditPart(rows={"smells": found}, said=said)


def _of_settings(setup: RunSetup, whole: BacktestResult) -> Iterator[FoundSmell]:
    """Yield what smells of the settings of a run: fills at an open that its bar's volume cut."""
    policy = setup.config.execution
    if policy.participation is None or not policy.timing.fills_at_open:
        return
    query = render("smells/capped_fills", participation=repr(policy.participation))
    for row in whole.sql(query).fetchall():
        yield found_smell("volume_of_fill_bar", "config", row)
