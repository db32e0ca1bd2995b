"""Checks: each file of ``sql/checks`` selects offending rows; none back means passed.

1. `gate` looks at every source in one or two cheap scans.
2. Only where the gate is suspicious do the checks run one by one, to name rule, rows and sample.
3. `drop_bad_rows` leaves out what they select, when the user asked for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ml4t.backtest.core.tolerances import AT_RATIO, IN_RANGE
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sources.action_checks import (
    ACTION_WAYS_OUT,
    CONTRADICTIONS,
    WARNINGS,
)
from ml4t.backtest.data.sources.roles import PRICES_ROLE, ROLE_WAYS_OUT
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import count_of, quote, read, render, rows_of, sample_of, view_of
from ml4t.backtest.errors import DataError

# Above this many (timestamp, asset) pairs a bitmap would cost more than grouping by the keys.
BITMAP_CELLS = 1 << 30
SAMPLE_ROWS = 3
WAYS_OUT = {
    **ACTION_WAYS_OUT,
    **ROLE_WAYS_OUT,
    "infinite_time": "has rows at an infinite time (in Python the first or last "
    "date that there is); remove them",
    "null_available_at": "has rows that say never when they became known; fill available_at",
    "duplicate_keys": "has more than one row for a key; keep one row per key",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One check on one source.

    Attributes
    ----------
    source, rule : str
    n_rows : int
        Offending rows; 0 means passed.
    query : str
        Selects them.
    """

    source: str
    rule: str
    n_rows: int
    query: str

    @property
    def passed(self) -> bool:
        """Whether no row offends."""
        return self.n_rows == 0

    @property
    def is_warning(self) -> bool:
        """Whether rows that it selects are used as they are: they may be right."""
        return self.rule in WARNINGS


def rules_for(source: Source, columns: Mapping[str, str]) -> list[str]:
    """Return the checks that apply to a source, in the order in which they are reported."""
    rules = source.spec.rules(columns)
    if source.available_at is not None:
        rules.append("null_available_at")
    if _times(source, columns):
        rules.append("infinite_time")
    return [*rules, "duplicate_keys"] if source.spec.has_unique_keys else rules


def _times(source: Source, columns: Mapping[str, str]) -> list[str]:
    """Return the columns of a source that hold times, as far as it has them."""
    return [
        name
        for name in (*source.spec.times, "available_at")
        if name in columns and source.spec.checks_times
    ]


def check_query(rule: str, source: Source, columns: Mapping[str, str], relation: str) -> str:
    """Return the SQL that selects the rows of `relation` that break `rule`."""
    # A column that the source does not have is stood in for by one that cannot offend.
    price = rule.split("_")[0]
    places = {side: side if side in columns else price for side in ("low", "high")}
    places["tolerance"], places["at_ratio"] = repr(IN_RANGE), repr(AT_RATIO)
    places["is_infinite"] = " or ".join(f"not isfinite({name})" for name in _times(source, columns))
    places["new_asset_id"] = "new_asset_id" if "new_asset_id" in columns else "null"
    places["initial"] = "initial_margin" if "initial_margin" in columns else "null"
    keys = list(source.spec.key)
    if source.available_at is not None:
        keys.append("available_at")
    # Without the number that a copy of the source gives to its rows.
    places["every_column"] = ", ".join(map(quote, columns))
    return render(f"checks/{rule}", source=relation, keys=", ".join(keys), **places)


def run_checks(source: Source, columns: Mapping[str, str], database: Database) -> list[CheckResult]:
    """Run every check of a source and return what each found."""
    relation = f"main.{quote(source.name)}"
    results = []
    for rule in rules_for(source, columns):
        query = check_query(rule, source, columns, relation)
        n_rows = database.rows(count_of(query))[0][0]
        results.append(CheckResult(source=source.name, rule=rule, n_rows=n_rows, query=query))
    return results


def as_record(warning: CheckResult) -> dict[str, object]:
    """Return a warning as the `runs` table keeps it."""
    return {
        "source": warning.source, "rule": warning.rule, "rows": warning.n_rows,
        "text": WAYS_OUT[warning.rule],
    }  # fmt: skip


def require_clean(
    source: Source, columns: Mapping[str, str], database: Database
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
    if not _is_suspicious(source, columns, database):
        return []
    results = run_checks(source, columns, database)
    require_passed([one for one in results if one.rule in CONTRADICTIONS], database)
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
                WAYS_OUT[result.rule] + way_out,
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
    dropped = {}
    for rule in _droppable(source, columns):
        check = check_query(rule, source, columns, target)
        n_rows = database.rows(render("validate/drop_rows", target=target, check=check))[0][0]
        if n_rows:
            dropped[rule] = n_rows
    database.execute(view_of(relation, rows_of(target, "* exclude (__row_id)")))
    return dropped


def _droppable(source: Source, columns: Mapping[str, str]) -> list[str]:
    rules = rules_for(source, columns)
    if "duplicate_keys" in rules:
        rules.insert(-1, "duplicate_rows")
    return [rule for rule in rules if rule not in CONTRADICTIONS | WARNINGS]


def _is_suspicious(source: Source, columns: Mapping[str, str], database: Database) -> bool:
    if source.spec.gate_rules is None or source.available_at is not None:
        return True  # small sources, and those whose key has three parts: the checks themselves
    if source.spec is PRICES_ROLE and any(database.rows(read("validate/suspects"))[0]):
        return True  # the timeline has counted the suspect rows already
    relation = f"main.{quote(source.name)}"
    if any(
        database.rows(sample_of(check_query(rule, source, columns, relation), 1))
        for rule in source.spec.gate_rules
    ):
        return True  # what the keys cannot show
    n_bars, n_assets = database.rows(read("timeline/grid"))[0]
    if n_bars * n_assets > BITMAP_CELLS:
        return True
    gate = render(
        "validate/key_gate",
        source=relation,
        n_assets=str(n_assets),
        last_cell=str(n_bars * n_assets),
    )
    n_rows, n_timeless, n_on_grid, n_distinct = database.rows(gate)[0]
    return bool(n_timeless or n_on_grid < n_rows or (n_distinct or 0) < n_on_grid)
