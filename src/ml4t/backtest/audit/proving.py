"""Proving: what is known of each column of a run's catalog without running anything."""

from __future__ import annotations

from collections import Counter

from ml4t.backtest.audit.audit_tables import AuditPart
from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.causality.sources import BY_PYTHON, GIVEN
from ml4t.backtest.data.causality.verdicts import CAUSAL, LEAKS, LOCAL, UNPROVED


def proved_columns(catalog: Catalog) -> AuditPart:
    """Return the verdict of every column, and how many there are of each."""
    verdicts = catalog.prove()
    counts = Counter(one.verdict for one in verdicts)
    counted = {
        "proved": counts[LOCAL] + counts[CAUSAL], "given": counts[GIVEN],
        "computed in Python": counts[BY_PYTHON], "unproved": counts[UNPROVED],
        "leaking": counts[LEAKS],
    }  # fmt: skip
    said = ", ".join(f"{n:,} {word}" for word, n in counted.items() if n)
    rows = [tuple(part or None for part in one) for one in verdicts]
    # What is proved to read later rows may be the same without them: a difference is what counts.
    return AuditPart({"columns": rows}, f"columns: {said}")
