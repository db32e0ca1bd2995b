"""Arrow: Feather and Arrow IPC files, as a dataset that DuckDB scans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sources.files import folder_values
from ml4t.backtest.data.sources.forms.scan import (
    Scan,
    asset_at,
    missing_columns,
    require_in_every_file,
    require_no_asset_id,
)
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.errors import DataError


def scan_arrow(source: Source, files: Sequence[Path], database: Database) -> Scan:  # noqa: ARG001
    """Return the rows of Arrow files, whose columns go together by name.

    Raises
    ------
    DataError
        A file is no Arrow IPC file, or a column has several types.
    """
    import pyarrow as pa
    import pyarrow.dataset as ds

    try:
        parts = [ds.dataset(str(file), format="ipc") for file in files]
        schemas = [part.schema for part in parts]
        n_rows = [part.count_rows() for part in parts]
    except (OSError, ValueError) as error:
        raise _unreadable(source, files, error) from error
    named = [([file], schema.names) for file, schema in zip(files, schemas, strict=True)]
    keys = [folder_values(str(file)) for file in files]
    named = [([f], [*n, *key]) for ([f], n), key in zip(named, keys, strict=True)]
    if source.reading.by_file:
        require_no_asset_id(source, named[0][1], str(files[0]))
    require_in_every_file(source, named)
    whole = _schema(source, files, schemas)
    having = Counter(name.lower() for schema in schemas for name in schema.names)
    lacking: Counter[str] = Counter()
    for schema, n in zip(schemas, n_rows, strict=True):
        lacking.update({name: n for name in whole.names if name not in schema.names})
    names = {name.lower(): name for name in whole.names}
    changes = missing_columns(names, having, len(files), {k.lower(): v for k, v in lacking.items()})
    if not source.reading.by_file and not any(keys):
        return Scan(rows=ds.dataset([str(f) for f in files], schema=whole, format="ipc"),
                    changes=changes)  # fmt: skip
    # Names of files and folders are no part of what a dataset hands over: the rows are read.
    tables: list[Any] = []
    for file, said in zip(files, keys, strict=True):
        table = ds.dataset(str(file), schema=whole, format="ipc").to_table()
        said = said | ({"asset_id": asset_at(source, file)} if source.reading.by_file else {})
        for key, value in said.items():
            table = table.append_column(key, pa.array([value] * table.num_rows, pa.string()))
        tables.append(table)
    return Scan(rows=pa.concat_tables(tables, promote_options="default"), changes=changes)


def _schema(source: Source, files: Sequence[Path], schemas: Sequence[Any]) -> Any:
    """Return all columns; a column without any value in a file has the type of the others."""
    import pyarrow as pa

    fields: dict[str, tuple[Any, Path]] = {}
    for file, schema in zip(files, schemas, strict=True):
        for field in schema:
            known = next((name for name in fields if name.lower() == field.name.lower()), None)
            if known is None:
                fields[field.name] = (field.type, file)
                continue
            kind, first = fields[known]
            if known != field.name:
                raise DataError(
                    source.name, "columns", f"has columns '{known}' in {first} and '{field.name}' "
                    f"in {file}, which are one to SQL; spell both alike",
                )  # fmt: skip
            if pa.types.is_null(kind):
                fields[known] = (field.type, file)
            elif field.type != kind and not pa.types.is_null(field.type):
                raise DataError(
                    source.name, "types", f"has column '{known}' of type {kind} in {first} and "
                    f"{field.type} in {file}; store it in one type",
                )  # fmt: skip
    return pa.schema([(name, kind) for name, (kind, _) in fields.items()])


def _unreadable(source: Source, files: Sequence[Path], error: Exception) -> DataError:
    first = str(error).splitlines()[0]
    way_out = (
        "write it with pyarrow.feather.write_feather(table, path), or register the table that "
        "pyarrow.ipc.open_stream(path).read_all() returns where it is a stream"
    )
    return DataError(source.name, "readable", f"could not be read: {files[0]}: {first}; {way_out}")
