"""TopNRotationStrategy: the guides' rotation, ranked in Python in a batch callback."""

from __future__ import annotations

from ml4t.backtest.core.aliases import takes_words
from ml4t.backtest.core.by_value import ByValue
from ml4t.backtest.core.context import Context
from ml4t.backtest.core.event import Events
from ml4t.backtest.errors import ConfigError, require_column, require_number, require_whole
from ml4t.backtest.strategy.base import Strategy
from ml4t.backtest.strategy.broker import StrategyBroker
from ml4t.backtest.strategy.portfolio_view import PortfolioView


@takes_words
class TopNRotationStrategy(ByValue, Strategy):
    """Hold the assets with the highest score at equal weights, rebalance every few bars.

    It ranks in Python, to be read and changed; `ml4t.backtest.TopN` gives the same trades from one
    query. Bars are counted from 1, filtered ones too: with a frequency of 5 those of 5, 10, 15.

    Parameters
    ----------
    n_positions : int
    rebalance_frequency : int
        Bars.
    score : str
        Signal that ranks; assets without it are not ranked, and ties go to the lower ``asset_id``.
    required : str or None
        Signal that an asset must have, so that a risk rule can protect it.
    max_vix : float or None
        Nothing is traded where the context's ``vix`` is above it; rules of risk go on.
    """

    def __init__(
        self,
        n_positions: int = 25,
        rebalance_frequency: int = 5,
        *,
        score: str = "ml_score",
        required: str | None = "atr",
        max_vix: float | None = 30.0,
    ) -> None:
        require_column("score", score)
        if required is not None:
            require_column("required", required)
        if max_vix is not None:
            require_number("max_vix", max_vix, above=0, below=float("inf"))
            max_vix = float(max_vix)
        self.n_positions = require_whole("n_positions", n_positions, least=1)
        self.rebalance_frequency = require_whole(
            "rebalance_frequency", rebalance_frequency, least=1
        )
        self.score, self.required, self.max_vix = score, required, max_vix
        self.bar_count = 0

    def on_timestamp_batch(
        self,
        events: Events,
        broker: StrategyBroker,
        portfolio: PortfolioView,  # noqa: ARG002 - the handler's signature
    ) -> None:
        """Rank and rebalance."""
        self.bar_count += 1
        if self.bar_count % self.rebalance_frequency or not events:
            return
        if self.max_vix is not None and not _is_calm(events[0].context, self.max_vix):
            return
        scored = [
            (event.signals[self.score], event.asset_id)
            for event in events
            if self.score in event.signals
            and (self.required is None or self.required in event.signals)
        ]
        scored.sort(key=lambda one: -one[0])
        weight = 1.0 / self.n_positions
        broker.order_target_weights({asset: weight for _, asset in scored[: self.n_positions]})

    def _settings(self) -> tuple[object, ...]:
        return self.n_positions, self.rebalance_frequency, self.score, self.required, self.max_vix


def _is_calm(context: Context, max_vix: float) -> bool:
    """Return whether the VIX is known and low enough."""
    if "vix" not in context.names:
        raise ConfigError("max_vix needs a context with a column 'vix'; add it, or pass None")
    vix = context.get("vix")
    return vix is not None and vix <= max_vix
