"""Arrow stream: the rows of a query as NumPy arrays, part by part and without a copy.

DuckDB hands out results by Arrow's C stream interface, which is three small structs: read here
with ctypes, since loading pyarrow takes longer than a run does, and since `fetchnumpy` copies all
rows twice before any of them can be looked at.
"""

from __future__ import annotations

import ctypes as ct
from collections.abc import Iterator
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

# Formats of the interface whose buffers are arrays as they are, and what those are.
_TYPES: Final[dict[bytes, np.dtype[Any]]] = {
    b"g": np.dtype("f8"), b"i": np.dtype("i4"), b"l": np.dtype("i8"), b"C": np.dtype("u1"),
}  # fmt: skip
_CAPSULE: Final = b"arrow_array_stream"


class _Schema(ct.Structure):
    _fields_: ClassVar[Any]


class _Array(ct.Structure):
    _fields_: ClassVar[Any]


class _Stream(ct.Structure):
    _fields_: ClassVar[Any]


def _release(of: type[ct.Structure]) -> Any:
    return ct.CFUNCTYPE(None, ct.POINTER(of))


_Schema._fields_ = [
    ("format", ct.c_char_p),
    ("name", ct.c_char_p),
    ("metadata", ct.c_void_p),
    ("flags", ct.c_int64),
    ("n_children", ct.c_int64),
    ("children", ct.POINTER(ct.POINTER(_Schema))),
    ("dictionary", ct.c_void_p),
    ("release", _release(_Schema)),
    ("private_data", ct.c_void_p),
]
_Array._fields_ = [
    ("length", ct.c_int64),
    ("null_count", ct.c_int64),
    ("offset", ct.c_int64),
    ("n_buffers", ct.c_int64),
    ("n_children", ct.c_int64),
    ("buffers", ct.POINTER(ct.c_void_p)),
    ("children", ct.POINTER(ct.POINTER(_Array))),
    ("dictionary", ct.c_void_p),
    ("release", _release(_Array)),
    ("private_data", ct.c_void_p),
]
_Stream._fields_ = [
    ("get_schema", ct.CFUNCTYPE(ct.c_int, ct.POINTER(_Stream), ct.POINTER(_Schema))),
    ("get_next", ct.CFUNCTYPE(ct.c_int, ct.POINTER(_Stream), ct.POINTER(_Array))),
    ("get_last_error", ct.CFUNCTYPE(ct.c_char_p, ct.POINTER(_Stream))),
    ("release", _release(_Stream)),
    ("private_data", ct.c_void_p),
]

_pointer = ct.pythonapi.PyCapsule_GetPointer
_pointer.restype, _pointer.argtypes = ct.c_void_p, [ct.py_object, ct.c_char_p]


def stream_parts(capsule: object, error: type[Exception]) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield the columns of a stream in parts, in whatever order its rows come.

    Each column is DOUBLE, INTEGER, BIGINT or UTINYINT; NULL is NaN in doubles, and must not be in
    the others. A part is DuckDB's own memory: it is gone, and must not be looked at, once the next
    is asked for.

    Parameters
    ----------
    capsule : PyCapsule
        What ``__arrow_c_stream__`` of a relation returns.
    error : type
        Of what is raised where the query fails on its way.
    """
    stream = _Stream.from_address(_pointer(capsule, _CAPSULE))
    try:
        columns = _columns(stream, error)
        while True:
            array = _Array()
            _require(stream, stream.get_next(ct.byref(stream), ct.byref(array)), error)
            if not array.release:
                return
            try:
                yield {
                    name: _values(array.children[i].contents, kind)
                    for i, (name, kind) in enumerate(columns)
                }
            finally:
                array.release(ct.byref(array))
    finally:
        stream.release(ct.byref(stream))


def _columns(stream: _Stream, error: type[Exception]) -> list[tuple[str, np.dtype[Any]]]:
    schema = _Schema()
    _require(stream, stream.get_schema(ct.byref(stream), ct.byref(schema)), error)
    try:
        children = [schema.children[i].contents for i in range(schema.n_children)]
        return [(child.name.decode(), _TYPES[child.format]) for child in children]
    finally:
        schema.release(ct.byref(schema))


def _values(array: _Array, kind: np.dtype[Any]) -> NDArray[Any]:
    n, start = array.length, array.offset
    values = _buffer(array.buffers[1], kind, start + n)[start:]
    if array.null_count and kind.kind == "f":
        bits = _buffer(array.buffers[0], np.dtype("u1"), (start + n + 7) // 8)
        is_there = np.unpackbits(bits, bitorder="little")[start : start + n]
        return np.where(is_there, values, np.nan)
    return values


def _buffer(address: int | None, kind: np.dtype[Any], length: int) -> NDArray[Any]:
    if not length:
        return np.empty(0, dtype=kind)
    memory = (ct.c_char * (length * kind.itemsize)).from_address(address or 0)
    values: NDArray[Any] = np.frombuffer(memoryview(memory), dtype=kind)
    return values


def _require(stream: _Stream, code: int, error: type[Exception]) -> None:
    if code:
        said = stream.get_last_error(ct.byref(stream))
        raise error((said or b"a stream of rows ended early").decode())


def filled(values: NDArray[Any]) -> NDArray[Any]:
    """Return what `fetchnumpy` gave without its mask: NaN in numbers, NaT in times."""
    if type(values) is np.ndarray:  # nothing is missing, and numpy.ma need not be loaded
        return values
    data = np.ma.getdata(values)
    if isinstance(values, np.ma.MaskedArray) and data.dtype.kind in "fiumM":
        mask = np.ma.getmaskarray(values)
        if data.dtype.kind in "iu":
            return np.where(mask, np.nan, data)
        # In place: nobody else has it. NaN in an array of times is NaT.
        data[mask] = np.nan if data.dtype.kind == "f" else "NaT"
    return data
