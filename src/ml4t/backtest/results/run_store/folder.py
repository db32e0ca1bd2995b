"""StoreFolder: what stands where in a store, and how a run gets into it and out of it.

    store.json                              says that the folder is a store
    runs/run_id=<id>/<table>.parquet        the tables of a run, as `BacktestResult.save` has them
    runs/run_id=<id>/metrics.parquet        what a list shows of it
    runs/run_id=<id>/checksums.json         what those files were, as it has it too
    runs/run_id=<id>/tags/<tag>             an empty file each
    index.parquet                           the lines of all metrics.parquet, made by who lists
    writing/                                what is being written, or is going

A run is written in ``writing`` and moved to its place by one rename, which fails where an equal one
already is: writers wait for nobody, and a killed one leaves nothing that is read. Nothing that is
written by one writer is written again by another, so no append costs more than the first.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote as escaped
from urllib.parse import unquote

from ml4t.backtest.core.own_folder import WRITING
from ml4t.backtest.core.workplace import place_beside, sync
from ml4t.backtest.errors import ConfigError, ResultError
from ml4t.backtest.results.keeping.paths import RUN_STORE, exchange
from ml4t.backtest.results.keeping.saving import NOT_WRITTEN, reason_of
from ml4t.backtest.results.tables import TABLES

KEY = "run_id="
ENTRY = "metrics.parquet"
TAGS = "tags"
# Bytes of a file's name; the systems take 255.
MOST_BYTES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A run as its folder shows it, unopened.

    Attributes
    ----------
    sizes : dict of str to int
        Bytes of each file, by its name.
    written_ns : int
        When its entry was written; 0: it has none.
    """

    run_id: str
    path: Path
    sizes: dict[str, int]
    tags: list[str]
    written_ns: int

    @property
    def problem(self) -> str | None:
        """What is missing of it, in words; None: nothing."""
        gone = [
            name for name in (ENTRY, *(f"{table}.parquet" for table in TABLES))
            if name not in self.sizes
        ]  # fmt: skip
        return f"it has no '{gone[0]}'" if gone else None


class StoreFolder:
    """The folder of a store; made, with its parents, where there is none.

    Raises
    ------
    ResultError
        Something else stands there, or it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.runs, self._writing = self.path / "runs", self.path / WRITING
        self.index = self.path / "index.parquet"
        RUN_STORE.require(self.path)
        try:
            RUN_STORE.make(self.path)
            self.runs.mkdir(exist_ok=True)
        except OSError as error:
            raise RUN_STORE.unusable(self.path, error) from error

    @contextmanager
    def workplace(self) -> Iterator[Path]:
        """Make a folder for what is being written; what killed writers left goes."""
        self._writing.mkdir(exist_ok=True)  # a copy of a store may lack it: it was empty
        with place_beside(self._writing / "run") as folder:
            yield folder

    def place(self, run_id: str) -> Path:
        """Return where a run stands, if it does."""
        return self.runs / f"{KEY}{run_id}"

    def stored(self) -> list[Stored]:
        """Return every run, by its id."""
        try:
            with os.scandir(self.runs) as items:
                found = [item.path for item in items if item.name.startswith(KEY)]
        except FileNotFoundError:
            return []
        return [one for path in sorted(found) if (one := _look(Path(path))) is not None]

    def one(self, run_id: str) -> Stored | None:
        """Return a run; None: there is none."""
        return _look(self.place(run_id))

    def commit(self, run_id: str, write: Callable[[Path], None], *, is_replacing: bool) -> bool:
        """Have a run written, and move it to its place; where an equal one is, that stays.

        Parameters
        ----------
        write : callable
            Makes the folder that it is given, every file synced.
        is_replacing : bool
            What stands in its place is damaged and goes.

        Returns
        -------
        bool
            It is what was written that stands there: no other writer was faster.
        """
        target = self.place(run_id)
        with self.workplace() as folder:
            # A folder of its own: saving waits for its turn in the one where it writes, and the
            # workplace is locked already.
            made = folder / "made" / target.name
            made.parent.mkdir()
            write(made)
            sync(made)
            if is_replacing and target.exists():
                if not exchange(made, target):
                    target.rename(folder / "damaged")
                    made.rename(target)
            else:
                try:
                    made.rename(target)
                except OSError:
                    if not target.is_dir():
                        raise
                    return False
        sync(self.runs)
        return True

    def take_away(self, run_id: str) -> None:
        """Remove a run: it is gone from one rename on, or another was faster."""
        with self.workplace() as folder, suppress(FileNotFoundError):
            self.place(run_id).rename(folder / "deleted")
        sync(self.runs)

    @contextmanager
    def changing(self, run_id: str, done: str) -> Iterator[None]:
        """Have what the system refuses be an error that names the run, and what was to be done."""
        try:
            yield
        except (ResultError, *NOT_WRITTEN) as error:
            # That of saving names a folder of which its caller knows nothing.
            found = error.__cause__ if isinstance(error.__cause__, NOT_WRITTEN) else error
            raise ResultError(
                f"run '{run_id}' could not be {done} '{self.path}': {reason_of(found)}; the runs "
                "in it are as they were"
            ) from found


def write_tags(run: Path, tags: Iterable[str]) -> None:
    """Write tags into the folder of a run; those that it has stay."""
    (run / TAGS).mkdir(exist_ok=True)
    for tag in tags:
        (run / TAGS / _file_of(tag)).touch()


def remove_tags(run: Path, tags: Iterable[str]) -> None:
    """Take tags from the folder of a run, if it has them."""
    for tag in tags:
        (run / TAGS / _file_of(tag)).unlink(missing_ok=True)


def require_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Return tags: texts that can be names of files.

    Raises
    ------
    ConfigError
        One is none, or too long, or they are no list of them.
    """
    if isinstance(tags, str):
        raise ConfigError(f"tags must be a list of texts, was {tags!r}; write [{tags!r}]")
    if not isinstance(tags, Iterable):
        raise ConfigError(f"tags must be a list of texts, was {tags!r}")
    return tuple(map(_require_tag, tags))


def _require_tag(tag: object) -> str:
    if not isinstance(tag, str) or not tag.strip() or len(_file_of(tag)) > MOST_BYTES:
        raise ConfigError(
            f"a tag must be a text of at most {MOST_BYTES - 1} letters (those beyond ASCII count "
            f"for more), was {tag!r}"
        )
    return tag


def _file_of(tag: str) -> str:
    # With a point before it: the file is none that a pattern or a person takes for data, and a
    # tag '..' is none of the file system's names.
    return f".{escaped(tag, safe='')}"


def _look(path: Path) -> Stored | None:
    """Return what a folder shows of its run; None where it went meanwhile."""
    sizes, written, tags = {}, 0, list[str]()
    try:
        with os.scandir(path) as items:
            for item in items:
                if item.name == TAGS:
                    tags = sorted(unquote(tag.name[1:]) for tag in Path(item.path).iterdir())
                    continue
                facts = item.stat()
                sizes[item.name] = facts.st_size
                if item.name == ENTRY:
                    written = facts.st_mtime_ns
    except (FileNotFoundError, NotADirectoryError):
        return None
    run_id = path.name.removeprefix(KEY)
    return Stored(run_id=run_id, path=path, sizes=sizes, tags=tags, written_ns=written)
