"""Fill checks: what must hold of the fills of any run, each a statement that selects what offends.

The loop that made the fills has no part in it: the rows of the run are held against the bars and
actions of the catalog, and against the settings that the run wrote down.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ml4t.backtest.audit.audit import Audit
from ml4t.backtest.audit.audit_tables import AuditPart
from ml4t.backtest.audit.decision_inputs import read_inputs
from ml4t.backtest.audit.filled import ACTED, WAIT_FOR_PRICE, Filled, gather_fills
from ml4t.backtest.core.tolerances import IN_RANGE, WHOLE
from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.sql_files import count_of, render, rows_of
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.results.result import BacktestResult

TABLE = "fill_checks"
# What decisions read of each source: the rows one by one, and by source.
INPUTS, BY_SOURCE = "decision_inputs", "inputs"
RECORDED = "recorded"
_NOT_FREE = "tag is distinct from 'reinvestment'"
# Assets whose quantities and names are the same all the time.
_PLAIN = f"asset_id not in ({render('fill_staging/restated', acted=ACTED)})"


class FillCheck(NamedTuple):
    """One check.

    Attributes
    ----------
    name : str
        Its statement under ``sql/fill_checks``.
    says : str
        What must hold.
    of : str
        Table whose rows it looks at, or ``filled``: fills with their orders and bars.
    where : str
        Which of them.
    parameters : mapping of str to float
    unchecked : str
        Why it cannot be asked of a run, or need not; empty where it is asked.
    """

    name: str
    says: str
    of: str = "filled"
    where: str = "true"
    parameters: Mapping[str, float] = {}
    unchecked: str = ""


def checks_of(
    settings: Mapping[str, Any], price_columns: frozenset[str], *, has_ticks: bool
) -> list[FillCheck]:
    """Return the checks of a run, in the words and numbers of its settings."""
    execution, account = settings["execution"], settings["account"]
    in_range, whole = {"in_range": IN_RANGE}, {"whole": WHOLE}
    has_range = {"high", "low"} <= price_columns
    return [
        FillCheck("order_unknown", "every fill is of an order of its asset"),
        FillCheck(
            "more_than_ordered", "no order is filled beyond what it asks", of="orders",
            where="quantity is not null", parameters=whole,
        ),
        FillCheck(
            "fills_of_order", "what an order says is done is the sum of its fills", of="orders",
            where=_PLAIN, parameters=whole,
        ),
        FillCheck("no_bar", "the asset has a bar when it is filled"),
        FillCheck(
            "halted", "somebody traded in the bar",
            unchecked="" if "volume" in price_columns else "prices have no volume",
        ),
        *_of_clock(execution["timing"]["kind"]),
        FillCheck(
            "outside_bar", "before costs the price is within the bar's range", where="has_bar",
            parameters=in_range,
            unchecked="" if has_range or "open" in price_columns
            else "prices have closes alone, and no range",
        ),
        FillCheck(
            "market_price", "a market order pays open, close or average of its bar before costs",
            where="has_bar and order_type in ('market', 'market_on_close')", parameters=in_range,
        ),
        FillCheck(
            "beyond_limit", "no price is worse than the limit of the order",
            where="has_ended_order and limit_price is not null", parameters=in_range,
        ),
        FillCheck(
            "stop_not_reached", "prices reached the stop after it was decided",
            where=f"has_ended_order and order_type in {WAIT_FOR_PRICE} and {_PLAIN}",
            parameters=in_range, unchecked="" if has_range else "prices have no high and low",
        ),
        _participation(execution["participation"]),
        FillCheck(
            "other_volume", "prices have the volume that the run wrote down",
            where="has_bar and volume is not null",
        ),
        FillCheck("delisted", "nothing is filled from a delisting on"),
        _slippage(settings["slippage"], has_ticks=has_ticks),
        FillCheck(
            "position_without_fills", "positions are the sum of all fills", of="positions",
            where=_PLAIN, parameters=whole,
        ),
        FillCheck(
            "cash_without_fills", "cash is what flowed, less what fills took", of="equity",
            parameters=whole,
        ),
        *_of_account(account),
        FillCheck(
            "input_not_known", "what a decision read of the sources was known at its bar; what "
            "a query of the strategy reads beside signals and market is not looked at",
            of=INPUTS, where="available_at is not null or not is_known",
        ),
        FillCheck(
            "other_evidence", "what the run wrote down as evidence is what its sources said at "
            "the bar", of=RECORDED,
        ),
    ]  # fmt: skip


def _of_clock(timing: str) -> Iterator[FillCheck]:
    if timing in ("NextOpen", "NextClose", "VolumeWeighted"):
        # What a dividend buys on its day is decided by the setting, and not at a close.
        yield FillCheck(
            "not_after_decision", "every fill is strictly after its decision", where=_NOT_FREE
        )
        return
    why = (
        "fills orders at the close at which they are decided, which is optimistic"
        if timing == "ThisClose" else "is a timing of your own, which may fill at any time"
    )  # fmt: skip
    yield FillCheck(
        "not_after_decision",
        "every fill is strictly after its decision",
        unchecked=f"{timing} {why}; what holds of it says before_decision",
    )
    yield FillCheck(
        "before_decision", "no fill is before its decision, and one at it is at the close",
        where=f"has_bar and {_NOT_FREE}", parameters={"in_range": IN_RANGE},
    )  # fmt: skip


def _participation(share: float | None) -> FillCheck:
    return FillCheck(
        "beyond_volume", "what fills in a bar is within the share of its volume",
        where=f"has_bar and {_NOT_FREE}",
        parameters={"whole": WHOLE, "participation": share or 0.0},
        unchecked="" if share else "participation is not bounded",
    )  # fmt: skip


def _slippage(slippage: Mapping[str, Any], *, has_ticks: bool) -> FillCheck:
    is_known = slippage["kind"] == "BasisPointSlippage" and not has_ticks
    why = "ticks round prices" if has_ticks else f"no bound of {slippage['kind']} is known"
    return FillCheck(
        "slippage_beyond_model", "slippage is no more than its basis points",
        where="has_bar",
        parameters={
            "in_range": IN_RANGE, "basis_points": slippage["basis_points"] if is_known else 0.0
        },
        unchecked="" if is_known else why,
    )  # fmt: skip


def _of_account(account: Mapping[str, Any]) -> Iterator[FillCheck]:
    can_short = account["kind"] != "CashAccount" or account["shorting"]
    may_owe = can_short or account["shortfall"] == "none"
    yield FillCheck(
        "short", "nothing is held short", of="positions",
        unchecked="the account may be short" if can_short else "",
    )  # fmt: skip
    yield FillCheck(
        "overdrawn", "no purchase takes cash below zero", of="equity",
        parameters={"whole": WHOLE, "overdraft": account.get("overdraft", 0.0)},
        unchecked="the account may borrow" if may_owe else "",
    )  # fmt: skip


def fill_checks(result: BacktestResult, catalog: Catalog) -> AuditPart:
    """Check the fills of a run against the sources of a catalog."""
    found = gather_fills(result, catalog)
    inputs, recorded = read_inputs(result, catalog)
    for name, table in ((INPUTS, inputs), (RECORDED, recorded)):
        found.session.register(name, table)
    checks = checks_of(found.settings, found.price_columns, has_ticks=found.has_ticks)
    rows = [_row(one, found) for one in checks]
    n_failed = sum(bool(row[3]) for row in rows)
    return AuditPart(
        rows={
            TABLE: rows,
            BY_SOURCE: found.session.rows(render("decision_inputs/by_source", inputs=INPUTS)),
        },
        many={INPUTS: inputs},
        said=f"fills: {n_failed} of {len(rows)} checks failed" if n_failed else "",
        is_clean=not n_failed,
    )


def _row(check: FillCheck, found: Filled) -> tuple[object, ...]:
    """Return what came of a check: name, what it says, rows, those that offend, the first."""
    if check.unchecked:
        return (check.name, check.says, 0, 0, None, None, None, check.unchecked)
    of = found.fills if check.of == "filled" else check.of
    rows = rows_of(of, where=check.where)
    ((n_checked,),) = found.session.rows(count_of(rows))
    offending = render(f"fill_checks/{check.name}", rows=f"({rows})", acted=ACTED)
    first = found.session.rows(
        render("fill_staging/first_offending", offending=offending), check.parameters
    )
    n_failed, bar, asset_id, what = first[0] if first else (0, None, None, None)
    return (check.name, check.says, n_checked, n_failed, bar, asset_id, what, None)


def check_fills(result: BacktestResult, catalog: Catalog) -> Audit:
    """Check the fills of a run against the sources that it read, without running it.

    Parameters
    ----------
    result : BacktestResult
        Of a run, or one that was saved and opened.
    catalog : Catalog
        With the sources of that run.

    Returns
    -------
    Audit
        Its table ``fill_checks`` has a row for each check; `is_clean` says that none failed.

    Raises
    ------
    ConfigError
        `catalog` is none.
    DataError
        A source breaks its contract.
    """
    if not isinstance(catalog, Catalog):
        raise ConfigError(f"catalog must be a Catalog with the sources of the run, was {catalog!r}")
    part = fill_checks(result, catalog)
    n_checks = len(part.rows[TABLE])
    said = part.said or f"fills: {n_checks} checks, none failed"
    return Audit(result, catalog.prepare().timestamp_type, [part._replace(said=said)])
