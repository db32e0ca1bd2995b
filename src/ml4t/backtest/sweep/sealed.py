"""Sealed: a Parquet file that says itself whether it is what was written.

Parquet has no checksum of its own: a bit that fell over on a disk would be another number, and
nobody would know. The sum over all other bytes stands in the metadata of the file: both come to
their place by one rename.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyarrow import Table as ArrowTable

_KEY, _MARK, _NONE = "ml4t.backtest", b"sha256 of all else: ", b"0" * 64


def sealed_file(rows: ArrowTable, name: str) -> bytes:
    """Return rows as a Parquet file that holds only under a name."""
    import pyarrow as pa
    from pyarrow.parquet import write_table

    made = pa.BufferOutputStream()
    given = rows.replace_schema_metadata({_KEY: (_MARK + _NONE).decode()})
    write_table(given, made, compression="zstd")
    data: bytes = made.getvalue().to_pybytes()
    before, mark, after = data.rpartition(_MARK)
    assert mark
    assert after.startswith(_NONE)
    return before + mark + _sum(data, name) + after[len(_NONE) :]


def is_whole(path: Path, name: str) -> bool:
    """Say whether a file is there, and is the one that was sealed under a name."""
    try:
        before, mark, after = path.read_bytes().rpartition(_MARK)
    except OSError:
        return False
    found, rest = after[: len(_NONE)], after[len(_NONE) :]
    return bool(mark) and found == _sum(before + mark + _NONE + rest, name)


def _sum(data: bytes, name: str) -> bytes:
    return sha256(name.encode() + b"\n" + data).hexdigest().encode()
