"""LimitLog: what the limits of one run did, for the journal and for the summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ml4t.backtest.core.journal import Decision, Journal
from ml4t.backtest.risk.limits.limit import Limit


class LimitLog:
    """Tells the journal of every act of a limit, and counts.

    Parameters
    ----------
    limits : sequence of Limit
    names : sequence of str
        What decisions call the limits, in their order.
    journal : Journal

    Attributes
    ----------
    names : list of str
    t : int
        The bar of the next decisions.
    n_asked, n_fired : list of int
        Per limit: how often it was asked, and how often it acted.
    """

    def __init__(self, limits: Sequence[Limit], names: Sequence[str], journal: Journal) -> None:
        self.names = list(names)
        self.t = -1
        self.n_asked, self.n_fired = [0] * len(limits), [0] * len(limits)
        self._reasons = [limit.reason for limit in limits]
        self._journal = journal

    def decide(
        self, i: int, sid: int, action: str, level: float, seen: Mapping[str, float]
    ) -> None:
        """Tell of a decision of limit `i`; a `sid` of -1 is the whole account."""
        self.tell(self.names[i], sid, action, level, self._reasons[i], seen)

    def tell(
        self, rule: str, sid: int, action: str, level: float, reason: str,
        seen: Mapping[str, float],
    ) -> None:  # fmt: skip
        """Tell of a decision that no limit in particular made."""
        self._journal.record(
            Decision(
                t=self.t, sid=sid, rule=rule, action=action, level=level, reason=reason,
                features=seen,
            )
        )  # fmt: skip

    def activity(self) -> list[tuple[str, int, int]]:
        """Return per limit its name, how often it was asked and how often it acted."""
        return list(zip(self.names, self.n_asked, self.n_fired, strict=True))
