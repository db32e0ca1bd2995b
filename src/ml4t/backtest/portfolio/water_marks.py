"""WaterMarks: the best price of each position since its entry, after a bar or after several."""

from __future__ import annotations

from enum import Enum

import numpy as np

from ml4t.backtest.core.batch import Batch, Floats, Ints
from ml4t.backtest.core.levels import LevelPolicy, TrailBy, TrailStart
from ml4t.backtest.core.stretch import behind
from ml4t.backtest.portfolio.positions import Positions


class Seen(Enum):
    """What of its entry bar a new position has seen."""

    ALL = "all"  # it was opened at the open, or by a move that went on
    CLOSE = "close"  # it was opened inside, by a limit
    NOTHING = "nothing"  # it was opened at the close


class WaterMarks:
    """Moves the water marks of positions, as the level policy says.

    Parameters
    ----------
    positions : Positions
        Their `water_mark` is written in place.
    policy : LevelPolicy
        Where water marks start and what moves them.
    """

    def __init__(self, positions: Positions, policy: LevelPolicy) -> None:
        self._positions, self._by_close = positions, policy.trail_by is TrailBy.CLOSE
        self.start_at_fill = policy.trail_start is not TrailStart.ENTRY_CLOSE
        self._only_close_t = np.full(len(positions.quantity), -1, dtype=np.int64)
        self._last_partial_t = -1

    def note_partial(self, t: int, opened: Ints, seen: Seen) -> None:
        """Take note of positions that have not seen all of the bar in which they were opened."""
        self._last_partial_t = t
        if seen is Seen.NOTHING:
            self._positions.first_t[opened] = t + 1
        else:
            self._only_close_t[opened] = t

    def move(self, batch: Batch, held: Ints) -> None:
        """Move those of what is held after a bar, at whose close it is marked."""
        positions, close = self._positions, batch.close[held]
        # fmax and fmin ignore the NaN of an asset without a bar.
        high = close if self._by_close or batch.high is None else batch.high[held]
        best = np.fmax(positions.water_mark[held], high)
        if positions.n_short:
            low = close if self._by_close or batch.low is None else batch.low[held]
            lowest = np.fmin(positions.water_mark[held], low)
            best = np.where(positions.quantity[held] < 0, lowest, best)
        if self._last_partial_t == batch.t:
            best = self._partly_seen(batch.t, held, close, best)
        if not self.start_at_fill:
            best = np.where(positions.entry_t[held] == batch.t, positions.mark[held], best)
        positions.water_mark[held] = best

    def over_bars(
        self, held: Ints, close: Floats, high: Floats | None, low: Floats | None
    ) -> Floats:
        """Return them after each of several bars of which all is seen; nothing is moved."""
        water_mark = self._positions.water_mark[held]
        best = close if self._by_close or high is None else high
        best = np.fmax.accumulate(behind(water_mark, best))[1:]
        if self._positions.n_short:
            lowest = close if self._by_close or low is None else low
            lowest = np.fmin.accumulate(behind(water_mark, lowest))[1:]
            best = np.where(self._positions.quantity[held] < 0, lowest, best)
        return best

    def _partly_seen(self, t: int, held: Ints, close: Floats, best: Floats) -> Floats:
        """Return the water marks, held back for what was opened inside or after this bar."""
        mark = self._positions.water_mark[held]
        side = np.sign(self._positions.quantity[held])
        by_close = side * np.fmax(side * mark, side * close)
        best = np.where(self._only_close_t[held] == t, by_close, best)
        return np.where(self._positions.first_t[held] > t, mark, best)
