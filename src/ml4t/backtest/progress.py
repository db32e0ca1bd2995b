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


def shown_progress(done: int, total: int, seconds: float, unit: str = "bars") -> str:
    """Return one line: a picture, the units done and in all, and the time gone and to go."""
    filled = WIDTH * done // total if total else WIDTH
    left = seconds * (total - done) / done if done else 0.0
    picture = "█" * filled + "░" * (WIDTH - filled)
    return f"{picture} {done:,}/{total:,} {unit}  {_clock(seconds)} gone, {_clock(left)} to go"


class _OnTerminal:
    """Rewrites one line, and leaves it empty at the end."""

    def __init__(self, stream: TextIO, unit: str) -> None:
        self._stream, self._unit = stream, unit
        self._began, self._last = time.monotonic(), 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done >= total:
            self._stream.write("\r\x1b[K")
        elif now - self._last >= SECONDS_BETWEEN:
            self._stream.write(
                "\r\x1b[K" + shown_progress(done, total, now - self._began, self._unit)
            )
            self._last = now
        self._stream.flush()


class _InLog:
    """Writes a line at each tenth of a run that takes longer than a second."""

    def __init__(self, stream: TextIO, unit: str) -> None:
        self._stream, self._unit, self._began = stream, unit, time.monotonic()
        self._last, self._tenth = self._began, 0

    def __call__(self, done: int, total: int) -> None:
        now, tenth = time.monotonic(), 10 * done // total if total else 10
        if self._tenth < tenth < 10 and now - self._last >= SECONDS_BETWEEN_LINES:
            seconds = now - self._began
            self._stream.write(f"{done:,} of {total:,} {self._unit} after {_clock(seconds)}\n")
            self._stream.flush()
            self._last, self._tenth = now, tenth


class _InNotebook:
    """Replaces one output of a cell, and takes it away at the end."""

    def __init__(self, display: Callable[..., Any], unit: str) -> None:
        self._display, self._unit, self._handle = display, unit, None
        self._began, self._last = time.monotonic(), 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done < total and now - self._last < SECONDS_BETWEEN:
            return
        self._last = now
        text = "" if done >= total else shown_progress(done, total, now - self._began, self._unit)
        shown = {"text/plain": text}
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
