"""CheckRecord: what a run says of the check of a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class CheckRecord(NamedTuple):
    """A record that belongs to the file of a source.

    Attributes
    ----------
    name : str
        Of its file, without folder.
    sha256 : str
        Of all that it says.
    said : mapping
        What it says.
    """

    name: str
    sha256: str
    said: Mapping[str, Any]

    def facts(self) -> dict[str, object]:
        """Return what a run says of it."""
        cuts = [one["cut"] for one in self.said["cuts"] if one["problem"] is None]
        return {
            "record": self.name, "sha256": self.sha256, "function": self.said["function"],
            "cuts": cuts, "sources": sorted(self.said["sources"]), "made": self.said["made"],
            "versions": self.said["versions"],
        }  # fmt: skip

    def __str__(self) -> str:
        n_cuts = len(self.said["cuts"])
        return f"{self.name}: equals {self.said['function']['name']}, {n_cuts} cuts, nothing found"
