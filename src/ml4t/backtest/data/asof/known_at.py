"""Known at: a features source's values at the bars of a chunk, by `(t, sid)`."""

from __future__ import annotations

from ml4t.backtest.data.asof.views import Known
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sql_files import columns, literal, quote, read, render


def at_bars(
    known: Known, names: tuple[str, ...], table: str, clock: str, database: Database
) -> str:
    """Write the newest known values at each row of ``temp.bars`` into ``temp.<table>``.

    The bars are those of ``temp.decisions``. Rows known exactly at a bar are matched by
    equality; only if some bar is left over does an as-of join answer for it.

    Parameters
    ----------
    clock : str
        DuckDB type of the bars.

    Returns
    -------
    str
        The table's name: ``(t, sid, names...)``, no row where nothing is known.
    """
    target = f"temp.{table}"
    database.execute(
        render(
            "signals/exact", target=target, known=known.relation, columns=columns(names, "known")
        )
    )
    if database.rows(render("signals/unmatched", target=target))[0][0]:
        first, last = database.rows(read("signals/span"))[0]
        packed = ", ".join(f"{quote(f'_{i}')} := {quote(name)}" for i, name in enumerate(names))
        database.execute(
            render(
                "signals/earlier",
                target=target,
                known=known.relation,
                columns=columns(names),
                packed=f"struct_pack({packed})",
                last_columns=", ".join(f"last_row.{quote(f'_{i}')}" for i in range(len(names))),
                is_fresh=known.is_fresh("rest.timestamp", "candidates.available_at"),
                first=f"{literal(first)}::{clock}",
                last=f"{literal(last)}::{clock}",
            )
        )
    return table
