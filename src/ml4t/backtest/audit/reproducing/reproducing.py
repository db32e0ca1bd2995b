"""Choosing what to reproduce, and where it is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree

from ml4t.backtest.audit.reproducing.files import KNOWN_FOLDER, WHOLE_FOLDER
from ml4t.backtest.audit.reproducing.of_cell import reproduce_cell
from ml4t.backtest.audit.reproducing.of_run import reproduce_run
from ml4t.backtest.audit.reproducing.reproducer import Audited, Leak, Reproducer
from ml4t.backtest.audit.reproducing.scripts import GIVEN_FILE, SCRIPT
from ml4t.backtest.audit.unlike import KEYS_OF_VIEWS
from ml4t.backtest.errors import ConfigError, did_you_mean, require_path


def reproduce(
    audited: Audited, leaks: Sequence[Leak], path: str | Path, column: str | None
) -> Reproducer:
    """Write the least data over which a difference shows; see `Audit.reproduce`."""
    folder = _folder(require_path("path", path, "that of a folder for a script and its data"))
    leak = _chosen(leaks, column)
    if leak.found.place in KEYS_OF_VIEWS:
        return reproduce_cell(audited, leak, folder)
    return reproduce_run(audited, leak, folder)


def _chosen(leaks: Sequence[Leak], column: str | None) -> Leak:
    if not leaks:
        raise ConfigError("nothing differs in this audit, so that there is nothing to reproduce")
    of_views = [one for one in leaks if one.found.place in KEYS_OF_VIEWS]
    if column is None:
        return (of_views or leaks)[0]
    names = {one.found.column: one for one in reversed(of_views)}
    if column not in names:
        raise ConfigError(
            f"no column {column!r} of signals or market differs{did_you_mean(column, names)}; "
            f"those that do: {', '.join(reversed(names)) or 'none'}"
        )
    return names[column]


def _folder(path: Path) -> Path:
    """Return a folder without what an earlier reproducer wrote; any other is refused."""
    ours = {SCRIPT, GIVEN_FILE, WHOLE_FOLDER, KNOWN_FOLDER}
    names = {one.name for one in path.iterdir()} if path.is_dir() else set()
    if path.exists() and (not path.is_dir() or (names and SCRIPT not in names)):
        raise ConfigError(f"'{path}' holds something else; name an empty folder, or a new one")
    for name in names & ours:
        part = path / name
        rmtree(part) if part.is_dir() else part.unlink()
    return path.absolute()
