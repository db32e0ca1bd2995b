"""CRSP: the daily stock file, in its legacy layout (SIZ) and in the present one (CIZ)."""

from __future__ import annotations

from datetime import timedelta
from math import inf
from typing import TYPE_CHECKING, Any

from ml4t.backtest.core.tolerances import RETURN_ROUNDED
from ml4t.backtest.data.sources.adapted import Adapted, Change
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

# Ours -> theirs, of both layouts; what is not required may be missing.
_SIZ = {
    "timestamp": "date", "price": "prc", "ret": "ret", "volume": "vol", "open": "openprc",
    "high": "askhi", "low": "bidlo", "price_factor": "cfacpr", "share_factor": "cfacshr",
}  # fmt: skip
_CIZ = {
    "timestamp": "dlycaldt", "price": "dlyprc", "ret": "dlyret", "volume": "dlyvol",
    "open": "dlyopen", "high": "dlyhigh", "low": "dlylow", "price_factor": "dlycumfacpr",
    "share_factor": "dlycumfacshr",
}  # fmt: skip
_REQUIRED = ("timestamp", "price", "ret", "volume", "price_factor")
_DELISTINGS = ("permno", "dlstdt", "dlstcd", "dlret")
_FIRST_DELISTED = 200  # codes of one hundred are still trading
_DAY = timedelta(days=1)


def crsp(daily: Any, delistings: Any = None) -> Adapted:
    """Read CRSP's daily stock file: prices as traded, and the actions that belong to them.

    Layout: legacy ``dsf`` (permno, date, prc, ret, vol, cfacpr; openprc, askhi, bidlo, cfacshr)
    with ``dsedelist`` (permno, dlstdt, dlstcd, dlret) beside it or in its columns; or ``dsf_v2``
    (permno, dlycaldt, dlyprc, dlyret, dlyvol, dlycumfacpr, dlydelflg; dlyopen, dlyhigh, dlylow,
    dlycumfacshr, dlyprcflg). Names in any case.

    - A negative `prc` is the average of bid and ask of a day without a close: its sign is dropped,
      ``is_quote`` keeps it (``dlyprcflg = 'BA'``, where prices are positive). Legacy volume is 0
      then, and nothing fills; a missing one is -99.
    - Splits are steps of cfacshr, or of cfacpr where that is missing or where shares must be paid
      for. All else between `ret` and two prices is a dividend: spin-offs in cash, and `ret` of six
      digits.
    - Codes in `ret` (-66, -77, -88, -99, letters) are missing: no dividend is known there.
    - Legacy `ret` has no delisting return: `dlret` over the last price is the value of a delisting
      on the day after it; CIZ has it in a row of its own (``dlydelflg = 'Y'``), which is no bar.
      A return that is missing is a value not known: ``ActionPolicy(delisting_return=...)`` says
      what holders lose (Shumway, 1997: 30% where dlstcd is 500 or 520 to 584).
    - Days without a price (prc 0 or missing) are no bars. Opens before 1992-06-15, and of days
      without a trade, are missing: the close stands for them, high and low then are their range.
    - Exports that are joined to events repeat rows: each counts once.
    - ``asset_id`` is the permno; a ticker belongs to several companies over time.

    Parameters
    ----------
    daily : path, glob, folder, list of paths or frame
        CSV (also in a zip or gz) or Parquet.
    delistings : path or frame, optional
        ``dsedelist``, next to the legacy layout.

    Returns
    -------
    Adapted
        ``prices`` with ``is_quote``, and ``actions``.

    Raises
    ------
    DataError
        A table lacks a column of its layout.

    Notes
    -----
    Sources: CRSP's data definitions on crsp.org (delisting date and code), and users' notes on
    GitHub (2026) of the columns and codes of ``crsp.dsf`` and ``crsp.dsf_v2``; read in November
    2026.
    """
    import polars as pl

    table = table_at("crsp", "daily", daily)
    is_ciz = "dlycaldt" in table.columns
    names = _CIZ if is_ciz else _SIZ
    required = ("permno", *(names[one] for one in _REQUIRED), *(["dlydelflg"] if is_ciz else []))
    require_layout("crsp", "daily", table, required)
    ends = table.filter(pl.col("dlydelflg") == "Y") if is_ciz else None
    days = table if ends is None else table.filter(pl.col("dlydelflg").fill_null("N") != "Y")
    bars, repeats = without_repeats(_renamed(days, names))
    priced = bars.filter(pl.col("close").is_not_null()).sort("asset_id", "timestamp")
    empty = Change("days without a price, left out", len(bars) - len(priced))
    filled, gaps = _filled(priced)
    paid, said = _paid(filled)
    if ends is not None:
        ended, end_said = _ended(_ciz_ends(ends), filled)
    elif delistings is not None or "dlstcd" in table.columns:
        ended, end_said = _ended(_siz_ends(table, delistings), filled)
    else:
        ended, end_said = paid.clear(), [Change(
            "delistings: none are given; pass dsedelist, or an asset keeps its last price for ever"
        )]  # fmt: skip
    quotes = Change("close: an average of bid and ask, its sign dropped", _n(filled, "is_quote"))
    prices = filled.drop("ret", "price_factor", "share_factor")
    as_traded = Change("prices: as traded")
    return Adapted(
        source_of("prices", prices, (as_traded, quotes, empty, *gaps, repeats)),
        source_of("actions", pl.concat([paid, ended]), (*said, *end_said)),
    )


def _renamed(table: pl.DataFrame, names: dict[str, str]) -> pl.DataFrame:
    """Return the columns under our names, prices without their sign."""
    import polars as pl

    def number(ours: str, least: float = -inf) -> pl.Expr:
        """Return a column of numbers; what is below `least` is a code."""
        (value,) = as_numbers(names[ours])
        return pl.when(value >= least).then(value).alias(ours)

    def size(ours: str) -> pl.Expr:
        """Return a column of prices without their sign; 0 is none."""
        return pl.when(number(ours).abs() > 0).then(number(ours).abs()).alias(ours)

    is_quote = number("price") < 0
    if "dlyprcflg" in table.columns:
        is_quote |= pl.col("dlyprcflg") == "BA"
    has = {ours for ours, theirs in names.items() if theirs in table.columns}
    shares = number("share_factor") if "share_factor" in has else pl.lit(None, dtype=pl.Float64)
    return table.select(
        as_days(names["timestamp"]).alias("timestamp"),
        pl.col("permno").cast(pl.Float64).cast(pl.Int64).alias("asset_id"),
        *(size(one) for one in ("open", "high", "low") if one in has),
        size("price").alias("close"),
        number("volume", 0),
        is_quote.fill_null(False).alias("is_quote"),
        number("ret", -1),
        number("price_factor"),
        shares.alias("share_factor"),
    )


def _filled(priced: pl.DataFrame) -> tuple[pl.DataFrame, list[Change]]:
    """Let the close stand for an open that is missing, and both for their range."""
    import polars as pl

    given = [one for one in ("open", "high", "low") if one in priced.columns]
    gaps = [Change(f"{one}: missing, from the close", priced[one].null_count()) for one in given]
    if "open" not in given:
        gaps.append(Change("open: none is given, the close stands for it", len(priced)))
        priced = priced.with_columns(pl.col("close").alias("open"))
    filled = priced.with_columns(pl.col("open").fill_null(pl.col("close")))
    extremes = {"high": pl.max_horizontal, "low": pl.min_horizontal}
    return filled.with_columns(
        pl.col(one).fill_null(extremes[one]("open", "close")) for one in given if one != "open"
    ), gaps


def _paid(bars: pl.DataFrame) -> tuple[pl.DataFrame, list[Change]]:
    """Return the splits and dividends that make `ret` of the prices."""
    import polars as pl

    before = {one: pl.col(one).shift().over("asset_id") for one in
              ("close", "price_factor", "share_factor")}  # fmt: skip
    by_price = before["price_factor"] / pl.col("price_factor")
    by_shares = (before["share_factor"] / pl.col("share_factor")).fill_null(by_price)
    worth = (1 + pl.col("ret")) * before["close"]
    least = RETURN_ROUNDED * before["close"]
    # Where more shares come than `ret` can be made of, they had to be paid for.
    is_free = worth - pl.col("close") * by_shares > -least
    rows = bars.select(
        "asset_id", pl.col("timestamp").alias("ex_date"), before["close"].alias("before"),
        pl.when(is_free.fill_null(True)).then(by_shares).otherwise(by_price).alias("split"),
        worth.alias("worth"), "close", least.alias("least"),
    ).drop_nulls("before")  # fmt: skip
    rows = rows.with_columns(
        (pl.col("worth") - pl.col("close") * pl.col("split")).alias("dividend")
    )
    splits = rows.filter((pl.col("split") - 1).abs() > RETURN_ROUNDED)
    dividends = rows.filter(pl.col("dividend") > pl.col("least"))
    unknown = rows["worth"].null_count()
    below = rows.filter(pl.col("dividend") < -pl.col("least"))
    return pl.concat([_as_kind(splits, "split"), _as_kind(dividends, "dividend")]), [
        Change("splits: steps of cfacshr or cfacpr", len(splits)),
        Change("dividends: what ret is above the prices, to six digits of ret", len(dividends)),
        Change("ret: missing or a code, no dividend known", unknown),
        Change("ret: below what prices and factors make, no dividend", len(below)),
    ]


def _as_kind(rows: pl.DataFrame, kind: str) -> pl.DataFrame:
    import polars as pl

    return rows.select(
        "asset_id", "ex_date", pl.lit(kind).alias("kind"), pl.col(kind).alias("value")
    )


def _ciz_ends(ends: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that are delistings, as those of `dsedelist`."""
    import polars as pl

    return ends.select(
        "permno", pl.col("dlycaldt").alias("dlstdt"), pl.col("dlyret").alias("dlret")
    )


def _siz_ends(table: pl.DataFrame, given: Any) -> pl.DataFrame:
    """Return what `dsedelist`, or a file joined to it, says of those that are delisted."""
    import polars as pl

    ends = table if given is None else table_at("crsp", "delistings", given)
    if "dlstdt" not in ends.columns and "date" in ends.columns:
        ends = ends.with_columns(pl.col("date").alias("dlstdt"))
    require_layout("crsp", "delistings", ends, _DELISTINGS)
    return ends.filter(pl.col("dlstcd").cast(pl.Float64, strict=False) >= _FIRST_DELISTED)


def _ended(ends: pl.DataFrame, bars: pl.DataFrame) -> tuple[pl.DataFrame, list[Change]]:
    """Return one delisting of each asset, at its return over the last price."""
    import polars as pl

    last = bars.group_by("asset_id", maintain_order=True).agg(
        pl.col("timestamp").last().alias("last"), pl.col("close").last()
    )
    (dlret,) = as_numbers("dlret")
    known = pl.when(dlret >= -1).then(dlret)
    dated = ends.select(
        pl.col("permno").cast(pl.Float64).cast(pl.Int64).alias("asset_id"),
        as_days("dlstdt").alias("on"),
        known.alias("dlret"),
    ).sort("asset_id", "on")
    once = dated.unique("asset_id", keep="last", maintain_order=True).join(last, on="asset_id")
    rows = once.with_columns(
        pl.max_horizontal("on", pl.col("last") + _DAY).alias("ex_date"),
        (pl.col("close") * (1 + pl.col("dlret"))).alias("delisting"),
    )
    return _as_kind(rows, "delisting"), [
        Change("delistings: dlret over the last price, behind it", len(rows)),
        Change(
            "delistings: their return is missing, a value not known", rows["dlret"].null_count()
        ),
    ]


def _n(rows: pl.DataFrame, flag: str) -> int:
    return int(rows[flag].sum())
