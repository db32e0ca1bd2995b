"""Session: the money side of one run, put together from its settings."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ml4t.backtest.config import BacktestConfig
from ml4t.backtest.core.axes import Axes
from ml4t.backtest.core.batch import Batch, Chunk, Ints
from ml4t.backtest.core.journal import AccountAtClose, Decision, Journal
from ml4t.backtest.core.sids import without
from ml4t.backtest.core.stretch import (
    Stretch,
    at_any,
    before,
    first_rows,
    quiet_before,
    starts_of,
)
from ml4t.backtest.core.terms import Action, Funding, FxRates, Instruments, MarginChange, Roll
from ml4t.backtest.errors import ConfigError, CostError
from ml4t.backtest.execution.account.dated_margins import DatedMargins
from ml4t.backtest.execution.account.margin_call import MarginWatch
from ml4t.backtest.execution.broker import BarBroker
from ml4t.backtest.execution.executor import Executor
from ml4t.backtest.execution.market_rules import LimitRounding, MarketRules
from ml4t.backtest.execution.pending.post_trade import PostTrade
from ml4t.backtest.execution.pending.protective_orders import ProtectiveOrders
from ml4t.backtest.execution.pending.rolls import Rolls
from ml4t.backtest.execution.price_limits import LOCKS, LimitRates, PriceLimits
from ml4t.backtest.portfolio.accruals import Accruals
from ml4t.backtest.portfolio.actions import CorporateActions
from ml4t.backtest.portfolio.exchange import Exchange
from ml4t.backtest.portfolio.expiry import Expiries
from ml4t.backtest.portfolio.funding import FundingPayments
from ml4t.backtest.portfolio.min_holding import MinHolding
from ml4t.backtest.portfolio.portfolio import Portfolio
from ml4t.backtest.portfolio.settlement import Settlement
from ml4t.backtest.risk.limits.engine import LimitEngine
from ml4t.backtest.risk.manager import RiskManager
from ml4t.backtest.risk.rule_engine.engine import RuleEngine
from ml4t.backtest.strategy.broker import StrategyBroker

MEMBERSHIP = "membership"


class Market(NamedTuple):
    """What a run knows of its assets beyond bars.

    Attributes
    ----------
    axes : Axes
    terms : Instruments
    actions : list of Action
    rolls : tuple of Roll
    margin_changes : tuple of MarginChange
    priced_limits : frozenset of str
        The price limits of ``prices`` that are prices and no flags.
    has_limit_rates : bool
        Price limits are rates of the previous close.
    has_limits : bool
        The bars have price limits of some kind.
    funding : sequence of Funding
    fx : FxRates or None
        What currencies cost; None: no source says.
    """

    axes: Axes
    terms: Instruments
    actions: list[Action]
    rolls: tuple[Roll, ...] = ()
    margin_changes: tuple[MarginChange, ...] = ()
    priced_limits: frozenset[str] = frozenset()
    has_limit_rates: bool = False
    has_limits: bool = False
    funding: Sequence[Funding] = ()
    fx: FxRates | None = None


class Session:
    """Portfolio, broker, rules and limits of one run, wired together.

    Parameters
    ----------
    config : BacktestConfig
    risk_manager : RiskManager
    market : Market
    initial_capital : float
        Account currency.
    journal : Journal

    Attributes
    ----------
    t : int
        The last bar at which something happened.
    last_passed : Batch or None
        The last bar that was passed over.
    fills_decided : bool
        Orders fill at the very close at which they are decided.
    """

    def __init__(
        self,
        config: BacktestConfig,
        risk_manager: RiskManager,
        market: Market,
        initial_capital: float,
        journal: Journal,
    ) -> None:
        self.t = -1
        self.last_passed: Batch | None = None
        axes = market.axes
        self.margins = DatedMargins(market.margin_changes)
        terms = self.margins.of(config.market.terms(market.terms, axes.asset_ids))
        exchange = config.currencies.exchange(terms, market.fx, axes.sessions, axes.asset_ids)
        if exchange is not None:
            terms = exchange.of(terms)
        _require_charged(config, exchange)
        _require_shares_financed(config, market)
        _require_dated(config, axes.sessions)
        self.portfolio = Portfolio(
            len(axes.asset_ids), initial_capital, journal,
            multiplier=terms.multiplier, policy=config.levels,
            dividends_move_levels=config.actions.dividends_move_levels,
            is_margined=terms.is_margined, exchange=exchange,
        )  # fmt: skip
        settlement = Settlement(
            config.account.settlement, axes.sessions, terms.multiplier, terms.is_margined
        )
        held_for = config.market.min_holdings(terms, axes.sessions)
        executor = Executor(
            self.portfolio, journal, commission=config.commission, slippage=config.slippage,
            impact=config.impact, terms=terms, policy=config.execution, levels=config.levels,
            settlement=settlement, price_limits=_price_limits(config.market, market, terms),
            holding=MinHolding(self.portfolio, held_for, axes.sessions), dates=axes.sessions,
        )  # fmt: skip
        protective = ProtectiveOrders(executor, config.levels)
        self.rules = RuleEngine(
            risk_manager, self.portfolio, protective, journal, config.levels,
            whole=executor.whole if executor.has_lots else None,
        )  # fmt: skip
        self.broker = BarBroker(
            executor, account=config.account, levels=config.levels, sessions=axes.sessions,
            rule_names=risk_manager.rule_names, post_trade=PostTrade(protective, self.rules),
        )  # fmt: skip
        self._journal, self._levels_first = journal, config.levels.before_orders
        self.limits = LimitEngine(
            risk_manager.limits, self.portfolio, journal, terms, axes.sessions,
            names=risk_manager.limit_names, whole=executor.whole,
        )  # fmt: skip
        self.strategy = StrategyBroker(self.broker, self.portfolio, self.limits, axes)
        self.margin = MarginWatch(config.account, self.portfolio, self.broker, terms, journal)
        self.accruals = Accruals(self.portfolio, config.financing, axes)
        policy = config.actions
        self.actions = CorporateActions(
            market.actions, self.portfolio, (self.broker, self.rules, self.accruals),
            whole=executor.whole_shares,
            dividends_move_levels=policy.dividends_move_levels,
            delisting_return=policy.delisting_return,
            reinvest=self.broker.reinvest if policy.reinvest_dividends else None,
        )  # fmt: skip
        self.funding = FundingPayments(market.funding, self.portfolio)
        self.expiries = Expiries(
            terms, axes.sessions, self.portfolio, (self.broker.end_contract, self.rules.delist),
            journal,
        )  # fmt: skip
        self.rolls = Rolls(market.rolls, self.portfolio, self.broker, axes.ids)
        self._exits_members = policy.exit_on_membership_end
        self._has_limits = bool(risk_manager.limits)
        self.fills_decided = config.execution.timing.fills_decided

    def protect(self, batch: Batch) -> None:
        """Ask everything that guards the account at a close; exits wait for the next open."""
        if self.margins.at_close(batch.t) and self.portfolio.exchange is not None:
            self.portfolio.exchange.restate()
        self.margin.at_close(batch)
        self.rules.protect(batch)
        if self._exits_members:
            self._leave_non_members(batch)
        if self._has_limits:
            equity, gross = self._exposure()
            for cut in self.limits.at_close(batch.t, equity, gross, batch.features):
                self.broker.scale_down(cut.rule, cut.factor)
            if self.limits.braking:
                # What rests from earlier bars would increase positions behind the limit's back.
                self.broker.cancel_entries(f"cancelled by {self.limits.braking}")

    def settle(self, batch: Batch) -> None:
        """Fill what trades at this close, end what is over, and record the account."""
        if self.fills_decided:
            self.broker.fill_decided(batch)
            if self._has_limits:
                # What was opened at the close is marked at its fill until then.
                self.portfolio.remark(batch.close)
                self.limits.record(batch.t, *self._exposure())
        self.broker.end_bar(batch)
        self.portfolio.record(batch)
        self.accruals.end_bar(batch)

    @property
    def must_see_every_bar(self) -> bool:
        """Whether something of this run has to be asked at every bar."""
        settles = self.portfolio.settles_daily or self.portfolio.exchange is not None
        return settles or self.rules.must_see_every_bar or self.limits.must_see_every_bar

    def must_see(self, chunk: Chunk) -> bool:
        """Whether something has to be asked at every bar of a chunk."""
        return self.rules.must_see(chunk)

    def bars(self, chunk: Chunk) -> Ints:
        """Return the bars of a chunk at which time alone makes something happen."""
        return self.accruals.bars(chunk)

    @property
    def next_t(self) -> int:
        """The next bar at which something happens whatever prices do and orders wait for."""
        return self.actions.next_t

    @property
    def is_quiet_after_open(self) -> bool:
        """Whether the rest of a bar can be passed over, once orders have filled at its open."""
        return (
            not self.rules.waits and self.portfolio.trails_from_fill
            and not self._levels_first
        )  # fmt: skip

    @property
    def watches_prices(self) -> bool:
        """Whether anything may happen because of what prices do."""
        watches = (
            self.rules.has_rules or self.limits.watches or self.margin.watches
            or self._exits_members
        )  # fmt: skip
        return watches and len(self.portfolio.held) > 0

    def closes_unseen(self, chunk: Chunk) -> bool:
        """Whether levels can close positions in bars of a chunk that are passed over.

        They do where that is all that happens: nothing is cut, held back or asks for the account.
        """
        # The book of levels learns of parts with the first target that has one.
        asks = self.limits.watches or self.margin.watches or self.rules.has_steps
        return not asks and self.broker.closes_whole(chunk)

    def hold_entries(self) -> None:
        """Have `pass_over` ask for the first levels of what a rebalance opens at this open.

        Orders of their own may add to what they have opened, so that levels are set fill by fill.
        """
        if not self.broker.has_orders:
            self.rules.hold_entries()

    def pass_over(self, chunk: Chunk, row: int, n_bars: int, *, closes: bool) -> int:
        """Do at once what quiet bars do to the account, up to the first that stirs anything.

        Parameters
        ----------
        closes : bool
            A bar in which levels close positions is a quiet one.

        Returns
        -------
        int
            How many of these bars were quiet.
        """
        stretch = self.portfolio.ahead(chunk, row, n_bars)
        looked = self.rules.look_ahead(stretch)
        leaves, touched = (None, None) if looked is None else self.rules.stirs(stretch, looked)
        if self._exits_members:
            is_gone = stretch.feature("is_member") == 0
            leaves = is_gone if leaves is None else leaves | is_gone
        quiet = min(self.margin.quiet_bars(stretch), self.limits.quiet_bars(stretch))
        ends = first_rows(touched, stretch.held, n_bars)
        if not closes:
            quiet = min(quiet, int(ends.min(initial=n_bars)))
        if leaves is not None:
            quiet = min(quiet, quiet_before(at_any(leaves & before(ends, n_bars))))
        if quiet:
            ends = np.minimum(ends, quiet)
            last = chunk.batch(row + quiet - 1)
            self.rules.pass_over(stretch, last, looked, ends)
            self._hold(stretch, quiet, ends)
            self.limits.know(last.features)
            self.broker.pass_over(last, stretch.held[ends == quiet - 1])
            self.accruals.end_bar(last)
            self.last_passed = last
        return quiet

    def activity(self) -> list[dict[str, object]]:
        """Return how often each rule and limit was asked, and acted."""
        rules = [(one.name, one.evaluated, one.fired) for one in self.rules.activity()]
        asked = [
            {"name": name, "evaluated": evaluated, "fired": fired}
            for name, evaluated, fired in [*rules, *self.limits.activity()]
        ]
        return [*asked, *self.broker.passed_over.activity()]

    def _hold(self, stretch: Stretch, n_bars: int, ends: Ints) -> None:
        """Close positions at the levels that bars touch, and record the account at each close."""
        cash, first = self.portfolio.cash, 0
        closed = self._close_over(stretch, n_bars, ends)
        if closed and not self._has_limits:
            at_each = np.full(n_bars, cash)
            for row, left in closed:
                at_each[row:] = left
            self._journal.record(stretch.closes_in_turn(n_bars, ends, at_each))
        else:  # limits add up what is held, close by close
            for row, left in closed:
                if first < row:
                    self._record(stretch.closes(first, row, ends, cash))
                cash, first = left, row
            self._record(stretch.closes(first, n_bars, ends, cash))
        self.portfolio.pass_over(stretch, n_bars, ends)

    def _record(self, closes: AccountAtClose) -> None:
        self.limits.pass_over(closes)
        self._journal.record(closes)

    def _close_over(self, stretch: Stretch, n_bars: int, ends: Ints) -> list[tuple[int, float]]:
        """Close positions each in the bar of its end; return rows, and the cash that each left."""
        (closed,) = (ends < n_bars).nonzero()
        if not len(closed):
            return []
        closed = closed[np.argsort(ends[closed], kind="stable")]
        rows = ends[closed]
        fills = self.broker.touched_at(stretch, rows, closed)
        self.rules.report(stretch.first_t + rows, fills.touched(np.ones(len(rows), dtype=bool)))
        if not fills.is_of_one_kind:
            in_turn = np.lexsort((fills.kind, rows))
            rows, fills = rows[in_turn], fills.at(in_turn)
        executor = self.broker.executor
        if executor.fills_over_bars:
            batch = stretch.batch_of(
                rows, fills.sids, executor.pricing.columns, has_range=executor.pricing.within_range
            )
            starts = starts_of(rows, fills.kind)
            try:
                cash = self.broker.close_over(batch, stretch.first_t + rows, fills, starts)
                return list(zip(rows[starts].tolist(), cash, strict=True))
            except CostError:  # bar by bar it says in which
                pass
        left = []
        for start, stop in pairwise([*starts_of(rows), len(rows)]):
            row = int(rows[start])
            batch, some = stretch.batch(row), fills.at(slice(start, stop))
            self.t = batch.t
            cash = self.broker.close_over(batch, batch.t, some, starts_of(some.kind))
            left.append((row, cash[-1]))
        return left

    def _exposure(self) -> tuple[float, float]:
        """Return equity and gross exposure at the marks, account currency."""
        values = self.portfolio.value_at(self.portfolio.mark)
        return self.portfolio.cash + float(values.sum()), float(np.abs(values).sum())

    def _leave_non_members(self, batch: Batch) -> None:
        held = self.portfolio.held
        gone = without(held[batch.features["is_member"][held] == 0], self.broker.leaving())
        if len(gone):
            self.broker.order_exits(batch.t, gone, (MEMBERSHIP,) * len(gone))
        for sid in gone.tolist():
            self._journal.record(
                Decision(
                    t=batch.t, sid=sid, rule=MEMBERSHIP, action="exit", level=float("nan"),
                    reason="left the universe", features={},
                )
            )  # fmt: skip


def _price_limits(rules: MarketRules, market: Market, terms: Instruments) -> PriceLimits:
    """Return what the price limits of the bars mean, those of the market where bars have none."""
    rate = None if market.has_limits else rules.limit_rate
    if not market.has_limit_rates and rate is None:
        return PriceLimits(market.priced_limits)
    is_inward = rules.limit_rounding is LimitRounding.INWARD
    return PriceLimits(frozenset(LOCKS), rates=LimitRates(terms.tick_size, is_inward, rate))


def _require_dated(config: BacktestConfig, sessions: Ints) -> None:
    """Refuse charges that have no amount on some date of the run."""
    if callable(check := getattr(config.commission, "require_alone", None)):
        check()
    check = getattr(config.commission, "require_dates", None)
    if callable(check) and len(sessions):
        first, last = (day.item() for day in sessions[[0, -1]].astype("datetime64[D]"))
        check(first, last)


def _require_charged(config: BacktestConfig, exchange: Exchange | None) -> None:
    """Refuse commission models that cannot tell what assets of some currency are charged."""
    model = config.commission
    if callable(check := getattr(model, "require_currencies", None)):
        if exchange is None:
            raise ConfigError(
                f"{model!r} charges by currency, and all assets are in that of the account; give "
                "the model of it alone"
            )
        check(exchange.said)
    if exchange is not None and getattr(model, "counts_month", False):
        raise ConfigError(
            f"{model!r} counts what filled in the month, of assets of several currencies; take "
            "another model, or a run for each market"
        )


def _require_shares_financed(config: BacktestConfig, market: Market) -> None:
    """Refuse interest next to contracts that are no futures: it would be on their notional."""
    terms = market.terms
    contracts = np.flatnonzero((terms.own_multiplier != 1) & ~terms.margined())
    if config.financing.is_charged and len(contracts):
        sid = contracts[0]
        raise ConfigError(
            f"{config.financing!r} would charge interest on the notional of contracts, which is "
            f"not what they cost: {market.axes.asset_ids[sid]!r} has a multiplier of "
            f"{terms.multiplier[sid]:g}; where it is settled daily say so, instrument 'future' in "
            "'assets', or set every rate to 0"
        )
