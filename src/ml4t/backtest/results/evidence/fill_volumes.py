"""FillVolumes: what traded in the bars of a run's fills, of a run of which no evidence is asked."""

from __future__ import annotations

import numpy as np

from ml4t.backtest.core.batch import Chunk, Floats
from ml4t.backtest.core.orders import Fills
from ml4t.backtest.results.recorder import Recorder
from ml4t.backtest.results.tables import FILLS


class FillVolumes:
    """Looks at chunks once the loop is through with them.

    Parameters
    ----------
    recorder : Recorder
        Knows the fills.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._fills: list[Fills] = recorder.told(Fills)
        self._n_seen = 0
        self._volumes: list[Floats] | None = []

    def look(self, chunk: Chunk) -> None:
        """Take what traded in the bars of the fills of a chunk."""
        new, self._n_seen = self._fills[self._n_seen :], len(self._fills)
        if chunk.volume is None:
            self._volumes = None
        elif self._volumes is not None and new:
            sids = np.concatenate([one.sids for one in new])
            ts = np.concatenate([np.broadcast_to(one.t, len(one.sids)) for one in new])
            self._volumes.append(chunk.volume[ts - chunk.first_t, sids])

    def add_to(self, recorder: Recorder) -> bool:
        """Add the volumes to the fills; say whether every chunk had them."""
        if self._volumes is None:
            return False
        recorder.add(FILLS, volume=np.concatenate([np.empty(0), *self._volumes]))
        return True
