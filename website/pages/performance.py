"""Performance: the tables of the benchmarks that are committed, side by side."""

from __future__ import annotations

import re

from website.links import ROOT, table

SOURCE = "benchmarks/README.md"
HEAD = """# Performance

Whole processes, from the start of the interpreter to result tables in memory: seconds of the wall
clock, medians. {measured} What each was asked, how to repeat it, and where peers differ by their
nature is [on the page of the benchmarks](../benchmarks/README.md), with peak memory, the final
equities that show that the same was done, and more: ways to write a strategy, a store of runs.
Sizes are {sizes}. {caveats}
"""
WORKLOADS = {
    "W1": "every fifth bar the 25 highest scores, with costs",
    "W2": "W1 with three risk rules",
    "W3": "W2 with shorts, margin, participation, limits and all rules of positions",
}
_TABLE = re.compile(
    r"^### (W\d), (\w): (\d[\d,]* assets x [\d,]+ days)\n\n((?:\|.*\n)+)", re.MULTILINE
)


def performance_page() -> str:
    """Return the page: seconds and how many times ours, for each workload and size.

    Of a workload and size that was measured twice, the first one counts, with all peers.
    """
    text = (ROOT / SOURCE).read_text(encoding="utf-8")
    measured = re.search(r"^(\d{4}-\d\d-\d\d \(UTC\), .*?)[;.] ?peers", text, re.MULTILINE)
    found: dict[tuple[str, str], str] = {}
    for workload, size, _, rows in _TABLE.findall(text):
        found.setdefault((workload, size), rows)
    sizes = {size: meaning for _, size, meaning, _ in _TABLE.findall(text)}
    caveats = re.findall(
        r"(?:The machine is shared|The tables of C)[^.]*\.", text.replace("\n", " ")
    )
    parts = [
        HEAD.format(
            caveats=" ".join(caveats),
            measured=f"{measured[1]}." if measured else "",
            sizes=", ".join(f"{size} ({meaning})" for size, meaning in sizes.items()),
        )
    ]
    for workload, meaning in WORKLOADS.items():
        here = [size for size in sizes if (workload, size) in found]
        times = {size: _times(found[workload, size]) for size in here}
        names = list(dict.fromkeys(name for size in here for name in times[size]))
        rows = [
            (name, *(times[size].get(name, "-") for size in here))
            for name in names
        ]  # fmt: skip
        parts += [
            f"\n## {workload}\n",
            f"{meaning[0].upper()}{meaning[1:]}.\n",
            table(("process", *(f"{size}: seconds (times ours)" for size in here)), rows),
        ]
    return "\n".join(parts) + "\n"


def _times(rows: str) -> dict[str, str]:
    cells = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in rows.splitlines()]
    return {row[0]: f"{row[1].partition(' ')[0]} ({row[-1]})" for row in cells[2:]}
