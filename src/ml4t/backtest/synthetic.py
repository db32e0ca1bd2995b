"""A made-up market with known answers: prices, scores of stated accuracy, a VIX and its regimes.

Steps of `make_market`: regimes -> VIX -> closes -> scores, then per block of bars the open, high,
low, volume and ATR, written as one Parquet row group each. Every random number comes from a
stream of its own per step and block, so that the same arguments give the same files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.batch import Bools, Floats
from ml4t.backtest.errors import DataError, require_path, require_whole

if TYPE_CHECKING:
    from numpy.random import Generator

HORIZON = 5
"""Bars ahead that a score speaks of: the return from the close of bar t to that of t + 5."""
ACCURACY = {"bull": 0.60, "bear": 0.40}
"""Share of scores on the right side of 0.5, by the regime of the score's own bar."""
BEAR_SHARE = 0.10
"""Share of bear bars: 0.9 * 60% + 0.1 * 40% = 58% overall."""
BEAR_SPELL = 15
ATR_BARS = 20
BLOCK_BARS = 126
FIRST_DAY = "2020-01-02"
VIX_LEVEL = {"bull": 16.5, "bear": 34.0}
# Per bar, log returns: what the whole market does in each regime.
MARKET_DRIFT = {"bull": 0.0006, "bear": -0.0020}
MARKET_VOLATILITY = {"bull": 0.007, "bear": 0.016}
STEPS = {"regime": 0, "vix": 1, "assets": 2, "market": 3, "closes": 4, "scores": 5, "bars": 6}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """Consecutive bars of all assets; every array is [bar, asset]."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    atr: Floats


def make_market(
    folder: str | Path, *, n_assets: int = 500, n_bars: int = 252, seed: int = 42
) -> Path:
    """Write ``prices.parquet``, ``features.parquet`` and ``context.parquet``.

    Bars are business days from 2020-01-02, assets ``S0000``, ``S0001``, ...; rows are sorted by
    (timestamp, asset_id) and complete.

    - prices: timestamp, asset_id, open, high, low, close, volume (shares)
    - features: timestamp, asset_id, ml_score from 0 to 1 (above 0.5: up over the next
      `HORIZON` bars, close to close), atr (mean true range of the last 20 bars in price units,
      NULL on the first 20 bars)
    - context: timestamp, vix, regime (``'bull'`` or ``'bear'``)

    A score is right with a probability of 60% on bull bars and 40% on bear bars; one bar in ten
    is a bear bar, so that 58% are right overall. `score_accuracy` measures it.

    Parameters
    ----------
    folder : str or Path
        Made where it is missing; files of these names are replaced.
    n_assets, n_bars : int
        At least 1 each.
    seed : int
        At least 0.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ConfigError
        A number is outside what it may be, or `folder` is no path.
    """
    n_assets = require_whole("n_assets", n_assets, least=1)
    n_bars = require_whole("n_bars", n_bars, least=1)
    seed = require_whole("seed", seed, least=0)
    target = require_path("folder", folder, "a path")
    target.mkdir(parents=True, exist_ok=True)
    days = np.busday_offset(FIRST_DAY, np.arange(n_bars), roll="forward")
    timestamps = days.astype("datetime64[us]")
    is_bear = _regimes(n_bars, _stream(seed, "regime"))
    vix = _vix(is_bear, _stream(seed, "vix"))
    closes, volatility = _closes(is_bear, n_assets, seed)
    _write_context(target / "context.parquet", timestamps, vix, is_bear)
    _write_bars(target, timestamps, closes, volatility, is_bear, seed)
    return target


def score_accuracy(folder: str | Path) -> dict[str, float]:
    """Measure in the files how often a score's direction is that of the return it speaks of.

    The direction is up above 0.5; the return runs from the close of the score's bar to the close
    `HORIZON` bars later. The last `HORIZON` bars have no such close and are left out.

    Returns
    -------
    dict of str to float
        ``overall``, ``bull`` and ``bear`` as shares from 0 to 1 (NaN where there is no such
        bar), ``horizon_bars``, ``n_scores``, ``bear_share``.

    Raises
    ------
    DataError
        A file is missing or has not one row per bar and asset.
    """
    import pyarrow.parquet as pq

    source = require_path("folder", folder, "a path")
    found = {}
    for name, column in (("prices", "close"), ("features", "ml_score"), ("context", "regime")):
        path = source / f"{name}.parquet"
        if not path.is_file():
            raise DataError(name, "missing_file", f"is not at '{path}'; call make_market first")
        values = pq.read_table(path, columns=[column])[column]
        found[name] = values.to_numpy()
    n_bars = len(found["context"])
    if len(found["prices"]) != len(found["features"]) or len(found["prices"]) % n_bars:
        raise DataError("prices", "incomplete_grid", "has not one row per bar and asset")
    closes = found["prices"].reshape(n_bars, -1)
    scores = found["features"].reshape(n_bars, -1)[:-HORIZON]
    is_right = (scores > 0.5) == (closes[HORIZON:] > closes[:-HORIZON])
    is_bear = found["context"][:-HORIZON] == "bear"
    return {
        "overall": _share(is_right),
        "bull": _share(is_right[~is_bear]),
        "bear": _share(is_right[is_bear]),
        "horizon_bars": float(HORIZON),
        "n_scores": float(is_right.size),
        "bear_share": _share(is_bear),
    }


def _share(flags: Bools) -> float:
    return float(flags.mean()) if flags.size else float("nan")


def _stream(seed: int, step: str, block: int = 0) -> Generator:
    return np.random.default_rng([seed, STEPS[step], block])


def _by_regime(is_bear: Bools, values: dict[str, float]) -> Floats:
    return np.where(is_bear, values["bear"], values["bull"])


def _regimes(n_bars: int, stream: Generator) -> Bools:
    """Lay spells of bear bars, a tenth of all bars in sum, at random into the bull market."""
    n_bear = round(BEAR_SHARE * n_bars)
    n_spells = max(1, round(n_bear / BEAR_SPELL))
    spells = np.diff(np.linspace(0, n_bear, n_spells + 1).astype(np.int64))
    # Each spell follows a random number of bull bars; sorted cuts share them out.
    cuts = np.sort(stream.integers(0, n_bars - n_bear + 1, size=n_spells))
    is_bear = np.zeros(n_bars, dtype=np.bool_)
    starts = cuts + np.concatenate([[0], np.cumsum(spells)[:-1]])
    for start, length in zip(starts.tolist(), spells.tolist(), strict=True):
        is_bear[start : start + length] = True
    return is_bear


def _vix(is_bear: Bools, stream: Generator) -> Floats:
    """Revert on the log scale to 16.5 in bull and 34 in bear bars: 18 on average."""
    level = np.log(_by_regime(is_bear, VIX_LEVEL))
    shocks = 0.05 * stream.standard_normal(len(level))
    values = np.empty(len(level))
    value = level[0]
    for t in range(len(level)):
        value += 0.30 * (level[t] - value) + shocks[t]
        values[t] = value
    return np.exp(values).round(2)


def _closes(is_bear: Bools, n_assets: int, seed: int) -> tuple[Floats, Floats]:
    """Return closes [1 + bar, asset] with the price before the first bar, and volatilities.

    `HORIZON` bars more than asked for are made, so that the last scores have an answer too.
    """
    assets = _stream(seed, "assets")
    beta = assets.uniform(0.5, 1.5, n_assets)
    volatility = assets.uniform(0.008, 0.025, n_assets)
    longer = np.concatenate([is_bear, np.repeat(is_bear[-1:], HORIZON)])
    shocks = _stream(seed, "market").standard_normal(len(longer))
    market = _by_regime(longer, MARKET_DRIFT) + _by_regime(longer, MARKET_VOLATILITY) * shocks
    closes = np.empty((len(longer) + 1, n_assets))
    closes[0] = np.log(assets.uniform(20.0, 200.0, n_assets))
    for block, start in enumerate(range(0, len(longer), BLOCK_BARS)):
        rows = market[start : start + BLOCK_BARS, None]
        noise = _stream(seed, "closes", block).standard_normal((len(rows), n_assets))
        steps = rows * beta + noise * volatility
        closes[start + 1 : start + 1 + len(rows)] = closes[start] + np.cumsum(steps, axis=0)
    return np.exp(closes, out=closes), volatility


def _scores(closes: Floats, is_bear: Bools, start: int, stream: Generator) -> Floats:
    """Point to the side on which the close `HORIZON` bars later lies, as often as is stated."""
    rows = slice(start + 1, start + 1 + len(is_bear))
    later = slice(rows.start + HORIZON, rows.stop + HORIZON)
    rises = closes[later] > closes[rows]
    is_right = stream.random(rises.shape) < _by_regime(is_bear, ACCURACY)[:, None]
    # 1 - random() lies in (0, 1]: no score is exactly 0.5, which has no direction.
    strength = 0.5 * (1.0 - stream.random(rises.shape))
    return np.where(rises == is_right, 0.5 + strength, 0.5 - strength)


def _blocks(closes: Floats, volatility: Floats, n_bars: int, seed: int) -> Iterator[_Block]:
    """Dress the closes as bars, block by block; the true ranges of 20 bars are carried over."""
    carried = np.full((ATR_BARS, closes.shape[1]), np.nan)
    for block, start in enumerate(range(0, n_bars, BLOCK_BARS)):
        stop = min(start + BLOCK_BARS, n_bars)
        before, close = closes[start:stop], closes[start + 1 : stop + 1]
        stream = _stream(seed, "bars", block)
        gap = 0.3 * np.log(close / before)
        gap += 0.2 * volatility * stream.standard_normal(close.shape)
        opened = before * np.exp(gap)
        up, down = 0.4 * volatility * np.abs(stream.standard_normal((2, *close.shape)))
        high = np.maximum(opened, close) * np.exp(up)
        low = np.minimum(opened, close) * np.exp(-down)
        volume = np.exp(stream.normal(13.0, 0.5, close.shape)).round()
        ranges = np.maximum(high, before) - np.minimum(low, before)
        if start == 0:
            ranges[0] = np.nan  # the first bar's true range would need a close before it
        known = np.concatenate([carried, ranges])
        carried = known[-ATR_BARS:]
        yield _Block(
            open=opened, high=high, low=low, close=close, volume=volume, atr=_trailing_mean(known),
        )  # fmt: skip


def _trailing_mean(known: Floats) -> Floats:
    """Return the mean of each row and the 19 before it; NaN where one of them is missing."""
    total = known[ATR_BARS:].copy()
    for back in range(1, ATR_BARS):
        total += known[ATR_BARS - back : len(known) - back]
    return total / ATR_BARS


def _write_context(path: Path, timestamps: NDArray[Any], vix: Floats, is_bear: Bools) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    regime = np.where(is_bear, "bear", "bull")
    columns = {"timestamp": timestamps, "vix": vix, "regime": pa.array(regime.tolist())}
    pq.write_table(pa.table(columns), path)


def _write_bars(
    folder: Path,
    timestamps: NDArray[Any],
    closes: Floats,
    volatility: Floats,
    is_bear: Bools,
    seed: int,
) -> None:
    """Write prices and features, one row group per block."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    n_assets = closes.shape[1]
    names = pa.array([f"S{i:04d}" for i in range(n_assets)])
    keys = [("timestamp", pa.timestamp("us")), ("asset_id", pa.string())]
    doubles = ("open", "high", "low", "close", "volume")
    prices = pa.schema([*keys, *((name, pa.float64()) for name in doubles)])
    features = pa.schema([*keys, ("ml_score", pa.float64()), ("atr", pa.float64())])
    with (
        pq.ParquetWriter(folder / "prices.parquet", prices) as prices_file,
        pq.ParquetWriter(folder / "features.parquet", features) as features_file,
    ):
        start = 0
        for index, block in enumerate(_blocks(closes, volatility, len(timestamps), seed)):
            stop = start + len(block.close)
            ids = names.take(np.tile(np.arange(n_assets), stop - start))
            head = [np.repeat(timestamps[start:stop], n_assets), ids]
            bars = [getattr(block, name).ravel() for name in doubles]
            prices_file.write_table(pa.table([*head, *bars], schema=prices))
            stream = _stream(seed, "scores", index)
            scores = _scores(closes, is_bear[start:stop], start, stream)
            atr = pa.array(block.atr.ravel(), from_pandas=True)
            features_file.write_table(pa.table([*head, scores.ravel(), atr], schema=features))
            start = stop
