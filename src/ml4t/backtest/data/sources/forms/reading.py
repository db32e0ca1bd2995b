"""Reading: what a user says of how files are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ml4t.backtest.errors import ConfigError

FILENAME = "filename"
BY_FOLDER = "folder"


class FileReading(NamedTuple):
    """How the files of a source are read, where their kind leaves it open.

    Attributes
    ----------
    table : str or None
        Of a file that has several.
    asset_by : str or None
        Each file is of one asset, called as the file is, or as the folder in which it is.
    null_values : tuple of str
        Texts that stand for a missing value, in every column but that of the asset.
    """

    table: str | None = None
    asset_by: str | None = None
    null_values: tuple[str, ...] = ()

    @property
    def by_file(self) -> bool:
        """Whether each file is of one asset, by its path."""
        return self.asset_by is not None

    def facts(self) -> dict[str, object]:
        """Return what is part of a source's content: other values are other rows."""
        facts: dict[str, object] = {}
        if self.table is not None:
            facts["table"] = self.table
        if self.by_file:
            facts["asset_id"] = self.asset_by
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
    if asset_id is not None and not (
        isinstance(asset_id, str) and asset_id in (FILENAME, BY_FOLDER)
    ):
        raise ConfigError(
            "asset_id must be 'filename' or 'folder', for files of one asset each, was "
            f"{asset_id!r}; a column is named by columns={{'asset_id': {asset_id!r}}}"
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
        table=table, asset_by=asset_id, null_values=tuple(dict.fromkeys(null_values))
    )
