"""Starter: a run file from a look at the user's files.

Each file is tried as every role that its columns allow; prices are the one with a close. What was
taken for what stands in the file as comments, so that it is corrected there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.sources.adjusting import is_adjusted_close, is_of_actions
from ml4t.backtest.data.sources.roles import ROLES, Role
from ml4t.backtest.data.sources.schema import is_numeric
from ml4t.backtest.data.sql_files import quote
from ml4t.backtest.errors import ConfigError, DataError

# The richest contract first: what has a close is prices, what has but times is context. Features
# before the universe, whose members by date are rows of times and assets too.
TRIED: tuple[Role, ...] = (
    "prices", "actions", "borrow", "features", "universe", "context", "assets"
)  # fmt: skip
RUN = """
[strategy]
kind = "TopN"
n = {n}                            # assets held at a time
by = {by}{how}
every = 5                         # bars between two decisions

# [[risk]]                        # a rule that protects positions
# rule = "StopLoss"
# fraction = 0.10

[run]
initial_capital = 100_000
commission_bps = 10
slippage_bps = 5
"""
CLOSES = """
[execution]
timing = "NextClose"              # prices have no open
"""


READINGS = ("filename", "folder")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """What a file was taken for.

    Attributes
    ----------
    columns : mapping of str to str
        Its columns, with types, as the catalog calls them.
    changes : sequence of str
        What has another name there.
    said : mapping of str to str
        How it was registered, beside its role.
    no_prices : DataError or None
        Why it is no prices.
    """

    path: Path
    name: str
    role: Role
    columns: Mapping[str, str]
    changes: Sequence[str]
    said: Mapping[str, str] = field(default_factory=dict)
    no_prices: DataError | None = None


def starter(paths: Sequence[Path], out: Path) -> tuple[str, list[Guess]]:
    """Return a run file over some files, and what each was taken for.

    Parameters
    ----------
    paths : sequence of Path
        Files or folders that `Catalog.register` reads.
    out : Path
        Where the run file is to stand; its paths are relative to there.

    Raises
    ------
    ConfigError
        None of the files has prices, or two are of a role of which there is one source.
    DataError
        A file can be no source at all; the error is that of prices.
    """
    guesses: list[Guess] = []
    for path in paths:
        guesses.append(_guess(path, {guess.name for guess in guesses}))
    guesses_sorted = sorted(guesses, key=lambda guess: guess.role != "prices")
    if guesses_sorted[0].role != "prices":
        taken = ", ".join(f"{guess.path} is {guess.role}" for guess in guesses)
        why = guesses_sorted[0].no_prices
        raise ConfigError(f"none of the files has prices: {taken}. As prices: {why}")
    has_actions = any(guess.role == "actions" for guess in guesses)
    blocks = [_block(guess, out, has_actions=has_actions) for guess in guesses_sorted]
    by, how = _ranked_by(guesses)
    text = "\n".join(blocks) + RUN.format(n=10, by=_text(by), how=how)
    return text + ("" if "open" in guesses_sorted[0].columns else CLOSES), guesses


def guess_json(guess: Guess) -> dict[str, object]:
    """Return what a file was taken for, for a JSON document."""
    return {
        "path": guess.path,
        "name": guess.name,
        "role": guess.role,
        "columns": guess.columns,
        "changes": [str(change) for change in guess.changes],
    }


def _guess(path: Path, taken: set[str]) -> Guess:
    first: DataError | None = None
    for role in TRIED:
        is_single = ROLES[role].is_single
        name = role if role not in taken or is_single else _free(path.stem, taken)
        try:
            catalog, said = _registered(role, path, name)
        except DataError as error:
            first = first or error
            if error.rule == "readable":
                raise
            continue
        if is_single and role in taken:
            raise ConfigError(
                f"'{path}' has the columns of {role}, and so has a file before it; "
                f"there is one source of {role}: leave one out"
            )
        found = catalog.registered(name)
        return Guess(path=path, name=name, role=role, columns=found[0], changes=found[1],
                     said=said, no_prices=first)  # fmt: skip
    assert first is not None
    if first.rule != "columns":
        raise first
    fact = str(first).removeprefix(f"source '{first.source}' ")
    raise DataError(
        first.source, first.rule, f"{fact}. The file is '{path}'; where its columns have names of "
        "your own, write the run file: columns = { asset_id = \"...\" } is a key of the source",
    ) from first  # fmt: skip


def _registered(role: Role, path: Path, name: str) -> tuple[Catalog, dict[str, str]]:
    """Return a file in a catalog, and what had to be said: a folder may be of a file per asset."""
    try:
        return Catalog().register(role, path, name=name), {}
    except DataError as error:
        if role != "prices" or not path.is_dir() or error.rule == "readable":
            raise
        for reading in READINGS:
            try:
                return Catalog().register(role, path, name=name, asset_id=reading), {
                    "asset_id": reading
                }
            except DataError:
                continue
        raise


def _free(stem: str, taken: set[str]) -> str:
    name = "".join(letter if letter.isalnum() else "_" for letter in stem.lower()) or "source"
    number = 2
    while name in taken or name in ROLES:
        name, number = f"{name}_{number}", number + 1
    return name


def _block(guess: Guess, out: Path, *, has_actions: bool) -> str:
    relative = Path(os.path.relpath(guess.path.absolute(), out.absolute().parent)).as_posix()
    lines = [f"[sources.{guess.name}]"]
    if guess.name != guess.role:
        lines.append(f'role = "{guess.role}"')
    lines.append(f"path = {_text(relative)}")
    lines += [f"{key} = {_text(value)}" for key, value in guess.said.items()]
    lines += [f"# {change}" for change in guess.changes]
    adjusted = [name for name in guess.columns if is_adjusted_close(name)]
    if guess.role == "prices" and adjusted and not has_actions:
        lines.append(
            f"adjusted = {_text(adjusted[0])}    # trades at it; false: at prices as given"
        )
    if ROLES[guess.role].is_clocked and "available_at" not in guess.columns:
        lines.append('# lag = "1 day"                 # if a row is known later than its timestamp')
    values = [name for name in guess.columns if name not in ROLES[guess.role].required]
    lines.append(f"# columns: {', '.join(values)}")
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    """Return a text as TOML writes it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _ranked_by(guesses: Sequence[Guess]) -> tuple[str, str]:
    """Return the first number that may be a score: one of features, else a signal of prices."""
    for role in ("features", "prices"):
        for guess in guesses:
            own = {*ROLES[role].required, *ROLES[role].optional}
            numbers = [
                name
                for name, kind in guess.columns.items()
                if guess.role == role
                and name not in own
                and is_numeric(kind)
                and not (role == "prices" and (is_adjusted_close(name) or is_of_actions(name)))
            ]
            if numbers:
                others = f"; there is also {', '.join(numbers[1:6])}" if numbers[1:] else ""
                first = numbers[0] if numbers[0].isidentifier() else quote(numbers[0])
                return first, f"    # the highest are held{others}"
    has_two = any(guess.role == "context" and "close" in guess.columns for guess in guesses)
    close = "signals.close" if has_two else "close"
    return close, "    # no file has a score: put the column here that ranks assets"
