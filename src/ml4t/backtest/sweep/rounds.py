"""Rounds: trials that walk side by side through bars that are read and ranked once for all.

A trial that fails ends there, with its error; the others go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from ml4t.backtest.core.batch import Chunk
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.stream.jumps import JumpWatch
from ml4t.backtest.data.stream.period import Bound, find_period
from ml4t.backtest.data.stream.shared import AskedOfChunks, BarReading, SharedChunks
from ml4t.backtest.engine import BacktestEngine
from ml4t.backtest.interpreter import two_threads
from ml4t.backtest.planning import likely
from ml4t.backtest.results.evidence.fill_volumes import FillVolumes
from ml4t.backtest.results.many_runs import EndedRun, ManyRuns
from ml4t.backtest.results.report.metric_views import METRICS
from ml4t.backtest.results.staging import Reading
from ml4t.backtest.results.tables import FILLS
from ml4t.backtest.running import (
    Ran,
    add_volumes,
    add_volumes_of,
    configuration_of,
    facts_of_all,
    late_of,
    planned,
    record_facts,
    selected_facts,
)
from ml4t.backtest.session import Market
from ml4t.backtest.strategy.handlers import require_fresh
from ml4t.backtest.walking import Walking, market_of

if TYPE_CHECKING:
    from pyarrow import Table as ArrowTable

    from ml4t.backtest.results.keeping.run_tables import RunTables
    from ml4t.backtest.results.run_store.entry import Keepable

Bounds = tuple[Bound | None, Bound | None]


class Detail(StrEnum):
    """What is kept of a trial: its metrics, its returns bar by bar too, or all of its tables."""

    METRICS = "metrics"
    RETURNS = "returns"
    TABLES = "tables"

    @property
    def has_returns(self) -> bool:
        """Whether its returns are kept."""
        return self is not Detail.METRICS


@dataclass(slots=True)
class Tried:
    """A trial that has ended.

    Attributes
    ----------
    number : int
        Of the trial in its sweep.
    run_id : str or None
        Of the run; None where it did not end.
    seconds : float
        Of the clock, with its share of what was done for all of the round.
    error : Exception or None
        What ended it before its last bar.
    row : Arrow table or None
        Its metrics, one row, and its returns as lists, where they are asked for.
    kept : Keepable or None
        What a store keeps of it, where all of its tables are asked for.
    """

    number: int
    run_id: str | None = None
    seconds: float = 0.0
    error: Exception | None = None
    row: ArrowTable | None = None
    kept: Keepable | None = None


class KeptTrial(NamedTuple):
    """What a store keeps of a trial, which no database holds."""

    run_id: str
    measured: ArrowTable
    run_tables: RunTables


class Ground:
    """The bars of a catalog over which trials run.

    Parameters
    ----------
    catalog : Catalog
    bounds : pair of Bound or None
        The sides of the period.
    """

    def __init__(self, catalog: Catalog, bounds: Bounds) -> None:
        self.catalog, self.bounds = catalog, bounds
        self._prepared: Prepared | None = None
        self._of_all: dict[float | str | None, dict[str, Any]] = {}
        self._jumped: set[int] | None = None

    def prepare(self, engines: Iterable[BacktestEngine] = ()) -> Prepared:
        """Check the sources, once; what the engines read is kept from it, where there is room."""
        if self._prepared is None:
            words = (likely(one.strategy, one.risk_manager, one.config) for one in engines)
            self._prepared = self.catalog.validate(frozenset().union(*words))
            self.period = find_period(*self.bounds, self._prepared)
            axes = self.catalog.axes(self.period)
            self.market: Market = market_of(self.catalog, axes, self._prepared, self.period)
            self.reading = BarReading(self._prepared, self.period)
        return self._prepared

    def looked_at(self, chunks: Iterable[tuple[Chunk, list[Chunk]]]) -> Iterator[list[Chunk]]:
        """Hand on what each trial sees; jumps of prices are looked for once."""
        if self._jumped is not None or not self.catalog.may_lack_actions:
            for _, each in chunks:
                yield each
            return
        assert self._prepared is not None
        watch = JumpWatch(self._prepared, self.period)
        for chunk, each in chunks:
            watch.look(chunk)
            yield each
        self._jumped = watch.sids

    @property
    def jumped(self) -> set[int]:
        """Assets whose prices jump as they do at splits, once the bars were walked."""
        return self._jumped or set()

    def of_all(self, engine: BacktestEngine) -> dict[str, Any]:
        """Return the facts that trials of equal years share, now that their bars were walked."""
        year = engine.sessions_per_year
        if year not in self._of_all:
            prepared = self.prepare()
            self._of_all[year] = facts_of_all(engine, prepared, self.period, self.jumped)
        self.catalog.require_unchanged()
        return self._of_all[year]


class Underway:
    """A trial between its first bar and its last.

    Parameters
    ----------
    engine : BacktestEngine
    ground : Ground
    ended : ExitStack
        Takes the strategy's broker away in the end.
    """

    def __init__(self, engine: BacktestEngine, ground: Ground, ended: ExitStack) -> None:
        require_fresh(engine.strategy)
        prepared = ground.prepare([engine])
        self.engine = engine
        self.configuration = configuration_of(engine, ground.bounds)
        self.asked = AskedOfChunks(*planned(engine, prepared, ground.period))
        self.started_at = datetime.now(UTC)
        walking = Walking(engine, ground.market, prepared, ground.period)
        self.walking = ended.enter_context(walking)
        self.volumes = FillVolumes(walking.recorder)


class Round:
    """Trials that walk side by side.

    Parameters
    ----------
    ground : Ground
    engines : mapping of int to BacktestEngine
        By the number of the trial; all are of the ground's catalog, and nothing of them is
        computed by a provider.
    detail : Detail
        What of the trials is asked for.
    """

    def __init__(
        self, ground: Ground, engines: Mapping[int, BacktestEngine], detail: Detail
    ) -> None:
        self._ground, self._engines, self._detail = ground, engines, detail
        self._has_tables = detail is Detail.TABLES
        self._tried = {number: Tried(number) for number in engines}
        self._underway: dict[int, Underway] = {}
        self._ended: list[tuple[Tried, Ran, Underway]] = []

    def run(self) -> list[Tried]:
        """Walk all of the bars; return every trial, with its metrics or its error."""
        began = perf_counter()
        with two_threads, ExitStack() as ended:
            for number, engine in self._engines.items():
                with self._trying(number):
                    self._underway[number] = Underway(engine, self._ground, ended)
            if self._underway:
                self._walk()
        self._end()
        if self._ended:
            self._measure()
        own = sum(one.seconds for one in self._tried.values())
        for one in self._tried.values():
            one.seconds += (perf_counter() - began - own) / len(self._tried)
        return list(self._tried.values())

    @contextmanager
    def _trying(self, number: int) -> Iterator[None]:
        """Time what is done for a trial; what it raises ends that trial alone."""
        tried, began = self._tried[number], perf_counter()
        try:
            yield
        except Exception as error:
            tried.error = error
            self._underway.pop(number, None)
        finally:
            tried.seconds += perf_counter() - began

    def _walk(self) -> None:
        ground, numbers = self._ground, list(self._underway)
        asked = [one.asked for one in self._underway.values()]
        chunks = SharedChunks(asked, ground.reading, tells_considered=self._has_tables)
        for each in ground.looked_at(chunks):
            for number, chunk in zip(numbers, each, strict=True):
                if number in self._underway:
                    with self._trying(number):
                        one = self._underway[number]
                        one.walking.through(chunk)
                        (one.walking.witnessed if self._has_tables else one.volumes).look(chunk)
        for number in list(self._underway):
            with self._trying(number):
                self._underway[number].walking.finish()

    def _end(self) -> None:
        """End what is left of orders and trades, once no strategy has its broker any more."""
        for number, one in list(self._underway.items()):
            with self._trying(number):
                walked = one.walking.walked(self._ground.jumped)
                ran = Ran(one.configuration, one.started_at, datetime.now(UTC), walked)
                self._ended.append((self._tried[number], ran, one))

    def _measure(self) -> None:
        """Have the facts, the metrics and the returns of the trials that ended well."""
        ground = self._ground
        prepared, period = ground.prepare(), ground.period
        if not self._has_tables:
            told = [(one.volumes, one.walking.recorder) for *_, one in self._ended]
            untold = [recorder for volumes, recorder in told if not volumes.add_to(recorder)]
            if untold:
                add_volumes_of(untold, prepared, period)
        runs = []
        for tried, ran, one in self._ended:
            selection = {}
            if self._has_tables:
                selection = selected_facts(
                    one.engine, ran.walked, one.asked.ranking, prepared, period, ground.bounds
                )
                add_volumes(ran.walked, prepared, period)
                next(ran.walked.witnessed.parts_of(FILLS))  # those that the loop was told
            facts = record_facts(one.engine, ran, selection, ground.of_all(one.engine))
            runs.append(EndedRun(facts, ran.walked.recorder))
            tried.run_id = facts.run_id
        reading = Reading(ground.market.axes, ground.market.terms)
        many = ManyRuns(runs, reading, ground.catalog.timezone)
        rows = many.metrics_and_returns() if self._detail.has_returns else many.metrics()
        for i, ((tried, ran, _), (facts, _)) in enumerate(zip(self._ended, runs, strict=True)):
            tried.row = rows.slice(i, 1)
            if self._has_tables:
                tables = late_of(ran.walked, facts).fresh()
                assert tables is not None  # nothing has asked for any
                measured = tried.row.select(list(METRICS))
                tried.kept = KeptTrial(facts.run_id, measured, tables)
