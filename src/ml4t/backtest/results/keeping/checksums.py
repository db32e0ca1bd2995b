"""Checksums: what the files of a saved folder were when they were written.

A file of DuckDB has its own. Parquet as DuckDB writes it has none: a bit that fell over on the disk
would be another number, and nobody would know.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import file_digest
from pathlib import Path

CHECKSUMS = "checksums.json"
WRITER = "ml4t.backtest checksums of a run"


def write_checksums(folder: Path, names: Iterable[str]) -> Path:
    """Write down what files of a folder are; return the file that says so."""
    said = {"form": WRITER, "sha256": {name: _checksum(folder / name) for name in names}}
    path = folder / CHECKSUMS
    path.write_text(json.dumps(said, indent=0), encoding="utf-8")
    return path


def damage_in(folder: Path) -> str | None:
    """Return which file is not what was written; None: none is, or nobody wrote down what was."""
    if not (folder / CHECKSUMS).exists():
        return None
    known = _read(folder)
    if known is None:
        return f"its '{CHECKSUMS}' cannot be read"
    for name, checksum in known.items():
        if (folder / name).is_file() and _checksum(folder / name) != checksum:
            return (
                f"its '{name}' is not what was written: it is damaged, or another program wrote it "
                f"anew; without '{CHECKSUMS}' it is read as it is"
            )
    return None


def is_ours(folder: Path) -> bool:
    """Say whether a folder's file of that name is one of these."""
    return _read(folder) is not None


def _read(folder: Path) -> dict[str, str] | None:
    try:
        said = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    known = said.get("sha256") if isinstance(said, dict) and said.get("form") == WRITER else None
    return known if isinstance(known, dict) else None


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
