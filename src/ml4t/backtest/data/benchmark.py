"""Benchmark and risk-free rate: what a run is compared with, at each of its bars.

An asset or the source ``benchmark`` is bought at the close of the run's first bar and held. A
basket has equal weights again at every close: at each bar it makes the mean of the returns of its
assets that have a bar there, each since its own bar before. All are without costs.

- Of assets, returns are total: with the dividends, splits, renames and delistings of ``actions``,
  dividends reinvested at the close of their ex-date. Without that source they are of the price.
- Of the source they are of its closes: it is of the price or total, as its closes are.
- Assets of other currencies are valued in that of the account; the source is taken to be in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ml4t.backtest.core.axes import Axes
from ml4t.backtest.core.batch import Floats, Ints
from ml4t.backtest.core.journal import Compared
from ml4t.backtest.core.terms import PAID, Action
from ml4t.backtest.data.asof.memberships import MEMBERSHIPS
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.sql_files import first_bars, quote, read, render
from ml4t.backtest.data.stream.period import Period
from ml4t.backtest.errors import ConfigError, as_float, briefly, did_you_mean

if TYPE_CHECKING:
    from ml4t.backtest.data.total_returns import Returns

EQUAL_WEIGHT, UNIVERSE, INDEX, RISK_FREE = "equal_weight", "universe", "benchmark", "risk_free"


class RunBars(NamedTuple):
    """The bars of a run, and what happened to its assets at them.

    Attributes
    ----------
    rates : float array or None
        Account currency per unit of price, ``[bar, sid]``; None: all is in that.
    """

    prepared: Prepared
    period: Period
    axes: Axes
    actions: Sequence[Action]
    delisting_return: float
    rates: Floats | None = None


def require_benchmark(given: object) -> str | None:
    """Return what a run is compared with as text: an asset's id or a word; None: nothing said.

    Raises
    ------
    ConfigError
        It is neither a text nor a whole number.
    """
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, (str, int)) or not str(given).strip():
        raise ConfigError(
            f"benchmark must be an asset_id, '{EQUAL_WEIGHT}' or '{UNIVERSE}', was "
            f"{briefly(given)}; register closes of an index with catalog.register('benchmark', ...)"
        )
    return str(given)


def require_risk_free(given: object) -> float | None:
    """Return an annual rate as a float; None: nothing said.

    Raises
    ------
    ConfigError
        It is no fraction.
    """
    if given is None:
        return None
    if not -1 < as_float(given) < 1:
        raise ConfigError(
            f"risk_free must be an annual fraction, 0.05 for 5%, was {briefly(given)}; register "
            "rates that change with catalog.register('risk_free', ...)"
        )
    return as_float(given)


def compared(
    asked: str | None, risk_free: float | None, bars: RunBars, initial_capital: float
) -> Compared | None:
    """Return what a run is compared with at each bar; None: with nothing.

    Parameters
    ----------
    asked : str or None
        None: the source ``benchmark``, where there is one.
    risk_free : float or None
        A year; None: the source ``risk_free``, where there is one.

    Raises
    ------
    ConfigError
        There is no such benchmark, or nothing is known at the first bar.
    """
    rates = risk_free_rates(risk_free, bars)
    has_source = f"{INDEX}_close" in bars.prepared.market_columns
    chosen = INDEX if asked is None and has_source else asked
    if chosen is None and rates is None:
        return None
    t = np.arange(len(bars.axes.timestamps))
    nothing = np.full(len(t), np.nan)
    growth = nothing if chosen is None else benchmark_growth(chosen, bars)
    return Compared(
        t=t,
        value=initial_capital * growth,
        risk_free_rate=nothing if rates is None else rates,
    )


def benchmark_growth(chosen: str, bars: RunBars) -> Floats:
    """Return what 1 in a benchmark is worth at the close of each bar; 1 at the first.

    Raises
    ------
    ConfigError
        There is no such asset or source, or it has no close at the first bar.
    """
    names = bars.axes.asset_ids.tolist()
    if chosen in (EQUAL_WEIGHT, UNIVERSE, INDEX) and chosen in names:
        raise ConfigError(f"benchmark={chosen!r} is an asset too; give the asset another id")
    if chosen == INDEX:
        if f"{INDEX}_close" not in bars.prepared.market_columns:
            raise ConfigError("benchmark='benchmark' needs a source; register a 'benchmark' source")
        levels = known_at_bars(f"{INDEX}_close", INDEX, bars)
        growth: Floats = levels / levels[0]
        return growth
    if chosen == EQUAL_WEIGHT:
        return _basket(_returns(None, bars), len(bars.axes.timestamps))
    if chosen == UNIVERSE:
        if not bars.prepared.has_universe:
            raise ConfigError(
                "benchmark='universe' needs a membership; register a 'universe' source"
            )
        return _basket(_of_members(_returns(None, bars), bars), len(bars.axes.timestamps))
    if chosen not in names:
        hint = did_you_mean(chosen, [*names, EQUAL_WEIGHT, UNIVERSE])
        raise ConfigError(f"benchmark: there is no asset {chosen!r} in prices{hint}")
    return _held(names.index(chosen), bars)


def risk_free_rates(said: float | None, bars: RunBars) -> Floats | None:
    """Return the annual rate at which money was lent over each bar; None: nobody said one.

    Of a source the one known at the bar before, and of the first bar its own.
    """
    n_bars = len(bars.axes.timestamps)
    if said is not None:
        return np.full(n_bars, said)
    if f"{RISK_FREE}_rate" not in bars.prepared.market_columns:
        return None
    rates = known_at_bars(f"{RISK_FREE}_rate", RISK_FREE, bars)
    return np.concatenate([rates[:1], rates[:-1]])


def known_at_bars(column: str, source: str, bars: RunBars) -> Floats:
    """Return a market column as known at each bar, the last one where it has grown old.

    Raises
    ------
    ConfigError
        Nothing is known at the first bar.
    """
    query = render("benchmark/known", value=f"market.{quote(column)}")
    found = bars.prepared.database.numpy(query, _numbers(bars.period))["value"].astype(np.float64)
    known = np.flatnonzero(~np.isnan(found))
    if not len(known) or known[0]:
        first = bars.axes.time(0)
        way = f"start the run at {bars.axes.time(int(known[0]))}" if len(known) else "add rows"
        raise ConfigError(f"source '{source}' has no value at the first bar {first}; {way}")
    newest = np.maximum.accumulate(np.where(np.isnan(found), 0, np.arange(len(found))))
    filled: Floats = found[newest]
    return filled


def _returns(sids: list[int] | None, bars: RunBars) -> Returns:
    """Return the total returns of some assets, or of all, in the bars of the run."""
    database = bars.prepared.database
    found = database.numpy(read("benchmark/closes"), {**_numbers(bars.period), "sids": sids})
    from ml4t.backtest.data.total_returns import Closes, total_returns

    t, sid, close = found["t"].astype(np.int64), found["sid"].astype(np.int64), found["close"]
    mine = [one for one in bars.actions if sids is None or one.sid in sids]
    if bars.rates is not None:
        close = close * bars.rates[t, sid]
        mine = [_converted(one, bars.rates.item(max(one.t - 1, 0), one.sid)) for one in mine]
    closes = Closes(t=t, sid=sid, close=close)
    return total_returns(closes, mine, delisting_return=bars.delisting_return)


def _converted(action: Action, rate: float) -> Action:
    """Return an action whose money is that of the account, at the last rate before it."""
    is_money = action.kind in (*PAID, "delisting")
    value = action.value * rate if is_money else action.value
    return action._replace(value=value, cash=action.cash * rate)


def _held(sid: int, bars: RunBars) -> Floats:
    """Return the growth of an asset that is held on under its later names."""
    renamed = {one.sid: one for one in bars.actions if one.kind == "rename"}
    chain = [sid]
    while chain[-1] in renamed and renamed[chain[-1]].new_sid not in chain:
        chain.append(renamed[chain[-1]].new_sid)
    sids = {"sids": [sid], **_numbers(bars.period)}
    found = bars.prepared.database.numpy(read("benchmark/closes"), sids)["t"]
    if not len(found) or found[0]:
        way = f"; start the run at {bars.axes.time(int(found[0]))}" if len(found) else ""
        name = bars.axes.asset_ids[sid]
        raise ConfigError(
            f"benchmark {name!r} has no bar at the first bar {bars.axes.time(0)}{way}"
        )
    returns = _returns(chain, bars)
    factors, begin = np.ones(len(bars.axes.timestamps)), 0
    for name in chain:
        mine = (returns.sid == name) & (returns.t > begin)
        # Two of one bar: what was due at it, and what it made.
        np.multiply.at(factors, returns.t[mine], 1 + returns.value[mine])
        begin = int(returns.t[mine].max()) if mine.any() else begin
    return np.cumprod(factors, dtype=np.float64)


def _basket(returns: Returns, n_bars: int) -> Floats:
    """Return the growth of equal weights at every close; a bar without any return makes none."""
    n = np.bincount(returns.t, minlength=n_bars)
    total = np.bincount(returns.t, weights=returns.value, minlength=n_bars)
    return np.cumprod(1 + total / np.maximum(n, 1), dtype=np.float64)


def _of_members(returns: Returns, bars: RunBars) -> Returns:
    """Keep the returns of what was a member at the close of the run's bar before."""
    keys = first_bars(MEMBERSHIPS, "start_date", "end_date")
    found = bars.prepared.database.rows(render("batches/membership", first_bars=keys))
    first_t, is_in = bars.period.first_t, np.zeros(len(returns.t), dtype=bool)
    for sid, start, end in found:
        first, last = np.searchsorted(returns.sid, [sid, sid + 1])
        t: Ints = returns.t[first:last] - 1 + first_t
        is_in[first:last] |= (t >= start) & (t < (bars.prepared.n_bars if end is None else end))
    return replace(returns, t=returns.t[is_in], sid=returns.sid[is_in], value=returns.value[is_in])


def _numbers(period: Period) -> dict[str, object]:
    return {"first_t": period.first_t, "last_t": period.last_t}
