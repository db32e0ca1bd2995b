"""Terms: contract terms per asset, and corporate actions by bar, read from their sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.terms import (
    ACTION_KINDS,
    FUTURE,
    INSTRUMENTS,
    OF_PRICES,
    PERPETUAL,
    Action,
    Funding,
    Instruments,
    MarginChange,
    Roll,
)
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sources.naming import AVAILABLE_AT
from ml4t.backtest.data.sources.roles.terms import ASSETS_ROLE, DATED_MARGINS, TERMS
from ml4t.backtest.data.sql_files import columns, first_bars, quote, render, rows_of
from ml4t.backtest.errors import DataError

# What NULL, or no column, stands for.
_PLAIN = {"multiplier": "1.0", "lot_size": "0.0", "tick_size": "0.0"}

_OF_EXPIRY = {
    "expiry": "coalesce(date_diff('day', date '1970-01-01', assets.expiry), 'nan'::double)",
    "final_settlement": "coalesce(assets.final_settlement, 'nan'::double)",
}


def read_instruments(found: Mapping[str, str], database: Database) -> Instruments:
    """Read the ``assets`` source.

    Parameters
    ----------
    found : mapping
        Its columns, with types.
    """
    terms = []
    for name in TERMS:
        value = f"assets.{name}" if name in found else "null"
        terms.append(f"coalesce({value}, {_PLAIN.get(name, 'nan')!r}::double) as {name}")
    for name, value in _OF_EXPIRY.items():
        if name in found:
            terms.append(f"{value} as {name}")
    has_currency = "currency" in found
    if has_currency:
        terms.append("assets.currency::varchar as currency")
    said = "assets.instrument" if "instrument" in found else "null::varchar"
    texts_of = [
        name for name, kind in found.items()
        if kind.startswith(("VARCHAR", "ENUM")) and name != "asset_id"
    ]  # fmt: skip
    # What changes is in ``signals``, and no group that an asset is of for a whole run.
    is_told = AVAILABLE_AT in found
    names = [] if is_told else texts_of
    assets = "main.assets"
    if is_told:
        items = columns(("asset_id", *(name for name in ASSETS_ROLE.optional if name in found)))
        assets = f"({render('signals/last_rows', source=assets, columns=items)})"
    texts = [f"assets.{quote(name)}::varchar as __{i}" for i, name in enumerate(names)]
    rows = database.numpy(
        render("terms/instruments", assets=assets, said=said, columns=", ".join([*terms, *texts])),
        {"instruments": list(INSTRUMENTS)},
    )
    groups, group_names = {}, {}
    for i, name in enumerate(names):
        values = rows[f"__{i}"].tolist()
        known = sorted({value for value in values if value is not None})
        codes = {value: code for code, value in enumerate(known)}
        groups[name] = np.array([codes.get(value, -1) for value in values], dtype=np.int64)
        group_names[name] = tuple(known)
    return Instruments(
        **{name: rows[name] for name in TERMS},
        instrument=rows["instrument"].astype(np.int64),
        expiry=rows["expiry"] if "expiry" in found else None,
        final_settlement=rows["final_settlement"] if "final_settlement" in found else None,
        currency=tuple(rows["currency"].tolist()) if has_currency else (),
        groups=groups,
        group_names=group_names,
        changing=tuple(texts_of) if is_told else (),
    )


def read_actions(
    found: Mapping[str, str],
    database: Database,
    *,
    first_t: int,
    last_t: int,
    first_price: str,
) -> list[Action]:
    """Read the ``actions`` source, in the order of bar, `ACTION_KINDS` and asset.

    An action counts from the first bar at or after its ex-date. Left out are those of assets
    without prices, after the last bar, and before the date of the first.

    Parameters
    ----------
    found : mapping
        Its columns, with types.
    first_t, last_t : int
        The bars of the run; the actions' are counted from its first.
    first_price : str
        Column of the first price of a bar that prices have.
    """
    places = {
        name: f"actions.{name}" if name in found else f"null::{kind}"
        for name, kind in (
            ("new_asset_id", found["asset_id"]), ("pay_date", found["ex_date"]),
            *((name, "double") for name in ("cash", "withholding", "basis_share")),
            ("basis", "varchar"),
        )
    }  # fmt: skip
    kinds_there = {kind for (kind,) in database.rows(rows_of("main.actions", "distinct kind"))}
    source, share = "main.actions", "null::double"
    basis_share = places.pop("basis_share")
    if kinds_there.intersection(OF_PRICES):
        valued = render(
            "terms/action_values", new_asset_id=places["new_asset_id"], cash=places["cash"],
            basis_share=basis_share, first_price=first_price,
        )  # fmt: skip
        source, share = f"({valued})", "actions.share"
    bars = first_bars("main.actions as actions", "actions.ex_date", places["pay_date"])
    rows = database.numpy(
        render("terms/actions", actions=source, first_bars=bars, share=share, **places),
        {"kinds": list(ACTION_KINDS), "first_t": first_t, "last_t": last_t},
    )
    kinds = [ACTION_KINDS[place] for place in rows["place"].tolist()]
    names = ("value", "pay_t", "new_sid", "cash", "share", "withholding")
    t, sid, *others = (rows[name].tolist() for name in ("t", "sid", *names))
    return list(map(Action._make, zip(t, sid, kinds, *others, strict=True)))


def read_funding(
    found: Mapping[str, str], database: Database, *, first_t: int, last_t: int
) -> list[Funding]:
    """Read the ``funding`` source in the order of its times; bars are counted from `first_t`."""
    places = {
        name: f"funding.{name}" if name in found else "null::double"
        for name in ("rate", "cash", "mark")
    }
    bars = first_bars("main.funding as funding", "funding.timestamp")
    rows = database.numpy(
        render("terms/funding", first_bars=bars, **places), {"first_t": first_t, "last_t": last_t}
    )
    columns = (rows[name].tolist() for name in Funding._fields)
    return list(map(Funding._make, zip(*columns, strict=True)))


def require_perpetual(
    payments: Sequence[Funding], terms: Instruments, asset_ids: Callable[[], NDArray[np.object_]]
) -> None:
    """Refuse funding of what is no perpetual contract.

    Raises
    ------
    DataError
        Before the run.
    """
    paid = dict.fromkeys(one.sid for one in payments)
    bad = [sid for sid in paid if terms.instrument[sid] != PERPETUAL]
    if bad:
        names = asset_ids()
        raise DataError(
            "funding", "funding_of_other", "has payments of assets that are no perpetual "
            "contracts; say so in 'assets', instrument 'perpetual', or leave them out",
            n_rows=sum(one.sid in bad for one in payments),
            sample=[{"asset_id": names[sid]} for sid in bad[:5]],
        )  # fmt: skip


def require_valued(actions: Sequence[Action], asset_ids: Callable[[], NDArray[np.object_]]) -> None:
    """Refuse a merger or spin-off of which nobody knows how it shares out a share's value.

    Raises
    ------
    DataError
        Before the run.
    """
    bad = [one for one in actions if one.kind in OF_PRICES and np.isnan(one.share + one.value)]
    if bad:
        names = asset_ids()
        sample: list[dict[str, object]] = [
            {"asset_id": names[one.sid], "kind": one.kind, "bar": one.t, "value": one.value}
            for one in bad[:5]
        ]
        raise DataError(
            "actions", "value_unknown", "has mergers with cash, or spin-offs, of assets whose "
            "prices do not say what part of a share they are: no close before a merger, no bar of "
            "both on the ex-date of a spin-off; give a basis_share, or leave them out",
            n_rows=len(bad), sample=sample,
        )  # fmt: skip


def require_same_contract(actions: Sequence[Action], terms: Instruments) -> None:
    """Refuse what turns one asset into another of another multiplier or currency.

    It would make or lose money.

    Raises
    ------
    DataError
        Before the run; the sample has the bars and both values.
    """
    values: list[tuple[str, str, Sequence[object]]] = [
        ("multiplier", "multipliers", terms.multiplier.tolist())
    ]
    if terms.currency:
        values.append(("currency", "currencies", terms.currency))
    for name, plural, of in values:
        bad = [one for one in actions if one.new_sid >= 0 and of[one.sid] != of[one.new_sid]]
        if bad:
            sample: list[dict[str, object]] = [
                {"bar": one.t, name: of[one.sid], f"new_{name}": of[one.new_sid]} for one in bad[:5]
            ]
            raise DataError(
                "assets", f"rename_keeps_{name}", "gives the old and the new name of an asset "
                f"different {plural}; give both the same", n_rows=len(bad), sample=sample,
            )  # fmt: skip


def read_rolls(
    database: Database, terms: Instruments, *, first_t: int, last_t: int
) -> tuple[Roll, ...]:
    """Read the ``rolls`` source, in the order of bars and assets.

    Raises
    ------
    DataError
        A roll is into a contract without prices, or of what is not settled daily, or between
        contracts of different multipliers.
    """
    bars = first_bars("main.rolls as rolls", "rolls.timestamp")
    rows = database.numpy(
        render("terms/rolls", first_bars=bars), {"first_t": first_t, "last_t": last_t}
    )
    places = (rows[name].tolist() for name in ("t", "sid", "new_sid"))
    rolls = tuple(map(Roll._make, zip(*places, strict=True)))
    reasons: dict[str, tuple[str, Callable[[Roll], bool]]] = {
        "roll_to_unknown": (
            "has rolls into a new_asset_id that prices do not have; compare the spelling of both",
            lambda one: one.new_sid < 0,
        ),
        "roll_of_share": (
            "has rolls of what 'assets' does not call a future; give both contracts the "
            "instrument 'future'",
            lambda one: bool((terms.instrument[[one.sid, one.new_sid]] != FUTURE).any()),
        ),
        "roll_keeps_multiplier": (
            "has rolls between contracts of different multipliers, of which one is not one; leave "
            "them out and trade them in the strategy",
            lambda one: bool(terms.multiplier[one.sid] != terms.multiplier[one.new_sid]),
        ),
        "roll_keeps_currency": (
            "has rolls between contracts of two currencies, of which one is not one; leave them "
            "out and trade them in the strategy",
            lambda one: (
                bool(terms.currency) and terms.currency[one.sid] != terms.currency[one.new_sid]
            ),
        ),
    }
    for rule, (text, is_bad) in reasons.items():
        bad = [one for one in rolls if is_bad(one)]
        if bad:
            raise DataError(
                "rolls", rule, text, n_rows=len(bad), sample=[{"bar": one.t} for one in bad[:5]]
            )
    return rolls


def read_margin_changes(
    found: Mapping[str, str], database: Database, *, first_t: int, last_t: int
) -> tuple[MarginChange, ...]:
    """Read when margins of contracts change, in the order of bars; none without a clock."""
    if AVAILABLE_AT not in found or not set(DATED_MARGINS) & set(found):
        return ()
    initial, maintenance = (
        f"assets.{name}::double" if name in found else "null::double" for name in DATED_MARGINS
    )
    bars = first_bars("main.assets as assets", "assets.available_at")
    query = render(
        "terms/margin_changes", first_bars=bars, initial=initial, maintenance=maintenance
    )
    rows = database.numpy(query, {"first_t": first_t, "last_t": last_t})
    places = (rows[name].tolist() for name in MarginChange._fields)
    return tuple(map(MarginChange._make, zip(*places, strict=True)))
