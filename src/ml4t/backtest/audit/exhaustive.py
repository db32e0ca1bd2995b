"""Exhaustive: every bar as a cut, for all that SQL computes.

1. `stages` has the columns of each source, and the windows of a strategy, as queries of a bar.
2. `at_bars` asks them at all bars: many in one statement, or one by one where DuckDB does not take
   a query apart, and over sources made anew for each where a query cannot be written out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from ml4t.backtest.audit.at_bars import AtBars, Bars, Differing, added
from ml4t.backtest.audit.audit_tables import AuditPart
from ml4t.backtest.audit.cuts import last_bar
from ml4t.backtest.audit.reproducing.reproducer import counted
from ml4t.backtest.audit.stages import HISTORY, SqlStage, stages_of
from ml4t.backtest.audit.steps import Steps
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.cut.cut_bar import FOREVER
from ml4t.backtest.data.cut.each_catalog import EachCatalog
from ml4t.backtest.data.database import EngineError
from ml4t.backtest.data.sql_files import read
from ml4t.backtest.data.stream.period import Period
from ml4t.backtest.errors import BacktestError
from ml4t.backtest.walking import RunSetup

# Rows of prices that bars of one statement have behind them, all taken together.
KNOWN_AT_ONCE = 1_000_000
# Bars of history that are tried first, one after the other: what a column is by these alone was
# known, and most columns need no more.
OFTEN_ENOUGH = (32, 256)
# Bars of a column that differs with a little history, at which all history is asked.
ASKED_AGAIN = 8
# Columns that the title names.
MOST_NAMED = 3
TOGETHER, ONE_BY_ONE = "many bars in one query", "a query for each bar"
ANEW = "all sources anew for each bar"
AskAt = Callable[[Bars, Sequence[str]], dict[str, Differing]]


class Tick(NamedTuple):
    """A bar, and how many rows of prices there are up to it."""

    t: int
    text: str
    n_rows: int


class StageFound(NamedTuple):
    """What was found of the columns of a stage.

    Attributes
    ----------
    found : mapping of str to Differing
        By column; under an empty name rows that one side alone has.
    how : str
        Whether many bars were asked about at once.
    n_first : mapping of str to int
        Rows of a column that differ at the first bar at which any does.
    counted : collection of str
        Columns whose bars were counted with a little history, for they differ with all of it too.
    why : str
        Why nothing could be asked; empty: it could.
    """

    found: Mapping[str, Differing] = {}
    how: str = ""
    n_first: Mapping[str, int] = {}
    counted: Collection[str] = ()
    why: str = ""


def audit_each_bar(setup: RunSetup, period: Period, steps: Steps) -> AuditPart:
    """Take every bar of a run as a cut; return the table ``exhaustive``, and its first bars."""
    whole = setup.catalog.prepare()
    each = EachCatalog(setup.catalog, last_bar(whole))
    why_not = {one.name: why for one in each.sources() if (why := each.not_computed(one))}
    ticks = [Tick(*row) for row in whole.database.rows(read("audit/rows_by_bar"))]
    n_bars = period.last_t + 1 - period.first_t
    rows, found = list[tuple[object, ...]](), list[tuple[object, ...]]()
    for stage in stages_of(setup, period, whole, each):
        why = why_not.get(stage.source, "")
        tried = StageFound(why=why) if why else _tried(stage, whole, each, ticks, period, steps)
        for name in stage.names:
            column, source = stage.said or name, stage.source or None
            if tried.why:
                rows.append((stage.place, column, source, *(None,) * 8, tried.why))
                continue
            one = tried.found.get(name, Differing())
            first = one.first or (None,) * 4
            if name or one.bars:
                counts = (n_bars, len(one.bars), one.n_rows)
                how = tried.how
                how += f", {OFTEN_ENOUGH[-1]} bars of history" if name in tried.counted else ""
                rows.append((stage.place, column, source, *counts, *first, how, None))
            if one.first is not None:
                bar, n_rows = one.first.bar, tried.n_first[name]
                found.append((bar, stage.place, column, n_rows, *first, source))
    is_clean = not found and any(row[-1] is None for row in rows)
    return AuditPart({"exhaustive": rows, "differences": found}, _said(rows, n_bars), is_clean)


def _said(rows: Sequence[tuple[object, ...]], n_bars: int) -> str:
    tried = [row for row in rows if row[-1] is None]
    unlike = [
        f"{row[1] or 'rows'} (at {counted(n, 'bar')}, first {row[6]})"
        for row in tried if isinstance(n := row[4], int) and n
    ]  # fmt: skip
    said = f"exhaustive: {counted(len(tried), 'column')} at each of {counted(n_bars, 'bar')}, "
    more = ", ..." if len(unlike) > MOST_NAMED else ""
    if not unlike:
        said += "no difference"
    else:
        verb = "differs" if len(unlike) == 1 else "differ"
        said += f"{len(unlike):,} {verb}: {', '.join(unlike[:MOST_NAMED])}{more}"
    n_not = len(rows) - len(tried)
    return said + (f", {n_not:,} more not tried" if n_not else "")


def _tried(
    stage: SqlStage,
    whole: Prepared,
    each: EachCatalog,
    ticks: Sequence[Tick],
    period: Period,
    steps: Steps,
) -> StageFound:
    """Ask for the columns of a stage at every bar, in the first way that can be had."""
    at_bars, why = AtBars(stage, whole, each), ""
    ways = {TOGETHER: at_bars.together, ONE_BY_ONE: at_bars.one_by_one}
    if stage.place != HISTORY:
        ways = (
            {ANEW: at_bars.anew} if stage.source in each.dropped else {**ways, ANEW: at_bars.anew}
        )
    often = [n for n in OFTEN_ENOUGH if 2 * n < len(ticks)]
    for how, ask in ways.items():
        histories = [len(ticks)] if how == ANEW else [*often, len(ticks)]
        alone = at_bars.anew if how == ANEW else at_bars.one_by_one
        try:
            found, counted = _over(ask, stage.names, ticks, period, histories, steps)
            n_first = dict[str, int]()
            for name in [name for name, one in found.items() if one.bars]:
                at_first = _at_some(alone, found[name], name, ticks, 1)
                n_first[name] = at_first.n_rows
                found[name] = found[name]._replace(first=at_first.first or found[name].first)
        except (BacktestError, EngineError) as error:  # as of a query that draws a sample
            why = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            steps.catch_up()
            continue
        # DuckDB may take a query apart wrongly: then its first bar says so.
        if how != TOGETHER or all(n_first.values()):
            return StageFound(found, how, n_first, counted)
    return StageFound(why=why)


def _over(
    ask: AskAt,
    names: Sequence[str],
    ticks: Sequence[Tick],
    period: Period,
    histories: Sequence[int],
    steps: Steps,
) -> tuple[dict[str, Differing], set[str]]:
    """Ask about all bars: with a little history, and with more where that is not enough.

    Where a column differs with all history too, at every one of some bars that are asked again, its
    bars are counted with a little: of a plain leak all would be asked, which takes the longest.
    """
    left, found = set(ticks[period.bars]), dict[str, Differing]()
    counted = dict[str, Differing]()
    for history in histories:
        batches = list(_batches(sorted(left), ticks, history))
        steps.expect(len(batches))
        found = dict[str, Differing]()
        for bars in batches:
            found = added(found, ask(bars, names))
            steps.done()
        if history == OFTEN_ENOUGH[-1]:
            for name in [name for name, one in found.items() if one.bars]:
                n_asked = min(ASKED_AGAIN, len(found[name].bars))
                if len(_at_some(ask, found[name], name, ticks, n_asked).bars) == n_asked:
                    counted[name] = found.pop(name)
        names = [name for name in found if found[name].bars]
        texts = {text for name in names for text in found[name].bars}
        left = {tick for tick in left if tick.text in texts}
    return {**found, **counted}, set(counted)


def _at_some(ask: AskAt, one: Differing, name: str, ticks: Sequence[Tick], n: int) -> Differing:
    """Return what is found with all history at some bars at which a column differs, the first too.

    The last is one of several.
    """
    texts = set(one.bars)
    bars = [tick for tick in ticks if tick.text in texts]
    some = [bars[(len(bars) - 1) * i // max(n - 1, 1)] for i in range(n)]
    return ask(_bars_of(some, ticks, len(ticks)), [name])[name]


def _batches(left: Sequence[Tick], ticks: Sequence[Tick], history: int) -> Iterator[Bars]:
    """Yield bars, as many at a time as there is room for what was known at them."""
    some, n_rows = list[Tick](), 0
    for tick in left:
        since = max(0, (some or [tick])[0].t - history)
        n_known = tick.n_rows - (ticks[since - 1].n_rows if since else 0)
        if some and n_rows + n_known > KNOWN_AT_ONCE:
            yield _bars_of(some, ticks, history)
            some, n_rows = [], 0
        some.append(tick)
        n_rows += n_known
    if some:
        yield _bars_of(some, ticks, history)


def _bars_of(some: Sequence[Tick], ticks: Sequence[Tick], history: int) -> Bars:
    since = some[0].t - history
    ts, texts, _ = zip(*some, strict=True)
    return Bars(ts, texts, ticks[since].text if since > 0 else FOREVER)
