"""Progress: how far a run is, in a terminal, a notebook or a log.

A terminal gets a line that is rewritten, a notebook an output that is replaced, without widgets;
anything else (a log, a pipe) a line at every tenth of the run, at most one a second.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, TextIO

from ml4t.backtest.errors import ConfigError

Progress = Callable[[int, int], None]
WIDTH = 30
SECONDS_BETWEEN = 0.1  # between two pictures of one run
SECONDS_BETWEEN_LINES = 1.0


def progress_of(asked: Progress | bool | None, unit: str = "bars") -> Progress | None:
    """Return what is called with the bars done, or units of another kind, as a user asked.

    Raises
    ------
    ConfigError
        It is no flag, and cannot be called.
    """
    if asked is None or asked is False:
        return None
    if asked is not True:
        if not callable(asked):
            raise ConfigError(
                f"progress must be True or a function of ({unit}_done, {unit}), was {asked!r}"
            )
        return asked
    display = _notebook()
    if display is not None:
        return _InNotebook(display, unit)
    shown = _OnTerminal if sys.stderr.isatty() else _InLog
    return shown(sys.stderr, unit)


class ShownProgress:
    """What is shown of a run: how far it is, the time gone, and the time to go.

    Attributes
    ----------
    n_there : int
        Units that were done before it began: they took none of its time.
    n_failed : int
        Units that failed.
    """

    def __init__(self, unit: str) -> None:
        self.n_there = self.n_failed = 0
        self._unit, self._began = unit, time.monotonic()

    def picture(self, done: int, total: int) -> str:
        """Return one line: a picture, the units done and in all, and the times."""
        filled = WIDTH * done // total if total else WIDTH
        picture = "█" * filled + "░" * (WIDTH - filled)
        gone, to_go = self._times(done, total)
        return f"{picture} {done:,}/{total:,} {self._unit}  {gone} gone{to_go}{self._failed()}"

    def line(self, done: int, total: int) -> str:
        """Return the same in words."""
        gone, to_go = self._times(done, total)
        return f"{done:,} of {total:,} {self._unit} after {gone}{to_go}{self._failed()}"

    def _times(self, done: int, total: int) -> tuple[str, str]:
        seconds, n_made = time.monotonic() - self._began, done - self.n_there
        to_go = f", {_clock(seconds * (total - done) / n_made)} to go" if n_made > 0 else ""
        return _clock(seconds), to_go

    def _failed(self) -> str:
        return f", {self.n_failed:,} failed" if self.n_failed else ""


class _OnTerminal(ShownProgress):
    """Rewrites one line, and leaves it empty at the end."""

    def __init__(self, stream: TextIO, unit: str) -> None:
        super().__init__(unit)
        self._stream, self._last = stream, 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done >= total:
            self._stream.write("\r\x1b[K")
        elif now - self._last >= SECONDS_BETWEEN:
            self._stream.write("\r\x1b[K" + self.picture(done, total))
            self._last = now
        self._stream.flush()


class _InLog(ShownProgress):
    """Writes a line at each tenth of a run that takes longer than a second."""

    def __init__(self, stream: TextIO, unit: str) -> None:
        super().__init__(unit)
        self._stream, self._last, self._tenth = stream, self._began, 0

    def __call__(self, done: int, total: int) -> None:
        now, tenth = time.monotonic(), 10 * done // total if total else 10
        if self._tenth < tenth < 10 and now - self._last >= SECONDS_BETWEEN_LINES:
            self._stream.write(f"{self.line(done, total)}\n")
            self._stream.flush()
            self._last, self._tenth = now, tenth


class _InNotebook(ShownProgress):
    """Replaces one output of a cell, and takes it away at the end."""

    def __init__(self, display: Callable[..., Any], unit: str) -> None:
        super().__init__(unit)
        self._display, self._handle, self._last = display, None, 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done < total and now - self._last < SECONDS_BETWEEN:
            return
        self._last = now
        shown = {"text/plain": "" if done >= total else self.picture(done, total)}
        if self._handle is None:
            self._handle = self._display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)


def _notebook() -> Callable[..., Any] | None:
    """Return what shows an output in a notebook's cell; None where there is none."""
    ipython = sys.modules.get("IPython")  # a notebook has loaded it long since
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    found: Callable[..., Any] = import_module("IPython.display").display
    return found


def _clock(seconds: float) -> str:
    """Return a time span as 0:07 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
