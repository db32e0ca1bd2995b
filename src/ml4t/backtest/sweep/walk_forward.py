"""Walk forward: train on the past, test on what follows, step on.

The borders between train and test parts are found first, then each part is measured from them.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from datetime import timedelta
from typing import ClassVar

from ml4t.backtest.errors import ConfigError, require_flags
from ml4t.backtest.sweep.folds import Division
from ml4t.backtest.sweep.lengths import PERIODS, Length, length_of
from ml4t.backtest.sweep.splits import Splits
from ml4t.backtest.sweep.timeline import Border, Timeline

Size = int | str | timedelta


@dataclass(frozen=True, slots=True)
class WalkForward(Splits):
    """Folds that walk through time: each is trained on the past of its test part.

    A size is a number of bars (timestamps, not rows); ``"20 sessions"``; a time that passes
    (``"90 minutes"``, a timedelta); or days, weeks, months, quarters and years of the calendar,
    such as ``"2 years"``. Where `step` is in weeks or longer, test parts begin with its periods:
    ``test="1 year"`` tests calendar years, ``test="12 months"`` years from any first of a month.
    A period that lacks no more than its first seven days (a week: three) counts as whole.

    Parameters
    ----------
    train : int, str or timedelta
        What is trained on before each test part, before `purge` and `embargo` shorten it at its
        end. `anchored`: at least that much.
    test : int, str or timedelta
    step : int, str or timedelta, optional
        From one test part to the next; `test` by default. A longer one leaves bars untested.
    anchored : bool, default False
        Train from the first bar on (an expanding window); False: a rolling window.
    purge : int, str or timedelta, default 0
        How far labels reach beyond their bar. That much is left out at the end of the train part:
        with bars ``t``, the test part from ``T0`` on and `purge` in bars, ``t + purge < T0``.
    embargo : int, str or timedelta, default 0
        What is kept free besides, between the last bar that a label reaches and the test part.
    warm_up : int, str or timedelta, default 0
        How much earlier a run of the test part begins, over the border: what it needs to have
        seen or hold when the test part begins.
    partial : bool, default True
        Keep a last test part that is shorter than `test`.

    Raises
    ------
    ConfigError
        A size is none.

    Examples
    --------
    >>> import numpy as np
    >>> from ml4t.backtest.sweep.walk_forward import WalkForward
    >>> days = np.arange("2020-01-01", "2024-01-01", dtype="datetime64[D]")
    >>> walk = WalkForward(train="2 years", test="1 year", purge=5)
    >>> for fold in walk.folds(days):
    ...     print(fold)
    fold 1: train 2020-01-01 to 2021-12-26; test 2022-01-01 to 2022-12-31
    fold 2: train 2021-01-01 to 2022-12-26; test 2023-01-01 to 2023-12-31
    """

    train: Size
    test: Size
    _: KW_ONLY
    step: Size | None = None
    anchored: bool = False
    purge: Size = 0
    embargo: Size = 0
    warm_up: Size = 0
    partial: bool = True
    is_walk: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name, least in (
            ("train", 1),
            ("test", 1),
            ("purge", 0),
            ("embargo", 0),
            ("warm_up", 0),
        ):
            length_of(name, getattr(self, name), least=least)
        if self.step is not None:
            length_of("step", self.step, least=1)
        require_flags(self, "anchored", "partial")

    def divisions(self, line: Timeline) -> list[Division]:
        """Return the folds before anything is purged.

        Raises
        ------
        ConfigError
            The bars are too few for one, do not go back as far as `warm_up`, or test parts overlap.
        """
        train, test, warm_up = (
            length_of(name, getattr(self, name)) for name in ("train", "test", "warm_up")
        )
        step = test if self.step is None else length_of("step", self.step)
        first = self._first(train, step, line)
        divisions: list[Division] = []
        n, border = 0, first
        while border.t < line.n_bars:
            stop = line.on(border, test).t
            # Of some lengths a part may have no bars, as of minutes over night.
            is_kept = stop > border.t and (self.partial or line.has_after(border, test))
            if is_kept:
                if divisions and border.t < (ends := divisions[-1].tests[0][1]):
                    self._refuse_overlap(step, border.t, ends - 1, line)
                begin = 0 if self.anchored else line.back(border, train)
                if begin == border.t:
                    self._refuse_gap(border.t, line)
                run = self._run_start(border, warm_up, line)
                divisions.append(Division((begin, border.t), ((border.t, stop),), (run,)))
            n += 1
            border = line.on(first, step.times(n))
        if not divisions:
            self._refuse_too_few(line)
        return divisions

    def _first(self, train: Length, step: Length, line: Timeline) -> Border:
        """Return the first border with a whole train part before it."""
        if step.unit in PERIODS:
            borders = map(line.on_day, line.period_starts(step.unit))
            found = next((one for one in borders if one.t and line.has_before(one, train)), None)
            return line.at(line.n_bars) if found is None else found
        found = line.on(line.at(0), train)
        return line.session_start(found) if step.unit in ("session", "day") else found

    def _run_start(self, border: Border, warm_up: Length, line: Timeline) -> int:
        if warm_up.n and not line.has_before(border, warm_up):
            raise ConfigError(
                f"warm_up={self.warm_up!r} goes back beyond the first bar, {line.time(0)}, from a "
                f"test part that begins at {line.time(border.t)}; shorten it, lengthen train="
                f"{self.train!r}, or give bars from earlier on"
            )
        return line.back(border, warm_up)

    def _refuse_overlap(self, step: Length, t: int, last: int, line: Timeline) -> None:
        raise ConfigError(
            f"step of {step.text} is shorter than test of {self.test}: a test part ends at "
            f"{line.time(last)}, and the next begins at {line.time(t)}; each bar is tested once at "
            "the most, so lengthen step or leave it out"
        )

    def _refuse_gap(self, t: int, line: Timeline) -> None:
        raise ConfigError(
            f"there are no bars within train={self.train!r} before the test part that begins at "
            f"{line.time(t)}; count train in bars or sessions, or walk with anchored=True"
        )

    def _refuse_too_few(self, line: Timeline) -> None:
        whole = "" if self.partial else ", whole (partial=False)"
        raise ConfigError(
            f"train={self.train!r} and test={self.test!r}{whole} need more than the "
            f"{line.n_bars:,} bars from {line.time(0)} to {line.time(line.n_bars - 1)}; shorten "
            "one of them, or give more bars"
        )
