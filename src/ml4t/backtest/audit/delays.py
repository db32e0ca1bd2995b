"""Delays: what is left of a run whose sources are known later, one of them at a time.

What lives on being told at once is worth little where news is late, and may be a leak. Of sources
with two clocks, two runs more take every value as it stands today.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ml4t.backtest.audit.audit_tables import AuditPart
from ml4t.backtest.audit.comparing import ComparedRun, differs_sql
from ml4t.backtest.audit.cuts import last_bar
from ml4t.backtest.audit.steps import Steps
from ml4t.backtest.audit.truncation import CHANCE, own_setup
from ml4t.backtest.data.asof.delays import AS_KNOWN_NOW, AT_ITS_PERIOD, require_delay
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.cut.delayed_catalog import DelayedCatalog
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sources.schema import KEYS
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import columns, quote, render, rows_of
from ml4t.backtest.data.stream.period import Bound, Period, find_period
from ml4t.backtest.errors import BacktestError, ConfigError
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.results.store import open_store
from ml4t.backtest.running import run_once
from ml4t.backtest.walking import RunSetup

if TYPE_CHECKING:
    from collections.abc import Mapping

USUAL_LAG = "usual lag"
_DAILY, _INTRADAY = ("1 bar", "5 bars", USUAL_LAG), ("1 bar", "1 day", USUAL_LAG)
# Metrics beside their differences to the run as it is.
_METRICS = ("n_trades", "total_return", "sharpe", "final_value")
_CELLS = (
    "n_signals", "n_signals_changed", "share_selections_kept", "share_orders_kept",
    *_METRICS, *(f"{name}_change" for name in _METRICS),
)  # fmt: skip
_NOT_DELAYED = {
    "prices": "a bar is what is traded at, and one later would be another market; what is computed "
    "from prices is delayed as a source of its own",
    "actions": "they happen to what is held at their ex_date, whoever knows",
    "assets": "has no clock: what it says counts from the first bar on; register it with "
    "available_at=",
    "calendar": "sessions are published ahead",
    "calendar_corrections": "sessions are published ahead",
}
_NO_LAG = (
    "says one time of a row alone, so that its usual lag is not known; register it with "
    "available_at= or lag="
)
# What an order wanted, whatever its size.
_ORDER = "created_at, asset_id, sign(quantity) as side, tag"
_SECONDS_A_DAY = 86_400


class Delayed(NamedTuple):
    """A source, and another time at which it is known.

    Attributes
    ----------
    source : Source
    delay : str
        As of `asof.delays`; empty: there is none.
    shown : str
        In the table.
    why : str
        Why there is no run.
    """

    source: Source
    delay: str = ""
    shown: str = ""
    why: str = ""


def require_delays(asked: object, catalog: Catalog) -> tuple[str, ...]:
    """Return the delays that a user asked for; True: a few that make sense for the bars.

    Raises
    ------
    ConfigError
    """
    if asked is True:
        return _INTRADAY if catalog.prepare().is_intraday else _DAILY
    if asked is False:
        return ()
    if isinstance(asked, str) or not isinstance(asked, Sequence):
        raise ConfigError(f"delays must be True or a list such as ['1 bar'], was {asked!r}")
    for delay in asked:
        if delay != USUAL_LAG:
            require_delay(delay, catalog.prepare().database)
    return tuple(asked)


def run_delayed(
    setup: RunSetup,
    whole: BacktestResult,
    bounds: tuple[Bound | None, Bound | None],
    delays: Sequence[str],
    steps: Steps,
) -> AuditPart:
    """Run once for each source and delay, and say what is left of the run as it is."""
    prepared = setup.catalog.prepare()
    period = find_period(*bounds, prepared)
    asked = [
        one for source in setup.catalog.sources()
        for one in _delays_of(source, delays, prepared.database)
    ]  # fmt: skip
    runs = [one for one in asked if one.delay]
    steps.expect(len(runs) + bool(runs))
    is_chance = False
    if runs:
        again = run_once(own_setup(setup), None, *bounds)
        is_chance = any(ComparedRun(whole).differences(again, last_bar(prepared)))
        steps.done()
    rows = []
    for one in asked:
        cells = dict.fromkeys(_CELLS)
        why = one.why or (CHANCE if is_chance else "")
        if not why:
            try:
                cells |= _run(one, own_setup(setup), whole, bounds, period)
            except BacktestError as error:
                why = f"{type(error).__name__}: {error}"
        if one.delay:
            steps.done()
        rows.append((one.source.name, one.shown or None, *cells.values(), why or None))
    return AuditPart(rows={"delays": rows}, said=_said(rows, whole["total_return"]) if runs else "")


def _delays_of(source: Source, delays: Sequence[str], database: Database) -> Iterator[Delayed]:
    has_clock = source.available_at is not None
    if source.role in _NOT_DELAYED and not (source.role == "assets" and has_clock):
        yield Delayed(source, why=_NOT_DELAYED[source.role])
        return
    for delay in delays:
        if delay != USUAL_LAG:
            yield Delayed(source, delay, delay)
            continue
        lag = _usual_lag(source, database)
        yield Delayed(
            source, lag, f"{USUAL_LAG}: {lag}" if lag else USUAL_LAG, "" if lag else _NO_LAG
        )
    if has_clock:
        yield Delayed(source, AS_KNOWN_NOW, AS_KNOWN_NOW)
        if source.spec.times:
            yield Delayed(source, AT_ITS_PERIOD, AT_ITS_PERIOD)


def _usual_lag(source: Source, database: Database) -> str:
    """Return how long after its period a row of a source is known, mostly; empty: not known."""
    if source.lag is not None:
        return source.lag
    if source.available_at is None or not source.spec.times:
        return ""
    query = render(
        "audit/usual_lag", source=f"main.{quote(source.name)}", period=source.spec.times[0]
    )
    seconds = database.rows(query)[0][0]
    if seconds is None or seconds < 1:
        return ""
    if seconds < _SECONDS_A_DAY:
        return f"{round(seconds)} seconds"
    n_days = round(seconds / _SECONDS_A_DAY)
    return f"{n_days} day{'s' * (n_days > 1)}"


def _run(
    one: Delayed,
    setup: RunSetup,
    whole: BacktestResult,
    bounds: tuple[Bound | None, Bound | None],
    period: Period,
) -> Mapping[str, object]:
    base, setup.catalog = setup.catalog, DelayedCatalog(setup.catalog, one.source.name, one.delay)
    views = base.prepare(), setup.catalog.validate()
    n_signals, n_changed = _changed(one.source.name, *views, period)
    # What says nothing else at any bar cannot change a run; rates are in no view.
    may_differ = n_changed or one.source.spec.is_asked_at_bars
    found = run_once(setup, None, *bounds) if may_differ else whole
    cells: dict[str, object] = {"n_signals": n_signals, "n_signals_changed": n_changed}
    cells |= {
        "share_selections_kept": _share_kept("selections", "timestamp, asset_id", whole, found),
        "share_orders_kept": _share_kept("orders", _ORDER, whole, found),
    }
    for name in _METRICS:
        mine, theirs = found[name], whole[name]
        cells[name] = mine
        known = mine is not None and theirs is not None
        cells[f"{name}_change"] = mine - theirs if known else None
    return cells


def _changed(name: str, whole: Prepared, other: Prepared, period: Period) -> tuple[int, int]:
    """Return how many rows of the bars have columns of a source, and how many are different."""
    n_rows = n_changed = 0
    for view, keys, known in (
        ("signals", KEYS, whole.per_asset), ("market", KEYS[:1], whole.market)
    ):  # fmt: skip
        own = [column for one in known if one.source == name for column in one.columns]
        own += ["is_member"] * (name == "universe" and view == "signals")
        if not own:
            continue
        query = render(
            "audit/values_at_bars", view=view, columns=columns([*keys, *own]),
            first_t=str(period.first_t), last_t=str(period.last_t),
        )  # fmt: skip
        database = open_store()
        for side, each in (("whole", whole), ("cut", other)):
            database.register(f"of_{side}", each.database.sql(query).to_arrow_table())
        kinds = database.schema(rows_of("of_whole"))
        sides = {side: rows_of(f"of_{side}") for side in ("whole", "cut")}
        differs = (differs_sql(column, kinds[column], sides["whole"]) for column in own)
        joined = " and ".join(f"whole.{quote(key)} = cut.{quote(key)}" for key in keys)
        found = database.rows(
            render("audit/changed_values", joined=joined, differs=" or ".join(differs), **sides)
        )
        n_rows, n_changed = n_rows + found[0][0], n_changed + found[0][1]
    return n_rows, n_changed


def _share_kept(
    table: str, items: str, whole: BacktestResult, other: BacktestResult
) -> float | None:
    database = open_store()
    for side, run in (("whole", whole), ("cut", other)):
        database.register(f"{table}_of_{side}", getattr(run, table).to_arrow_table())
    sides = {side: f"{table}_of_{side}" for side in ("whole", "cut")}
    share: float | None = database.rows(render("audit/share_kept", items=items, **sides))[0][0]
    return share


def _said(rows: Sequence[tuple[object, ...]], as_it_is: float) -> str:
    place = 2 + _CELLS.index("total_return")
    found = [(value, row[0], row[1]) for row in rows if isinstance(value := row[place], float)]
    if not found:
        return "no delayed run could be compared"
    least, source, delay = min(found, key=lambda one: one[0])
    return (
        f"{len(found)} delayed runs: total return {as_it_is:.1%} as it is, at the least "
        f"{least:.1%}, with {source} at {delay}"
    )
