"""Limits that watch the account over time: losses, volatility, value at risk.

They read the closes so far (`AccountState`). `MaxDrawdown` and `MaxDailyLoss` act on the whole
account at a close and keep a brake on until it resumes; `VolatilityTarget` and `MaxVaR` scale what
the strategy wants by what its exposure did before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ml4t.backtest.core.batch import Floats
from ml4t.backtest.core.by_value import keep_plain
from ml4t.backtest.core.fractions import EXPOSURE, SHARE, VOLATILITY, require_fraction
from ml4t.backtest.core.orders import parse_choice
from ml4t.backtest.core.stretch import quiet_before
from ml4t.backtest.core.tolerances import WITHIN_LIMIT
from ml4t.backtest.errors import require_number, require_whole
from ml4t.backtest.risk.limits.account_state import AccountState
from ml4t.backtest.risk.limits.limit import Limit, LimitAction, LimitKind, Wish
from ml4t.backtest.risk.limits.weights import scale_gross


class BreachAction(StrEnum):
    """What to do once a loss limit is reached."""

    HALT = "halt"
    REDUCE = "reduce"
    LIQUIDATE = "liquidate"


@dataclass(frozen=True, slots=True)
class MaxDrawdown(Limit):
    """Act once equity has fallen by `fraction` from its peak: ``1 - equity / peak >= fraction``.

    Attributes
    ----------
    fraction : float
        Of the peak equity at closes since the run began, or since the last resumption; below 1.
    action : str
        ``"halt"``: what would make a position larger is denied. ``"reduce"``: every position is
        scaled by `scale` at the next open, once, and every weight wanted as long as the limit is
        on. ``"liquidate"``: every position is closed at the next open, and weights wanted are 0.
    scale : float
        Share that ``"reduce"`` leaves.
    resume_after : int or None
        Bars until the limit lets go, at a close; the peak starts again at that close's equity.
        None: never. An account without equity does not resume.
    """

    fraction: float
    action: str = "halt"
    scale: float = 0.5
    resume_after: int | None = None

    def __post_init__(self) -> None:
        require_fraction("fraction", self.fraction, SHARE)
        _require_action(self, self.action, self.scale)
        if self.resume_after is not None:
            object.__setattr__(
                self, "resume_after", require_whole("resume_after", self.resume_after, least=1)
            )
        keep_plain(self)

    @property
    def reason(self) -> str:
        """One line on what the limit does, for the ``decisions`` table."""
        return f"drawdown of {self.fraction:.2%} from the peak"

    def start(self) -> Limit:
        """Return a fresh brake for one run; this object itself edits nothing."""
        return _DrawdownBrake(self)


@dataclass(frozen=True, slots=True)
class MaxDailyLoss(Limit):
    """Act once a session has lost `fraction` of the equity at the last close before it.

    On daily bars a session is one bar. The limit lets go at the first close of the next session;
    where that close has lost as much again, it acts anew.

    Attributes
    ----------
    fraction : float
    action : str
        As for `MaxDrawdown`.
    scale : float
        Share that ``"reduce"`` leaves.
    """

    fraction: float
    action: str = "halt"
    scale: float = 0.5

    def __post_init__(self) -> None:
        require_fraction("fraction", self.fraction, SHARE)
        _require_action(self, self.action, self.scale)
        keep_plain(self)

    @property
    def reason(self) -> str:
        """One line on what the limit does, for the ``decisions`` table."""
        return f"loss of {self.fraction:.2%} in one session"

    def start(self) -> Limit:
        """Return a fresh brake for one run; this object itself edits nothing."""
        return _DailyLossBrake(self)


class _Brake(Limit):
    """A loss limit in one run: off, until its loss is reached; then on, until it resumes."""

    def __init__(self, limit: MaxDrawdown | MaxDailyLoss) -> None:
        self._least_loss = limit.fraction - WITHIN_LIMIT
        self._kind = LimitKind(limit.action)
        self._factor = {"halt": 1.0, "reduce": limit.scale, "liquidate": 0.0}[limit.action]
        self._is_on = False

    @property
    def is_braking(self) -> bool:
        """Whether it is on, and leaves nothing to increase."""
        return self._is_on and self._kind in (LimitKind.HALT, LimitKind.LIQUIDATE)

    @property
    def trades_at_open(self) -> bool:
        """Whether it does more than to deny."""
        return self._kind is not LimitKind.HALT

    def edit(self, wish: Wish) -> Floats:
        """Return the weights that the brake leaves while it is on."""
        if not self._is_on:
            return wish.wanted
        if self._kind is LimitKind.HALT:
            # Between nothing and the current weight, on the current side.
            return np.clip(
                wish.wanted, np.minimum(wish.current, 0.0), np.maximum(wish.current, 0.0)
            )
        return wish.wanted * self._factor

    def _fire(self, seen: Mapping[str, float]) -> LimitAction:
        self._is_on = True
        return LimitAction(kind=self._kind, factor=self._factor, seen=seen)

    def _resume(self, seen: Mapping[str, float]) -> LimitAction:
        self._is_on = False
        return LimitAction(kind=LimitKind.RESUME, factor=1.0, seen=seen)


class _DrawdownBrake(_Brake):
    def __init__(self, limit: MaxDrawdown) -> None:
        super().__init__(limit)
        self._bars = math.inf if limit.resume_after is None else limit.resume_after
        self._peak, self._fired_t = -math.inf, 0

    def at_close(self, account: AccountState) -> Sequence[LimitAction]:
        """Move the peak; fire, or let go after `resume_after` bars."""
        equity = account.equity
        if self._is_on:
            if account.t - self._fired_t < self._bars or equity <= 0:
                return ()
            self._peak = equity
            return (self._resume({"equity": equity}),)
        self._peak = max(self._peak, equity)
        drawdown = 1 - equity / self._peak
        if drawdown < self._least_loss:
            return ()
        self._fired_t = account.t
        return (self._fire({"drawdown": drawdown, "equity": equity, "peak": self._peak}),)

    def quiet_closes(self, account: AccountState, equity: Floats) -> int:
        """Return how many closes pass before the first that fires, or at which it lets go."""
        if self._is_on:
            ts = account.t + 1 + np.arange(len(equity))
            return quiet_before((ts - self._fired_t >= self._bars) & (equity > 0))
        peak = np.maximum(np.maximum.accumulate(equity), self._peak)
        return quiet_before(1 - equity / peak >= self._least_loss)

    def pass_over(self, equity: Floats) -> None:
        """Move the peak."""
        if not self._is_on:
            self._peak = max(self._peak, float(equity.max()))


class _DailyLossBrake(_Brake):
    def __init__(self, limit: MaxDailyLoss) -> None:
        super().__init__(limit)
        self._session = -1

    def at_close(self, account: AccountState) -> Sequence[LimitAction]:
        """Fire once per session; let go at the first close of the next, which may fire too."""
        if self._is_on and account.session == self._session:
            return ()
        loss = account.loss_in_session()
        seen = {"loss": loss, "equity": account.equity}
        actions = [self._resume(seen)] if self._is_on else []
        if loss >= self._least_loss:
            self._session = account.session
            actions.append(self._fire(seen))
        return actions

    def quiet_closes(self, account: AccountState, equity: Floats) -> int:
        """Return how many closes of the session pass before the first that fires."""
        n_bars = account.quiet_session(len(equity))
        if self._is_on and account.session == self._session:
            return n_bars
        if self._is_on:
            return 0
        loss = account.losses_in_session(equity[:n_bars])
        return quiet_before(loss >= self._least_loss)


@dataclass(frozen=True, slots=True)
class VolatilityTarget(Limit):
    """Scale all weights by ``min(max_scale, annual / realized)``.

    ``realized = std(returns) * sqrt(periods_per_year)`` over the last `window` unlevered returns
    (`AccountState.unlevered_returns`, sample standard deviation). So the target is that of a gross
    exposure of 1 before scaling. Fewer than `window` returns: weights stay as they are. Returns
    without any variation scale by `max_scale`.

    Attributes
    ----------
    annual : float
        Volatility per year, 0.1 = 10%; below 3: 10 would be meant as percent.
    window : int
        Bars that had exposure.
    periods_per_year : float
        Bars per year.
    max_scale : float
        Above 1 weights may grow, at most 10. A discrete order is never made larger.
    """

    annual: float
    window: int = 63
    periods_per_year: float = 252
    max_scale: float = 1.0

    def __post_init__(self) -> None:
        require_fraction("annual", self.annual, VOLATILITY)
        require_fraction("max_scale", self.max_scale, EXPOSURE)
        require_number("periods_per_year", self.periods_per_year, above=0, below=float("inf"))
        object.__setattr__(self, "window", require_whole("window", self.window, least=2))
        keep_plain(self)

    @property
    def reason(self) -> str:
        """One line on what the limit does, for the ``decisions`` table."""
        return f"volatility target of {self.annual:.2%} a year"

    def edit(self, wish: Wish) -> Floats:
        """Return ``w * min(max_scale, annual / realized)``."""
        returns = wish.account.unlevered_returns(self.window)
        if len(returns) < self.window:
            return wish.wanted
        realized = float(np.std(returns, ddof=1)) * math.sqrt(self.periods_per_year)
        # As a product, so that a realized volatility of 0 divides nothing.
        is_capped = self.annual >= realized * self.max_scale
        scale = self.max_scale if is_capped else self.annual / realized
        return wish.wanted if scale == 1 else wish.wanted * scale


@dataclass(frozen=True, slots=True)
class MaxVaR(Limit):
    """Scale all weights down to ``sum |w| * var <= fraction``: historical value at risk of a bar.

    ``var = -quantile(returns, 1 - confidence)`` (linear between observations) over the last
    `window` unlevered returns (`AccountState.unlevered_returns`). Fewer of them, or a quantile
    that is no loss: weights stay as they are.

    Attributes
    ----------
    fraction : float
        Of equity, lost in one bar with a probability of ``1 - confidence``; below 3:
        5 would be meant as percent.
    confidence : float
    window : int
        Bars that had exposure.
    """

    fraction: float
    confidence: float = 0.95
    window: int = 252

    def __post_init__(self) -> None:
        require_fraction("fraction", self.fraction, VOLATILITY)
        require_fraction("confidence", self.confidence, SHARE)
        object.__setattr__(self, "window", require_whole("window", self.window, least=2))
        keep_plain(self)

    @property
    def reason(self) -> str:
        """One line on what the limit does, for the ``decisions`` table."""
        return f"{self.confidence:.0%} value at risk of at most {self.fraction:.2%} of equity"

    def edit(self, wish: Wish) -> Floats:
        """Return ``w * fraction / (sum |w| * var)`` where the product is more than `fraction`."""
        returns = wish.account.unlevered_returns(self.window)
        if len(returns) < self.window:
            return wish.wanted
        var = -float(np.quantile(returns, 1 - self.confidence))
        return scale_gross(wish, self.fraction / var) if var > 0 else wish.wanted


def _require_action(limit: Limit, action: str, scale: float) -> None:
    """Refuse an unknown action or scale; keep the plain word, which shows alike."""
    object.__setattr__(limit, "action", parse_choice(BreachAction, "action", action).value)
    require_fraction("scale", scale, SHARE)
