"""Files: the file system by which DuckDB reads objects, each at the version that was looked at.

DuckDB asks for pieces of a file, and each piece is a request for just that version: what has
changed since is refused by its store, and no table has rows of two versions. Nothing else can be
read, nothing is listed and nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from fsspec import AbstractFileSystem

from ml4t.backtest.data.objects.listing import StoredObject
from ml4t.backtest.data.objects.stores import CHANGED, OBJECT_EXTRA, store_of, unreadable
from ml4t.backtest.data.packages import package
from ml4t.backtest.errors import DataError


class ObjectFiles(AbstractFileSystem):  # type: ignore[misc] # is untyped
    """The objects of a database's sources, as files that can be read."""

    protocol = ("s3", "http", "https")
    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self._objects: dict[str, StoredObject] = {}

    def serve(self, objects: Iterable[StoredObject]) -> None:
        """Have objects be read from now on; of two versions of one the later."""
        self._objects |= {one.url: one for one in objects}

    @property
    def urls(self) -> list[str]:
        """What can be read."""
        return sorted(self._objects)

    def glob(self, path: str, **_: Any) -> list[str]:
        """Return an object's own name: patterns were resolved, and names may look like one."""
        return [path] if path in self._objects else []

    def exists(self, path: str, **_: Any) -> bool:
        """Say whether there is such an object."""
        return path in self._objects

    def size(self, path: str) -> int:
        """Return its length in bytes."""
        return self._objects[path].n_bytes

    def modified(self, path: str) -> datetime:
        """Return when it was written."""
        return self._objects[path].modified

    def open(self, path: str, mode: str = "rb", **_: Any) -> ObjectReader:
        """Return a reader; asks for nothing yet."""
        if mode != "rb":
            raise PermissionError(f"{path} is a source, which is read and not written")
        return ObjectReader(self._objects[path])


class ObjectReader:
    """A place in an object; one thread's own.

    Parameters
    ----------
    found : StoredObject
    """

    def __init__(self, found: StoredObject) -> None:
        self._object = found
        self._position = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        start = (0, self._position, self._object.n_bytes)[whence]
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        """Return the place."""
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes.

        Raises
        ------
        DataError
            The object is another one now, or can be read no more.
        """
        found = self._object
        end = found.n_bytes if size < 0 else min(found.n_bytes, self._position + size)
        if end <= self._position:
            return b""
        options: dict[str, object] = {"range": (self._position, end)}
        if found.e_tag is not None and not found.e_tag.startswith("W/"):
            options["if_match"] = found.e_tag
        else:  # one that is called weak matches nothing
            options["if_unmodified_since"] = found.modified
        obstore, store = package("obstore", extra=OBJECT_EXTRA), store_of(found.place)
        try:
            given = obstore.get(store, found.place.key, options=options)
            data: bytes = given.bytes().to_bytes()
        except FileNotFoundError:
            message = f"{CHANGED}: {found.url} is no more; run again"
            raise DataError(found.source, "unchanged", message) from None
        except Exception as error:
            raise unreadable(found.source, found.url, error) from None
        self._position = end
        return data

    def close(self) -> None:
        """Let go of it."""
