"""Adjusting: whether prices have splits and dividends in them, or a source of actions applies them.

Applied in both places they make money of nothing, in neither a split is a crash. Prices that are
said to be adjusted go with no splits and dividends; of prices as traded without any actions it is
said what looks as if some were missing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from ml4t.backtest.core.tolerances import (
    ADJUSTED_APART,
    LEAST_MERGER,
    LEAST_SPLIT,
    LIKE_SPLIT,
    USUAL_RANGE,
    USUAL_VOLUME,
)
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sources.adapted import Change
from ml4t.backtest.data.sources.checks import SAMPLE_ROWS, CheckResult
from ml4t.backtest.data.sources.naming import key_of
from ml4t.backtest.data.sources.schema import is_numeric
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import Sql, count_of, quote, ratio_of, read, render, sample_of
from ml4t.backtest.errors import ConfigError, DataError, did_you_mean

if TYPE_CHECKING:
    from ml4t.backtest.data.stream.period import Period

Adjusted = bool | str | None
# What data calls a column of splits, of dividends and of an adjusted close, as names are compared.
_SPLITS = ("split", "splits", "stock_split", "stock_splits", "split_ratio", "split_factor")
_DIVIDENDS = ("dividend", "dividends", "div", "cash_dividend", "dividend_amount", "div_cash")
_ADJUSTED = ("adj_close", "adjclose", "adjusted_close", "close_adj", "closeadj", "adjusted")
_SAY = "register them as actions, or say adjusted=True where prices have them in them already"


def is_adjusted_close(name: str) -> bool:
    """Return whether data call an adjusted close so."""
    return key_of(name) in _ADJUSTED


def is_of_actions(name: str) -> bool:
    """Return whether data call splits or dividends so."""
    return key_of(name) in (*_SPLITS, *_DIVIDENDS)


def require_adjusted(role: str, adjusted: object) -> None:
    """Refuse what does not say whether prices are adjusted.

    Raises
    ------
    ConfigError
    """
    if adjusted is None:
        return
    if not isinstance(adjusted, (bool, str)) or adjusted == "":
        raise ConfigError(
            f"adjusted must be True, False or the name of an adjusted close, was {adjusted!r}"
        )
    if role != "prices":
        raise ConfigError(f"adjusted is for prices, and {role} have none; leave {adjusted!r} out")


def adjusted_prices(select: str, source: Source, database: Database) -> Sql:
    """Return the query of prices whose columns are scaled to their adjusted close.

    Raises
    ------
    DataError
        There is no such column of numbers.
    """
    kinds = database.schema(select)
    item = quote(_adjusted_column(source, kinds))
    items = [f"{item}::double as close"]
    items += [
        f"{ratio_of(item, 'close', times=name)} as {name}"
        for name in ("open", "high", "low", "vwap", "limit_up", "limit_down", "prev_close")
        if is_numeric(kinds.get(name, ""))
    ]
    if "volume" in kinds:
        items.append(f"{ratio_of('close', item, times='volume')} as volume")
    return render("register/adjusted", rows=select, items=", ".join(items))


def adjustment(select: str, source: Source, database: Database) -> Change:
    """Return what `describe` says of prices that are scaled, with the bars that change."""
    column = _adjusted_column(source, database.schema(select))
    query = render(
        "register/n_adjusted", rows=select, item=quote(column), tolerance=repr(ADJUSTED_APART)
    )
    return Change(
        f"prices: times {column} / close, volume divided by it", database.rows(query)[0][0]
    )


def require_counted_once(sources: Mapping[str, Source], database: Database) -> None:
    """Refuse splits and dividends beside prices that have them in them.

    Raises
    ------
    DataError
    """
    if "actions" not in sources or not sources["prices"].is_adjusted:
        return
    query = read("validate/counted_twice")
    n_rows = database.rows(count_of(query))[0][0]
    if n_rows:
        raise DataError(
            "actions", "counted_twice", "has splits or dividends beside prices registered with "
            f"adjusted={sources['prices'].adjusted!r}, which have them in them: money would count "
            "twice; leave them out, or register prices as traded with adjusted=False",
            n_rows=n_rows, sample=database.records(sample_of(query, SAMPLE_ROWS)), query=query,
        )  # fmt: skip


def may_lack_actions(sources: Mapping[str, Source]) -> bool:
    """Say whether nothing applies splits and dividends, and nobody said that prices have them."""
    return "actions" not in sources and not sources["prices"].is_adjusted


def unapplied(
    sources: Mapping[str, Source], columns: Mapping[str, str], database: Database
) -> list[CheckResult]:
    """Return what of prices as traded, without any actions, looks as if some were missing.

    Parameters
    ----------
    sources : mapping
    columns : mapping
        Those of prices, with types.
    """
    if not may_lack_actions(sources):
        return []
    found = []
    for name, kind in columns.items():
        key, item = key_of(name), quote(name)
        if not is_numeric(kind):
            continue
        if key in _SPLITS or key in _DIVIDENDS:
            what = "splits" if key in _SPLITS else "dividends"
            query = render(
                "validate/unapplied_actions", item=item, none="1" if key in _SPLITS else "0"
            )
            text = f"has {what} in the column '{name}', which nothing applies; {_SAY}"
            found.append(_result(f"{what}_unapplied", query, text, database))
        elif key in _ADJUSTED:
            query = render(
                "validate/unapplied_adjustment", item=item, tolerance=repr(ADJUSTED_APART)
            )
            text = (
                f"has '{name}' beside other closes, which are traded as they are; say "
                f"adjusted={name!r} to trade at adjusted prices, or register actions"
            )
            found.append(_result("adjustment_unapplied", query, text, database))
    return [one for one in found if not one.passed]


def jumps_like_splits(
    sources: Mapping[str, Source],
    columns: Mapping[str, str],
    database: Database,
    sids: Collection[int] | None = None,
    *,
    period: Period | None = None,
) -> list[CheckResult]:
    """Return bars that open at the ratio of a split, of prices that nothing is applied to.

    Parameters
    ----------
    sources, columns
        As of `unapplied`.
    sids : collection of int, optional
        Assets to ask; all by default, for which all bars are sorted.
    period : Period, optional
        Bars to ask; all by default.
    """
    if not may_lack_actions(sources) or sids == set():
        return []
    verb = "opens" if "open" in columns else "closes"
    text = f"{verb} at the ratio of a split to the close before, without actions; {_SAY}"
    query = _jumps(columns, sids, period)
    rows = database.records(query)  # few, and the query sorts all bars: it is asked once
    found = CheckResult(
        source="prices", rule="jump_like_split", n_rows=len(rows), query=query, text=text,
        severity="warning", sample=tuple(rows[:SAMPLE_ROWS]),
    )  # fmt: skip
    return [] if found.passed else [found]


def _jumps(columns: Mapping[str, str], sids: Collection[int] | None, period: Period | None) -> Sql:
    assets = "true" if sids is None else f"assets.sid in ({', '.join(map(str, sorted(sids)))})"
    first_price = "open" if "open" in columns else "close"
    of_run = "true" if period is None else f"t between {period.first_t} and {period.last_t}"
    return render(
        "validate/jumps_like_splits",
        first_price=first_price,
        assets=assets,
        of_run=of_run,
        least_split=repr(LEAST_SPLIT),
        least_merger=repr(LEAST_MERGER),
        high="high" if "high" in columns else f"greatest({first_price}, close)",
        low="low" if "low" in columns else f"least({first_price}, close)",
        volume="volume" if "volume" in columns else "null::double",
        at_ratio=repr(LIKE_SPLIT),
        usual_range=repr(USUAL_RANGE),
        usual_volume=repr(USUAL_VOLUME),
    )


def _result(rule: str, query: Sql, text: str, database: Database) -> CheckResult:
    n_rows = database.rows(count_of(query))[0][0]
    sample = tuple(database.records(sample_of(query, SAMPLE_ROWS, by="all"))) if n_rows else ()
    return CheckResult(
        source="prices", rule=rule, n_rows=n_rows, query=query, text=text, severity="warning",
        sample=sample,
    )  # fmt: skip


def _adjusted_column(source: Source, kinds: Mapping[str, str]) -> str:
    """Return the column that a user says is the adjusted close, as it is spelled."""
    said = str(source.adjusted)
    by_lower = {name.lower(): name for name in kinds}
    name = by_lower.get(said.lower())
    if name is None or not is_numeric(kinds[name]) or name == "close":
        fact = f"has no column '{said}'{did_you_mean(said, kinds)}" if name is None else (
            f"has column '{said}' that is no adjusted close of numbers beside close"
        )  # fmt: skip
        raise DataError(source.name, "columns", f"{fact}; adjusted= names one")
    return name
