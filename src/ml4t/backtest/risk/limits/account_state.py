"""AccountState: the closes of a run so far, as limits read them."""

from __future__ import annotations

import math

import numpy as np

from ml4t.backtest.core.batch import Floats, Ints
from ml4t.backtest.core.stretch import quiet_before
from ml4t.backtest.core.tolerances import LEAST_EXPOSURE


class AccountState:
    """The account at every close so far.

    Parameters
    ----------
    sessions : int array
        Calendar date of each bar of the run, as a number.

    Attributes
    ----------
    t : int
        Bar of the last close, -1 before the first.
    peak : float
        Highest equity of any close so far, account currency.
    """

    def __init__(self, sessions: Ints) -> None:
        self.t = -1
        self.peak = -math.inf
        self._initial = math.nan
        self._sessions = sessions
        self._equity = np.full(len(sessions), np.nan)
        self._gross = np.full(len(sessions), np.nan)
        self._returns = np.empty(len(sessions))
        self._n_returns = 0

    @property
    def equity(self) -> float:
        """Equity at the last close, account currency."""
        return float(self._equity[self.t])

    @property
    def session(self) -> int:
        """Calendar date of the last close."""
        return int(self._sessions[self.t])

    @property
    def equities(self) -> Floats:
        """Equity at every close so far; a view."""
        return self._equity[: self.t + 1]

    @property
    def gross_weights(self) -> Floats:
        """Gross exposure as a fraction of equity at every close so far; a view."""
        return self._gross[: self.t + 1]

    def record(self, t: int, equity: float, gross: float) -> None:
        """Append a close, or restate the last one after orders that filled at it.

        A restated close is what the next one is measured against; what was earned until it stays,
        and so does the peak.

        Parameters
        ----------
        equity : float
            Account currency.
        gross : float
            Sum of ``|quantity * mark * multiplier|``, account currency.
        """
        assert t in (self.t, self.t + 1), f"close {t} came after close {self.t}"
        assert math.isfinite(equity), f"equity at bar {t} was {equity}"
        assert math.isfinite(gross), f"gross exposure at bar {t} was {gross}"
        self._equity[t] = equity
        self._gross[t] = gross / equity if equity > 0 else 0.0
        if t == self.t:
            return
        if t == 0:
            self._initial = equity
        self.t, self.peak = t, max(self.peak, equity)
        if t > 0 and self._gross[t - 1] > LEAST_EXPOSURE:
            earned = equity / self._equity[t - 1] - 1
            self._returns[self._n_returns] = earned / self._gross[t - 1]
            self._n_returns += 1

    def record_over(self, equity: Floats, gross: Floats) -> None:
        """Append several closes; one by one they leave the same."""
        before, first_t = self.t, self.t + 1
        self.t += len(equity)
        self._equity[first_t : self.t + 1] = equity
        has_equity = equity > 0
        weight = np.divide(gross, equity, out=np.zeros(len(equity)), where=has_equity)
        self._gross[first_t : self.t + 1] = weight
        self.peak = max(self.peak, float(equity.max()))
        (exposed,) = (
            self._gross[before : self.t] > LEAST_EXPOSURE
        ).nonzero()  # none without equity
        earned = equity[exposed] / self._equity[before : self.t][exposed] - 1
        start, self._n_returns = self._n_returns, self._n_returns + len(earned)
        self._returns[start : self._n_returns] = earned / self._gross[before : self.t][exposed]

    def quiet_session(self, n_bars: int) -> int:
        """Return how many of the next closes are in the session of the last one."""
        following = self._sessions[self.t + 1 : self.t + 1 + n_bars]
        return quiet_before(following != self.session)

    @property
    def _before_session(self) -> float:
        """Equity at the last close before the session of the last one."""
        first = int(np.searchsorted(self._sessions[: self.t + 1], self.session))
        return self._initial if first == 0 else float(self._equity[first - 1])

    def loss_in_session(self) -> float:
        """Return the loss since the last close of the session before, as a fraction of it.

        Negative is a gain. In the first session the first close stands in, before what was traded
        at it: nothing was held before. An account that had no equity left has lost all.
        """
        return float(self.losses_in_session(np.array([self.equity]))[0])

    def losses_in_session(self, equity: Floats) -> Floats:
        """Return the same at closes of this equity, all in the session of the last one."""
        before = self._before_session
        return 1 - equity / before if before > 0 else np.ones(len(equity))

    def unlevered_returns(self, window: int) -> Floats:
        """Return what a gross exposure of 1 earned, over the last bars that had exposure.

        ``(equity[t] / equity[t-1] - 1) / gross_weight[t-1]`` where ``gross_weight[t-1] > 0``.

        Returns
        -------
        float array
            The last `window` of them, oldest first; all of them where there are fewer. A view.
        """
        return self._returns[max(self._n_returns - window, 0) : self._n_returns]
