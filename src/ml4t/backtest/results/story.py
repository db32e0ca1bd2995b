"""Story: one trade in words, from the row that explains it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

COSTS = ("commission", "tax", "fee", "slippage", "impact", "borrow")


class Story(str):
    """A text that a notebook shows line by line."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self)}</pre>"


def story(row: Mapping[str, Any]) -> Story:
    """Return the story of one row of the view ``report.trades_explained``."""
    return Story("\n".join(_lines(row)))


def _lines(row: Mapping[str, Any]) -> Iterator[str]:
    state = "still open" if row["exit_timestamp"] is None else f"closed by {row['exit_rule']}"
    yield (
        f"Trade {row['trade_id']}: {row['side']} {abs(row['quantity']):,.6g} of {row['asset_id']}, "
        f"{state}"
    )
    yield f"Entry decided {_when(row['entry_decided_at'])} by {row['entry_tag']}{_rank(row)}"
    yield from _known(row["entry_signals"], row["entry_texts"])
    yield (
        f"  {row['entry_order_type']} order {row['entry_order_id']}, fill {row['entry_fill_id']} "
        f"{_when(row['entry_timestamp'])} at {row['entry_price']:,.6g}"
    )
    if row["exit_timestamp"] is not None:
        yield from _exit(row)
    yield (
        f"While held: worst {row['mae']:+.2%}, best {row['mfe']:+.2%} of the entry price"
        + ("" if row["bars_held"] is None else f", {row['bars_held']} bars")
        + ("" if row["days_held"] is None else f", {row['days_held']} days")
    )
    costs = ", ".join(f"{name} {row[name]:,.2f}" for name in COSTS if row[name])
    yield (
        f"P&L {row['pnl']:,.2f} ({row['return']:+.2%}); before costs "
        f"{row['pnl_before_costs']:,.2f}{f', of them {costs}' if costs else ''}; "
        f"dividends in it {row['dividends']:,.2f}"
    )


def _exit(row: Mapping[str, Any]) -> Iterator[str]:
    if row["exit_order_id"] is None:
        yield f"Exit {_when(row['exit_timestamp'])} at {row['exit_price']:,.6g}, without an order"
        return
    why = f": {row['exit_reason']}" if row["exit_reason"] else ""
    level = "" if row["exit_level"] is None else f", level {row['exit_level']:,.6g}"
    yield f"Exit decided {_when(row['exit_decided_at'])} by {row['exit_rule']}{why}{level}"
    yield from _known(row["exit_signals"], row["exit_texts"])
    yield (
        f"  {row['exit_order_type']} order {row['exit_order_id']}, fill {row['exit_fill_id']} "
        f"{_when(row['exit_timestamp'])} at {row['exit_price']:,.6g}"
    )


def _rank(row: Mapping[str, Any]) -> str:
    if row["entry_rank"] is None:
        return ""
    weight = "" if row["entry_weight"] is None else f", weight {row['entry_weight']:.2%}"
    return f", rank {row['entry_rank']}{weight}"


def _known(numbers: Mapping[str, float] | None, texts: Mapping[str, str] | None) -> Iterator[str]:
    said = [f"{name} {value:,.6g}" for name, value in (numbers or {}).items()]
    said += [f"{name} {value}" for name, value in (texts or {}).items()]
    if said:
        yield f"  known: {', '.join(said)}"


def _when(timestamp: object) -> str:
    return str(timestamp).removesuffix(" 00:00:00")
