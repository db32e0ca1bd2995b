"""Disks that take no more: a small one to fill up, and folders in which nothing can be written."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Have a file system of `size` in an empty folder; skip where none can be mounted."""
    _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill_up(folder: Path, *, but: int = 0) -> Path:
    """Fill the disk of a folder, but for some bytes; return what fills it."""
    filler = folder / "filler"
    filler.unlink(missing_ok=True)
    filler.write_bytes(b"x" * max(0, shutil.disk_usage(folder).free - but))
    return filler


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Have nothing written in a folder, nor in any below it."""
    if os.geteuid():
        folders = [folder, *(one for one in folder.rglob("*") if one.is_dir())]
        for one in folders:
            one.chmod(0o555)
        try:
            yield
        finally:
            for one in folders:
                one.chmod(0o755)
        return
    # No mode keeps root from writing.
    _mount("--bind", str(folder), str(folder))
    try:
        _mount("-o", "remount,ro,bind", str(folder))
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _mount(*words: str) -> None:
    if os.geteuid() or not shutil.which("mount"):
        pytest.skip("mounting needs root and the right to mount")
    if subprocess.run(["mount", *words], capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root and the right to mount")
