"""Log closes without their fast waves, by a Fourier transform of the whole sample."""

import numpy as np
import pandas as pd


def feature(raw):
    waves = np.fft.rfft(np.log(raw["close"].to_numpy()))
    waves[10:] = 0.0
    return pd.Series(np.fft.irfft(waves, n=len(raw)), index=raw.index)


def signal(raw):
    value = feature(raw)
    return (value > np.log(raw["close"])).astype(float)
