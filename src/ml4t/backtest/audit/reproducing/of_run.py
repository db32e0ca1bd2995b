"""A run that differs: the least piece over which it does though no column of a source differs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from textwrap import fill

from ml4t.backtest.audit.comparing import ComparedRun, Found
from ml4t.backtest.audit.reproducing.files import WHOLE_FOLDER, catalog_over
from ml4t.backtest.audit.reproducing.own_code import OwnCode
from ml4t.backtest.audit.reproducing.reproducer import THE_RUN, Audited, Leak, Reproducer, counted
from ml4t.backtest.audit.reproducing.scripts import GIVEN_FILE, SCRIPT, run_script
from ml4t.backtest.audit.reproducing.sides import (
    Sides,
    assets_first,
    bar_number,
    known_of,
    least_piece,
    rows_in,
)
from ml4t.backtest.audit.truncation import own_setup
from ml4t.backtest.audit.waiting import Waited, compare_waiting, waited
from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.cut.cut_bar import CutBar
from ml4t.backtest.data.cut.cut_catalog import CutCatalog
from ml4t.backtest.data.cut.piece import Piece, grid_of
from ml4t.backtest.data.stream.period import Bound, find_period
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.pauses import Pauses
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.running import run_once


def reproduce_run(audited: Audited, leak: Leak, folder: Path) -> Reproducer:
    """Write the least piece over which a run differs, and the script that audits it."""
    ends, catalog = leak.is_poisoned, audited.setup.catalog
    grid = grid_of(catalog.prepare())
    here, cut = (bar_number(text, catalog, grid) for text in (leak.found.bar, leak.cut))
    sides = Sides(catalog, grid, grid.bar(cut), audited.seed if ends else None)

    def over(sides: Sides, piece: Piece) -> bool:
        both = sides.whole(piece), sides.known(piece)
        return any(run_differences(audited, both, sides.at, ends=ends))

    begin = min(here, cut), assets_first(sides, leak.found.asset_id)
    whole_folder = folder / WHOLE_FOLDER
    least_found = least_piece(sides, over, lambda *_: over, begin, ("prices", ""), whole_folder)
    if least_found is None:
        raise ConfigError(
            f"the run differed in {leak.found.place} at {leak.found.bar}, and does not when it is "
            "asked for again; it may keep something outside of itself"
        )
    written, at = least_found.sources, least_found.at
    whole = catalog_over(written, whole_folder, catalog.timezone)
    both = whole, known_of(whole, at, sides.seed)
    first = next(run_differences(audited, both, at, ends=ends), None)
    if first is None:
        raise ConfigError(
            "the run differs over the sources, and not over files with the same rows, which a "
            "script could read; it may depend on their names or their order"
        )
    prepared = whole.prepare()
    least = Reproducer(
        script=folder / SCRIPT, place=first.place, column=first.column, bar=first.bar,
        asset_id=first.asset_id, whole=first.whole, known=first.cut, cause=THE_RUN,
        sources=tuple(one.name for one in written),
        n_bars=prepared.n_bars, n_assets=prepared.n_assets, n_rows=rows_in(whole_folder),
        n_tries=least_found.n_tries,
    )  # fmt: skip
    own = OwnCode()
    (folder / GIVEN_FILE).write_bytes(given_of(audited, own))
    asked: dict[str, object] = {"cuts": max(prepared.n_bars - 2, 1)}
    if leak.is_poisoned:
        asked |= {"poison": True, "seed": audited.seed}
    text = run_script(_says(least), written, own, catalog.timezone, asked)
    least.script.write_text(text, encoding="utf-8")
    return least


def run_differences(
    audited: Audited, catalogs: tuple[Catalog, CutCatalog], at: CutBar, *, ends: bool
) -> Iterator[Found]:
    """Yield what differs up to a bar of runs over two catalogs, what waits there first.

    Nothing at the ends of a run, where an audit has no cut.

    Parameters
    ----------
    ends : bool
        The second run ends with the bar, with later ones in memory.
    """
    whole, known = catalogs
    prepared = whole.validate()
    t = bar_number(at.text, whole, grid_of(prepared))
    period = find_period(*audited.bounds, prepared)
    if not period.first_t < t < period.last_t:
        return
    t -= period.first_t
    one, waits = _run(audited, whole, audited.bounds[1], Pauses((t,)))
    other, also = _run(audited, known, None, Pauses((t,), ends=ends))
    yield from compare_waiting(waits, also, at.text)
    yield from ComparedRun(one).differences(other, at)


def _run(
    audited: Audited, catalog: Catalog, end: Bound | None, pauses: Pauses
) -> tuple[BacktestResult, list[Waited]]:
    """Return a run over a catalog, and what waits after the bar at which it pauses."""
    setup, (t,) = own_setup(audited.setup), pauses.ts
    setup.catalog = catalog
    run = run_once(setup, None, audited.bounds[0], end, pauses)
    return run, waited(pauses.waiting[t], t, catalog.axes().asset_ids.tolist())


def given_of(audited: Audited, own: OwnCode) -> bytes:
    """Return the arguments of the engine but its sources, pickled."""
    setup = own_setup(audited.setup)
    start, end = (None if one is None else one.text for one in audited.bounds)
    arguments = {
        "strategy": setup.strategy, "risk_manager": setup.risk_manager, "config": setup.config,
        "initial_capital": setup.initial_capital, "periods_per_year": setup.periods_per_year,
        "sessions_per_year": setup.sessions_per_year, "start": start, "end": end,
        "benchmark": setup.benchmark, "risk_free": setup.risk_free, "evidence": setup.evidence,
    }  # fmt: skip
    try:
        return own.pickled(arguments)
    except Exception as error:  # whatever the user's own objects raise
        raise ConfigError(
            f"a script gets copies of strategy, rules, models and provider, and one cannot be "
            f"pickled: {error}; open locks, files and connections when a run starts, in on_start"
        ) from error


def _says(least: Reproducer) -> str:
    """Return what the script says of itself."""
    where = f" of {least.asset_id}" if least.asset_id else ""
    about = (
        f"`{WHOLE_FOLDER}/` has the fewest rows over which that shows: {least.n_rows:,}, of "
        f"{counted(least.n_bars, 'bar')} and {counted(least.n_assets, 'asset')}. No column of a "
        "source differs: the strategy, a rule, a limit, a model or a provider knows what came "
        f"later. `{GIVEN_FILE}` has them, pickled. The run is audited over those rows, and as "
        "long as it differs this script exits with 1; with 2 where it cannot be run."
    )
    head = f"{least.place} at {least.bar}{where} is decided by later rows."
    return f"{head}\n\n{fill(about, 96)}\n"
