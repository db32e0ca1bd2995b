"""Listing: the objects that a URL stands for, as a path stands for files on a disk.

A key is an object; else it is a folder of Parquet. A pattern is one of `glob`: `*` stays within a
folder, `**` does not, and what begins with a dot is hidden. A web server lists nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote

from ml4t.backtest.data.objects.stores import OBJECT_EXTRA, Place, place_of, store_of, unreadable
from ml4t.backtest.data.packages import package
from ml4t.backtest.data.sql_files import WILD
from ml4t.backtest.errors import BacktestError, DataError

# Requests at once, of a list of URLs.
_AT_ONCE = 16
_DELTA_LOG = "/_delta_log/"


class StoredObject(NamedTuple):
    """An object as it was when it was looked at.

    Attributes
    ----------
    url : str
        As DuckDB and results know it.
    source : str
        Whose it is, for messages.
    place : Place
    n_bytes : int
    e_tag : str or None
        What its store calls this version of it, and no other one.
    modified : datetime
    """

    url: str
    source: str
    place: Place
    n_bytes: int
    e_tag: str | None
    modified: datetime

    def facts(self) -> dict[str, object]:
        """Return what tells that it is still the same: content written anew is, times tell no."""
        told: dict[str, object] = (
            {"modified_ns": round(self.modified.timestamp() * 1e9)}
            if self.e_tag is None
            else {"e_tag": self.e_tag}
        )
        return {"path": self.url, "bytes": self.n_bytes} | told


def objects_of(name: str, urls: Sequence[str], suffixes: Sequence[str]) -> list[StoredObject]:
    """Return the objects of a source, sorted, each once.

    Parameters
    ----------
    name : str
        Of the source.
    urls : sequence of str
    suffixes : sequence of str
        Of what is taken from a folder.

    Raises
    ------
    ConfigError
        A package of the extra is not installed.
    DataError
        A URL matches nothing, may not be read, or is one that nobody reads.
    """
    places = [(url, place_of(name, url)) for url in urls]
    package("obstore", extra=OBJECT_EXTRA)
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        found = pool.map(lambda one: _objects_at(name, one[0], one[1], suffixes), places)
        every = {one.url: one for several in found for one in several}
    return [every[url] for url in sorted(every)]


def _objects_at(name: str, url: str, place: Place, suffixes: Sequence[str]) -> list[StoredObject]:
    try:
        found = _found(name, place, suffixes)
    except BacktestError:
        raise
    except Exception as error:
        # Without the cause: what a server says of a refusal has the name of a key in it.
        raise unreadable(name, url, error) from None
    if not found:
        way_out = (
            "see whether the address is right"
            if place.is_web
            else f"pass the URL of one, of a folder with {', '.join(suffixes)}, or a pattern such "
            "as '*.parquet'"
        )
        raise DataError(name, "readable", f"matches no object: {url}; {way_out}")
    return found


def _found(name: str, place: Place, suffixes: Sequence[str]) -> list[StoredObject]:
    if WILD.search(place.key) and not place.is_web:
        found = [one for one in _below(name, place) if _is_match(one.place.key, place.key)]
        # A name may have brackets.
        return found or _head(name, place)
    one = [] if not place.key or place.key.endswith("/") else _head(name, place)
    return one if one or place.is_web else _in_folder(name, place, suffixes)


def _in_folder(name: str, place: Place, suffixes: Sequence[str]) -> list[StoredObject]:
    """Return what a folder is read for; what else lies there, such as a readme, is not."""
    folder = place._replace(key=f"{place.key.rstrip('/')}/".lstrip("/"))
    below = list(_below(name, folder))
    if any(_DELTA_LOG in f"/{one.place.key}" for one in below):
        url = f"s3://{place.host}/{place.key}"
        raise DataError(
            name, "readable", f"is a Delta table, {url}, whose files also hold rows that were "
            "deleted or replaced; register its current rows instead: "
            f"deltalake.DeltaTable({url!r}).to_pyarrow_table()",
        )  # fmt: skip
    return [
        one
        for one in below
        if one.place.key.lower().endswith(tuple(suffixes))
        and not _is_hidden(one.place.key[len(folder.key) :])
    ]


def _head(name: str, place: Place) -> list[StoredObject]:
    """Return the object of a key, if there is one."""
    obstore = package("obstore", extra=OBJECT_EXTRA)
    try:
        return [_as_object(name, place, obstore.head(store_of(place), place.key))]
    except FileNotFoundError:
        return []


def _below(name: str, place: Place) -> Iterable[StoredObject]:
    """Yield all objects below the last folder of a key that is no pattern."""
    obstore = package("obstore", extra=OBJECT_EXTRA)
    folder = WILD.split(place.key)[0].rpartition("/")[0]
    for several in obstore.list(store_of(place), folder or None):
        for meta in several:
            # A folder that somebody has made is an object of nothing.
            if meta["size"]:
                yield _as_object(name, place._replace(key=meta["path"]), meta)


def _as_object(name: str, place: Place, meta: Any) -> StoredObject:
    key = quote(place.key) if place.is_web else place.key
    url = f"{place.scheme}://{place.host}/{key}"
    return StoredObject(url, name, place, meta["size"], meta["e_tag"], meta["last_modified"])


def _is_match(key: str, pattern: str) -> bool:
    """Say whether `glob` would take a key for one of a pattern."""
    utils = package("fsspec.utils", extra=OBJECT_EXTRA)
    if not re.match(utils.glob_translate(pattern), key):
        return False
    fixed = WILD.split(pattern)[0].rpartition("/")[0]
    is_asked = "/." in f"/{pattern[len(fixed) :]}"
    return is_asked or not _is_hidden(key[len(fixed) :])


def _is_hidden(key: str) -> bool:
    return "/." in f"/{key}"
