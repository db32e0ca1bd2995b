"""Workplaces: what is written beside its place, by many processes at once, and moved there whole.

A writer has a folder of its own, locked while it lives: what a killed one left is seen by its free
lock, and the next writer removes it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

if sys.platform != "win32":
    import fcntl

SUFFIX = ".saving"
# In a writer's own folder: what it moved aside.
OLD = "old"


@contextmanager
def place_beside(target: Path) -> Iterator[Path]:
    """Make a folder beside `target` for what is being written; it is gone afterwards.

    What savers left behind that were killed is removed first: their locks are free.
    """
    remove_left(target)
    while True:
        folder = target.with_name(f".{target.name}.{token_hex(4)}{SUFFIX}")
        folder.mkdir(0o700)  # what is written in it may be to replace what few may read
        with lock(folder, wait=False) as is_ours:
            # Another saver may have taken it for one left behind before it was locked.
            if is_ours and folder.exists():
                try:
                    yield folder
                finally:
                    restore(folder / OLD, target)
                    shutil.rmtree(folder, ignore_errors=True)
                return


def remove_left(target: Path) -> None:
    """Remove what savers of `target` left behind that were killed."""
    for left in workplaces(target):
        with suppress(OSError), lock(left, wait=False) as is_ours:
            if is_ours:
                restore(left / OLD, target)
                shutil.rmtree(left)


def put_json(target: Path, said: object, place: Path, *, syncs: bool = False) -> None:
    """Write a JSON document in a writer's folder, and move it to `target` whole.

    `syncs`: when it is there, it is on the disk too.
    """
    made = place / target.name
    made.write_text(json.dumps(said), encoding="utf-8")
    if syncs:
        sync(made)
    made.replace(target)
    if syncs:
        sync(target.parent)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    if path.is_dir() and os.name != "posix":
        return  # Windows opens no folder
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def restore(old: Path, target: Path) -> None:
    """Move back what was moved aside, unless its place is taken."""
    if os.path.lexists(old) and not os.path.lexists(target):
        with suppress(OSError):
            old.rename(target)


def workplaces(target: Path) -> list[Path]:
    """Return the folders of savers of `target`, of this process and of others."""
    if not target.parent.is_dir():
        return []
    start = f".{target.name}."
    return sorted(
        one
        for one in target.parent.iterdir()
        if one.name.startswith(start)
        and one.name.endswith(SUFFIX)
        and len(one.name) == len(start) + 8 + len(SUFFIX)
    )


@contextmanager
def lock(folder: Path, *, wait: bool, is_shared: bool = False) -> Iterator[bool]:
    """Hold a folder's lock, which the system frees when the process ends; say whether it is held.

    Many may hold a shared one, and nobody beside them one that is not.

    Windows locks no folder: there savers do not queue, and leftovers stay.
    """
    if sys.platform == "win32":
        yield wait or not any(folder.iterdir())
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        if wait:
            raise
        yield False  # another saver took it for one left behind, and removed it
        return
    try:
        try:
            kind = fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX
            fcntl.flock(handle, kind | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)
