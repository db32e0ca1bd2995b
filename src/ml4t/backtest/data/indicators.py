"""Indicators: windows over the prices, each registered as a features source.

1. A file of ``sql/indicators`` is filled in with the user's numbers; it reads ``prices``, or rows
   that another file makes of them.
2. The text is registered like any query of the user's, so its columns are in ``signals``;
   `IndicatorBase` does that.

Rolling means and spreads are `moments`, averages that never forget are `smoothed`, and what
compares the assets of one bar is a `cross_section`. Each adds up in an order of its own, the same
whatever other rows there are: a value does not change in its last digit when a later bar comes.
"""

from __future__ import annotations

from ml4t.backtest.data.indicator_base import (
    AnyCatalog,
    IndicatorBase,
    n_bars,
    named,
    require_cross,
)
from ml4t.backtest.data.indicator_rows import moments, smoothed
from ml4t.backtest.data.sql_files import literal, quote, render
from ml4t.backtest.errors import ConfigError, DataError, require_within


class Indicators(IndicatorBase[AnyCatalog]):
    """Indicators over the registered prices; ``catalog.indicators`` makes one.

    Each method adds a features source to the catalog and returns the catalog, so that calls
    chain, and its columns can be ranked on, filtered by and named in rules.

    - A value at a bar is made of that bar and earlier ones of the asset, and is known at the
      bar's close. Bars are the asset's own: a day on which it has none is not counted.
    - As long as there are too few bars, the value is NULL.
    - Prices are used as they are given. A split that is in ``actions`` but not in the prices
      looks like a fall: register prices adjusted for splits, or a query that adjusts them.
    - A NULL or NaN price, which every run refuses, makes NULL or NaN of what depends on it.

    Examples
    --------
    >>> from ml4t.backtest import Catalog
    >>> catalog = Catalog()
    >>> _ = catalog.register("prices", {
    ...     "timestamp": [date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 4)],
    ...     "asset_id": ["AAPL"] * 3, "close": [100.0, 110.0, 99.0],
    ... })
    >>> _ = catalog.indicators.sma(2).indicators.returns()
    >>> catalog.sql("select sma_2, round(returns_1, 3) from signals order by timestamp").fetchall()
    [(None, None), (105.0, 0.1), (104.5, -0.1)]
    """

    # -- of one asset's closes --------------------------------------------------------

    def returns(self, n: int = 1, *, name: str | None = None) -> AnyCatalog:
        """Add the simple return over `n` bars, a fraction: ``close[t] / close[t - n] - 1``.

        Parameters
        ----------
        n : int, default 1
            Bars, at least 1; the first `n` values of an asset are NULL.
        name : str, optional
            Column and source; ``returns_<n>`` by default.

        Returns
        -------
        Catalog

        Raises
        ------
        ConfigError
            A number is outside its range, or a column of that name is there already.
        """
        return self.momentum(n, name=named(name, f"returns_{n}"))

    def momentum(self, n: int = 20, *, skip: int = 0, name: str | None = None) -> AnyCatalog:
        """Add the return up to `skip` bars ago: ``close[t - skip] / close[t - n] - 1``.

        ``momentum(252, skip=21)`` on daily bars is the return of the last twelve months without
        the last one, by which Jegadeesh and Titman (Journal of Finance 48, 1993) and those after
        them rank stocks.

        Parameters
        ----------
        n : int, default 20
            Bars back to the first close; the first `n` values of an asset are NULL.
        skip : int, default 0
            Bars back to the last close, fewer than `n`.
        name : str, optional
            Column and source; ``momentum_<n>`` by default, ``momentum_<n>_<skip>`` with a skip.
        """
        n, skip = n_bars("n", n), n_bars("skip", skip, least=0)
        if skip >= n:
            raise ConfigError(f"skip must be below n, was {skip} with n={n}")
        name = named(name, f"momentum_{n}_{skip}" if skip else f"momentum_{n}")
        places = {"n": str(n), "skip": str(skip), "made": quote(name)}
        query = render("indicators/returns", prices=self._rows.prices(), **places)
        return self._add(name, query)

    def volatility(self, n: int = 20, *, name: str | None = None) -> AnyCatalog:
        """Add the sample standard deviation of the last `n` one-bar returns.

        ``sqrt(sum((r[i] - mean(r)) ** 2) / (n - 1))`` with the simple returns ``r`` of bars
        ``t - n + 1`` to ``t``. A fraction per bar, not annualised: times ``sqrt(252)`` it is a
        year's on daily bars.

        Parameters
        ----------
        n : int, default 20
            Returns, at least 2; the first `n` values of an asset are NULL.
        name : str, optional
            Column and source; ``volatility_<n>`` by default.
        """
        n = n_bars("n", n, least=2)
        name = named(name, f"volatility_{n}")
        changes = self._rows.bars("indicators/returns", n="1", skip="0", made="value")
        rows = moments(changes, n)
        query = render("indicators/volatility", moments=rows, n=str(n), made=quote(name))
        return self._add(name, query)

    def sma(self, n: int, *, name: str | None = None) -> AnyCatalog:
        """Add the simple moving average, in the price's unit: the mean of the last `n` closes.

        Parameters
        ----------
        n : int
            Closes, at least 1; the first ``n - 1`` values of an asset are NULL.
        name : str, optional
            Column and source; ``sma_<n>`` by default.
        """
        n = n_bars("n", n)
        name = named(name, f"sma_{n}")
        rows = moments(self._rows.bars("indicators/closes"), n)
        return self._add(name, render("indicators/sma", moments=rows, made=quote(name)))

    def ema(self, n: int, *, name: str | None = None) -> AnyCatalog:
        """Add the exponential moving average of the closes, in the price's unit.

        ``ema[t] = ema[t - 1] + (close[t] - ema[t - 1]) * 2 / (n + 1)``; the first is the mean of
        the first `n` closes, as in TA-Lib.

        Parameters
        ----------
        n : int
            Span in bars, at least 1; the first ``n - 1`` values of an asset are NULL.
        name : str, optional
            Column and source; ``ema_<n>`` by default.
        """
        n = n_bars("n", n)
        name = named(name, f"ema_{n}")
        rows = smoothed(self._rows.bars("indicators/closes"), n, weight=f"2 / {n + 1}")
        return self._add(name, render("indicators/ema", smoothed=rows, made=quote(name)))

    def zscore(self, n: int = 20, *, name: str | None = None) -> AnyCatalog:
        """Add how many standard deviations the close is above its mean of the last `n` bars.

        ``(close[t] - mean) / deviation``, both over closes ``t - n + 1`` to ``t``; the population's
        deviation (divisor `n`), as in Bollinger's bands: 2 is a close on the upper one. NULL
        where the closes are all the same.

        Parameters
        ----------
        n : int, default 20
            Closes, at least 2; the first ``n - 1`` values of an asset are NULL.
        name : str, optional
            Column and source; ``zscore_<n>`` by default.
        """
        n = n_bars("n", n, least=2)
        name = named(name, f"zscore_{n}")
        rows = moments(self._rows.bars("indicators/closes"), n)
        query = render(
            "indicators/zscore", prices=self._rows.prices(), moments=rows, made=quote(name)
        )
        return self._add(name, query)

    def bollinger(self, n: int = 20, *, k: float = 2.0, name: str | None = None) -> AnyCatalog:
        """Add Bollinger's bands, in the price's unit: ``bb_upper``, ``bb_middle``, ``bb_lower``.

        ``middle`` is the mean of the last `n` closes, the others are `k` of their population
        standard deviations (divisor `n`) away. Source: Bollinger, *Bollinger on Bollinger Bands*,
        2001.

        Parameters
        ----------
        n : int, default 20
            Closes, at least 2; the first ``n - 1`` values of an asset are NULL.
        k : float, default 2.0
            Standard deviations to each side, at least 0.
        name : str, optional
            Source, and what its three columns begin with; ``bb`` by default.
        """
        n = n_bars("n", n, least=2)
        require_within("k", k)
        name = named(name, "bb")
        made = {side: f"{name}_{side}" for side in ("upper", "middle", "lower")}
        query = render(
            "indicators/bollinger",
            moments=moments(self._rows.bars("indicators/closes"), n),
            k=f"{literal(repr(float(k)))}::double",
            **{side: quote(column) for side, column in made.items()},
        )
        return self._add(name, query, tuple(made.values()))

    def rsi(self, n: int = 14, *, name: str | None = None) -> AnyCatalog:
        """Add Wilder's relative strength index, from 0 to 100.

        ``100 * gain / (gain + loss)``, the averages of the closes' rises and of their falls, each
        ``average[t] = average[t - 1] + (value[t] - average[t - 1]) / n`` from the mean of the
        first `n` changes on. NULL as long as the close has never moved, where TA-Lib has 0.
        Source: Wilder, *New Concepts in Technical Trading Systems*, 1978.

        Parameters
        ----------
        n : int, default 14
            Bars, at least 1; the first `n` values of an asset are NULL.
        name : str, optional
            Column and source; ``rsi_<n>`` by default.
        """
        n = n_bars("n", n)
        name = named(name, f"rsi_{n}")
        rises, falls = (self._rows.bars("indicators/moves", sign=sign) for sign in ("1", "-1"))
        query = render(
            "indicators/rsi",
            gains=smoothed(rises, n, weight=f"1 / {n}", first=2),
            losses=smoothed(falls, n, weight=f"1 / {n}", first=2),
            made=quote(name),
        )
        return self._add(name, query)

    def macd(
        self, fast: int = 12, slow: int = 26, signal: int = 9, *, name: str | None = None
    ) -> AnyCatalog:
        """Add ``macd``, ``macd_signal`` and ``macd_hist``, in the price's unit.

        ``macd`` is the exponential average of `fast` bars less that of `slow`, ``macd_signal`` its
        own over `signal` bars, ``macd_hist`` their difference. Seeds as in TA-Lib: fast and slow
        begin on one bar with the means of the `fast` and `slow` closes up to it, the signal with
        the mean of the first `signal` differences. Source: Appel, *Technical Analysis: Power
        Tools for Active Investors*, 2005.

        Parameters
        ----------
        fast, slow, signal : int, default 12, 26, 9
            Spans in bars, at least 1; `fast` below `slow`. The first ``slow + signal - 2`` values
            of an asset are NULL.
        name : str, optional
            Source, and what its three columns begin with; ``macd`` by default.
        """
        fast, slow, signal = n_bars("fast", fast), n_bars("slow", slow), n_bars("signal", signal)
        if fast >= slow:
            raise ConfigError(f"fast must be below slow, was {fast} with slow={slow}")
        name = named(name, "macd")
        made = {"macd": name, "macd_signal": f"{name}_signal", "macd_hist": f"{name}_hist"}
        closes = self._rows.bars("indicators/closes")
        line = render(
            "indicators/macd_line",
            fast=smoothed(closes, fast, weight=f"2 / {fast + 1}", first=slow - fast + 1),
            slow=smoothed(closes, slow, weight=f"2 / {slow + 1}"),
        )
        query = render(
            "indicators/macd",
            line=f"({line})",
            signal=smoothed("line", signal, weight=f"2 / {signal + 1}", first=slow),
            **{place: quote(column) for place, column in made.items()},
        )
        return self._add(name, query, tuple(made.values()))

    # -- of one asset's bars ----------------------------------------------------------

    def atr(self, n: int = 14, *, name: str | None = None) -> AnyCatalog:
        """Add Wilder's average true range, in the price's unit.

        ``atr[t] = atr[t - 1] + (range[t] - atr[t - 1]) / n``, where ``range[t]`` is
        ``max(high[t], close[t - 1]) - min(low[t], close[t - 1])``; the first is the mean of the
        first `n` ranges, those of bars 2 to ``n + 1``. Source: Wilder, *New Concepts in Technical
        Trading Systems*, 1978.

        Parameters
        ----------
        n : int, default 14
            Bars, at least 1; the first `n` values of an asset are NULL.
        name : str, optional
            Column and source; ``atr_<n>`` by default.

        Raises
        ------
        DataError
            Prices have no high or no low.
        """
        n = n_bars("n", n)
        ranges = self._rows.bars("indicators/true_ranges")
        for column in ("high", "low"):
            if column not in self._rows.found["prices"]:
                raise DataError(
                    "prices", "columns", f"has no column '{column}', which atr needs beside "
                    "close; volatility needs close alone",
                )  # fmt: skip
        name = named(name, f"atr_{n}")
        rows = smoothed(ranges, n, weight=f"1 / {n}", first=2)
        return self._add(name, render("indicators/atr", smoothed=rows, made=quote(name)))

    # -- among the assets of a bar ----------------------------------------------------

    def cross_rank(
        self, column: str, *, by: str | None = None, name: str | None = None
    ) -> AnyCatalog:
        """Add the rank among the assets of a bar, as a share: above 0, 1 the highest value.

        ``rank / n`` with ranks from 1, ties at the mean of theirs, among the `n` assets with a
        bar at the timestamp (members of a universe or not) and a finite value; others are NULL.

        Parameters
        ----------
        column : str
            A number of ``prices`` or of a features source registered before, as known at the bar;
            rows for the whole market are left out.
        by : str, optional
            Column of prices, of such a source or of ``assets``: ranks within each of its values.
            An asset where it is NULL has no rank.
        name : str, optional
            Column and source; ``<column>_rank`` by default, ``<column>_rank_by_<by>`` with groups.

        Raises
        ------
        ConfigError
            No source has the column, or it is no number.
        """
        require_cross(column, by)
        name = named(name, f"{column}_rank" + (f"_by_{by}" if by else ""))
        rows = self._rows.cross_section(column, by)
        query = render("indicators/cross_rank", cross_section=rows, made=quote(name))
        return self._add(name, query)

    def cross_zscore(
        self, column: str, *, by: str | None = None, name: str | None = None
    ) -> AnyCatalog:
        """Add how many standard deviations a value is above the mean of the assets of a bar.

        ``(value - mean) / deviation`` over the assets with a bar at the timestamp (members of a
        universe or not) and a finite value, with the population's deviation (divisor: their
        number). NULL where the values are all the same, or there is but one.

        Parameters
        ----------
        column : str
        by : str, optional
            As for `cross_rank`.
        name : str, optional
            Column and source; ``<column>_zscore`` by default, with groups
            ``<column>_zscore_by_<by>``.
        """
        require_cross(column, by)
        name = named(name, f"{column}_zscore" + (f"_by_{by}" if by else ""))
        rows = self._rows.cross_section(column, by)
        query = render("indicators/cross_zscore", cross_section=rows, made=quote(name))
        return self._add(name, query)
