"""Checks: each file of ``sql/checks`` selects offending rows; none back means passed.

1. `gate` looks at every source in one or two cheap scans.
2. Only where the gate is suspicious do the checks run one by one, to name rule, rows and sample.
3. `drop_bad_rows` leaves out what they select, when the user asked for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.queries import quote, read, render
from ml4t.backtest.data.sources import PRICE_COLUMNS, Source
from ml4t.backtest.errors import DataError

# Above this many (timestamp, asset) pairs a bitmap would cost more than grouping by the keys.
BITMAP_CELLS = 1 << 30
SAMPLE_ROWS = 3
WAYS_OUT = {
    "null_timestamp": "has rows without a timestamp; remove them",
    "null_asset_id": "has rows without an asset_id; remove them",
    "null_available_at": "has rows that say never when they became known; fill available_at",
    "duplicate_keys": "has more than one row for a key; keep one row per key",
    "high_below_low": "has bars with high below low; mend or remove them",
    "open_outside_range": "has bars that open outside [low, high]; mend or remove them",
    "close_outside_range": "has bars that close outside [low, high]; mend or remove them",
    "volume_not_valid": "has a negative, NaN or infinite volume; use NULL where it is unknown",
    "interval_not_valid": "has membership intervals without a start, or that end before it",
} | {
    f"{column}_{kind}": text.format(column=column)
    for column in PRICE_COLUMNS
    for kind, text in {
        "missing": "has bars without '{column}'; leave out bars that did not trade",
        "not_finite": "has NaN or infinite values in '{column}'; leave out bars that did not trade",
        "not_positive": "has prices of zero or less in '{column}'; mend or remove them",
    }.items()
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


def rules_for(source: Source, columns: dict[str, str]) -> list[str]:
    """Return the checks that apply to a source, in the order in which they are reported."""
    if source.role == "universe":
        return ["interval_not_valid"]
    rules = ["null_timestamp"]
    if source.role == "prices":
        rules.append("null_asset_id")
        present = [name for name in PRICE_COLUMNS if name in columns]
        rules += [
            f"{name}_{kind}"
            for kind in ("missing", "not_finite", "not_positive")
            for name in present
        ]
        if {"high", "low"} <= set(present):
            rules.append("high_below_low")
        if {"high", "low"} & set(present):
            rules += [f"{name}_outside_range" for name in ("open", "close") if name in present]
        if "volume" in columns:
            rules.append("volume_not_valid")
    if source.available_at is not None:
        rules.append("null_available_at")
    return [*rules, "duplicate_keys"]


def check_query(rule: str, source: Source, columns: Mapping[str, str], relation: str) -> str:
    """Return the SQL that selects the rows of `relation` that break `rule`."""
    price = rule.split("_")[0]
    sides = {side: side if side in columns else price for side in ("low", "high")}
    keys = {"prices": ["asset_id", "timestamp"], "context": ["timestamp"]}.get(
        source.role, ["asset_id", "timestamp"]
    )
    if source.available_at is not None:
        keys.append("available_at")
    return render(f"checks/{rule}", source=relation, keys=", ".join(keys), **sides)


def run_checks(source: Source, columns: dict[str, str], database: Database) -> list[CheckResult]:
    """Run every check of a source and return what each found."""
    relation = f"main.{quote(source.name)}"
    results = []
    for rule in rules_for(source, columns):
        query = check_query(rule, source, columns, relation)
        n_rows = database.rows(f"select count(*) from ({query})")[0][0]
        results.append(CheckResult(source=source.name, rule=rule, n_rows=n_rows, query=query))
    return results


def require_clean(source: Source, columns: dict[str, str], database: Database) -> None:
    """Raise for the first check that selects rows, after a cheap gate said that one might.

    Raises
    ------
    DataError
        With rule, count, sample, query and the way out.
    """
    if not _is_suspicious(source, database):
        return
    for result in run_checks(source, columns, database):
        if not result.passed:
            way_out = f"{WAYS_OUT[result.rule]}, or register it with on_bad_rows='drop'"
            sample = database.records(f"select * from ({result.query}) limit {SAMPLE_ROWS}")
            raise DataError(
                source.name,
                result.rule,
                way_out,
                n_rows=result.n_rows,
                sample=sample,
                query=result.query,
            )


def drop_bad_rows(source: Source, columns: dict[str, str], database: Database) -> dict[str, int]:
    """Copy a source without its offending rows; return how many each check dropped."""
    target = f"stage.{quote(source.name + ' kept')}"
    relation = f"main.{quote(source.name)}"
    database.execute(render("sources/with_row_id", target=target, source=relation))
    dropped = {}
    for rule in rules_for(source, columns):
        check = check_query(rule, source, columns, target)
        n_rows = database.rows(render("sources/drop_rows", target=target, check=check))[0][0]
        if n_rows:
            dropped[rule] = n_rows
    database.execute(
        f"create or replace view {relation} as select * exclude (__row_id) from {target}"
    )
    return dropped


def _is_suspicious(source: Source, database: Database) -> bool:
    if source.role not in ("prices", "features") or source.available_at is not None:
        return True  # small sources, and those whose key has three parts: the checks themselves
    if source.role == "prices" and any(database.rows(read("sources/suspects"))[0]):
        return True  # the timeline has counted the suspect rows already
    n_bars, n_assets = database.rows(read("sources/grid"))[0]
    if n_bars * n_assets > BITMAP_CELLS:
        return True
    gate = render(
        "sources/key_gate",
        source=f"main.{quote(source.name)}",
        n_assets=str(n_assets),
        last_cell=str(n_bars * n_assets),
    )
    n_rows, n_timeless, n_on_grid, n_distinct = database.rows(gate)[0]
    return bool(n_timeless or n_on_grid < n_rows or (n_distinct or 0) < n_on_grid)
