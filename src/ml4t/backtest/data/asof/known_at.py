"""Known at: a features source's values at the bars of a chunk, by `(t, sid)`.

1. `bars_of` makes the bars themselves of a source that has a row at each of them and no other.
2. `at_bars` finds the values at bars that were made of prices.
"""

from __future__ import annotations

from ml4t.backtest.data.asof.bar_tables import BarTables
from ml4t.backtest.data.asof.views import Known
from ml4t.backtest.data.database import Database, TempTable
from ml4t.backtest.data.sql_files import columns, literal, quote, render


def bars_of(
    known: Known, names: tuple[str, ...], times: TempTable, database: Database, *, has_asset: bool
) -> BarTables:
    """Make a table of the rows at some times of a source whose rows are those of prices.

    Parameters
    ----------
    has_asset : bool
        ``asset_id`` is one of its columns.
    """
    items = (*(["assets.asset_id"] * has_asset), columns(names, "known"))
    bars = database.make_table(
        "known_bars", "signals/bars_of", known=known.relation, times=times,
        columns="".join(f", {item}" for item in items),
    )  # fmt: skip
    return BarTables(times=times, bars=bars, source=known.source)


def at_bars(
    known: Known,
    names: tuple[str, ...],
    at: BarTables,
    database: Database,
    *,
    name: str,
    clock: str,
    has_all: bool = False,
) -> TempTable:
    """Make a table of the newest known values at bars.

    Rows known exactly at a bar are matched by equality; only if some bar is left over does an
    as-of join answer for it.

    Parameters
    ----------
    name : str
        Of the table.
    clock : str
        DuckDB type of the bars.
    has_all : bool
        It is known that the source has a row at each bar.

    Returns
    -------
    TempTable
        ``(t, sid, names...)``, no row where nothing is known.
    """
    if not known.has_clock:
        return database.make_table(
            f"{name}_constant", "signals/constant", known=known.relation, bars=at.bars,
            columns=columns(names, "known"),
        )  # fmt: skip
    target = database.make_table(
        name,
        "signals/exact",
        known=known.relation,
        times=at.times,
        columns=columns(names, "known"),
    )
    if has_all:
        return target
    if database.rows(render("signals/unmatched", bars=at.bars, target=target))[0][0]:
        first, last = database.rows(render("signals/span", times=at.times))[0]
        packed = ", ".join(f"{quote(f'_{i}')} := {quote(name)}" for i, name in enumerate(names))
        database.execute(
            render(
                "signals/earlier",
                target=target,
                bars=at.bars,
                known=known.relation,
                columns=columns(names),
                packed=f"struct_pack({packed})",
                last_columns=", ".join(f"last_row.{quote(f'_{i}')}" for i in range(len(names))),
                is_fresh=known.is_fresh("rest.timestamp", "candidates.available_at"),
                first=f"{literal(first)}::{clock}",
                last=f"{literal(last)}::{clock}",
            )
        )
    return target
