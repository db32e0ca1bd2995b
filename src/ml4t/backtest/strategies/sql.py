"""SQLStrategy: a query says what to hold."""

from __future__ import annotations

from typing import Any, Self

from ml4t.backtest.core.batch import Batch, Selection
from ml4t.backtest.core.by_value import ByValue
from ml4t.backtest.core.ranking import Ranking
from ml4t.backtest.core.selecting import Query
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.strategies.sizers import Entry, Sizer, require_sizer
from ml4t.backtest.strategy.base import Strategy
from ml4t.backtest.strategy.broker import StrategyBroker
from ml4t.backtest.strategy.handlers import on_selections


class SQLStrategy(ByValue, Strategy):
    """Hold what an SQL query yields at each decision bar.

    The query is a SELECT over ``signals`` (every column per asset, members of the universe
    alone), ``market`` (one row per timestamp) and, with a ranking, ``ranked`` (the rows that it
    keeps, with ``score``, ``rank`` and ``weight`` beside the columns of ``signals``). It yields
    ``timestamp``, ``asset_id`` and one of:

    - ``weight``: target fraction of equity. The rows of a bar name the whole portfolio: what is
      held and not named is closed.
    - ``quantity``: target shares, positive = long; likewise.
    - ``signal``: above 0 enters an asset that is flat and has no open order, for what the
      `position_sizer` says; below 0 leaves; 0 and NULL say nothing. What is not named stays.

    A bar without any row is no decision, and what is held stays; to leave everything, yield
    weights of 0. A ``score`` is kept in `selections`; rows are in the order of ``rank``, else of
    the ranking, else largest weight first, ties by ``asset_id``.

    Rows at a timestamp may come from rows of that timestamp alone. So windows are partitioned
    by timestamp, groups contain it, and joins are equal in it; what needs history is a feature.
    All is checked before the run.

    Parameters
    ----------
    query : str
        DuckDB SQL: CTEs, joins on timestamp, windows, GROUP BY, QUALIFY, UNION. No subqueries.
    ranking : Ranking, optional
        Makes ``ranked``; its `every`, `offset` and `when` say which bars are decision bars.
    every, offset, when, min_trade, band
        As in `Ranking`, for a query without one. A query that yields ``signal`` has no targets
        that `min_trade` and `band` could speak of.
    position_sizer : Sizer, optional
        For a query that yields ``signal``, such as ``PercentSizer(0.05)``.

    Raises
    ------
    ConfigError
        A setting is outside what it may be.

    Examples
    --------
    >>> from ml4t.backtest import Ranking, SQLStrategy
    >>> best = Ranking(n=25, by="ml_score", where="atr is not null", when="vix <= 30", every=5)
    >>> strategy = SQLStrategy(
    ...     '''select timestamp, asset_id, (1 / atr) / sum(1 / atr) over (partition by timestamp)
    ...     as weight from ranked where atr > 0''',
    ...     ranking=best,
    ... )
    """

    is_reusable = True

    def __init__(
        self,
        query: str,
        *,
        ranking: Ranking | None = None,
        every: int | str = 1,
        offset: int = 0,
        when: str | None = None,
        position_sizer: Sizer | None = None,
        min_trade: float = 0.0,
        band: float = 0.0,
    ) -> None:
        if position_sizer is not None:
            require_sizer(position_sizer)
        self._query = Query(
            text=query, ranking=ranking, every=every, offset=offset, when=when,
            kinds=("weight", "quantity") if position_sizer is None else ("signal",),
            min_trade=min_trade, band=band,
        )  # fmt: skip
        self._patience = ranking if ranking is not None else self._query
        is_patient = self._patience.min_trade or self._patience.band
        if position_sizer is not None and is_patient:
            raise ConfigError(
                "min_trade and band go with a query that yields weight or quantity; "
                "a position_sizer enters what is flat and adds nothing"
            )
        self._sizer = position_sizer

    def __replace__(self, /, **changes: Any) -> Self:
        """Return one like it with other arguments: what `copy.replace` of Python 3.13 calls."""
        query = self._query
        own: dict[str, Any] = {
            "query": query.text, "ranking": query.ranking, "every": query.every,
            "offset": query.offset, "when": query.when, "position_sizer": self._sizer,
            "min_trade": query.min_trade, "band": query.band,
        }  # fmt: skip
        return type(self)(**(own | changes))

    @property
    def features(self) -> tuple[str, ...]:  # type: ignore[override]
        """What the sizer reads."""
        return () if self._sizer is None else self._sizer.features

    @property
    def needs_range(self) -> bool:
        """Targets alone need none; a `decide` of one's own may."""
        return type(self).decide is not SQLStrategy.decide

    def ranking(self) -> Ranking | None:
        """Return the ranking that the query reads."""
        return self._query.ranking

    def query(self) -> Query:
        """Return the query as it was asked for."""
        return self._query

    @on_selections
    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        """Order what the query yields; on a bar without rows do nothing."""
        chosen = batch.selection
        if chosen is None:
            return
        if chosen.kind == "weight":
            asked = self._patience
            broker.order_targets(chosen, min_trade=asked.min_trade, band=asked.band)
        elif chosen.kind == "quantity":
            _order_quantities(chosen, broker, self._patience)
        else:
            self._follow(chosen, batch, broker)

    def _follow(self, chosen: Selection, batch: Batch, broker: StrategyBroker) -> None:
        """Leave what has a signal below 0, then enter what has one above."""
        assert chosen.amounts is not None
        assert self._sizer is not None
        for sid in chosen.sids[chosen.amounts < 0].tolist():
            self.close_position(broker.asset_id(sid), tag="signal")
        for sid in chosen.sids[chosen.amounts > 0].tolist():
            entry = Entry.at(self, sid, batch, self._sizer)
            is_flat = not broker.position(entry.asset_id)
            is_sized = all(value == value for value in entry.values.values())
            if is_flat and is_sized and not broker.open_orders(entry.asset_id):
                self._sizer.enter(entry)

    def _settings(self) -> tuple[object, ...]:
        return self._query, self._sizer

    def __repr__(self) -> str:
        query = self._query
        shown = {"ranking": query.ranking, "every": query.every, "offset": query.offset,
                 "when": query.when, "position_sizer": self._sizer,
                 "min_trade": query.min_trade, "band": query.band}  # fmt: skip
        unset = {
            "ranking": None,
            "every": 1,
            "offset": 0,
            "when": None,
            "position_sizer": None,
            "min_trade": 0.0,
            "band": 0.0,
        }
        words = "".join(f", {k}={v!r}" for k, v in shown.items() if v != unset[k])
        return f"SQLStrategy({query.text!r}{words})"


def _order_quantities(chosen: Selection, broker: StrategyBroker, patience: Ranking | Query) -> None:
    """Order what is missing to the shares named, and close what is held and not named."""
    assert chosen.amounts is not None
    wanted = {
        broker.asset_id(sid): amount
        for sid, amount in zip(chosen.sids.tolist(), chosen.amounts.tolist(), strict=True)
    }
    for asset in broker.held:
        if asset not in wanted:
            broker.order_target(asset, 0.0)
    for asset, shares in wanted.items():
        if broker.is_worth(asset, shares, patience.min_trade, patience.band):
            broker.order_target(asset, shares)
