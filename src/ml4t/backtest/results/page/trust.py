"""Trust: what of a run was proved, checked, assumed and not verified, from its own tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from ml4t.backtest.data.sql_files import rows_of
from ml4t.backtest.results.certified import CLEAN, certificate_of, signed_by
from ml4t.backtest.results.page.figures import FIGURES
from ml4t.backtest.results.summary import (
    Summarised,
    basis_lines,
    idle_lines,
    run_facts,
    shown_settings,
)
from ml4t.backtest.results.undone import left_out_lines, undone_lines

# Strategies whose choice is SQL, which the engine lets run once it has shown that it cannot look
# at a later bar.
IN_SQL = ("TopN(", "SQLStrategy(")
# What a source is, beside how its content was read.
_IDENTITY = ("role", "name", "columns", "files", "rows", "content_hash", "available_at", "lag",
             "max_age")  # fmt: skip


class Standing(StrEnum):
    """How far a claim is to be trusted."""

    PROVED = "Proved"
    CHECKED = "Checked"
    ASSUMED = "Assumed"
    UNVERIFIED = "Not verified"


STANDINGS = tuple(Standing)


@dataclass(frozen=True, slots=True)
class Claim:
    """What is said of a run, in a sentence, and what it rests on.

    Attributes
    ----------
    is_alarm : bool
        A check failed: the page shows it first.
    """

    standing: Standing
    text: str
    detail: str = ""
    is_alarm: bool = False


@dataclass(frozen=True, slots=True)
class Trials:
    """How many runs a store has, of which this one is shown.

    Attributes
    ----------
    deflated_sharpe : float or None
        How likely the Sharpe ratio is above what the best of so many has by luck.
    """

    n_runs: int
    deflated_sharpe: float | None


@dataclass(frozen=True, slots=True)
class SourceShown:
    """A source as the page lists it."""

    name: str
    role: str
    clock: str
    content: str
    reading: str


def claims(run: Summarised, trials: Trials | None) -> list[Claim]:
    """Return what can be said of a run, failed checks first, then by standing."""
    facts = run_facts(run)
    found = [
        *_proved(facts["configuration"]),
        *_checked(run),
        *_assumed(run, facts),
        *_unverified(run, facts, trials),
    ]
    return sorted(found, key=lambda one: (not one.is_alarm, STANDINGS.index(one.standing)))


def sources_shown(run: Summarised) -> list[SourceShown]:
    """Return the sources of a run, by what identifies their content."""
    return [
        SourceShown(one["name"], one["role"], _clock(one), _content(one), _reading(one))
        for one in _sources(run)
    ]


def _sources(run: Summarised) -> list[dict[str, Any]]:
    sources: list[dict[str, Any]] = json.loads(run.sql(rows_of("runs", "sources")).fetchall()[0][0])
    return sources


def _proved(settings: Mapping[str, Any]) -> Iterator[Claim]:
    strategy = str(settings["strategy"])
    if strategy.startswith(IN_SQL) and not settings.get("strategy_code"):
        yield Claim(
            Standing.PROVED,
            "What is chosen looks at no later bar",
            f"{strategy}: its SQL was read before the run, and would have been refused if a "
            "window, an aggregate or a subquery of it could reach beyond its own bar. What the "
            "columns of the sources hold is another matter, see what is not verified.",
        )


def _checked(run: Summarised) -> Iterator[Claim]:
    for audit, gap, holds in run.sql(FIGURES["audits"].query).fetchall():
        yield Claim(
            Standing.CHECKED,
            audit if holds else f"Fails: {audit}",
            f"on these tables, when this page was written; the gap is {gap:,.6g}",
            is_alarm=not holds,
        )
    for one in _sources(run):
        if "checked_by" in one:
            check = one["checked_by"]
            yield Claim(
                Standing.CHECKED,
                f"{one['name']} is what {check['function']['name']} makes of the past",
                f"before the run: equal by value, and the same at {len(check['cuts']):,} bars over "
                f"what was known then; {check['record']} of {check['made'][:10]}, held to the file "
                "and to its sources by hashes",
            )
    yield from _audited(run)
    yield Claim(
        Standing.CHECKED,
        "Every source passed the checks of its role before the run",
        "keys, times, prices and ranges; a source that fails is refused, unless its rows are "
        "dropped on demand, which is counted below",
    )


def _audited(run: Summarised) -> Iterator[Claim]:
    found = certificate_of(run)
    if found is not None:
        yield Claim(
            Standing.CHECKED,
            found["title"][:1].upper() + found["title"][1:],
            f"{signed_by(found)}; ml4t-backtest verify holds the file to it, and repeats the audit",
            is_alarm=found["verdict"] != CLEAN,
        )


def _assumed(run: Summarised, facts: Mapping[str, Any]) -> Iterator[Claim]:
    settings = facts["configuration"]
    yield Claim(Standing.ASSUMED, "When and how orders fill", facts["fill_policy"])
    for name, text in shown_settings(settings):
        yield Claim(Standing.ASSUMED, name, text)
    for line in basis_lines(run):
        said, _, detail = line.partition(": ")
        yield Claim(Standing.ASSUMED, said, detail)


def _unverified(
    run: Summarised, facts: Mapping[str, Any], trials: Trials | None
) -> Iterator[Claim]:
    settings, sources = facts["configuration"], _sources(run)
    roles = {one["role"] for one in sources}
    if not str(settings["strategy"]).startswith(IN_SQL) or settings.get("strategy_code"):
        yield _no(
            "What the strategy computes in Python",
            f"{settings['strategy']}: it was given each bar when it was complete; what else it "
            "reads, such as files or what was fitted before, nobody looked into",
        )
    unclocked = [
        one["name"] for one in sources
        if one["role"] in ("features", "context") and not _is_clocked(one)
    ]  # fmt: skip
    if unclocked:
        yield _no(
            f"When the rows of {', '.join(unclocked)} were known",
            "no available_at and no lag was stated: each row counts as known at its own timestamp",
        )
    yield _no(
        "How the columns of the sources were made",
        "values are taken to be what was known at their clock; a column that was computed from "
        "later rows before it was registered makes too good a result",
    )
    if "universe" not in roles:
        yield _no(
            "Whether companies that are gone are in the data",
            "no universe was given: whatever has a bar could be held",
        )
    if "actions" not in roles:
        yield _no(
            "Splits and dividends",
            "no actions were given: prices are taken as they are, and no dividend was paid",
        )
    yield _trials(trials)
    yield from map(
        _said, _joined([*undone_lines(facts), *idle_lines(facts), *left_out_lines(facts)])
    )
    ((n_stale, n_marks),) = run.sql(rows_of("positions", "count_if(is_stale), count(*)")).fetchall()
    if n_stale:
        yield _no(
            f"{n_stale:,} of {n_marks:,} marks are older closes",
            "the asset had no bar; its position was marked at the last close known",
        )


def _joined(lines: list[str]) -> Iterator[list[str]]:
    """Yield each line with those that are indented below it."""
    found: list[list[str]] = []
    for line in lines:
        if line.startswith(" ") and found:
            found[-1].append(line.strip())
        else:
            found.append([line])
    yield from found


def _said(lines: list[str]) -> Claim:
    said, *details = lines
    kind, _, rest = said.partition(": ")
    if kind in ("Warning", "Dropped", "Never found"):
        return _no(f"{kind}: {rest.partition(', ')[0].partition(' (rule')[0]}", rest)
    return _no(said.rstrip(":"), "; ".join(details))


def _no(text: str, detail: str) -> Claim:
    return Claim(Standing.UNVERIFIED, text, detail)


def _trials(trials: Trials | None) -> Claim:
    if trials is None:
        return _no(
            "How many strategies were tried before this one",
            "a run alone does not know; a store of runs counts them, and the best of many has a "
            "good Sharpe ratio by luck",
        )
    deflated = trials.deflated_sharpe
    return Claim(
        Standing.CHECKED,
        f"One of {trials.n_runs:,} runs of its store",
        "whatever was tried and not stored is not counted"
        if deflated is None
        else f"the Sharpe ratio is above what the best of so many has by luck with a probability "
        f"of {deflated:.1%} (deflated Sharpe ratio); what was tried and not stored is not counted",
    )


def _is_clocked(source: Mapping[str, Any]) -> bool:
    return bool(source.get("available_at") or source.get("lag"))


def _clock(source: Mapping[str, Any]) -> str:
    said = [
        f"{name} {source[name]}" for name in ("available_at", "lag", "max_age") if name in source
    ]
    return ", ".join(said) if said else "its own timestamp"


def _content(source: Mapping[str, Any]) -> str:
    if "content_hash" in source:
        return f"{source['rows']:,} rows in memory, hash {source['content_hash']}"
    return "; ".join(_file(one) for one in source["files"])


def _file(file: Any) -> str:
    if not isinstance(file, Mapping):
        return str(file)
    said = f"{file['path']}, {file['bytes']:,} bytes"
    if "e_tag" in file:
        return f"{said}, version {file['e_tag']}"
    written = datetime.fromtimestamp(file["modified_ns"] / 1e9, UTC)
    return f"{said}, of {written:%Y-%m-%d %H:%M:%S} UTC"


def _reading(source: Mapping[str, Any]) -> str:
    said = {name: value for name, value in source.items() if name not in _IDENTITY and value}
    return ", ".join(f"{name} {value}" for name, value in said.items())
