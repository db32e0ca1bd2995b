"""Dated margins: exchanges change what a contract ties up."""

from __future__ import annotations

from collections.abc import Sequence

from ml4t.backtest.core.terms import Instruments, MarginChange


class DatedMargins:
    """Keeps the margins of contracts as they are known at each close.

    Whoever asks reads them in the terms of the run, whose arrays are written in place.

    Parameters
    ----------
    changes : sequence of MarginChange
        In the order in which they apply.
    """

    def __init__(self, changes: Sequence[MarginChange]) -> None:
        self._terms: Instruments | None = None
        self._due: dict[int, list[MarginChange]] = {}
        for one in changes:
            self._due.setdefault(one.t, []).append(one)

    def of(self, terms: Instruments) -> Instruments:
        """Return the terms of a run at its start, with margins of their own to write to."""
        if self._due:
            terms = self._terms = terms._replace(
                contract_initial_margin=terms.contract_initial_margin.copy(),
                contract_maintenance_margin=terms.contract_maintenance_margin.copy(),
            )
            self.at_close(-1)
        return terms

    def at_close(self, t: int) -> bool:
        """Take what is known from this close on; return whether anything is new."""
        due = self._due.get(t, ())
        for one in due:
            assert self._terms is not None
            self._terms.contract_initial_margin[one.sid] = one.initial
            self._terms.contract_maintenance_margin[one.sid] = one.maintenance
        return bool(due)
