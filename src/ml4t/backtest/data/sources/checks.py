"""Checks: each file of ``sql/checks`` selects offending rows; none back means passed.

1. The panel scans every source once, and counts rows that may offend.
2. Only where there are some do the checks of the source's role run one by one, to name rule, rows
   and sample.
3. `drop_bad_rows` leaves out what they select, when the user asked for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.panel import OnGrid, Panel, ScanCounts
from ml4t.backtest.data.sources.adapted import Change
from ml4t.backtest.data.sources.roles import ROLES
from ml4t.backtest.data.sources.roles.check import (
    DUPLICATE_KEYS,
    DUPLICATE_ROWS,
    Check,
    CheckedRows,
    Severity,
)
from ml4t.backtest.data.sources.roles.prices import judged_bars
from ml4t.backtest.data.sources.schema import as_read, is_numeric, without_keys
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import count_of, quote, render, rows_of, sample_of, view_of
from ml4t.backtest.errors import DataError

SAMPLE_ROWS = 3
# What a column is called that some files of a source lack.
FILES_DIFFER = "files_differ"


class CheckResult(NamedTuple):
    """One check on one source.

    Attributes
    ----------
    source, rule : str
    n_rows : int
        Offending rows; 0 means passed.
    query : str
        Selects them; empty of files that differ, whose rows no longer say in which they stood.
    text : str
        What is wrong with them, and the way out.
    severity : {"refusal", "contradiction", "warning"}
    sample : tuple of dict
        The first of them, of a check that shows its rows.
    """

    source: str
    rule: str
    n_rows: int
    query: str
    text: str
    severity: Severity
    sample: tuple[dict[str, object], ...] = ()

    @property
    def passed(self) -> bool:
        """Whether no row offends."""
        return self.n_rows == 0

    @property
    def is_warning(self) -> bool:
        """Whether rows that it selects are used as they are: they may be right."""
        return self.severity == "warning"


def checked_rows(source: Source, columns: Mapping[str, str], relation: str) -> CheckedRows:
    """Return what the checks of a source look at, in a relation that has its columns."""
    clock = () if source.available_at is None else ("available_at",)
    return CheckedRows(
        relation=relation,
        columns=columns,
        key=(*source.spec.key, *clock),
        times=tuple(name for name in (*source.spec.times, "available_at") if name in columns),
        has_clock=bool(clock),
    )


def checks_for(source: Source, columns: Mapping[str, str]) -> list[Check]:
    """Return the checks that apply to a source, in the order in which they are reported."""
    rows = checked_rows(source, columns, f"main.{quote(source.name)}")
    return [check for check in source.spec.checks if check.applies(rows)]


def run_checks(source: Source, columns: Mapping[str, str], database: Database) -> list[CheckResult]:
    """Run every check of a source and return what each found."""
    rows = checked_rows(source, columns, f"main.{quote(source.name)}")
    results = []
    for check in checks_for(source, columns):
        query = check.query(rows)
        n_rows = database.rows(count_of(query))[0][0]
        sample: tuple[dict[str, object], ...] = ()
        if n_rows and check.shows_rows:
            sample = tuple(database.records(sample_of(query, SAMPLE_ROWS, by="all")))
        results.append(
            CheckResult(
                source=source.name, rule=check.rule, n_rows=n_rows, query=query,
                text=check.text, severity=check.severity, sample=sample,
            )
        )  # fmt: skip
    return results


def files_that_differ(changes: Mapping[str, Iterable[Change]]) -> list[CheckResult]:
    """Return what some files of each source lack, counted when they were read."""
    return [
        CheckResult(
            source=name, rule=FILES_DIFFER, n_rows=change.n_rows or 0, query="",
            text=f"has files that differ: {change.what}", severity="warning",
        )
        for name, of_source in changes.items() for change in of_source if change.is_warning
    ]  # fmt: skip


def as_record(warning: CheckResult) -> dict[str, object]:
    """Return a warning as the `runs` table keeps it."""
    text = warning.text
    if warning.sample:
        shown = (" ".join(str(value) for value in row.values()) for row in warning.sample)
        text += f"; such as {', '.join(shown)}"
    return {
        "source": warning.source, "rule": warning.rule, "rows": warning.n_rows, "text": text,
    }  # fmt: skip


def require_clean(
    source: Source, columns: Mapping[str, str], panel: Panel, database: Database
) -> list[CheckResult]:
    """Raise for the first check that selects rows, after a cheap gate said that one might.

    Returns
    -------
    list of CheckResult
        Warnings: those that selected rows that may be right.

    Raises
    ------
    DataError
        With rule, count, sample, query and the way out.
    """
    if not _is_suspicious(source, columns, panel, database):
        return []
    results = run_checks(source, columns, database)
    require_passed([one for one in results if one.severity == "contradiction"], database)
    if not source.drop_bad_rows:
        refused = [one for one in results if not one.is_warning]
        require_passed(refused, database, way_out=", or register it with on_bad_rows='drop'")
    return [one for one in results if one.is_warning and not one.passed]


def require_passed(
    results: Iterable[CheckResult], database: Database, *, way_out: str = ""
) -> None:
    """Raise a `DataError` for the first check that selected rows; `way_out` is one more."""
    for result in results:
        if not result.passed:
            raise DataError(
                result.source,
                result.rule,
                result.text + way_out,
                n_rows=result.n_rows,
                sample=database.records(sample_of(result.query, SAMPLE_ROWS)),
                query=result.query,
            )


def drop_bad_rows(source: Source, columns: Mapping[str, str], database: Database) -> dict[str, int]:
    """Copy a source without its offending rows; return how many each check dropped.

    Of rows that are equal one is kept; of rows that contradict each other under one key, none.
    """
    target = f"stage.{quote(source.name + ' kept')}"
    relation = f"main.{quote(source.name)}"
    database.execute(render("validate/with_row_id", target=target, source=relation))
    rows = checked_rows(source, columns, target)
    dropped = {}
    for check in dropping(source, columns):
        drop = render("validate/drop_rows", target=target, check=check.query(rows))
        n_rows = database.rows(drop)[0][0]
        if n_rows:
            dropped[check.rule] = n_rows
    database.execute(view_of(relation, rows_of(target, "* exclude (__row_id)")))
    return dropped


def dropping(source: Source, columns: Mapping[str, str]) -> list[Check]:
    """Return the checks whose rows can be left out, in the order in which they are."""
    checks = []
    for check in checks_for(source, columns):
        if check is DUPLICATE_KEYS:
            checks.append(DUPLICATE_ROWS)  # of equal rows one is kept
        if check.severity == "refusal":
            checks.append(check)
    return checks


def texts_of(dropped: Mapping[str, Mapping[str, int]]) -> dict[str, str]:
    """Return what is wrong with the rows of each rule that dropped some, without the way out."""
    rules = {rule for counts in dropped.values() for rule in counts}
    every = [check for spec in ROLES.values() for check in (*spec.checks, DUPLICATE_ROWS)]
    return {check.rule: check.text.split(";")[0] for check in every if check.rule in rules}


def _is_suspicious(
    source: Source, columns: Mapping[str, str], panel: Panel, database: Database
) -> bool:
    spec = source.spec
    if spec.counted is None or source.available_at is not None:
        return True  # small sources, and those whose key has three parts: the checks themselves
    scan = _scanned(source, columns, panel, database)
    if scan is None or scan.is_suspicious:
        return True
    rows = checked_rows(source, columns, f"main.{quote(source.name)}")
    uncounted = [check for check in checks_for(source, columns) if check not in spec.counted]
    # What neither bars nor keys can show.
    return any(database.rows(sample_of(check.query(rows), 1)) for check in uncounted)


def _scanned(
    source: Source, columns: Mapping[str, str], panel: Panel, database: Database
) -> ScanCounts | None:
    """Have a source scanned: of prices the bars are judged, of the others the keys alone."""
    judged = judged_bars(columns) if source.spec.makes_bars else None
    # With a lag rows are known at other bars than those of their keys.
    is_exact = source.lag is None and source.delay is None
    kept = without_keys(columns) if is_exact and not source.spec.prefix else {}
    items = {
        name: as_read(f"source.{quote(name)}", kind)
        for name, kind in kept.items()
        if is_numeric(kind)
    }
    readable = OnGrid(source=source.name, items=items, judged=judged, is_exact=is_exact)
    return panel.scan(readable, database)
