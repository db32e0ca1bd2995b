"""Audit: what was found out about a run, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ml4t.backtest.audit.audit_tables import AUDIT_TABLES, OF_BARS, OF_CLOCKS, AuditPart
from ml4t.backtest.audit.certificate import AuditBasis, save_certified
from ml4t.backtest.audit.reproducing.reproducer import Audited, Reproducer, leaks_of
from ml4t.backtest.audit.reproducing.reproducing import reproduce
from ml4t.backtest.data.asof.matched import clock_type_of
from ml4t.backtest.data.diagnostics.tables import Tables
from ml4t.backtest.data.sql_files import quote
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.results.store import open_store
from ml4t.backtest.results.writing import usable


class Audit(Tables):
    """A run beside runs over what was known at some of its bars.

    Attributes
    ----------
    result : BacktestResult
        The run over everything.
    is_clean : bool
        Nothing differs at any bar up to a cut, and at least one cut could be run.

    Its tables are relations, as of `BacktestResult`:

    - ``differences``: one row per cut and place; `column` of the first cell that differs, with its
      value in the whole run and in the cut one, both as text, and the source that has it.
    - ``cuts``: bar, reason, how many places differ, and why a run to it was not possible.
    - ``exhaustive``: one row per column that SQL makes, where every bar was a cut: at how many of
      `n_bars` bars it is something else than was known at them, the first of these, and `how` it
      was asked; of what was not tried `why`.
    - ``sources``: what was left out of each, by which clock; of a query each file that it reads.
      Where `why` says why nothing was, the audit says nothing of it.
    - ``inputs``: one row per source of which decisions read what had become known: how many values
      of it (`n_missing`: nothing was known), and how old they were when they were read, in days.
    - ``decision_inputs``: one row per source, bar and asset of which the run chose, ordered, or had
      a rule act (without an asset: of the market): since when what it read was known, and whether
      the source has such a row (`is_known`).
    - ``smells``: what looks wrong in the sources, or in how orders fill, though nothing proves it;
      one row per smell, source and column.
    - ``warm_up``: one row per number of bars of `history` and column, where the sources begin so
      many bars before the run: how many bars (`n_bars`, NULL: not by the last bar, `n_bars_seen`)
      until it is what it is with all history, how many rows still differ with as many bars before
      them and by how much of the larger number, and whether `first_decision` comes later.
    - ``policies``: one row per policy that was run, the run's own first: what it came to, how far
      the final equity `moved` from the own one, and whether gain and loss change places; of what
      was not run `why`.
    """

    def __init__(
        self,
        result: BacktestResult,
        bar_type: str,
        parts: Sequence[AuditPart],
        basis: AuditBasis | None = None,
        audited: Audited | None = None,
    ) -> None:
        self.result, self._basis, self._audited = result, basis, audited
        self.is_clean = all(part.is_clean for part in parts)
        database = open_store(result.timezone)
        rows = dict[str, list[tuple[object, ...]]]()
        for part in parts:
            for name, found in part.rows.items():
                rows.setdefault(name, []).extend(found)
        self._leaks = leaks_of(rows)
        many = {name: found for part in parts for name, found in part.many.items()}
        times = {OF_BARS: bar_type, OF_CLOCKS: clock_type_of(bar_type)}
        for table_of_audit, (_, fields, _) in AUDIT_TABLES.items():
            staged = f"__{table_of_audit}"
            given = many.get(table_of_audit)
            database.register(
                staged, _arrow(fields, rows.get(table_of_audit, ())) if given is None else given
            )
            items = ", ".join(
                f"cast({quote(name)} as {times[kind]}) as {quote(name)}" if kind in times
                else quote(name) for name, kind in fields.items()
            )  # fmt: skip
            database.make_table(table_of_audit, "audit/table", columns=items, source=staged)
            database.unregister(staged)
        abouts = {name: table.about for name, table in AUDIT_TABLES.items()}
        super().__init__(database, abouts, "; ".join(part.said for part in parts if part.said))

    @property
    def differs(self) -> bool:
        """Whether anything does: there is something to `reproduce`."""
        return bool(self._leaks)

    def save(self, path: str | Path, key: str | Path | None = None) -> Path:
        """Write the run to a DuckDB file, with these tables and a certificate in schema ``audit``.

        The certificate has a hash of every table of the file and of the content of every source,
        what the audit was asked for, versions, and what no audit sees; ``audit.verify`` and
        ``ml4t-backtest verify`` hold a file to it, and repeat the audit.

        Parameters
        ----------
        path : str or Path
            Ends in ``.duckdb`` or ``.db``; a saved run that stood there is replaced in one step.
        key : str or Path, optional
            A file of PEM with a private key of Ed25519, which signs. Without one anybody can write
            a file that agrees with itself.

        Returns
        -------
        Path
            Where it was written.

        Raises
        ------
        ConfigError
            It is no audit of an engine, such as what `check_fills` found; `key` is no such file;
            or `cryptography` is not installed: ``pip install 'ml4t-backtest-duckdb[sign]'``.
        ResultError
            As of `BacktestResult.save`.
        """
        if self._basis is None:
            raise ConfigError("only an audit of an engine is saved: engine.audit(...).save(path)")
        tables = {name: getattr(self, name).to_arrow_table() for name in self.tables}
        found = (self.title, self.is_clean)
        return save_certified(self.result, tables, found, self._basis, usable(path), key)

    def reproduce(self, path: str | Path, column: str | None = None) -> Reproducer:
        """Write the least data over which a difference shows, and a script that shows it.

        The first difference of ``signals`` or ``market`` is taken, and its first cell, or that of
        another asset at its bar where that takes fewer. What the column reads is searched for the
        fewest bars, assets, sources and columns of sources over which the cell, computed over all
        of them, is another than over those known at its bar. Where no view differs the run does:
        the script has strategy, rules and settings, and audits it.

        Parameters
        ----------
        path : str or Path
            A folder: new, empty, or of an earlier reproducer, which is replaced. It gets
            ``reproduce.py``, which runs alone and exits with 1 as long as the two values differ,
            ``all/`` and ``known/`` with the rows as Parquet, and of a run ``given.pickle``. What is
            the user's own is imported by module and name, or comes as its text; else the script
            says what to fill in, and exits with 2.
        column : str, optional
            Of ``signals`` or ``market``: the first difference of that.

        Returns
        -------
        Reproducer

        Raises
        ------
        ConfigError
            Nothing differs, or not in that column; the folder holds something else; what differed
            does not any more; or a strategy, rule, model or provider cannot be pickled.
        """
        if self._audited is None:
            raise ConfigError("only an audit of an engine is reproduced: engine.audit(...)")
        return reproduce(self._audited, self._leaks, path, column)


def _arrow(fields: Mapping[str, str], rows: Sequence[tuple[object, ...]]) -> Any:
    import pyarrow as pa

    each = list(zip(*rows, strict=True)) or [()] * len(fields)
    texts = {OF_BARS: "string", OF_CLOCKS: "string"}
    return pa.table({
        name: pa.array(values, pa.type_for_alias(texts.get(kind, kind)))
        for (name, kind), values in zip(fields.items(), each, strict=True)
    })  # fmt: skip
