"""Undone: what a run did not do and what it left out, as lines of text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def undone_lines(facts: Mapping[str, Any]) -> list[str]:
    """Return what a run did not do; `facts` are those of `run_facts`."""
    lines = list(selection_lines(facts["selection"], n_bars=facts["n_bars"]))
    if not facts["n_orders"]:
        lines.append(
            "No orders: nothing was selected or sent; catalog.preview(strategy, timestamp) shows "
            "what each asset of a bar lacks"
        )
    return lines


def left_out_lines(facts: Mapping[str, Any]) -> list[str]:
    """Return the rows that were dropped, what may be wrong, and what was never found."""
    texts = facts["drop_rules"]
    dropped = [
        f"Dropped: {n_rows:,} rows of source '{source}' (rule {rule})"
        + (f", which {texts[rule]}" if rule in texts else "")
        for source, rules in facts["rows_dropped"].items()
        for rule, n_rows in rules.items()
    ]
    warned = [
        f"Warning: source '{one['source']}' {one['text']} (rule {one['rule']}"
        + (")" if one["rows"] is None else f", {one['rows']:,} rows)")
        for one in facts["warnings"]
    ]
    missed = [
        f"Never found: {one['kind']} '{one['name']}', read {one['times']:,} times{one['hint']}"
        for one in facts["misses"]
    ]
    return [*dropped, *warned, *missed]


def selection_lines(found: Mapping[str, Any], *, n_bars: int) -> Iterable[str]:
    """Say that there was no decision bar, or too little to choose from, and what was true there."""
    if "decision_bars" in found:
        yield from _decision_lines(found, n_bars)
    if "rules" in found:
        yield "No entry: how often each entry rule was true, whatever the others say:"
        yield from _counted(found["rules"], "rows")


def _decision_lines(found: Mapping[str, Any], n_bars: int) -> Iterable[str]:
    n_decisions, every, offset = found["decision_bars"], found["every"], found["offset"]
    if not n_decisions:
        if found["n_scheduled"]:
            yield "No decision bars: when was never true; its parts, whatever the others say:"
            yield from _counted(found["when"], "bars")
        else:
            yield (
                f"No decision bars: every={every!r} with offset={offset} falls on none of "
                f"{n_bars:,} bars"
            )
    fewer = found.get("fewer")
    if not fewer:
        return
    n_short = fewer["decisions"]
    at = f"{'all' if n_short == n_decisions else f'{n_short:,} of'} {n_decisions:,} decision bars"
    if not fewer["most"]:
        yield f"Nothing to hold at {at}"
    else:
        had = f"{fewer['most']:,}"
        if fewer["least"] < fewer["most"]:
            had = f"{fewer['least']:,} to {had}"
        yield f"Fewer candidates than {found['n']:,} at {at}: {had}"
    if found.get("where"):
        yield "What was true there, each part whatever the others say:"
        yield from _counted(found["where"], "rows")


def _counted(counted: Iterable[Mapping[str, Any]], of: str) -> Iterable[str]:
    for one in counted:
        yield f"  {one['text']}: {one['true']:,} of {one['of']:,} {of}"
