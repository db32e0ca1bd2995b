"""Writes docs/look-ahead.md from what was found."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from leaks.at_work import AT_WORK
from leaks.ours import Finding
from leaks.raw_table import planted_files

TEXT = """# Look-ahead, planted

Thirty ways in which a backtest knows the future, each planted in a market of 30 assets or more,
and what finds them: our [audit](guide/audit.md), and six packages that look for the same. `make
leaks` wrote this page on {day} (UTC). Found by the audit: **{n_found} of 30**; {peers_found}.

{table}

`-`: passed without a word. `?`: the package says that it does not judge. `cannot be`: the
strategy tries and reads nothing of a later bar, since none stands behind an array that it is
handed. Every package was given the same thirty files (`tests/leaks/planted`): functions of one
instrument's bars and of what else the class needs, and positions made of it. The audit was given
1 to 15 as functions of the sources of a panel of 30 assets (the same files, asset by asset), and
16 to 30 as runs (`tests/leaks/at_work.py`), since what is wrong with them is in sources, clocks,
fills and strategies. Packages that look at one function cannot see that, and do not say they
could.

| package | version | what it does | found |
|---|---|---|---|
{packages}

What is counted: of monte-neo the checks of its category look-ahead; of backtest-audit the rules
LAB and LEAK, of lookahead-free the heuristic scan of a file (its verifiable part reads a pipeline
written for it); what it finds in 13 is a slice that starts at its tenth wave, and the same rule
accuses the clean model. In 28 monte-neo sees that a file is read. All six were run as released,
and nothing of them is in this repository.

## What the audit says

{messages}

## As a finished table

The values of 1 to 15 as a table that was made elsewhere, so that no audit can make them anew:
what is left are smells. Found {n_table} of 15: {of_table}. [Hold the file to the function that
makes it](guide/audit.md) to have the others found.

## What no audit finds

{not_found}

## What is clean

{clean}

`make leaks` audits {n_generated} strategies that are drawn at random from what is causal by its
making (`tests/leaks/generated.py`), and every run of the examples
(`tests/leaks/audited_examples.py`): none may differ. Made-up predictions of the examples smell,
and are right to: they are made of the return that they predict.

## Again

```bash
make leaks     # the packages, the audit, this page
```
"""

CLASSES = {
    16: "fills at the close that decided", 17: "fills at the bar's best price",
    18: "dates of announcements ignored", 19: "restated values, first dates",
    20: "survivors alone", 21: "members of today", 22: "adjusted prices beside splits",
    23: "bars stamped at their open", 24: "a source in another zone",
    25: "a day's close at its open", 26: "the fill bar's own volume",
    27: "lead() in a query", 28: "a table of everything in a strategy",
    29: "behind the end of an array", 30: "a provider trained on everything",
}  # fmt: skip
WHAT = {
    "nullcheck": "runs a function on prefixes of its bars",
    "nullius": "runs a function on prefixes of its rows",
    "monte-neo": "runs a strategy on prefixes and on other futures, and reads its text",
    "lookahead-lint": "reads the text",
    "lookahead-free": "reads the text",
    "backtest-audit": "reads the text",
}
WHY_NOT = {
    28: "An audit cuts sources. What a strategy carries with it, from a module, a file it opens "
    "itself or its own attributes, is there at every cut, and decides as it does with all data. "
    "Register it as a source, and the cuts reach it.",
    30: "Fitted before the run, the model is the same at every cut: a provider answers numbers, "
    "and not how they came about. Register what trains it as a function of the sources, "
    "as the packages were given it, and the cuts find it: it is class 7.",
}
N_GENERATED = 200


def docstrings() -> dict[str, str]:
    """Return what each planted file says of itself."""
    return {
        file.stem: ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        for file in planted_files()
    }


def page(
    ours: Mapping[str, Sequence[Finding]], theirs: Sequence[Mapping[str, Any]]
) -> tuple[str, int, list[str]]:
    """Return the page, how many classes are found, and what is clean and was not passed."""
    said = docstrings()
    classes = {int(stem[1:3]): stem for stem in said if stem[0] == "c"}
    found = {
        n: ours[f"leak {n}" if n in AT_WORK else f"function {stem}"]
        for n, stem in classes.items()
    }  # fmt: skip
    alarms = [name for name, one in ours.items() if one and name.startswith("honest")]
    alarms += [name for name, one in ours.items() if one and name.split()[-1][0] == "k"]
    table = [f"| | class | planted | audit | {' | '.join(one['package'] for one in theirs)} |"]
    table += [f"|{'---|' * (4 + len(theirs))}"]
    for n, stem in classes.items():
        name = CLASSES.get(n, stem[4:].replace("_", " "))
        cells = [_cell(one["files"][stem][0]) for one in theirs]
        table.append(f"| {n} | {name} | {said[stem]} | {_by(found[n])} | {' | '.join(cells)} |")
    finished = [
        n for n, stem in classes.items() if n not in AT_WORK and ours[f"table {stem}"]
    ]  # fmt: skip
    counts = [
        sum(one["files"][stem][0] == "found" for stem in classes.values()) for one in theirs
    ]  # fmt: skip
    text = TEXT.format(
        day=datetime.now(UTC).date(),
        n_found=sum(map(bool, found.values())),
        peers_found=", ".join(
            f"{one['package']} {count}" for one, count in zip(theirs, counts, strict=True)
        ),
        table="\n".join(table),
        packages="\n".join(
            f"| {one['package']} | {one['version']} | {WHAT[one['package']]} | {count} |"
            for one, count in zip(theirs, counts, strict=True)
        ),
        messages="\n".join(
            f"- {n}, {_by(one[:1])}: {one[0].says[:220]}" for n, one in found.items() if one
        ),
        n_table=len(finished),
        of_table=", ".join(map(str, finished)),
        not_found="\n\n".join(
            f"**{n}, {CLASSES[n]}.** {WHY_NOT[n]}" for n, one in found.items() if not one
        ),
        clean=_clean(ours, theirs, said),
        n_generated=N_GENERATED,
    )
    return text, sum(map(bool, found.values())), alarms


def _cell(verdict: str) -> str:
    return {"found": "found", "passed": "-", "not judged": "?"}[verdict]


def _by(found: Sequence[Finding]) -> str:
    """Return the parts that found something, as a cell."""
    parts: dict[str, list[str]] = {}
    for one in found:
        names = parts.setdefault(one.by, [])
        if one.by in ("smells", "fills", "checks") and one.what not in names:
            names.append(one.what)
    said = [f"{by} ({', '.join(f'`{one}`' for one in names)})" if names else by
            for by, names in parts.items()]  # fmt: skip
    return ", ".join(said) or "**not found**"


def _clean(
    ours: Mapping[str, Sequence[Finding]],
    theirs: Sequence[Mapping[str, Any]],
    said: Mapping[str, str],
) -> str:
    rows = [f"| | audit | {' | '.join(one['package'] for one in theirs)} |"]
    rows += [f"|{'---|' * (2 + len(theirs))}"]
    for stem in (one for one in said if one[0] == "k"):
        own = [*ours[f"function {stem}"], *ours[f"table {stem}"]]
        cells = [_cell(one["files"][stem][0]) for one in theirs]
        what = said[stem].removeprefix("Clean: ")
        rows.append(f"| {what} | {'-' if not own else _by(own)} | {' | '.join(cells)} |")
    own = [one for n in AT_WORK for one in ours[f"honest {n}"]]
    rows.append(
        f"| 16 to 30, each done right | {'-' if not own else _by(own)} |{' |' * len(theirs)}"
    )
    return "\n".join(rows)
