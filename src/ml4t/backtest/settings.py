"""Settings: everything that was set of a run, as its identity and the table `runs` have it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ml4t.backtest.config import BacktestConfig
from ml4t.backtest.core.identity import user_identity
from ml4t.backtest.core.ranking import ALL
from ml4t.backtest.core.shown import shown, with_code
from ml4t.backtest.data.stream.period import Bound
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.risk.manager import RiskManager
from ml4t.backtest.strategy.base import Strategy

if TYPE_CHECKING:
    from ml4t.backtest.data.feature_provider import CallableFeatureProvider

EvidenceColumns = str | Sequence[str]


def require_evidence(value: object) -> tuple[str, ...]:
    """Return the names of columns that are to be evidence, or ``("all",)``.

    Raises
    ------
    ConfigError
        It is neither.
    """
    if value == ALL:
        return (ALL,)
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ConfigError(
            f"evidence must be a list of columns or 'all', was {value!r}; write evidence=['regime']"
        )
    for name in value:
        if not isinstance(name, str):
            raise ConfigError(f"evidence must be names of columns, one was {name!r}")
    return tuple(dict.fromkeys(value))


def every_setting(
    strategy: Strategy,
    manager: RiskManager,
    config: BacktestConfig,
    provider: CallableFeatureProvider | None,
    period: Iterable[Bound | None],
    *,
    timezone: str,
    periods_per_year: float | None,
    **others: object,
) -> dict[str, object]:
    """Return every setting, and a hash of all code and state that a user has given.

    Parameters
    ----------
    period : iterable of Bound or None
        Sides that are open are not told of.
    **others
        Nor are those that are None or empty.
    """
    return {
        "strategy": shown(strategy),
        "strategy_code": user_identity(strategy),
        "risk_rules": [with_code(rule) for rule in manager.rules],
        "limits": [with_code(limit) for limit in manager.limits],
        "timezone": timezone,
        **({"feature_provider": provider.with_code} if provider is not None else {}),
        "periods_per_year": periods_per_year,
        **{bound.name: bound.text for bound in period if bound is not None},
        **{name: one for name, one in others.items() if one is not None and one != []},
        **config.recorded(),
    }
