"""Walking: one run on its way through the bars, chunk by chunk.

A run by itself walks every chunk of its reader; of runs that share one each walks the chunk that it
is handed, before the next is read.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

from ml4t.backtest.config import BacktestConfig
from ml4t.backtest.core.axes import Axes
from ml4t.backtest.core.batch import Chunk, Floats
from ml4t.backtest.core.journal import CashFlow, Compared
from ml4t.backtest.core.terms import Action
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.benchmark import RunBars, compared
from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.stream.period import Period
from ml4t.backtest.data.stream.price_limits import has_limit_rates, has_limits, priced_limits
from ml4t.backtest.errors import CostError
from ml4t.backtest.pauses import PausedVisit, Pauses
from ml4t.backtest.results.evidence.witnessed import Witnessed
from ml4t.backtest.results.recorder import Recorder
from ml4t.backtest.risk.manager import RiskManager
from ml4t.backtest.session import Market, Session
from ml4t.backtest.strategy.base import Strategy
from ml4t.backtest.strategy.run import StrategyRun
from ml4t.backtest.visit import Visit
from ml4t.backtest.walk import Walk, walk_of

if TYPE_CHECKING:
    from ml4t.backtest.data.feature_provider import CallableFeatureProvider


class RunSetup(Protocol):
    """What an engine was given for its runs: the attributes of `BacktestEngine`."""

    strategy: Strategy
    risk_manager: RiskManager
    config: BacktestConfig
    catalog: Catalog
    computing_provider: CallableFeatureProvider | None
    initial_capital: float
    periods_per_year: float | None
    sessions_per_year: float | str | None
    benchmark: str | None
    risk_free: float | None
    evidence: tuple[str, ...]


class Walked(NamedTuple):
    """What is left of a run once its last bar is done.

    Attributes
    ----------
    market : Market
    recorder : Recorder
    witnessed : Witnessed
    activity, misses : list of dict
        How often rules and limits were asked, and what the strategy asked for in vain.
    jumped : set of int
        Assets whose prices jump as they do at splits.
    """

    market: Market
    recorder: Recorder
    witnessed: Witnessed
    activity: list[dict[str, object]]
    misses: list[dict[str, object]]
    jumped: set[int]


def market_of(catalog: Catalog, axes: Axes, prepared: Prepared, period: Period) -> Market:
    """Return what a run knows of its assets beyond bars."""
    return Market(
        axes=axes,
        terms=catalog.instruments(),
        actions=catalog.actions(period),
        rolls=catalog.rolls(period),
        margin_changes=catalog.margin_changes(period),
        funding=catalog.funding(period),
        fx=catalog.fx(period),
        priced_limits=priced_limits(prepared),
        has_limit_rates=has_limit_rates(prepared),
        has_limits=has_limits(prepared),
    )


class Walking:
    """A run that walks through its bars, chunk by chunk; as a context it has its strategy.

    Parameters
    ----------
    setup : RunSetup
    market : Market
    prepared : Prepared
    period : Period
        The bars of the run.
    pauses : Pauses, optional
        None by default.

    Attributes
    ----------
    recorder : Recorder
        Keeps what happened.
    witnessed : Witnessed
        Looks at chunks once they are walked, if it is asked to.
    """

    def __init__(
        self,
        setup: RunSetup,
        market: Market,
        prepared: Prepared,
        period: Period,
        pauses: Pauses | None = None,
    ) -> None:
        self.recorder, self._market, self._pauses = Recorder(), market, pauses
        self.witnessed = Witnessed(
            self.recorder, prepared.n_assets, setup.evidence, market.actions, period.n_bars
        )
        exchange = setup.config.currencies.exchange(
            market.terms, market.fx, market.axes.sessions, market.axes.asset_ids
        )
        beside = compared_to(
            setup, prepared, period, market.axes, market.actions,
            None if exchange is None else exchange.at_closes(),
        )  # fmt: skip
        if beside is not None:
            self.recorder.record(beside)
        self._session = Session(
            setup.config, setup.risk_manager, market, setup.initial_capital, self.recorder
        )
        self._strategy, self._n_bars = setup.strategy, period.n_bars

    def __enter__(self) -> Self:
        """Begin: the account gets its money, the strategy its broker."""
        cash = self._session.portfolio.cash
        self.recorder.record(CashFlow(t=0, sid=-1, kind="deposit", amount=cash, in_trades=False))
        self._begin(self._strategy)
        return self

    def __exit__(self, *error: object) -> None:
        """Take the broker away, however the run went."""
        self.recorder.on_fills = None
        self._handler.__exit__(*error)

    def _begin(self, strategy: Strategy) -> None:
        self._strategy = strategy
        self._handler = StrategyRun(strategy, self._session.strategy)
        self._handler.__enter__()
        self.recorder.on_fills = self._handler.listener
        visit = Visit(self._session, self._handler, self.recorder)
        if self._pauses is not None:
            visit = PausedVisit(self._session, self._handler, self.recorder, self._pauses)
        self._walk: Walk = walk_of(visit, self._n_bars)

    def through(self, chunk: Chunk) -> None:
        """Walk through the bars of a chunk, in time order."""
        try:
            self._walk.through(chunk)
        except CostError as error:
            axes = self._market.axes
            error.locate(axes.time(self._session.t), axes.asset_ids.tolist())
            raise

    def change(self, strategy: Strategy, rules: Collection[int]) -> None:
        """Have another strategy decide from the next bar on, and ask some of the rules alone.

        The account, its orders and what rests go on.
        """
        if strategy is not self._strategy:
            self._handler.finish()
            self._handler.__exit__()
            self._begin(strategy)
        self._session.rules.follow(rules)

    def finish(self) -> None:
        """Have the strategy end."""
        self._handler.finish()

    def walked(self, jumped: set[int]) -> Walked:
        """End what is left of orders and trades, and return what is left of the run."""
        self._session.broker.expire()
        for lot in self._session.portfolio.open_trades():
            self.recorder.record(lot)
        return Walked(
            market=self._market, recorder=self.recorder, witnessed=self.witnessed,
            activity=self._session.activity(), misses=self._handler.misses, jumped=jumped,
        )  # fmt: skip


def compared_to(
    setup: RunSetup,
    prepared: Prepared,
    period: Period,
    axes: Axes,
    actions: Sequence[Action],
    rates: Floats | None = None,
) -> Compared | None:
    """Return what the run is compared with; None: with nothing.

    Parameters
    ----------
    rates : float array, optional
        Account currency per unit of price, ``[bar, sid]``; None: all is in that.
    """
    bars = RunBars(
        prepared=prepared, period=period, axes=axes, actions=actions,
        delisting_return=setup.config.actions.delisting_return, rates=rates,
    )  # fmt: skip
    return compared(setup.benchmark, setup.risk_free, bars, setup.initial_capital)
