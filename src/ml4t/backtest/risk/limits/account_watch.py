"""AccountWatch: asks the limits of one run, at a close, what they do to the whole account.

A limit may halt, which brakes until it resumes; reduce every position, which is cut once; or
liquidate, which is cut at every close until it resumes. Cuts are for the broker to trade (`Cut`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ml4t.backtest.core.batch import Floats
from ml4t.backtest.risk.limits.account_state import AccountState
from ml4t.backtest.risk.limits.limit import Cut, Limit, LimitAction, LimitKind
from ml4t.backtest.risk.limits.log import LimitLog


class AccountWatch:
    """The limits that watch the account, and which of them liquidate it now.

    Parameters
    ----------
    runs : sequence of Limit
        Every limit, as its `start` returned it.
    log : LimitLog
        Told of every act.
    """

    def __init__(self, runs: Sequence[Limit], log: LimitLog) -> None:
        self._runs, self._log = runs, log
        self._watching = [
            (i, run) for i, run in enumerate(runs) if type(run).at_close is not Limit.at_close
        ]
        self._liquidating: set[int] = set()

    def at_close(self, account: AccountState) -> list[Cut]:
        """Ask the limits that watch the account; return what to cut, in the limits' order."""
        cuts = []
        for i, run in self._watching:
            self._log.n_asked[i] += 1
            for action in run.at_close(account):
                cuts += self._act(i, action)
            if i in self._liquidating:
                cuts.append(Cut(self._log.names[i], 0.0))
        return cuts

    @property
    def must_see_every_close(self) -> bool:
        """Whether one of them has to be asked at every close."""
        return any(run.must_see_every_close for _, run in self._watching)

    @property
    def liquidates(self) -> bool:
        """Whether what is held is cut at every close."""
        return bool(self._liquidating)

    @property
    def watches(self) -> bool:
        """Whether any limit watches the account."""
        return bool(self._watching)

    def quiet_closes(self, account: AccountState, equity: Floats) -> int:
        """Return at how many closes of this equity, the next ones, nothing would be done."""
        return min((run.quiet_closes(account, equity) for _, run in self._watching),
                   default=len(equity))  # fmt: skip

    def pass_over(self, equity: Floats) -> None:
        """Take note of closes at which nothing was done."""
        for i, run in self._watching:
            self._log.n_asked[i] += len(equity)
            run.pass_over(equity)

    @property
    def braking(self) -> str:
        """Name of a limit that forbids to increase any position now, empty where none does."""
        names = zip(self._log.names, self._runs, strict=True)
        return next((name for name, run in names if run.is_braking), "")

    def _act(self, i: int, action: LimitAction) -> list[Cut]:
        """Tell the journal of an act on the account; return what it cuts once."""
        is_cut = action.kind in (LimitKind.REDUCE, LimitKind.LIQUIDATE)
        level = action.factor if is_cut else math.nan
        self._log.decide(i, -1, action.kind.value, level, action.seen)
        if action.kind is LimitKind.RESUME:
            self._liquidating.discard(i)
            return []
        self._log.n_fired[i] += 1
        if action.kind is LimitKind.LIQUIDATE:
            self._liquidating.add(i)
        is_once = action.kind is LimitKind.REDUCE
        return [Cut(self._log.names[i], action.factor)] if is_once else []
