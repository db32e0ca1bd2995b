"""Answers: a folder of packs in which answers are found by their digests.

A pack is called as the first answer in it that a thread missed when it was made: whoever asks for
that one reads the whole pack, and has what the thread asked after it. Large answers are a pack
each, which is mapped. A file appears under its name by one rename, whole; what is not is noticed by
its checksum, and made anew.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import RLock, get_ident

from ml4t.backtest.core.workplace import lock, place_beside, put_json, sync
from ml4t.backtest.data.prepared_store.packs import (
    MAPPED,
    DamagedError,
    Encoded,
    Kept,
    UnkeptError,
    encoded,
    read_pack,
    write_pack,
)

PACK = ".pack"
# What a folder says of itself; its time is that of the last use.
ABOUT_FILE = "about.json"
# Which packs were found to be what was written, with what tells that a file is still that one.
_CHECKED = "checked.json"


class Answers:
    """The answers in a folder, and those that are to be added to it.

    Parameters
    ----------
    folder : Path
        Made when something is added.
    writing : Path
        Where what is being written stands.
    about : mapping, optional
        What the folder says of itself, in a file called ``about.json``.
    """

    def __init__(
        self, folder: Path, writing: Path, about: Mapping[str, object] | None = None
    ) -> None:
        self.folder, self._writing, self._about = folder, writing, about
        self._found: dict[str, Kept] = {}
        # By the thread that asked: what threads ask for at a time has another order each time.
        self._new: dict[int, dict[str, Encoded]] = {}
        self._large: dict[str, Path] = {}
        self._held, self._work, self._turn = ExitStack(), ExitStack(), RLock()
        self._workplace: Path | None = None
        self._checked = self._read_checked()
        self.problem: OSError | None = None
        self._hold()

    def find(self, digest: str) -> Kept | None:
        """Return an answer; None: there is none."""
        if digest in self._found:
            return self._found[digest]
        found: dict[str, Kept] = {}
        with suppress(OSError):  # what cannot be read is made anew, as what is not there
            found = self._read(self.folder / f"{digest}{PACK}")
        # A large answer is mapped for as long as its taker has it, which may be one part of a run.
        if len(found) > 1 or not _is_mapped(found.get(digest)):
            self._found |= found
        return found.get(digest)

    def keep(self, digest: str, answer: Kept) -> None:
        """Take an answer to be added; a large one is written at once, beside the folder."""
        if self.problem is not None or digest in self._found:
            return
        try:
            said = encoded(answer)
            with self._turn:
                if said.size < MAPPED:
                    # A copy: what was returned is the caller's to change.
                    said.buffers[:] = [array.copy() for array in said.buffers]
                    self._new.setdefault(get_ident(), {})[digest] = said
                    return
                path = self._place() / f"{digest}{PACK}"
                if digest not in self._large:
                    write_pack(path, {digest: said})
                    self._large[digest] = path
        except UnkeptError:
            return
        except OSError as error:
            self.problem = error

    def add(self, more: Mapping[str, object]) -> int:
        """Add to the folder what was taken; return how many bytes.

        Parameters
        ----------
        more : mapping
            What a new folder says of itself besides.

        Raises
        ------
        OSError
            It could not be written; the folder is as it was, or has some of it.
        """
        with self._turn:
            if self.problem is not None:
                raise self.problem
            if not self._new and not self._large:
                return 0
            self._make_folder(more)
            made = dict(self._large)
            for asked in self._new.values():
                name = next(iter(asked))
                made[name] = self._place() / f"{name}{PACK}"
                write_pack(made[name], asked)
            n_bytes = 0
            for digest, path in made.items():
                n_bytes += path.stat().st_size
                sync(path)
                target = self.folder / f"{digest}{PACK}"
                path.replace(target)
                self._checked[target.name] = facts_of(target)
            self._write_checked()
            sync(self.folder)
            self.forget()
            return n_bytes

    def forget(self) -> None:
        """Let go of what was taken and not added."""
        self._new, self._large = {}, {}
        self._work.close()
        self._workplace = None

    def close(self) -> None:
        """Let go of the folder, and of what was not added."""
        self.forget()
        self._held.close()

    def _hold(self) -> None:
        """Have nobody take the folder away while it is used, and note when it was."""
        with suppress(OSError):
            if self.folder.is_dir():
                self._held.enter_context(lock(self.folder, wait=False, is_shared=True))
                about = self.folder / ABOUT_FILE
                os.utime(about if about.exists() else self.folder)

    def _place(self) -> Path:
        if self._workplace is None:
            self._writing.mkdir(parents=True, exist_ok=True)
            self._workplace = self._work.enter_context(place_beside(self._writing / "prepared"))
        return self._workplace

    def _make_folder(self, more: Mapping[str, object]) -> None:
        is_new = not self.folder.is_dir()
        self.folder.mkdir(parents=True, exist_ok=True)
        if is_new:
            self._hold()
        about = self.folder / ABOUT_FILE
        if self._about is not None and not about.exists():
            put_json(about, {**self._about, **more}, self._place())

    def _read(self, path: Path) -> dict[str, Kept]:
        facts = facts_of(path)
        is_checked = self._checked.get(path.name) == facts
        try:
            found = read_pack(path, is_checked=is_checked)
        except DamagedError as error:
            warnings.warn(
                f"prepared data '{path}' are damaged: {error}; they are made anew", stacklevel=2
            )
            with suppress(OSError):
                path.unlink()
            return {}
        if not is_checked:
            self._checked[path.name] = facts
            with suppress(OSError):
                self._write_checked()
        return found

    def _read_checked(self) -> dict[str, list[int]]:
        with suppress(OSError, ValueError, RecursionError):
            found = json.loads((self.folder / _CHECKED).read_text(encoding="utf-8"))
            if isinstance(found, dict):
                return found
        return {}

    def _write_checked(self) -> None:
        # Another that writes its own at this moment loses nothing but the time of one more check.
        checked = self._read_checked() | self._checked
        put_json(self.folder / _CHECKED, checked, self._place())


def _is_mapped(answer: Kept | None) -> bool:
    arrays = {} if answer is None else answer.arrays or {}
    return sum(array.nbytes for array in arrays.values()) >= MAPPED


def facts_of(path: Path) -> list[int]:
    """Return what says that a file is still that file; the last time no program can set back."""
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns]
