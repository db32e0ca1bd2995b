"""Whole processes in turn: seconds of the clock and of the processor, and peak memory.

This module loads nothing large: a child's peak memory never reads below its parent's.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

# A user's second run finds its bytecode, whatever the environment of the measuring says.
UNWANTED = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")


@dataclass(frozen=True)
class Command:
    """A process to measure; `source` is put on its PYTHONPATH.

    What takes longer than `patience` seconds is timed once.
    """

    arguments: list[str]
    source: Path | None = None
    patience: float = math.inf

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in UNWANTED}
        return kept if self.source is None else {**kept, "PYTHONPATH": str(self.source)}


@dataclass
class Figures:
    """What the runs of one process gave; the lists have one value a round."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    facts: dict[str, object] = field(default_factory=dict)
    failure: str = ""

    def median(self, kind: str) -> float:
        return statistics.median(getattr(self, kind))

    def ratio(self, other: Figures, kind: str) -> float:
        """Return the median of this one's figure over the other's, of the rounds of both."""
        pairs = zip(getattr(self, kind), getattr(other, kind), strict=False)
        return statistics.median(mine / theirs for mine, theirs in pairs)


def run_once(command: Command, figures: Figures, *, counts: bool) -> None:
    """Run the process; its last line of output may be a JSON object of facts."""
    start = time.perf_counter()
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            command.arguments,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=command.environment(),
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        said = errors.read().strip().splitlines()
    if process.returncode:
        figures.failure = (said or [f"exit code {process.returncode}"])[-1][:100]
        return
    if counts:
        figures.wall.append(seconds)
        figures.cpu.append(usage.ru_utime + usage.ru_stime)
        figures.megabytes.append(usage.ru_maxrss / 1024)
    if out.strip():
        figures.facts = json.loads(out.strip().splitlines()[-1])


def in_turn(commands: dict[str, Command], runs: int) -> dict[str, Figures]:
    """Run all of them `runs` times in turn, every other time backwards, after one round untimed."""
    measured = {name: Figures() for name in commands}
    for turn in range(runs + 1):
        names = list(commands) if turn % 2 else list(reversed(commands))
        for name in names:
            slow = max(measured[name].wall, default=0.0) > commands[name].patience
            if not measured[name].failure and not slow:
                run_once(commands[name], measured[name], counts=turn > 0)
    return measured
