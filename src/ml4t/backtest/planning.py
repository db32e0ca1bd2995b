"""Planning: what the parts of a run read, from strategy to costs, checked before it begins."""

from __future__ import annotations

from collections.abc import Callable

from ml4t.backtest.config import BacktestConfig
from ml4t.backtest.core.ranking import ALL
from ml4t.backtest.core.selecting import asked_of
from ml4t.backtest.core.terms import Instruments
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.selection.conditions import plan_conditions
from ml4t.backtest.data.selection.selecting import SelectionPlan, plan_selection
from ml4t.backtest.data.selection.witness import spoken_words, words_in
from ml4t.backtest.data.sources.schema import without_keys
from ml4t.backtest.data.stream.batches import plan_batches
from ml4t.backtest.data.stream.period import Period
from ml4t.backtest.data.stream.price_limits import (
    PRICE_LIMITS,
    limit_columns,
    require_prev_close,
)
from ml4t.backtest.data.stream.reader import BatchPlan
from ml4t.backtest.data.user_sql.expressions import preload_parser
from ml4t.backtest.errors import ConfigError, did_you_mean
from ml4t.backtest.risk.manager import RiskManager
from ml4t.backtest.strategy.base import Strategy
from ml4t.backtest.strategy.handlers import keeps_nothing, require_handler, words_of


def likely(strategy: Strategy, manager: RiskManager, config: BacktestConfig) -> frozenset[str]:
    """Return words among which are the columns that a run will read at every bar."""
    has_range = (
        manager.needs_range or _follows_range(strategy, manager, config) or config.reads_range
    )
    names = {"open", "close", *(("high", "low") if has_range else ())}
    spoken = words_in(manager.conditions, strategy.conditions)
    if require_handler(strategy) != "decide":
        spoken |= words_of(strategy)
    return spoken.union(
        names, PRICE_LIMITS,
        manager.features, strategy.features, config.features, config.own_features,
    )  # fmt: skip


def plan_run(
    strategy: Strategy,
    manager: RiskManager,
    config: BacktestConfig,
    prepared: Prepared,
    period: Period,
    *,
    terms: Callable[[], Instruments],
    computes: bool,
    evidence: tuple[str, ...] = (),
) -> tuple[BatchPlan, SelectionPlan | None]:
    """Check what strategy, rules, limits and costs read, and plan how to read it.

    Parameters
    ----------
    terms : callable
        Returns what is fixed about each asset.
    computes : bool
        A provider computes what no source has.
    evidence : tuple of str
        As `require_evidence` returns it.
    """
    asked = asked_of(strategy)
    ranking = plan_selection(
        asked.ranking,
        asked.query,
        prepared,
        long_only=not config.account.can_short,
        begin_t=period.first_t,
        end_t=period.last_t,
    )
    if config.actions.exit_on_membership_end and not prepared.has_universe:
        raise ConfigError("exit_on_membership_end needs a membership; register a 'universe' source")
    if config.market.limit_rate is not None:
        require_prev_close(prepared, config.market.limit_rate)
    plan_conditions(strategy.expressions, prepared)  # refuses what it cannot use
    why_open = ""
    if "open" not in prepared.price_columns:
        why_open = config.why_open(terms()) or manager.why_open
    has_events = require_handler(strategy) != "decide"
    signals, market = _evidence_columns(evidence, prepared)
    words = spoken_words(asked)
    spoken = {name for name in without_keys(prepared.market_columns) if name.lower() in words}
    plan = plan_batches(
        prepared,
        has_levels=manager.needs_range,
        has_rules=_follows_range(strategy, manager, config) or {"high", "low"} <= signals,
        holds_range=config.reads_range,
        features=(*manager.features, *strategy.features, *config.features),
        own_features=config.own_features,
        optional_features=limit_columns(prepared, config.market.limit_rate),
        conditions=(*manager.conditions, *strategy.conditions),
        likely=(words_of(strategy) if has_events else frozenset()) | signals,
        context=frozenset(market | spoken),
        has_events=has_events,
        has_shorts=config.account.can_short,
        computable=manager.rule_features if computes else (),
        why_open=why_open,
    )
    return plan, ranking


def preload(strategy: Strategy, manager: RiskManager) -> None:
    """Load what a run needs after its checks; call it beside them.

    The parser loads if an expression is more than plain. Of a class that may keep something between
    two runs nothing is asked before its time.
    """
    texts: list[str | None] = [*manager.conditions, *strategy.conditions, *strategy.expressions]
    if keeps_nothing(strategy):
        ranking, query, _ = asked_of(strategy)
        if query is not None:
            ranking = query.schedule
            texts.append(query.text)
        if ranking is not None:
            texts += (ranking.by, ranking.where, ranking.when, ranking.weight, ranking.within)
    preload_parser(texts)


def _follows_range(strategy: Strategy, manager: RiskManager, config: BacktestConfig) -> bool:
    """Say whether highs and lows are read where prices have them."""
    return bool(manager.rules) or strategy.needs_range or config.follows_range


def _evidence_columns(names: tuple[str, ...], prepared: Prepared) -> tuple[set[str], set[str]]:
    """Return the columns of ``signals`` and of ``market`` that were asked for."""
    signals = set(without_keys(prepared.signal_columns))
    market = set(without_keys(prepared.market_columns))
    if names == (ALL,):
        return signals, market
    for name in names:
        if name not in signals | market:
            known = sorted(signals | market)
            raise ConfigError(
                f"evidence names '{name}', a column of neither signals nor market"
                f"{did_you_mean(name, known)}"
            )
    return signals.intersection(names), market.intersection(names)
