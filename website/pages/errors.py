"""Errors: the classes, and the check behind every refusal and warning of data."""

from __future__ import annotations

import inspect

from ml4t.backtest import errors
from ml4t.backtest.data.sources.roles import ROLES
from ml4t.backtest.data.sources.roles.check import Check
from website.links import table

HEAD = """# Errors and warnings

What a user can mend is a `BacktestError`; catch that one, or the class below it. A message says
of what it speaks, what it found, and the way out. The attributes are on the [page of the
API](api/9-errors.md).
"""
CHECKS = """
## Checks of data

Each is a query that selects the rows that must not be, so that `error.query` shows all of them. A
**refusal** stops the run, and `on_bad_rows="drop"` takes the rows out and says how many; a
**contradiction** stops it, and no row can be dropped for the other; a **warning** is in
`catalog.checks()`, the summary and `runs.warnings`, and the rows are used as they are.
"""


def errors_page() -> str:
    """Return the page of the classes and the checks."""
    classes = [
        (f"[`{name}`](api/9-errors.md)", _first_line(kind))
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, errors.BacktestError)
    ]
    parts = [HEAD, table(("error", "raised when"), classes), CHECKS]
    rows = [
        (
            f"[`{check.rule}`](../../sql/checks/{check.rule}.sql)",
            check.severity,
            ", ".join(roles),
            check.text,
        )
        for check, roles in _checks()
    ]
    parts.append(table(("rule", "is", "of", "message"), rows))
    parts += ["\n## What sources must agree on\n"]
    agreements = {one.rule: (one, spec) for spec in ROLES.values() for one in spec.agreements}
    rows = [
        (f"[`{rule}`](../../sql/{one.statement}.sql)", "refusal", spec.name, one.text)
        for rule, (one, spec) in agreements.items()
    ]  # fmt: skip
    parts.append(table(("rule", "is", "of", "message"), rows))
    return "\n".join(parts) + "\n"


def _checks() -> list[tuple[Check, list[str]]]:
    found: dict[tuple[str, str], tuple[Check, list[str]]] = {}
    for spec in ROLES.values():
        for check in spec.checks:
            found.setdefault((check.rule, check.text), (check, []))[1].append(spec.name)
    return sorted(found.values(), key=lambda one: one[0].rule)


def _first_line(kind: type) -> str:
    return inspect.cleandoc(kind.__doc__ or "").partition("\n")[0].replace("``", "`")
