"""Lending: what lenders of shares became known to ask between two bars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ml4t.backtest.data.asof.views import Known
from ml4t.backtest.data.sources.schema import as_read
from ml4t.backtest.data.sql_files import Sql, first_bars, quote, render

# Columns of what is lent, by what the loop calls them.
FEES: Final = {
    "fee": "borrow_fee",
    "available": "borrow_available",
    "shares": "borrow_shares",
}


def lent(known: Known, kinds: Mapping[str, str], *, since: str | None, until: str) -> Sql:
    """Return the query of what lenders said after one time and until another, as SQL both.

    Parameters
    ----------
    known : Known
        The known rows of the source ``borrow``.
    kinds : mapping
        Types of its columns.
    since : str or None
        None: all that they said before.
    """
    items = {name: column for name, column in FEES.items() if column in known.columns}
    between = "true" if since is None else f"known.available_at > {since}"
    between += f" and known.available_at <= {until}"
    return render(
        "batches/lending",
        known=known.relation,
        columns=", ".join(
            f"{as_read(f'known.{quote(column)}', kinds[column])} as {name}"
            for name, column in items.items()
        ),
        since=between,
        is_fresh=known.is_fresh("timeline.timestamp", "known.available_at"),
        first_bars=first_bars(f"{known.relation} as known", "known.available_at", where=between),
    )
