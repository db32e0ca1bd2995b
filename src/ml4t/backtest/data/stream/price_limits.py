"""Price limits: whether the columns of the exchange's limits hold flags or prices.

Some data mark the bars that were locked, others give the prices at which the exchange stops
trading. A column is one or the other, for the whole of its source; what is neither is refused, and
so is a row that could be both, since what comes later must not decide what it means.
"""

from __future__ import annotations

from typing import NoReturn

from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.sources.schema import is_numeric
from ml4t.backtest.data.sql_files import count_of, quote, render, rows_of, sample_of
from ml4t.backtest.errors import DataError

RULE = "price_limit_not_valid"
# Limits by the least and the most that they can be of the bar's close. The widest bands of a day
# are 44% up and 36% down, so that 3 is far. A close beyond its limit is rounding, not data.
PRICE_LIMITS = {"limit_up": (0.99, 3.0), "limit_down": (1 / 3, 1.01)}
N_STRAYS = 3


def priced_limits(prepared: Prepared) -> frozenset[str]:
    """Return which of ``limit_up`` and ``limit_down`` hold prices; the others are flags.

    BOOLEAN is a flag, DECIMAL a price. Of other numbers whole ones of 0 and 1 are flags, and
    fractional ones of 0 and 1 where the close is so far from them that they can be no price.

    Raises
    ------
    DataError
        Some value is no flag, and some value no price: beside flags, or too far from the close.
        Or a fractional 1.00, or a 1 beside prices, is as near to its close as a price limit is.
    """
    return frozenset(name for name in PRICE_LIMITS if _is_priced(name, prepared))


def _is_priced(name: str, prepared: Prepared) -> bool:
    kind = prepared.signal_columns.get(name)
    if kind is None:
        _require_market_flag(name, prepared)
        return False
    if kind == "BOOLEAN" or not is_numeric(kind):
        return False
    source = _source_of(name, prepared)
    least, most = PRICE_LIMITS[name]
    query = render(
        "terms/price_limits", source="main.prices" if source == "prices" else "main.signals",
        limit_value=quote(name), least=repr(least), most=repr(most),
    )  # fmt: skip
    counts = render("terms/price_limits_counted", limits=query)
    n_no_flags, n_no_prices, n_both = prepared.database.rows(counts)[0]

    def refuse(which: str, n_rows: int, message: str) -> NoReturn:
        strays = rows_of(f"({query})", "* exclude (is_flag, is_price)", where=which)
        first = sample_of(strays, N_STRAYS, by="timestamp, asset_id")
        sample = prepared.database.records(first)
        raise DataError(source, RULE, message, n_rows=n_rows, sample=sample, query=strays)

    is_price_by_type = kind.startswith("DECIMAL")
    if n_no_prices and (n_no_flags or is_price_by_type):
        refuse(
            "not is_price",
            n_no_prices,
            f"has a {name} that is neither a flag (all of 0 and 1) nor a price from {least:.2f} to "
            f"{most:.2f} times its close everywhere; use NULL where there is no limit, and either "
            "prices or a BOOLEAN that is true where the bar is locked",
        )
    # Of whole numbers a 1 is a flag, so that beside prices it would be one for what comes later.
    is_fraction = kind.startswith(("DOUBLE", "FLOAT"))
    if n_both and (is_fraction or (n_no_flags and not is_price_by_type)):
        refuse(
            "is_flag and is_price",
            n_both,
            f"has a {name} of 1.00 at a close near it, which may be a flag or a price; cast the "
            "column to BOOLEAN if it marks locked bars, to DECIMAL if it holds prices",
        )
    return is_price_by_type or bool(n_no_flags)


def _require_market_flag(name: str, prepared: Prepared) -> None:
    """Refuse a market-wide limit that is no flag: a price limit is of one asset."""
    kind = prepared.market_columns.get(name)
    if kind is None or kind == "BOOLEAN" or not is_numeric(kind):
        return
    source = next(known.source for known in prepared.market if name in known.columns)
    strays = rows_of("main.market", where=f"{quote(name)} not in (0, 1)")
    n_rows = prepared.database.rows(count_of(strays))[0][0]
    if n_rows:
        raise DataError(
            source, RULE, f"has a market-wide {name} that is no flag of 0 or 1; price limits "
            "belong to prices, with an asset_id", n_rows=n_rows, query=strays,
            sample=prepared.database.records(sample_of(strays, N_STRAYS, by="timestamp")),
        )  # fmt: skip


def _source_of(name: str, prepared: Prepared) -> str:
    """Return the name of the source that has a column of ``signals``."""
    if name in prepared.price_columns:
        return "prices"
    return next(known.source for known in prepared.per_asset if name in known.columns)
