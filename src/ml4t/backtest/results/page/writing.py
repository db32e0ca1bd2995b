"""Writing: the offline page of a run.

1. `gathering.gather_figure` asks every figure, `trust.claims` what can be said of the run.
2. `shown` and `laying` make HTML: what is text is there before any script has run, and without one.
3. `packing.Packed` holds the rows of what is drawn, `assembling.assembled` makes one file of it.
"""

from __future__ import annotations

from pathlib import Path

from ml4t.backtest.data.database import Database, interruptible
from ml4t.backtest.data.sql_files import rows_of
from ml4t.backtest.results.page.binding import bind_page
from ml4t.backtest.results.page.embedding import HEADING, asking_html, embedded
from ml4t.backtest.results.page.figure import Format
from ml4t.backtest.results.page.figures import FIGURES
from ml4t.backtest.results.page.gathering import gather_figure, pack_paths
from ml4t.backtest.results.page.laying import figure_html
from ml4t.backtest.results.page.packing import Packed
from ml4t.backtest.results.page.shown import text_of, trust_html
from ml4t.backtest.results.page.trust import Trials, claims, sources_shown
from ml4t.backtest.results.summary import Summarised, run_facts


@interruptible
def write_page(
    run: Summarised,
    database: Database,
    path: Path,
    *,
    trials: Trials | None = None,
    with_sql: bool = False,
) -> None:
    """Write the page of a run; see `BacktestResult.report`.

    Parameters
    ----------
    database : Database
        The tables of the run.
    trials : Trials, optional
        What a store of runs knows beside it.
    with_sql : bool
        Whether the run itself is in the page, with what reads it.
    """
    inside = embedded(database) if with_sql else None
    packed = Packed()
    gathered = [gather_figure(run, figure, database.timezone) for figure in FIGURES.values()]
    paths, left_out = pack_paths(database, packed)
    sections: dict[str, list[str]] = {}
    for one in gathered:
        note = left_out if one.figure.is_picked else one.note
        sections.setdefault(one.figure.section, []).append(figure_html(one, note))
    sections["Trust"] = trust_html(
        claims(run, trials), sources_shown(run), "".join(sections["Trust"])
    )
    if inside is not None:
        sections[HEADING] = [asking_html()]
    ((run_id,),) = run.sql(rows_of("runs", "run_id")).fetchall()
    first, last = (text_of(run[f"{one}_timestamp"], Format.TIME) for one in ("first", "last"))
    bind_page(
        path,
        sections,
        gathered,
        title=f"Run {run_id}",
        period=f"{first} to {last}, {run['n_bars']:,} bars",
        strategy=str(run_facts(run)["configuration"]["strategy"]),
        made=f"Made from the tables of the run. Times are those of {database.timezone}.",
        packed=packed,
        paths=paths,
        embedded=inside,
    )
