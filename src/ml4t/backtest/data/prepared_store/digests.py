"""Digests: what an answer depends on, as one short text.

Equal digests stand for equal answers: of the same statement over the same files, read by the same
versions. What cannot be told for sure has no digest, and is not kept.
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.version import versions

if TYPE_CHECKING:
    from ml4t.backtest.data.objects.listing import StoredObject

# Raised with every change of what is kept, or of how the reader makes arrays of rows.
PREPARED_FORM = 1
_SECOND = 1_000_000_000
# Of these the text is the value.
_PLAIN = (str, int, float, bool, type(None), date, datetime, timedelta)


def digest_of(*parts: str) -> str:
    """Return the digest of texts; their borders count."""
    whole = blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        whole.update(b"%d:" % len(data))
        whole.update(data)
    return whole.hexdigest()


@cache
def root_digest(timezone: str) -> str:
    """Return where every chain begins: the versions, the machine's kind and the session's zone."""
    found = sorted(versions().items())
    return digest_of(str(PREPARED_FORM), repr(found), platform.machine(), sys.byteorder, timezone)


def parameters_text(parameters: Mapping[str, object] | None) -> str | None:
    """Return parameters as a text that says all of them; None: they have no such text."""
    return repr(parameters) if _is_plain(dict(parameters or {})) else None


def _is_plain(value: object) -> bool:
    if type(value) in (list, tuple):
        return all(map(_is_plain, value))  # type: ignore[call-overload]
    if type(value) is dict:
        return all(map(_is_plain, value.values()))
    return type(value) in _PLAIN


def files_text(source: Source) -> str | None:
    """Return what tells that the files of a source are still those; None: it has none.

    Path, size, times and place on the disk, and no content: a file that is written anew has a new
    time of change, which no program can set back, whatever its size and its own time say. Of an
    object it is path, size and the tag of its version.
    """
    if not source.is_files:
        return None
    files, objects = source.files(), source.objects()
    return text_of_files(files, objects) if files or objects else None


def text_of_files(files: Iterable[Path], objects: Iterable[StoredObject] = ()) -> str:
    """Return the same of files and objects.

    Raises
    ------
    OSError
        One of them is not there, or may not be looked at.
    """
    facts = [(str(path), path.stat()) for path in sorted(files)]
    return json.dumps(
        [
            [path, one.st_size, one.st_mtime_ns, one.st_ctime_ns, one.st_ino, one.st_dev]
            for path, one in facts
        ]
        + [
            [one.url, one.n_bytes, one.e_tag, None if one.e_tag else stamp]
            for one in objects
            for stamp in [round(one.modified.timestamp() * _SECOND)]
        ]
    )


def is_settled(text: str, now_ns: int) -> bool:
    """Say whether a change of files from now on would be seen by `files_text`.

    Of a file system with whole seconds alone it would not, in the second of the last one.
    """
    return all(
        changed is None or changed % _SECOND or now_ns - changed > 2 * _SECOND
        for _, _, _, changed, *_ in json.loads(text)
    )


def frame_digest(frame: object) -> str | None:
    """Return the digest of rows in memory; None where there is none for sure."""
    if isinstance(frame, Mapping):
        return _arrays_digest(frame)
    kind = f"{type(frame).__module__}.{type(frame).__name__}"
    if kind == "pyarrow.lib.Table":
        return _arrow_digest(frame)
    if kind.startswith("pandas.") and hasattr(frame, "items"):
        # With its type: of a category the texts are as of a column of texts.
        return _arrays_digest(
            {f"{name}: {column.dtype}": column.to_numpy() for name, column in frame.items()}
        )
    return None


def _arrays_digest(arrays: Mapping[str, Any]) -> str | None:
    whole = blake2b(digest_size=16)
    for name, array in arrays.items():
        if type(array) is not np.ndarray:
            return None
        if array.dtype.kind == "O":
            texts = array.tolist()
            if not all(type(text) is str or text is None for text in texts):
                return None
            data = json.dumps(texts).encode()
        elif array.dtype.kind in "biufmM":
            data = np.ascontiguousarray(array).tobytes() if array.ndim else array.tobytes()
        else:
            return None
        whole.update(repr((name, array.dtype.str, array.shape, len(data))).encode())
        whole.update(data)
    return whole.hexdigest()


def _arrow_digest(table: Any) -> str:
    import pyarrow as pa

    whole = blake2b(digest_size=16)

    class Sink:
        closed = False

        def write(self, data: Any) -> int:
            whole.update(data)
            return len(data)

        def flush(self) -> None: ...

        def close(self) -> None: ...

    with (
        pa.PythonFile(Sink(), mode="w") as file,
        pa.ipc.new_stream(file, table.schema) as stream,
    ):
        stream.write_table(table.combine_chunks())
    return whole.hexdigest()
