"""PreparedStore: a folder of prepared data, with limits of size and age.

prepared.json                  says that the folder is one
registered/<digest>.pack       what was asked when sources were registered, before all were
sources/<key>/<digest>.pack    what was asked of all sources of a catalog
sources/<key>/about.json       which they are, and when they were prepared; its time is that of
the last use
writing/                       what is being written, or is going
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ml4t.backtest.core.workplace import lock, place_beside, put_json
from ml4t.backtest.data.prepared_store.answers import ABOUT_FILE, Answers
from ml4t.backtest.errors import ConfigError, require_path, require_whole

_MARKER = "prepared.json"
_MARK = {"form": "ml4t.backtest prepared data"}
MOST_BYTES_KEPT = 10 * 1024**3
MOST_AGE_KEPT = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedSources:
    """What is kept of the sources of a catalog.

    Attributes
    ----------
    key : str
    sources : tuple of str
    n_bars, n_assets : int
    n_bytes : int
    made, used : datetime
        When it was begun, and used last.
    is_stale : bool
        The files are no longer those that were read.
    path : Path
    """

    key: str
    sources: tuple[str, ...]
    n_bars: int
    n_assets: int
    n_bytes: int
    made: datetime
    used: datetime
    is_stale: bool
    path: Path


class PreparedStore:
    """A folder in which catalogs keep what was read of their sources, for every later run.

    Many processes may use one at a time, and build the same: each file is written beside its place
    and moved there whole, and what is in use is never removed.

    Parameters
    ----------
    folder : str or Path
        Made when something is kept.
    max_bytes : int, default 10 GB
        Beyond it what was used least recently goes.
    max_age : timedelta, default 90 days
        What was not used for so long goes.

    Raises
    ------
    ConfigError
        Something else stands there.

    Examples
    --------
    >>> from ml4t.backtest import Catalog, PreparedStore
    >>> store = PreparedStore("prepared", max_bytes=50 * 1024**3)      # doctest: +SKIP
    >>> catalog = Catalog(cache=store)                                 # doctest: +SKIP
    >>> [one.sources for one in store.kept()]                          # doctest: +SKIP
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        max_bytes: int = MOST_BYTES_KEPT,
        max_age: timedelta = MOST_AGE_KEPT,
    ) -> None:
        self.path = require_path("cache", folder, "that of a folder of prepared data").absolute()
        self.max_bytes = require_whole("max_bytes", max_bytes, least=0)
        if not isinstance(max_age, timedelta):
            raise ConfigError(f"max_age must be a timedelta, was {max_age!r}")
        self.max_age = max_age
        self._sources, self._writing = self.path / "sources", self.path / "writing"
        _require_ours(self.path)

    def __repr__(self) -> str:
        return f"<PreparedStore {self.path}>"

    def registered(self) -> Answers:
        """Return what was asked while sources were registered."""
        return Answers(self.path / "registered", self._writing)

    def of_sources(self, key: str, about: Mapping[str, object]) -> Answers:
        """Return what was asked of all sources of a catalog.

        Parameters
        ----------
        about : mapping
            What a list goes by: ``paths`` and ``files`` of each source.
        """
        return Answers(self._sources / key, self._writing, about)

    def make(self) -> None:
        """Make the folder, where it is not there.

        Raises
        ------
        OSError
            It cannot be made.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        marker = self.path / _MARKER
        if not marker.exists():
            self._writing.mkdir(exist_ok=True)
            with place_beside(self._writing / "prepared") as place:
                put_json(marker, _MARK, place)

    def kept(self) -> list[PreparedSources]:
        """Return what is kept, what was used last first."""
        found = [one for path in _folders(self._sources) if (one := _look(path)) is not None]
        return sorted(found, key=lambda one: one.used, reverse=True)

    def clear(
        self, *, older_than: timedelta | None = None, down_to: int | None = None
    ) -> list[PreparedSources]:
        """Remove what is kept, and return it; what is in use stays.

        Parameters
        ----------
        older_than : timedelta, optional
            Only what was not used for so long.
        down_to : int, optional
            Only what is more than so many bytes in all, least recently used first.
        """
        now, kept, going = datetime.now(UTC), self.kept(), list[PreparedSources]()
        left = sum(one.n_bytes for one in kept)
        is_all = older_than is None and down_to is None
        for one in reversed(kept):
            is_old = older_than is not None and now - one.used > older_than
            is_much = down_to is not None and left > down_to
            if (is_old or is_much or is_all) and self._remove(one.path):
                going.append(one)
                left -= one.n_bytes
        if is_all:
            self._remove(self.path / "registered")
        return going

    def keep_limits(self) -> None:
        """Remove what is beyond the limits."""
        self.clear(older_than=self.max_age, down_to=self.max_bytes)

    def drop_stale(self, about: dict[str, Any]) -> None:
        """Remove what was kept of other files under the same names, and say so."""
        for path in _folders(self._sources):
            said = _about(path)
            if said is None or said.get("paths") != about["paths"]:
                continue
            changed = _changed(said.get("files", {}), about["files"])
            if changed and self._remove(path):
                warnings.warn(
                    f"prepared data in '{self.path}' were of other files: source "
                    f"'{changed[0]}' has changed since; they are made anew", stacklevel=2,
                )  # fmt: skip

    def _remove(self, path: Path) -> bool:
        """Remove a folder, unless somebody uses it; say whether it is gone."""
        with suppress(OSError), lock(path, wait=False) as is_ours:
            if is_ours:
                self._writing.mkdir(parents=True, exist_ok=True)
                with place_beside(self._writing / "prepared") as place:
                    path.rename(place / "removed")
                return True
        return False


def is_prepared_store(path: Path) -> bool:
    """Say whether a folder is one of prepared data."""
    return (path / _MARKER).is_file()


def _require_ours(path: Path) -> None:
    try:
        if path.exists() and not path.is_dir():
            raise ConfigError(f"'{path}' is no folder; prepared data are kept in one")
        others = {item.name for item in path.iterdir()} if path.is_dir() else set()
    except OSError as error:
        raise ConfigError(f"'{path}' cannot hold prepared data: {error}") from error
    ours = {_MARKER, "registered", "sources", "writing"}
    if others and _MARKER not in others and not others <= ours:
        raise ConfigError(
            f"'{path}' holds '{min(others - ours)}' and no prepared data; name an empty folder, or "
            "one that is not there yet"
        )


def _folders(path: Path) -> Iterator[Path]:
    with suppress(OSError):
        yield from sorted(one for one in path.iterdir() if one.is_dir())


def _about(path: Path) -> dict[str, Any] | None:
    try:
        said = json.loads((path / ABOUT_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return said if isinstance(said, dict) else None


def _look(path: Path) -> PreparedSources | None:
    """Return what is kept in a folder; None where it went meanwhile."""
    try:
        n_bytes = sum(one.stat().st_size for one in path.iterdir())
        told = path / ABOUT_FILE
        used = (told if told.exists() else path).stat().st_mtime
    except OSError:
        return None
    said = _about(path) or {}
    files: dict[str, str] = said.get("files", {})
    moment = datetime.fromtimestamp(used, UTC)
    return PreparedSources(
        key=path.name, sources=tuple(files), n_bytes=n_bytes, used=moment,
        n_bars=said.get("n_bars", 0), n_assets=said.get("n_assets", 0),
        made=datetime.fromisoformat(said["made"]) if "made" in said else moment,
        is_stale=any(map(_is_changed, files.values())), path=path,
    )  # fmt: skip


def _is_changed(files: str) -> bool:
    """Say whether files are no longer those of `digests.files_text`."""
    try:
        return any(
            (one := Path(path).stat()).st_size != size or one.st_mtime_ns != modified
            for path, size, modified, *_ in json.loads(files)
        )
    except (OSError, ValueError):
        return True


def _changed(before: dict[str, str], now: dict[str, str]) -> list[str]:
    return [name for name, files in now.items() if before.get(name) != files]
