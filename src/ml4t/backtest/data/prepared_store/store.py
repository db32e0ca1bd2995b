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
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ml4t.backtest.core.own_folder import WRITING, OwnFolder
from ml4t.backtest.core.workplace import lock, place_beside
from ml4t.backtest.data.prepared_store.answers import ABOUT_FILE, Answers
from ml4t.backtest.data.prepared_store.digests import text_of_files
from ml4t.backtest.data.sources.source import files_of, is_remote, remote_objects
from ml4t.backtest.errors import BacktestError, ConfigError, require_path, require_whole

PREPARED_STORE = OwnFolder(
    what="store of prepared data",
    marker="prepared.json",
    form={"form": "ml4t.backtest prepared data"},
    error=ConfigError,
)
_KEY = re.compile("[0-9a-f]{32}")
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


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a folder says of itself: paths and files of each source, and when it was begun."""

    paths: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    made: datetime | None = None
    n_bars: int = 0
    n_assets: int = 0


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
        _require_span("max_age", max_age)
        self.max_age = max_age
        self._sources, self._writing = self.path / "sources", self.path / WRITING
        self._registered = self.path / "registered"
        PREPARED_STORE.require(self.path)

    def __repr__(self) -> str:
        return f"<PreparedStore {self.path}>"

    def registered(self) -> Answers:
        """Return what was asked while sources were registered."""
        return Answers(self._registered, self._writing)

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
        PREPARED_STORE.make(self.path)

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

        Raises
        ------
        ConfigError
            `older_than` is below 0.
        """
        if older_than is not None:
            _require_span("older_than", older_than)
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
            self._remove(self._registered)
        elif older_than is not None:
            self._forget_registered((now - older_than).timestamp())
        return going

    def keep_limits(self) -> None:
        """Remove what is beyond the limits."""
        self.clear(older_than=self.max_age, down_to=self.max_bytes)

    def drop_stale(self, about: dict[str, Any]) -> None:
        """Remove what was kept of other files under the same names, and say so."""
        for path in _folders(self._sources):
            said = _about(path)
            if said.paths != about["paths"]:
                continue
            changed = _changed(said.files, about["files"])
            if changed and self._remove(path):
                warnings.warn(
                    f"prepared data in '{self.path}' were of other files: source "
                    f"'{changed[0]}' has changed since; they are made anew", stacklevel=2,
                )  # fmt: skip

    def _forget_registered(self, before: float) -> None:
        """Remove what was kept of sources alone and written before; who reads it has it whole."""
        with suppress(OSError):
            for one in self._registered.iterdir():
                if one.stat().st_mtime < before:
                    one.unlink(missing_ok=True)

    def _remove(self, path: Path) -> bool:
        """Remove a folder, unless somebody uses it; say whether it is gone."""
        with suppress(OSError), lock(path, wait=False) as is_ours:
            if is_ours:
                self._writing.mkdir(parents=True, exist_ok=True)
                with place_beside(self._writing / "prepared") as place:
                    path.rename(place / "removed")
                return True
        return False


def _folders(path: Path) -> Iterator[Path]:
    with suppress(OSError):
        yield from sorted(
            one for one in path.iterdir() if _KEY.fullmatch(one.name) and one.is_dir()
        )


def _about(path: Path) -> About:
    """Return what a folder says of itself; nothing of what is not what was written."""
    said: Any = None
    with suppress(OSError, ValueError, RecursionError):
        said = json.loads((path / ABOUT_FILE).read_text(encoding="utf-8"))
    try:
        return About(
            paths={str(name): [*map(str, paths)] for name, paths in said["paths"].items()},
            files={str(name): str(files) for name, files in said["files"].items()},
            made=datetime.fromisoformat(said["made"]).astimezone(UTC),
            n_bars=int(said["n_bars"]),
            n_assets=int(said["n_assets"]),
        )
    except (AttributeError, LookupError, TypeError, ValueError, OverflowError):
        return About()


def _require_span(name: str, span: timedelta) -> None:
    if span < timedelta(0):
        raise ConfigError(f"{name} must not be below 0, was {span}")


def _look(path: Path) -> PreparedSources | None:
    """Return what is kept in a folder; None where it went meanwhile."""
    try:
        n_bytes = sum(one.stat().st_size for one in path.iterdir())
        told = path / ABOUT_FILE
        used = (told if told.exists() else path).stat().st_mtime
    except OSError:
        return None
    said, moment = _about(path), datetime.fromtimestamp(used, UTC)
    changed = (_is_changed(said.paths.get(name, ()), one) for name, one in said.files.items())
    return PreparedSources(
        key=path.name, sources=tuple(said.paths), n_bytes=n_bytes, used=moment,
        n_bars=said.n_bars, n_assets=said.n_assets, made=said.made or moment,
        is_stale=any(changed), path=path,
    )  # fmt: skip


def _is_changed(paths: Iterable[str], files: str) -> bool:
    """Say whether the files of a source are no longer those that were read, as far as one sees."""
    urls = [path for path in paths if is_remote(path)]
    local = {file for path in paths if path not in urls for file in files_of(path)}
    try:
        return text_of_files(local, remote_objects("prepared", urls)) != files
    except (OSError, BacktestError):
        return True


def _changed(before: dict[str, str], now: dict[str, str]) -> list[str]:
    return [name for name, files in now.items() if before.get(name) != files]
