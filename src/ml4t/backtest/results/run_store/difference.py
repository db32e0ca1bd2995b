"""Difference: which rows of two runs differ, and from which bar on."""

from __future__ import annotations

from collections.abc import Mapping

from ml4t.backtest.data.database import Relation
from ml4t.backtest.data.sql_files import all_of, columns, literal, quote, render, rows_of, table_of
from ml4t.backtest.errors import ResultError, did_you_mean
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.results.run_store.comparison import differing
from ml4t.backtest.results.run_store.entry import parameters_of
from ml4t.backtest.results.store import open_store
from ml4t.backtest.results.table import BAR, ID, ID_OR_NONE
from ml4t.backtest.results.tables import TABLES

# Numbers of rows: one more order moves those of all that come later.
ROW_NUMBERS = frozenset(
    column.name
    for table in TABLES.values()
    for column in table.columns
    if column.kind in (ID, ID_OR_NONE)
)
# What is compared, in the order in which a bar makes it, and the time of a row.
COMPARED = {
    name: next(column.name for column in TABLES[name].columns if column.kind is BAR)
    for name in ("signals", "decisions", "selections", "orders", "fills", "trades", "cash_flows",
                 "positions", "equity", "benchmark")
}  # fmt: skip
# Of these a row is known at its time. A trade or an order has that of its begin, and may differ by
# what came of it later.
AT_ITS_BAR = tuple(name for name in COMPARED if name not in ("orders", "trades"))
_COUNTS, _EQUITY = "tables", "equity_of_both"


class Difference:
    """What differs between two runs; rows are compared exactly, but for their numbers.

    Parameters
    ----------
    runs : mapping of str to BacktestResult
        Two, under the names by which `run` tells their rows apart.

    Attributes
    ----------
    first_bar : date, datetime or None
        The first at which anything differs that is known at its bar; None: nothing does.
    first_equity : date, datetime or None
        The first at which the equity differs.
    parameters : list of tuple
        Settings, versions and data that differ: name, then the text of each run, None where it
        has none.
    tables : Relation
        Per table how many rows one run alone has, and the time of the first.
    equity : Relation
        The bars at which the equity differs, both values, and the second less the first.

    ``signals decisions selections orders fills trades cash_flows positions benchmark`` are
    relations too, of the rows that one run has and the other has not, with its name in `run`.

    Raises
    ------
    ResultError
        They are not two.
    """

    def __init__(self, runs: Mapping[str, BacktestResult]) -> None:
        if len(runs) != 2:
            raise ResultError(f"a difference is of two runs, was of {len(runs)}")
        self.one, self.other = runs
        self._database = open_store()
        names = {"one": self.one, "other": self.other}
        counts = []
        for table, time in COMPARED.items():
            held = [getattr(run, table) for run in runs.values()]
            for place, rows in zip(names, held, strict=True):
                self._database.register(f"{table}_of_{place}", rows.to_arrow_table())
            asset = [name for name in ("asset_id",) if name in held[0].columns]
            shared = [
                name for name in held[0].columns
                if name in held[1].columns and name not in ("run_id", *ROW_NUMBERS)
            ]  # fmt: skip
            of_both = {place: f"{table}_of_{place}" for place in names}
            keys = columns(dict.fromkeys([time, *asset, "run", *shared]))
            rows = render("run_store/different_rows", columns=columns(shared), keys=keys, **of_both)
            self._database.execute(table_of(table, rows), names)
            counts.append(
                render("run_store/different_counts", label=literal(table), time=time, source=table)
            )
        equity = render(
            "run_store/different_equity",
            one="equity_of_one", other="equity_of_other",
            one_name=quote(self.one), other_name=quote(self.other),
        )  # fmt: skip
        self._database.execute(table_of(_EQUITY, equity))
        self._database.execute(table_of(_COUNTS, all_of(counts)), names)
        for table in COMPARED:
            for place in names:
                self._database.unregister(f"{table}_of_{place}")
        self._database.lock()
        self.parameters = differing({name: parameters_of(run) for name, run in runs.items()})
        self._first = {table: first for table, *_, first in self.tables.fetchall() if first}
        self.first_bar = min(
            (first for table, first in self._first.items() if table in AT_ITS_BAR), default=None
        )
        bars = self.equity.limit(1).fetchall()
        self.first_equity = bars[0][0] if bars else None

    def __getattr__(self, name: str) -> Relation:
        known = {**{table: table for table in COMPARED}, "tables": _COUNTS, "equity": _EQUITY}
        if name in known and "_database" in vars(self):
            return self._database.reader().sql(rows_of(known[name]))
        raise AttributeError(f"a difference has no {name!r}{did_you_mean(name, known)}")

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *COMPARED, _COUNTS})

    @property
    def is_equal(self) -> bool:
        """Whether both runs have the same rows."""
        return not self._first

    def __repr__(self) -> str:
        if self.is_equal:
            return f"<Difference of {self.one} and {self.other}: none>"
        found = ", ".join(
            f"{n_one + n_other:,} rows of {table}"
            for table, n_one, n_other, _ in self.tables.fetchall()
            if n_one + n_other
        )
        return f"<Difference of {self.one} and {self.other} from {self.first_bar} on: {found}>"
