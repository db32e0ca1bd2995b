"""Naming: which column of a source is which of ours.

One rule for every source. A column that `columns=` names is taken; one with our own name, in any
case, is taken next; of the names that data of this kind usually has, the one that is there is
taken, and said. Where two are there, or none, the source is refused with the argument to write.
Names are compared in lower case, with spaces, dots and hyphens as underscores.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ml4t.backtest.data.sources.adapted import Change
from ml4t.backtest.data.sources.roles.spec import RoleSpec
from ml4t.backtest.errors import ConfigError, DataError, did_you_mean

# What a column is usually called where it is not called as here: by pandas, by vendors' files and
# by data bases of prices. An adjusted close is none of them: what it goes with must be said. Nor is
# "vol", as often a volatility as a volume, nor what names a bar's open, such as "window_start".
USUAL: Mapping[str, tuple[str, ...]] = {
    "timestamp": (
        "date", "datetime", "time", "date_time", "trade_date", "trading_date", "price_date",
        "caldt", "dlycaldt", "datadate",
    ),
    "asset_id": (
        "ticker", "symbol", "permno", "asset", "instrument", "instrument_id", "security_id",
        "secid", "ts_code", "act_symbol", "tic", "gvkey",
    ),
    "open": ("open_price", "px_open", "openprc", "dlyopen"),
    "high": ("high_price", "px_high", "askhi", "dlyhigh"),
    "low": ("low_price", "px_low", "bidlo", "dlylow"),
    "close": ("close_price", "px_last", "dlyclose", "last_price"),
    "volume": ("px_volume", "dlyvol", "trade_volume"),
    "start_date": ("start", "from_date", "date_from"),
    "end_date": ("end", "to_date", "thru_date", "date_to"),
    "ex_date": ("exdate", "ex_dividend_date", "date"),
    "kind": ("action", "type", "action_type"),
    "fee": ("borrow_fee", "fee_rate"),
}  # fmt: skip
AVAILABLE_AT = "available_at"
# What a column without a name is called that pandas wrote as the index of a frame: by its Parquet,
# and by a text's reader here. It may be times where nothing else is.
_NAMELESS = ("__index_level_0__", "column0")


def key_of(name: str) -> str:
    """Return how a column's name is compared."""
    return name.strip().lower().replace(" ", "_").replace("-", "_").replace(".", "_")


def is_nameless(name: str) -> bool:
    """Say whether a column is one without a name, as the index of a frame may be written."""
    return name in _NAMELESS


def column_names(
    source: str,
    spec: RoleSpec,
    found: Collection[str],
    columns: Mapping[str, str],
    *,
    may_lack: Collection[str] = (),
    way_out: str = "",
) -> dict[str, str]:
    """Return the columns of a source, by our name, that are not called so themselves.

    Parameters
    ----------
    source : str
        Its name, for errors.
    spec : RoleSpec
    found : collection of str
        Columns as they are spelled.
    columns : mapping of str to str
        What the user says: ours to theirs.
    may_lack : collection of str
        Of ours, required ones that need not be there.
    way_out : str
        What to write where there is no column of assets, and none that may be it.

    Raises
    ------
    DataError
        A column that is named is not there; a required one is not; two may be one of ours.
    """
    by_lower = {name.lower(): name for name in found}
    names = {ours: _spelled(source, ours, theirs, by_lower) for ours, theirs in columns.items()}
    _require_apart(source, names)
    keys: dict[str, list[str]] = {}
    for name in found:
        if name not in names.values():
            keys.setdefault(key_of(name), []).append(name)
    own = {*spec.required, *spec.optional}
    for ours in (*spec.required, *spec.optional):
        if ours in names or ours in by_lower:
            continue
        usual = [
            one for name in USUAL.get(ours, ()) if name not in own for one in keys.get(name, ())
        ]
        usual = [one for one in usual if one not in names.values()]
        if not usual and ours == "timestamp" and ours in spec.required:
            usual = [one for one in found if is_nameless(one)]
        if len(usual) > 1:
            shown = " and ".join(map(repr, usual))
            raise DataError(
                source, "columns", f"has no column '{ours}', and {shown} may each be it; say "
                f"which: columns={{{ours!r}: {usual[0]!r}}}",
            )  # fmt: skip
        if usual:
            names[ours] = usual[0]
        elif ours in spec.required and ours not in may_lack:
            hint = way_out if ours == "asset_id" else ""
            free = [one for one in found if one not in names.values() and one.lower() not in own]
            raise DataError(source, "columns", _lacking(ours, found, free, hint))
    return names


def require_mapping(spec: RoleSpec, columns: object) -> dict[str, str]:
    """Return what a user says of columns, once each name is one of the role.

    Raises
    ------
    ConfigError
    """
    if columns is None:
        return {}
    known = [
        *spec.required,
        *spec.optional,
        *([AVAILABLE_AT] if AVAILABLE_AT in spec.takes else []),
    ]
    if not isinstance(columns, Mapping):
        raise ConfigError(
            f"columns must be a mapping of our names to those of the source, such as "
            f"{{{known[0]!r}: 'Date'}}, was {columns!r}"
        )
    for ours, theirs in columns.items():
        if ours not in known:
            hint = ""
            if theirs in known:
                hint = f"; our name comes first: columns={{{theirs!r}: {ours!r}}}"
            raise ConfigError(
                f"columns names {ours!r}, which is no column of {spec.name}"
                f"{hint or did_you_mean(str(ours), known)}"
            )
        if not isinstance(theirs, str) or not theirs:
            raise ConfigError(f"columns[{ours!r}] must be the name of a column, was {theirs!r}")
    return dict(columns)


def renamings(names: Mapping[str, str]) -> tuple[Change, ...]:
    """Return what `describe` says of columns with other names."""
    return tuple(Change(f"{ours} is the column {theirs!r}") for ours, theirs in names.items())


def _spelled(source: str, ours: str, theirs: str, by_lower: Mapping[str, str]) -> str:
    """Return a column that the user names as the source spells it."""
    if theirs.lower() not in by_lower:
        raise DataError(
            source, "columns", f"has no column '{theirs}', which columns= names for '{ours}'"
            f"{did_you_mean(theirs, by_lower.values())}",
        )  # fmt: skip
    return by_lower[theirs.lower()]


def _require_apart(source: str, names: Mapping[str, str]) -> None:
    taken: dict[str, str] = {}
    for ours, theirs in names.items():
        other = taken.setdefault(theirs, ours)
        if other != ours:
            raise ConfigError(
                f"columns of source {source!r} names {theirs!r} for {other!r} and for {ours!r}; a "
                "column is one of them"
            )


def _lacking(ours: str, found: Collection[str], free: Sequence[str], way_out: str = "") -> str:
    """Say what is not there, and which of the columns that are none of ours yet may be it."""
    hint = did_you_mean(ours, free)
    adjusted = [name for name in free if ours in key_of(name)]
    near = adjusted[0] if adjusted else None
    if near is None and hint.startswith("; did you mean"):
        near = hint.split("'")[1]
    if near is not None:
        return (
            f"has no column '{ours}'; did you mean '{near}'? Then say so: "
            f"columns={{{ours!r}: {near!r}}}"
        )
    known = f"; known: {', '.join(sorted(found))}" if found else ""
    theirs = free[0] if len(free) == 1 else "..."
    way_out = way_out or f"; if one of them is it, say so: columns={{{ours!r}: {theirs!r}}}"
    return f"has no column '{ours}'{known}{way_out}"
