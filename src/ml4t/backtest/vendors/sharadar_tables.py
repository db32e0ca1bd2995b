"""Sharadar: the tables SEP (or SFP), ACTIONS and TICKERS of Nasdaq Data Link."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ml4t.backtest.data.sources.adapted import Adapted, AdaptedSource, Change
from ml4t.backtest.vendors.reading import (
    as_days,
    as_numbers,
    require_layout,
    source_of,
    table_at,
    without_repeats,
)

if TYPE_CHECKING:
    import polars as pl

_OHLC = ("open", "high", "low", "close")
_SEP = ("ticker", "date", *_OHLC, "volume", "closeadj", "closeunadj")
_ACTIONS = ("date", "action", "ticker", "value")
_CASH = ("dividend", "spinoffdividend")
_SPLITS = ("split", "adrratiosplit")
_ENDS = "delisted"
_PRICE_TABLES = ("SEP", "SFP", "stocks", "funds")
_TEXTS = ("permaticker", "exchange", "category", "sector", "industry")
_DAY = timedelta(days=1)


def sharadar(prices: Any, actions: Any = None, tickers: Any = None) -> Adapted:
    """Read Sharadar's tables: prices, and with ACTIONS the corporate actions that belong to them.

    Layout: SEP and SFP have ticker, date, open, high, low, close, volume (adjusted for splits),
    closeadj (for splits, dividends and spin-offs), closeunadj (as traded); ACTIONS has date,
    action, ticker, value, contraticker; TICKERS has one line per table and ticker.

    - With `actions` prices are made as traded: open, high and low times closeunadj / close, volume
      divided by it. Without, all are adjusted by closeadj / close: no actions belong to them.
    - Dividends are per share of today (Apple's 0.82 of 2020-05-08 stands as 0.205, after 4 for 1):
      each is put back to the shares of its day.
    - A split counts where prices show it, by the value (new shares per old) or, as some ratio
      changes of ADRs are filed, by its inverse; one that they do not show is left out.
    - A spin-off is paid in cash by ``spinoffdividend``: the child is not held.
    - ``delisted`` ends an asset the day after its last price, at a price not known; `value` is no
      price per share. ``ActionPolicy(delisting_return=...)`` says what holders lose.
    - SEP has a history under its latest ticker: ticker changes are no renames. Mergers and
      acquisitions tell the other side in contraticker (``"N/A"`` where there is none): not used.
    - Tables come unsorted, and with rows that repeat; TICKERS has a line of each table.

    Parameters
    ----------
    prices, actions, tickers : path, glob, folder, list of paths or frame
        SEP or SFP or both, ACTIONS, TICKERS; CSV (also in a zip) or Parquet.

    Returns
    -------
    Adapted
        ``prices``, ``actions``, and ``assets`` with permaticker, exchange, category, sector and
        industry of today.

    Raises
    ------
    DataError
        A table lacks a column of its layout.

    Notes
    -----
    Sources: Sharadar's INDICATORS table (legends of SEP and of the 19 actions) as a user wrote it
    down on 2026-08-03, and audits of ACTIONS against SEP by users on GitHub, which found dividends
    in shares of today; read in November 2026.
    """
    import polars as pl

    sep = table_at("sharadar", "SEP", prices)
    require_layout("sharadar", "SEP", sep, _SEP)
    bars, repeats = without_repeats(
        sep.select(
            as_days("date").alias("timestamp"), pl.col("ticker").alias("asset_id"),
            *as_numbers(*_OHLC, "volume", "closeadj", "closeunadj"),
        ).sort("asset_id", "timestamp")
    )  # fmt: skip
    if actions is None:
        ratio = pl.col("closeadj") / pl.col("close")
        adjusted = bars.with_columns(pl.col(*_OHLC) * ratio).drop("closeadj", "closeunadj")
        said = Change("prices: adjusted for splits, dividends and spin-offs by closeadj / close; "
                      "no actions belong to them", len(bars))  # fmt: skip
        sources = [source_of("prices", adjusted, (said, repeats), adjusted=True)]
    else:
        ratio = pl.col("closeunadj") / pl.col("close")
        raw = bars.with_columns(
            pl.col("open", "high", "low") * ratio,
            pl.col("closeunadj").alias("close"),
            pl.col("volume") / ratio,
        ).drop("closeadj", "closeunadj")
        said = Change("prices: as traded, by closeunadj / close", len(bars))
        sources = [
            source_of("prices", raw, (said, repeats), adjusted=False),
            _actions(bars, actions),
        ]
    if tickers is not None:
        sources.append(_assets(bars, tickers))
    return Adapted(*sources)


def _actions(bars: pl.DataFrame, given: Any) -> AdaptedSource:
    """Return dividends, splits and delistings of what has prices."""
    import polars as pl

    table = table_at("sharadar", "ACTIONS", given)
    require_layout("sharadar", "ACTIONS", table, _ACTIONS)
    own, repeats = without_repeats(table.filter(pl.col("ticker").is_in(bars["asset_id"].unique())))
    rows = own.select(
        pl.col("ticker").alias("asset_id"), as_days("date").alias("ex_date"), "action",
        *as_numbers("value"),
    ).sort("ex_date")  # fmt: skip
    # How many of today's shares one share was, at the last bar before and the first one from then.
    shares = bars.select(
        "asset_id",
        pl.col("timestamp").alias("ex_date"),
        (pl.col("closeunadj") / pl.col("close")).alias("before"),
    ).sort("ex_date")
    rows = rows.join_asof(
        shares, on="ex_date", by="asset_id", allow_exact_matches=False
    ).join_asof(
        shares.rename({"before": "after"}), on="ex_date", by="asset_id", strategy="forward"
    )  # fmt: skip
    held = rows.filter(pl.col("before").is_not_null())
    paid, paid_said = _dividends_of(held)
    split, split_said = _splits_of(held)
    ended, ended_said = _delistings_of(rows, bars)
    unused = rows.filter(~pl.col("action").is_in([*_CASH, *_SPLITS, _ENDS]))
    others = unused.group_by("action").len().sort("action").rows()
    early = rows.filter(pl.col("action").is_in([*_CASH, *_SPLITS]) & pl.col("before").is_null())
    changes = [
        *paid_said, *split_said, *ended_said, repeats,
        Change("dividends and splits before a second price, left out", len(early)),
        *(Change(f"{action}: not used", n) for action, n in others),
    ]  # fmt: skip
    return source_of("actions", pl.concat([paid, split, ended]), changes)


def _as_action(rows: pl.DataFrame, kind: str) -> pl.DataFrame:
    import polars as pl

    return rows.select("asset_id", "ex_date", pl.lit(kind).alias("kind"), pl.col("value"))


def _dividends_of(held: pl.DataFrame) -> tuple[pl.DataFrame, list[Change]]:
    """Return the cash per share of its day; that of one day together."""
    import polars as pl

    rows = held.filter(pl.col("action").is_in(_CASH) & (pl.col("value") > 0))
    n_scaled = rows.select((pl.col("before") != 1).sum()).item()
    amount = (pl.col("value") * pl.col("before")).sum().alias("value")
    paid = rows.group_by("asset_id", "ex_date", maintain_order=True).agg(amount)
    n_children = rows.select((pl.col("action") == "spinoffdividend").sum()).item()
    return _as_action(paid, "dividend"), [
        Change("dividends: put back from today's shares to those of the day", n_scaled),
        Change("spinoffdividend: paid in cash, the child is not held", n_children),
        Change("dividends of one day of an asset, added up", len(rows) - len(paid)),
    ]


def _splits_of(held: pl.DataFrame) -> tuple[pl.DataFrame, list[Change]]:
    """Return splits that prices show, each by its value or, where that is nearer, its inverse."""
    import polars as pl

    value, seen = pl.col("value"), pl.col("before") / pl.col("after")
    is_split = pl.col("action").is_in(_SPLITS) & (value > 0) & pl.col("after").is_not_null()
    rows = held.filter(is_split).with_columns(
        seen.log().abs().alias("from_none"),
        (seen / value).log().abs().alias("from_value"),
        (seen * value).log().abs().alias("from_inverse"),
    )
    nearest = pl.min_horizontal("from_value", "from_inverse")
    shown = rows.filter(nearest < pl.col("from_none"))
    is_inverse = pl.col("from_inverse") < pl.col("from_value")
    split = shown.with_columns(pl.when(is_inverse).then(1 / value).otherwise(value).alias("value"))
    once = split.unique(["asset_id", "ex_date"], keep="first", maintain_order=True)
    return _as_action(once, "split"), [
        Change("splits that the prices do not show, left out", len(rows) - len(shown)),
        Change("splits filed by their inverse", shown.select(is_inverse.sum()).item()),
        Change("splits filed twice on one day", len(split) - len(once)),
    ]


def _delistings_of(
    rows: pl.DataFrame, bars: pl.DataFrame
) -> tuple[pl.DataFrame, list[Change]]:  # fmt: skip
    """Return one end of each asset that was delisted, behind its last price."""
    import polars as pl

    last = bars.group_by("asset_id").agg(pl.col("timestamp").max().alias("last"))
    ends = rows.filter(pl.col("action") == _ENDS).unique("asset_id", keep="last")
    dated = ends.join(last, on="asset_id").sort("ex_date", "asset_id")
    n_after = dated.select((pl.col("last") > pl.col("ex_date")).sum()).item()
    behind = dated.with_columns(
        pl.max_horizontal("ex_date", pl.col("last") + _DAY).alias("ex_date"),
        pl.lit(None, dtype=pl.Float64).alias("value"),
    )
    return _as_action(behind, "delisting"), [
        Change("delisted: the day after the last price, at a price not known", len(behind)),
        Change("delisted: with prices after it, ended behind those", n_after),
    ]


def _assets(bars: pl.DataFrame, given: Any) -> AdaptedSource:
    """Return what TICKERS says of each asset with prices."""
    import polars as pl

    table = table_at("sharadar", "TICKERS", given)
    require_layout("sharadar", "TICKERS", table, ("table", "ticker"))
    own = table.filter(
        pl.col("table").is_in(_PRICE_TABLES) & pl.col("ticker").is_in(bars["asset_id"].unique())
    )
    texts = [pl.col(name).cast(pl.String) for name in _TEXTS if name in table.columns]
    once = own.unique("ticker", keep="first", maintain_order=True)
    return source_of("assets", once.select(pl.col("ticker").alias("asset_id"), *texts), (
        Change("TICKERS: lines of other tables or without prices, left out", len(table) - len(own)),
        Change("TICKERS: what is so today, for all of the past", len(once)),
    ))  # fmt: skip
