"""Packing: columns as few bytes, which `assets/js/data.js` reads back.

1. A column is whole numbers (times in microseconds, texts as places in a list of them, decimals
   times a power of ten) or doubles as they are.
2. Whole numbers lose their lowest and their common divisor, are differences where that is
   smaller, and take as few bytes as the widest needs. 0 is NULL where there is one. Names that
   are numbers beyond those that JavaScript has exactly are texts.
3. The first bytes of all rows stand together, then the second ones: alike bytes compress.
4. An equal column is kept once. All of it is one stream of gzip.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.results.page.figure import Format

# Longer columns are rounded, shorter ones exact to the last digit.
MOST_EXACT = 6_000
# Decimals of long columns; of other numbers so many digits of the middle one.
DECIMALS = {Format.MONEY: 2, Format.PERCENT: 6}
SIGNIFICANT = 6
# Whole numbers that JavaScript has exactly, and twice the difference of two.
MOST_WHOLE = 2**51
LEVEL = 6


@dataclass
class Packed:
    """Columns packed one after the other, and where each is."""

    _bytes: list[bytes] = field(default_factory=list)
    _columns: list[dict[str, Any]] = field(default_factory=list)
    _places: dict[tuple[str, bytes], int] = field(default_factory=dict)
    _size: int = 0

    def add(self, values: NDArray[Any], format_: Format) -> int:
        """Pack a column and return its number; NULL is masked, or NaN."""
        form, content = _packed(np.ma.asarray(values), format_)
        key = json.dumps(form), content
        if key not in self._places:
            self._places[key] = len(self._columns)
            self._columns.append({**form, "at": self._size})
            self._bytes.append(content)
            self._size += len(content)
        return self._places[key]

    def stream(self, head: Mapping[str, object]) -> bytes:
        """Return all of it compressed: how long what is said of it is, that as JSON, the bytes."""
        said = {**head, "columns": self._columns}
        text = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
        whole = b"".join([len(text).to_bytes(4, "little"), text, *self._bytes])
        return gzip.compress(whole, LEVEL, mtime=0)


def _packed(values: Any, format_: Format) -> tuple[dict[str, Any], bytes]:
    missing = np.ma.getmaskarray(values)
    plain = np.ma.getdata(values)
    if plain.dtype.kind == "M":
        missing = missing | np.isnat(plain)
        whole = np.where(missing, 0, plain.astype("datetime64[us]").astype(np.int64))
        return _whole(whole, missing, {"kind": "time"})
    is_whole = plain.dtype.kind in "iu"
    there = plain[~missing] if is_whole else plain[:0]
    is_large = len(there) and not -MOST_WHOLE < int(there.min()) <= int(there.max()) < MOST_WHOLE
    if plain.dtype.kind in "OUb" or (is_large and format_ is Format.TEXT):
        return _texts(plain, missing)
    if is_whole and not is_large:
        return _whole(plain.astype(np.int64), missing, {"kind": "number", "decimals": 0})
    numbers = plain.astype(np.float64)
    missing = missing | np.isnan(numbers)
    decimals = _decimals(numbers[~missing], format_)
    if decimals is not None:
        scaled = np.where(missing, 0.0, np.round(numbers * 10.0**decimals))
        return _whole(scaled.astype(np.int64), missing, {"kind": "number", "decimals": decimals})
    exact = np.where(missing, np.nan, numbers)
    return {"kind": "double", "n": len(exact)}, _planes(exact)


def _decimals(numbers: NDArray[np.float64], format_: Format) -> int | None:
    """Return how many decimals a column keeps; None: all."""
    if not len(numbers) or not np.isfinite(numbers).all():
        return None
    largest = float(np.abs(numbers).max())
    if largest < MOST_WHOLE and (numbers == np.round(numbers)).all():
        return 0
    if len(numbers) <= MOST_EXACT:
        return None
    middle = float(np.median(np.abs(numbers[numbers != 0])))
    decimals = DECIMALS.get(
        format_, int(np.clip(SIGNIFICANT - 1 - np.floor(np.log10(middle)), 0, 12))
    )
    return decimals if largest * 10.0**decimals < MOST_WHOLE else None


def _texts(plain: NDArray[Any], missing: NDArray[np.bool_]) -> tuple[dict[str, Any], bytes]:
    texts = np.array(["" if gone else str(one) for one, gone in zip(plain, missing, strict=True)])
    known, places = np.unique(texts, return_inverse=True)
    return _whole(places.astype(np.int64), missing, {"kind": "text", "texts": known.tolist()})


def _whole(
    values: NDArray[np.int64], missing: NDArray[np.bool_], form: dict[str, Any]
) -> tuple[dict[str, Any], bytes]:
    there = values[~missing]
    least = int(there.min()) if len(there) else 0
    step = int(np.gcd.reduce(there - least)) or 1 if len(there) else 1
    has_null = bool(missing.any())
    codes = np.where(missing, 0, (values - least) // step + has_null)
    moves = np.diff(codes, prepend=0)
    # Small moves down are small numbers, too: 0, -1, 1, -2 as 0, 1, 2, 3.
    turned = np.where(moves < 0, -2 * moves - 1, 2 * moves)
    candidates = [_narrow(codes), _narrow(turned)]
    sizes = [len(zlib.compress(content, 1)) for _, content in candidates]
    is_moves = sizes[1] < sizes[0]
    width, content = candidates[is_moves]
    return {
        **form, "n": len(values), "width": width, "moves": is_moves, "null": has_null,
        "least": least, "step": step,
    }, content  # fmt: skip


def _narrow(codes: NDArray[np.int64]) -> tuple[int, bytes]:
    largest = int(codes.max()) if len(codes) else 0
    width = next(width for width in (1, 2, 4, 8) if largest < 1 << (8 * width - (width == 8)))
    return width, _planes(codes.astype(f"<u{width}"))


def _planes(values: NDArray[Any]) -> bytes:
    little = values.astype(values.dtype.newbyteorder("<"))
    return little.view(np.uint8).reshape(len(values), -1).T.tobytes() if len(values) else b""
