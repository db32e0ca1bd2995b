"""Reading: what a user says of how files are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ml4t.backtest.errors import ConfigError

FILENAME = "filename"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReading:
    """How the files of a source are read, where their kind leaves it open.

    Attributes
    ----------
    table : str or None
        Of a file that has several.
    by_file : bool
        Each file is one asset, called as the file is.
    null_values : tuple of str
        Texts that stand for a missing value, in every column but that of the asset.
    """

    table: str | None = None
    by_file: bool = False
    null_values: tuple[str, ...] = ()

    def facts(self) -> dict[str, object]:
        """Return what is part of a source's content: other values are other rows."""
        facts: dict[str, object] = {}
        if self.table is not None:
            facts["table"] = self.table
        if self.by_file:
            facts["asset_id"] = FILENAME
        if self.null_values:
            facts["null_values"] = list(self.null_values)
        return facts


# Of all that says nothing.
PLAINLY = FileReading()


def reading_of(table: object, asset_id: object, null_values: object) -> FileReading:
    """Return what a user says, once it can be meant.

    Raises
    ------
    ConfigError
    """
    if table is not None and (not isinstance(table, str) or not table.strip()):
        raise ConfigError(f"table must be the name of a table in the file, was {table!r}")
    if asset_id not in (None, FILENAME):
        raise ConfigError(
            f"asset_id must be 'filename', for files of one asset each, was {asset_id!r}; a column "
            f"is named by columns={{'asset_id': {asset_id!r}}}"
        )
    if null_values is None:
        null_values = ()
    if (
        isinstance(null_values, str)
        or not isinstance(null_values, Sequence)
        or not all(isinstance(one, str) for one in null_values)
    ):
        raise ConfigError(
            "null_values must be a list of the texts that stand for a missing value, such as "
            f"['NA', '-'], was {null_values!r}"
        )
    return FileReading(
        table=table, by_file=asset_id == FILENAME, null_values=tuple(dict.fromkeys(null_values))
    )
