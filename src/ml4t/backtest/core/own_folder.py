"""OwnFolder: a kind of folder that is ours, which says so itself; no other is written to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ml4t.backtest.core.workplace import place_beside, put_json
from ml4t.backtest.errors import BacktestError

# What is being written stands there before anything else does.
WRITING = "writing"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFolder:
    """What a folder of ours is called, and the file by which it is known.

    Attributes
    ----------
    what : str
        Such as ``"store of runs"``.
    marker : str
        Name of the file.
    form : mapping
        What stands in it.
    error : type of BacktestError
        What is raised where something else stands.
    """

    what: str
    marker: str
    form: Mapping[str, object]
    error: type[BacktestError]

    def is_at(self, path: Path) -> bool:
        """Say whether a folder says that it is one, of whichever form."""
        return (path / self.marker).is_file()

    def require(self, path: Path) -> None:
        """Refuse what is no folder of this kind, and does not become one without harm.

        Raises
        ------
        BacktestError
            Something else stands there, or one of another form, or it cannot be read.
        """
        try:
            is_there = path.exists()
            names = {item.name for item in path.iterdir()} if path.is_dir() else set()
            found = json.loads(self._marker(path)) if self.marker in names else self.form
        except ValueError as error:
            raise self.error(
                f"'{path}' cannot be a {self.what}: its '{self.marker}' is damaged, {error}; if it "
                f"is one, write {json.dumps(dict(self.form))} into that, else name another folder"
            ) from error
        except OSError as error:
            raise self.unusable(path, error) from error
        if is_there and not path.is_dir():
            raise self.error(f"'{path}' is no folder; a {self.what} is one")
        if self.marker not in names and (strangers := sorted(names - {WRITING})):
            raise self.error(
                f"'{path}' holds '{strangers[0]}' and is no {self.what}; name an empty folder, or "
                "one that is not there yet"
            )
        if found != self.form:
            raise self.error(
                f"'{path}' is a {self.what} of another form, {found}; this version of the package "
                f"reads {dict(self.form)}"
            )

    def make(self, path: Path) -> None:
        """Make the folder, or have an empty one say what it is.

        Raises
        ------
        OSError
            It cannot be made.
        """
        path.mkdir(parents=True, exist_ok=True)
        if not self.is_at(path):
            (path / WRITING).mkdir(exist_ok=True)
            with place_beside(path / WRITING / "marker") as place:
                put_json(path / self.marker, dict(self.form), place, syncs=True)

    def unusable(self, path: Path, error: Exception) -> BacktestError:
        """Return what says that there cannot be one."""
        return self.error(f"'{path}' cannot be a {self.what}: {error}")

    def _marker(self, path: Path) -> str:
        return (path / self.marker).read_text(encoding="utf-8")
