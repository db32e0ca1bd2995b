"""bcolz: the columns of a table on disk, without the package that wrote them.

A column is a folder: ``meta/storage`` (JSON: type, values per chunk), ``meta/sizes`` (JSON: shape)
and ``data/__0.blp``, ``__1.blp``, ...: 16 bytes of Bloscpack header, then a Blosc buffer, which
says its own length. We read the buffers by the package ``blosc``, of 3 MB and without dependencies:
bcolz-zipline 1.13.0 has no wheel for Python 3.13, and needs a compiler there.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from ml4t.backtest.data.packages import package
from ml4t.backtest.errors import DataError

_MAGIC, _N_HEADER = b"blpk", 16
_CHUNK = re.compile(r"__(\d+)\.blp")


def column_of(vendor: str, folder: Path) -> np.ndarray[Any, Any]:
    """Read a column.

    Parameters
    ----------
    vendor : str
        The adapter, as messages name it.
    folder : Path
        Of the column.

    Raises
    ------
    ConfigError
        ``blosc`` is not installed.
    DataError
        The folder has another layout, or chunks of it are missing.
    """
    decompress = package("blosc", extra="zipline").decompress
    try:
        kind = np.dtype(json.loads((folder / "meta" / "storage").read_text())["dtype"])
        (n_values,) = json.loads((folder / "meta" / "sizes").read_text())["shape"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(vendor, "layout", f"finds no column of bcolz in {folder}") from error
    chunks = []
    for file in sorted((folder / "data").glob("__*.blp"), key=_place):
        content = file.read_bytes()
        if content[:4] != _MAGIC:
            raise DataError(vendor, "layout", f"finds no chunk of bcolz in {file}")
        chunks.append(np.frombuffer(decompress(content[_N_HEADER:]), kind))
    # The last chunk is as long as the others, and filled up.
    values: np.ndarray[Any, Any] = np.concatenate([*chunks, np.empty(0, kind)])[:n_values]
    if len(values) < n_values:
        raise DataError(
            vendor, "layout", f"has {len(values):,} of {n_values:,} values in {folder}; chunks are "
            "missing",
        )  # fmt: skip
    return values


def _place(file: Path) -> int:
    match = _CHUNK.fullmatch(file.name)
    return int(match[1]) if match else -1
