"""Warm-up: from how many bars on the columns are what they would be with all history.

1. The sources begin at some bar, and everything is computed anew from there.
2. Every column of ``signals`` and ``market`` is compared with the same of all history.
3. The last bar at which one differs says how many bars before a decision it needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ml4t.backtest.audit.audit_tables import AuditPart
from ml4t.backtest.audit.comparing import (
    batched,
    differs_sql,
    items_of,
)
from ml4t.backtest.audit.cuts import REASONS, left_ends
from ml4t.backtest.audit.steps import Steps
from ml4t.backtest.audit.unlike import KEYS_OF_VIEWS, unlike_columns
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.cut.cut_bar import CutBar
from ml4t.backtest.data.cut.cut_catalog import CutCatalog
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sql_files import quote, read, render, rows_of
from ml4t.backtest.data.stream.period import Period
from ml4t.backtest.errors import BacktestError, ConfigError, require_list, require_whole
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.results.store import open_store

# A month, a quarter and a year of daily bars.
USUAL_HISTORY = (20, 60, 252)
_NUMBERS = ("DOUBLE", "FLOAT", "DECIMAL", "HUGEINT", "BIGINT", "INTEGER", "SMALLINT", "TINYINT")
_GIVEN = "came as it is: what it was computed from was not cut"
_NO_ROOM = "there are {n} bars, so that none has as many before it and one behind it"


class Warmth(NamedTuple):
    """How a column of a cut catalog comes to agree with that of all history.

    Attributes
    ----------
    place, column : str
    n_bars : int or None
        Bars of history that it needs: from so many bars after the cut on it agrees at every bar.
        None: it differs at the last bar.
    n_rows : int
        Rows that differ though they have the history that was asked about.
    largest : float or None
        The largest difference among them, of the larger number.
    """

    place: str
    column: str
    n_bars: int | None
    n_rows: int = 0
    largest: float | None = None


class Beginning(NamedTuple):
    """The first decision of a run.

    Attributes
    ----------
    t : int
        Its bar, which has so many before it.
    text : str
    """

    t: int
    text: str


def require_history(value: object) -> tuple[int, ...]:
    """Return numbers of bars, ascending; True stands for the usual ones.

    Raises
    ------
    ConfigError
        It is no list of whole numbers of at least 1.
    """
    if isinstance(value, bool):
        return USUAL_HISTORY if value else ()
    if isinstance(value, str):
        raise ConfigError(f"warm_up must be True or numbers of bars, was {value!r}")
    asked = require_list("warm_up", value, "numbers of bars")
    return tuple(sorted({require_whole("warm_up", one, least=1) for one in asked}))


def audit_warm_up(
    catalog: Catalog,
    period: Period,
    whole: BacktestResult,
    history: Sequence[int],
    steps: Steps,
) -> AuditPart:
    """Cut history on the left, once for each number of bars; return the table ``warm_up``.

    A cut is so many bars before the first one of the run or, where there are not as many, so many
    bars behind the first of all.
    """
    prepared = catalog.prepare()
    bars, given = left_ends(prepared), _given(catalog, prepared)
    began = _beginning(whole, bars, period)
    rows: list[tuple[object, ...]] = []
    steps.expect(len(history))
    for n in history:
        t = period.first_t - n if period.first_t > n else n
        if t >= len(bars) - 1:
            rows.append((n, *(None,) * 9, _NO_ROOM.format(n=len(bars))))
        else:
            rows += _rows(catalog, prepared, bars[t], n, len(bars) - t, began, given)
        steps.done()
    return AuditPart({"warm_up": rows}, _said(rows))


def _beginning(whole: BacktestResult, bars: Sequence[CutBar], period: Period) -> Beginning:
    """Return the first bar at which anything was ordered, else the first of the run."""
    found = whole.sql(read(REASONS["first decision"])).fetchall()
    first = bars[period.first_t]
    t = next((one.t for one in bars if found and one.text == found[0][0]), first.t)
    return Beginning(t, bars[t].text)


def _given(catalog: Catalog, prepared: Prepared) -> Mapping[str, str]:
    """Return why the columns of files and frames say nothing of their history."""
    made = {
        one.name for one in catalog.sources()
        if one.function is not None or (isinstance(one.given, str) and not one.is_files)
    }  # fmt: skip
    names = (*prepared.signal_columns, *prepared.market_columns)
    return {name: _GIVEN for name in names if prepared.source_of(name) not in made}


def _rows(
    catalog: Catalog,
    prepared: Prepared,
    bar: CutBar,
    n: int,
    n_seen: int,
    began: Beginning,
    given: Mapping[str, str],
) -> list[tuple[object, ...]]:
    """Return one row per column, for a cut."""
    try:
        found = agreements(prepared, CutCatalog(catalog, bar).validate(), bar, n)
    except BacktestError as error:
        why = f"{type(error).__name__}: {error}"
        return [(n, bar.text, *(None,) * 8, why)]
    rows: list[tuple[object, ...]] = []
    for one in found:
        is_cold = one.n_bars is None or began.t < one.n_bars
        told = given.get(one.column) if one.n_bars == 0 else None
        is_warm = None if told else not is_cold
        rows.append((
            n, bar.text, one.place, one.column, one.n_bars, n_seen, one.n_rows, one.largest,
            began.text, is_warm, told,
        ))  # fmt: skip
    return rows


def agreements(whole: Prepared, cut: Prepared, bar: CutBar, n: int) -> list[Warmth]:
    """Compare every column of two catalogs from a bar on.

    Parameters
    ----------
    whole, cut : Prepared
        Over all history, and from the bar on.
    bar : CutBar
    n : int
        Bars of history that are asked about.
    """
    found: list[Warmth] = []
    for view in KEYS_OF_VIEWS:
        unlike = unlike_columns(whole, cut, view, bar)
        found += [Warmth(view, name, 0) for name, differs in unlike if not differs]
        for some in batched([name for name, differs in unlike if differs]):
            database = open_store()
            for side, prepared in (("whole", whole), ("cut", cut)):
                cells = render(
                    "audit_warm_up/side", view=view, columns=items_of(whole, prepared, view, some),
                    known=bar.keeps("timestamp"),
                )  # fmt: skip
                database.register(side, prepared.database.sql(cells).to_arrow_table())
            found += [_measured(database, view, name, bar, n, whole.n_bars - 1) for name in some]
    return found


def _measured(database: Database, view: str, name: str, bar: CutBar, n: int, last_t: int) -> Warmth:
    """Return how a column agrees, of the two sides that a database has."""
    kind, gap = database.schema(rows_of("whole"))[name], "null::double"
    if kind.startswith(_NUMBERS):
        one, other = (f"{side}.{quote(name)}::double" for side in ("whole", "cut"))
        gap = f"abs({one} - {other}) / greatest(abs({one}), abs({other}))"
    query = render(
        "audit_warm_up/agreement", whole="whole", cut="cut", gap=gap,
        differs=differs_sql(name, kind, rows_of("whole")),
        joined=" and ".join(f"whole.{key} = cut.{key}" for key in KEYS_OF_VIEWS[view]),
    )  # fmt: skip
    ((differs_t, n_rows, largest),) = database.rows(query, {"since_t": bar.t + n})
    if differs_t is None:
        return Warmth(view, name, 0)
    n_bars = None if differs_t == last_t else differs_t + 1 - bar.t
    return Warmth(view, name, n_bars, n_rows, largest)


def _said(rows: Sequence[tuple[object, ...]]) -> str:
    """Return what a title has of the rows."""
    by_column: dict[tuple[object, object], list[tuple[object, ...]]] = {}
    for row in rows:
        if row[3] is not None:
            by_column.setdefault((row[2], row[3]), []).append(row)
    if not by_column:
        return "warm-up: nothing could be compared"
    need = [one for each in by_column.values() for row in each if isinstance(one := row[4], int)]
    never = [name for (_, name), each in by_column.items() if each[-1][4] is None]
    cold = [name for (_, name), each in by_column.items() if any(row[9] is False for row in each)]
    said = f"warm-up: columns need up to {max(need, default=0):,} bars"
    said += f"; never as with all history: {', '.join(map(str, never))}" if never else ""
    told = f"not warm at the first decision: {', '.join(map(str, cold))}"
    return f"{said}; {told if cold else 'all are warm at the first decision'}"
