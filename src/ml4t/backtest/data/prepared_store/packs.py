"""Packs: answers in a file that says of itself whether it is whole.

A head (length, checksum, JSON: every answer with the place of its arrays), then the arrays. The
head is checked whenever a file is opened, the arrays the first time that a file is met.
"""

from __future__ import annotations

import json
import math
import mmap
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Of a pack: a word that no other file begins with, the length of the head, its checksum.
_MAGIC = b"ml4tprep"
_BEGIN = len(_MAGIC) + 8 + 16
_ALIGNED = 64
# Below that a file is read rather than mapped.
MAPPED = 1 << 16


class UnkeptError(Exception):
    """An answer has a value that is not kept."""


class DamagedError(Exception):
    """A file is not what was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a statement returned: rows, or arrays by name, or neither of one that has an effect.

    Attributes
    ----------
    rows : list of tuple, optional
    names : tuple of str
        Of the columns of rows, where somebody asked for them.
    arrays : dict of str to array, optional
    """

    rows: list[tuple[Any, ...]] | None = None
    names: tuple[str, ...] = ()
    arrays: dict[str, NDArray[Any]] | None = None


@dataclass(frozen=True, slots=True)
class Encoded:
    """An answer on its way to a file.

    Attributes
    ----------
    said : dict
        What the head has of it; an array's place is counted from the first of its own.
    buffers : list of array
    """

    said: dict[str, Any]
    buffers: list[NDArray[Any]]

    @property
    def size(self) -> int:
        """Return how many bytes its arrays take."""
        return sum(_padded(one.nbytes) for one in self.buffers)


def encoded(answer: Kept) -> Encoded:
    """Return an answer as it goes to a file; its arrays are not copied.

    Raises
    ------
    UnkeptError
        Some value would not come back as it is.
    """
    if answer.arrays is None:
        rows = None if answer.rows is None else [_said(tuple(row)) for row in answer.rows]
        return Encoded({"rows": rows, "names": answer.names}, [])
    said, buffers, place = [], list[NDArray[Any]](), 0
    for name, array in answer.arrays.items():
        texts = None
        if array.dtype.kind == "O":
            texts, array = _coded(array)
        if array.dtype.kind not in "biufmM" or type(array) is not np.ndarray:
            raise UnkeptError(f"an array of {array.dtype}")
        array = np.ascontiguousarray(array).reshape(array.shape)
        said.append([name, array.dtype.str, array.shape, place, texts])
        buffers.append(array)
        place += _padded(array.nbytes)
    return Encoded({"arrays": said}, buffers)


def write_pack(path: Path, answers: Mapping[str, Encoded]) -> None:
    """Write answers by their digests."""
    items, places, place = {}, list[NDArray[Any]](), 0
    checksum = blake2b(digest_size=16)
    for digest, one in answers.items():
        items[digest] = {**one.said, "at": place}
        places += one.buffers
        place += one.size
    for array in places:
        checksum.update(_bytes_of(array))
        checksum.update(bytes(_padded(array.nbytes) - array.nbytes))
    head = json.dumps({"items": items, "bytes": place, "sum": checksum.hexdigest()}).encode()
    head += b" " * (_padded(_BEGIN + len(head)) - _BEGIN - len(head))
    with path.open("xb") as file:
        file.write(_MAGIC + len(head).to_bytes(8, "little") + _sum(head) + head)
        for array in places:
            file.write(_bytes_of(array))
            file.write(bytes(_padded(array.nbytes) - array.nbytes))


def read_pack(path: Path, *, is_checked: bool) -> dict[str, Kept]:
    """Return the answers of a file; large arrays are mapped, and none can be written to.

    Parameters
    ----------
    is_checked : bool
        Its arrays were found to be what was written, and the file is still that one.

    Raises
    ------
    DamagedError
        It is not what was written.
    OSError
        It cannot be read, or is not there.
    """
    with path.open("rb") as file:
        begin = file.read(_BEGIN)
        if len(begin) < _BEGIN or begin[: len(_MAGIC)] != _MAGIC:
            raise DamagedError("it does not begin as one")
        n_head = int.from_bytes(begin[len(_MAGIC) : len(_MAGIC) + 8], "little")
        # Read as far as there is any: so long a text is asked for as memory first.
        head = file.read(min(n_head, os.fstat(file.fileno()).st_size))
        if len(head) != n_head or _sum(head) != begin[-16:]:
            raise DamagedError("its head is not what was written")
        said = json.loads(head)
        n_bytes, start = said["bytes"], _BEGIN + n_head
        if file.seek(0, 2) != start + n_bytes:
            raise DamagedError("it is not as long as it was")
        data: Any = b""
        if n_bytes >= MAPPED:
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))[start:]
        elif n_bytes:
            file.seek(start)
            data = file.read()
            is_checked = False
    if not is_checked and blake2b(data, digest_size=16).hexdigest() != said["sum"]:
        raise DamagedError("its arrays are not what was written")
    return {digest: _kept(item, data) for digest, item in said["items"].items()}


def _kept(item: Mapping[str, Any], data: Any) -> Kept:
    if "arrays" not in item:
        rows = item["rows"]
        return Kept(
            rows=None if rows is None else [_meant(row) for row in rows],
            names=tuple(item["names"]),
        )
    arrays = {}
    for name, kind, shape, place, texts in item["arrays"]:
        array = np.frombuffer(
            data, dtype=np.dtype(kind), count=math.prod(shape), offset=item["at"] + place
        ).reshape(shape)
        if texts is not None:
            array = np.array([*texts, None], dtype=object)[:-1][array]
        arrays[name] = array
    return Kept(arrays=arrays)


def _coded(array: NDArray[Any]) -> tuple[list[str | None], NDArray[Any]]:
    """Return the texts of an array, each once, and which of them is where."""
    numbers: dict[str | None, int] = {}
    codes = [numbers.setdefault(value, len(numbers)) for value in array.reshape(-1).tolist()]
    if not all(type(text) is str or text is None for text in numbers):
        raise UnkeptError("an array of objects that are no texts")
    return list(numbers), np.array(codes, dtype=np.int32).reshape(array.shape)


# -- single values --------------------------------------------------------------------------


def _said(value: Any) -> Any:
    """Return a value as JSON says it: one of JSON's own, or a list of its kind and its parts."""
    if value is None or type(value) in (bool, int, str, float):
        return value
    if type(value) in (tuple, list):
        return [type(value).__name__, *map(_said, value)]
    if type(value) is dict:
        return ["dict", *([_said(key), _said(one)] for key, one in value.items())]
    if type(value) is datetime and value.tzinfo is None:
        return ["datetime", value.isoformat()]
    if type(value) in (date, Decimal):
        return [type(value).__name__, str(value)]
    if type(value) is timedelta:
        return ["timedelta", value.days, value.seconds, value.microseconds]
    raise UnkeptError(f"a value of {type(value).__name__}")


def _meant(said: Any) -> Any:
    if not isinstance(said, list):
        return said
    kind, *parts = said
    match kind:
        case "tuple":
            return tuple(map(_meant, parts))
        case "list":
            return [*map(_meant, parts)]
        case "dict":
            return {_meant(key): _meant(one) for key, one in parts}
        case "datetime":
            return datetime.fromisoformat(parts[0])
        case "date":
            return date.fromisoformat(parts[0])
        case "Decimal":
            return Decimal(parts[0])
        case _:
            return timedelta(*parts)


def _bytes_of(array: NDArray[Any]) -> memoryview:
    flat: Any = array.reshape(-1).view(np.uint8)
    return memoryview(flat)


def _padded(n_bytes: int) -> int:
    return -(-n_bytes // _ALIGNED) * _ALIGNED


def _sum(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()
