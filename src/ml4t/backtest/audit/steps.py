"""Steps: how many runs of an audit are done, of as many as its parts have said so far."""

from __future__ import annotations

from ml4t.backtest.progress import Progress


class Steps:
    """Tells a progress after each run.

    Parameters
    ----------
    progress : Progress or None
        Called as ``progress(runs_done, runs_in_all)``.
    """

    def __init__(self, progress: Progress | None) -> None:
        self._progress, self._done, self._in_all = progress, 0, 0

    def expect(self, n: int) -> None:
        """Take so many more runs into the whole."""
        self._in_all += n

    def done(self) -> None:
        """Tell that one more run is done."""
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._in_all)

    def catch_up(self) -> None:
        """Tell that what was expected so far and is not done is not needed."""
        while self._done < self._in_all:
            self.done()
