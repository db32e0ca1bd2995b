"""Keeping: saved runs that commands open, and writing that one Ctrl-C does not break off."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import typer

from ml4t.backtest.results.keeping.paths import is_store
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.results.run_store.store import RunStore

if TYPE_CHECKING:
    from ml4t.backtest.results.run_store.storing import StoreLike


def opened_run(path: Path) -> BacktestResult:
    """Open a saved run, or one of a store: ``STORE/ID``."""
    if not path.exists() and is_store(path.parent):
        return RunStore(path.parent).open(path.name)
    return BacktestResult.open(path)


def patient(store: StoreLike) -> RunStore:
    """Return a store whose adding one Ctrl-C does not break off."""
    return _PatientStore(store.path if isinstance(store, RunStore) else store)


class _PatientStore(RunStore):
    def add(self, result: BacktestResult, *, tags: Iterable[str] = ()) -> str:
        with finishing(self.path):
            return super().add(result, tags=tags)


@contextmanager
def finishing(target: Path) -> Iterator[None]:
    """Finish what is being written in spite of one Ctrl-C; a second one ends it."""
    asked: list[int] = []
    before = signal.getsignal(signal.SIGINT)

    def note(number: int, _: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        typer.echo(f"finishing '{target}'; once more to give it up", err=True)

    is_ours = before is signal.default_int_handler
    if is_ours:
        signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        if is_ours:
            signal.signal(signal.SIGINT, before)
    if asked:
        raise KeyboardInterrupt(f"; the run was finished, and is saved to {target}")
