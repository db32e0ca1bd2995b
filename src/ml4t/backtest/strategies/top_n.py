"""TopN: hold the best-ranked assets, rebalance on every n-th bar, or on a schedule."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Self

from ml4t.backtest.core.by_value import ByValue
from ml4t.backtest.core.ranking import Ranking
from ml4t.backtest.strategy.base import Strategy
from ml4t.backtest.strategy.handlers import on_selections

if TYPE_CHECKING:
    from ml4t.backtest.core.batch import Batch
    from ml4t.backtest.strategy.broker import StrategyBroker


class TopN(ByValue, Strategy):
    """Hold the `n` assets with the highest score, at target weights.

    On a decision bar every asset that is held but not ranked gets a target of zero. A target
    is a share of equity at the next open; see `BarBroker` for the order of fills.

    Parameters
    ----------
    n, by, where, when, weight, every, offset, within, ascending, min_trade, band
        As in `ml4t.backtest.core.ranking.Ranking`.

    Raises
    ------
    ConfigError
        A number is out of range.

    Examples
    --------
    >>> from ml4t.backtest import TopN
    >>> TopN(25, by="ml_score", where="atr is not null", when="vix <= 30", every=5)
    TopN(25, by='ml_score', where='atr is not null', when='vix <= 30', every=5)
    """

    is_reusable = True

    def __init__(
        self,
        n: int | float | str,
        *,
        by: str,
        where: str | None = None,
        when: str | None = None,
        weight: str = "equal",
        every: int | str = 1,
        offset: int = 0,
        within: str | None = None,
        ascending: bool = False,
        min_trade: float = 0.0,
        band: float = 0.0,
    ) -> None:
        self._ranking = Ranking(
            n=n, by=by, where=where, when=when, weight=weight,
            every=every, offset=offset, within=within, ascending=ascending,
            min_trade=min_trade, band=band,
        )  # fmt: skip

    def __replace__(self, /, **changes: Any) -> Self:
        """Return one like it with other arguments: what `copy.replace` of Python 3.13 calls."""
        return type(self)(**(asdict(self._ranking) | changes))

    @property
    def needs_range(self) -> bool:
        """Target weights alone need none; a `decide` of one's own may."""
        return type(self).decide is not TopN.decide

    def ranking(self) -> Ranking:
        """Return the ranking as it was asked for."""
        return self._ranking

    @on_selections
    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        """Order the selection's weights on decision bars; on all others do nothing."""
        if batch.selection is not None:
            asked = self._ranking
            broker.order_targets(batch.selection, min_trade=asked.min_trade, band=asked.band)

    def _settings(self) -> tuple[object, ...]:
        return (self._ranking,)

    def __repr__(self) -> str:
        defaults = asdict(Ranking(n=1, by="x"))
        shown = {
            name: value
            for name, value in asdict(self._ranking).items()
            if name in ("by",) or (name != "n" and value != defaults[name])
        }
        words = "".join(f", {name}={value!r}" for name, value in shown.items())
        return f"TopN({self._ranking.n!r}{words})"
