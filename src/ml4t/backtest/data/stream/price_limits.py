"""Price limits: whether the columns of the exchange's limits hold flags or prices.

Some data mark the bars that were locked, others give the prices at which the exchange stops
trading. A column is one or the other, for the whole of its source; what is neither is refused, and
so is a row that could be both, since what comes later must not decide what it means.
"""

from __future__ import annotations

from typing import NoReturn

from ml4t.backtest.core.terms import LIMIT_RATE, PREV_CLOSE
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.sources.schema import is_numeric
from ml4t.backtest.data.sql_files import count_of, quote, render, rows_of, sample_of
from ml4t.backtest.errors import DataError

RULE, RATE_RULE = "price_limit_not_valid", "limit_rate_not_valid"
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


def limit_columns(prepared: Prepared, rate: float | None) -> tuple[str, ...]:
    """Return the columns that price limits may be in; `rate`: of all assets, the market's."""
    has_rates = LIMIT_RATE in prepared.signal_columns or rate is not None
    return (*PRICE_LIMITS, *((LIMIT_RATE, PREV_CLOSE) if has_rates else ()))


def has_limits(prepared: Prepared) -> bool:
    """Say whether the bars have price limits of some kind."""
    known = (prepared.signal_columns, prepared.market_columns)
    return any(name in columns for name in (*PRICE_LIMITS, LIMIT_RATE) for columns in known)


def require_prev_close(prepared: Prepared, rate: float) -> None:
    """Refuse a rate of the market that counts from no previous close, or that bars close beyond.

    Parameters
    ----------
    rate : float
        Of all assets; where the bars have limits of their own, these count.

    Raises
    ------
    DataError
        Before the run.
    """
    if has_limits(prepared):
        return
    if not is_numeric(prepared.signal_columns.get(PREV_CLOSE, "")):
        raise DataError(
            "prices", RATE_RULE,
            f"has no number {PREV_CLOSE}, the previous close that the market's limit_rate of "
            f"{rate:g} counts from (restated on an ex-date); add it, give limit_up and limit_down "
            "as prices, or have no limits: MarketRules(limit_rate=None)",
        )  # fmt: skip
    source = _source_of(PREV_CLOSE, prepared)
    query = render("terms/market_limit_rate", source=_view_of({PREV_CLOSE}, prepared))
    _refuse_rows(
        query, prepared, source,
        f"closes beyond the market's limit_rate of {rate:g} from its {PREV_CLOSE}, or that is not "
        f"above 0; give each bar its own {LIMIT_RATE}, by board and date, and {PREV_CLOSE} NULL "
        "where there is no limit, as in the first days of an asset",
        {"rate": rate},
    )  # fmt: skip


def has_limit_rates(prepared: Prepared) -> bool:
    """Say whether price limits are rates of the previous close: then every rate has one.

    Raises
    ------
    DataError
        There are limits as columns too, or no previous close; a rate is no fraction, or has no
        previous close; or a bar closes beyond its limits, so that one of both is none of it.
    """
    columns = prepared.signal_columns
    if LIMIT_RATE not in columns:
        return False
    source = _source_of(LIMIT_RATE, prepared)
    both = [name for name in PRICE_LIMITS if name in columns]
    if both:
        raise DataError(
            source, RATE_RULE,
            f"has a {LIMIT_RATE}, and there is a {both[0]} too; give limits one way, as rates or "
            "as columns of prices or flags",
        )  # fmt: skip
    if not is_numeric(columns.get(PREV_CLOSE, "")):
        raise DataError(
            source, RATE_RULE,
            f"has a {LIMIT_RATE} and there is no number {PREV_CLOSE}, the previous close that the "
            "exchange counts from (restated on an ex-date); add it, or give limit_up and "
            "limit_down as prices",
        )  # fmt: skip
    query = render("terms/limit_rates", source=_view_of({LIMIT_RATE, PREV_CLOSE}, prepared))
    _refuse_rows(
        query, prepared, source,
        f"has a {LIMIT_RATE} that is no fraction above 0 and below 1, has no {PREV_CLOSE} above 0, "
        "or that the close is beyond; use NULL where there is no limit, as in the first days of an "
        "asset",
    )  # fmt: skip
    return True


def _view_of(names: set[str], prepared: Prepared) -> str:
    """Return the view in which price limits are looked at: prices, where they have the columns."""
    return "main.prices" if names <= prepared.price_columns.keys() else "main.signals"


def _refuse_rows(
    query: str, prepared: Prepared, source: str, message: str,
    params: dict[str, object] | None = None,
) -> None:  # fmt: skip
    """Raise a `DataError` where a query finds rows."""
    n_rows = prepared.database.rows(count_of(query), params)[0][0]
    if n_rows:
        first = sample_of(query, N_STRAYS, by="timestamp, asset_id")
        sample = prepared.database.records(first, params)
        raise DataError(source, RATE_RULE, message, n_rows=n_rows, sample=sample, query=query)


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
