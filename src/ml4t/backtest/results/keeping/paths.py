"""Where a saved run stands: what is written beside it, and how it takes the place of an older one.

A file takes another's place by one rename. A folder, or a file that replaces a folder, changes
places with what stands there (Linux, macOS), so that there is a whole run at any moment. Where
the system cannot do that the old one is moved aside first; `standing` finds it there if the
process was killed between the two renames, and the next `place_beside` moves it back.
"""

from __future__ import annotations

import ctypes
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ml4t.backtest.core.own_folder import OwnFolder
from ml4t.backtest.core.workplace import OLD, lock, sync, workplaces
from ml4t.backtest.errors import ConfigError, ResultError, require_path

# A folder that is none to be written over.
RUN_STORE = OwnFolder(
    what="store of runs",
    marker="store.json",
    form={"form": "ml4t.backtest store of runs", "version": 1},
    error=ResultError,
)


def usable_path(path: object, what: str) -> Path:
    """Return a path that was given.

    Raises
    ------
    ResultError
        It is none; the message says that it should be `what`.
    """
    try:
        return require_path("path", path, what)
    except ConfigError as error:
        raise ResultError(str(error)) from error


def is_store(path: Path) -> bool:
    """Say whether there is a store of runs at `path`."""
    return RUN_STORE.is_at(path)


@contextmanager
def turn_in(folder: Path) -> Iterator[None]:
    """Wait until no other saver changes what stands in `folder`."""
    with lock(folder, wait=True):
        yield


def put(made: Path, target: Path) -> None:
    """Put a finished file or folder in the place of what stands at `target`.

    `made` lies in a folder of `place_beside`, which takes what stood there away. Who may read and
    write it stays as it was.
    """
    if target.exists():
        _keep_rights(made, target)
    is_file = made.is_file() and not target.is_dir()
    if is_file or not os.path.lexists(target):
        made.replace(target)
    elif not exchange(made, target):
        # Whoever may read what stood there has to find it if this process is killed now.
        made.parent.chmod(0o755)
        target.rename(made.with_name(OLD))
        made.rename(target)
    sync(target.parent)


def exchange(one: Path, other: Path) -> bool:
    """Have two paths change places in one step; return whether the system could."""
    swap = 2  # RENAME_EXCHANGE of Linux, RENAME_SWAP of macOS
    here = -100  # AT_FDCWD
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "linux":
            done = library.renameat2(here, os.fsencode(one), here, os.fsencode(other), swap)
        elif sys.platform == "darwin":
            done = library.renamex_np(os.fsencode(one), os.fsencode(other), swap)
        else:
            return False
    except (AttributeError, TypeError):  # no such function, or no library to ask
        return False
    return bool(done == 0)


def standing(target: Path) -> Path:
    """Return where the run of `target` is: there, or where a saver that was killed left it."""
    with suppress(OSError):
        if not target.exists():
            for place in workplaces(target):
                if (place / OLD).exists():
                    return place / OLD
    return target


def _keep_rights(made: Path, old: Path) -> None:
    """Give what was made owner, group and mode of what it replaces; of files in a folder too."""
    facts = old.stat()
    mode = stat.S_IMODE(facts.st_mode)
    if made.is_dir():
        for one in made.iterdir():
            alike = old / one.name if old.is_dir() else old
            if alike.exists():
                _keep_rights(one, alike)
        if not old.is_dir():
            mode |= (mode & 0o444) >> 2  # a folder that may be read may be entered
    elif old.is_dir():
        mode &= 0o666
    if os.name == "posix" and not _give(made, facts):
        # Of another group: it may do what all may.
        mode = mode & ~0o2070 | (mode & 0o007) << 3
    made.chmod(mode)


def _give(made: Path, facts: os.stat_result) -> bool:
    """Hand over to an owner, where that is allowed, and to a group; return whether it has it."""
    now = made.stat()
    if now.st_uid != facts.st_uid:
        with suppress(OSError):
            os.chown(made, facts.st_uid, -1)
    if now.st_gid != facts.st_gid:
        with suppress(OSError):
            os.chown(made, -1, facts.st_gid)
    return made.stat().st_gid == facts.st_gid
