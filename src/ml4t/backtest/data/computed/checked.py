"""Checked: what a check of a file said of it, bound to the file and its sources by hashes.

`audit.checking.check_features` writes it. Here it is read again: the file must be the one that was
checked, to the byte, and the sources must have the rows of then, by their values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from ml4t.backtest.data.computed.check_record import CheckRecord
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import quote, render
from ml4t.backtest.errors import ConfigError, DataError, require_path

RECORD_FORM = "ml4t-backtest/feature-check/1"
_ANEW = "check it anew with audit.check_features"
# Beside what a run cites of it.
_KEYS = ("role", "files", "sources", "function", "cuts", "findings", "versions", "made")


def record_of(path: object, source: Source) -> CheckRecord:
    """Return the record of a check of a source's files.

    Raises
    ------
    ConfigError
        There is no such record, or the source is none of local files.
    DataError
        It is of other files, it found something, or it could try nothing.
    """
    file = require_path("checked_by", path, "the file of a record that check_features wrote")
    if not source.is_files or source.urls:
        raise ConfigError(
            f"checked_by is of local files, and source {source.name!r} is none; register the "
            "function itself, or write what it makes to a file"
        )
    try:
        data = file.read_bytes()
        said = json.loads(data)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"checked_by: '{file}' is no record of a check: {error}; pass the file that "
            "check_features wrote"
        ) from error
    if (
        not isinstance(said, dict)
        or said.get("schema") != RECORD_FORM
        or not {*_KEYS} <= said.keys()
    ):
        raise ConfigError(f"checked_by: '{file}' is no record of the form {RECORD_FORM}")
    record = CheckRecord(file.name, sha256(data).hexdigest(), said)
    if said["role"] != source.role:
        raise DataError(
            source.name, "checked", f"is of role {source.role}, and '{file.name}' is the record "
            f"of a check of {said['role']}",
        )  # fmt: skip
    if said["findings"]:
        first = said["findings"][0]
        raise DataError(
            source.name, "checked", f"was found by its check to know what came later: "
            f"{first['column'] or 'a row'} at {first['bar']} is {first['whole']}, and "
            f"{first['known']} of what was known at {first['cut']}; mend {said['function']['name']}"
            ", or register the file without checked_by",
        )  # fmt: skip
    if not record.facts()["cuts"]:
        why = "; ".join({str(one["problem"]) for one in said["cuts"]}) or "there are too few bars"
        raise DataError(
            source.name, "checked", f"was tried at no cut by '{file.name}', which says nothing "
            f"then: {why}",
        )  # fmt: skip
    require_same_files(source, record)
    return record


def require_same_files(source: Source, record: CheckRecord) -> None:
    """Refuse files that are not those that a record is of.

    Raises
    ------
    DataError
    """
    then, now = record.said["files"], file_hashes(source)
    if [one["sha256"] for one in then] != [one["sha256"] for one in now]:
        # By content: under another name, or in another folder, it is the same file.
        names = ", ".join(str(one["name"]) for one in now)
        raise DataError(
            source.name, "checked", f"is not the file that '{record.name}' is a check of: "
            f"{names} changed since {record.said['made']}, or is another; {_ANEW}",
        )  # fmt: skip


def require_same_sources(
    sources: Mapping[str, Source], found: Mapping[str, Mapping[str, str]], database: Database
) -> None:
    """Refuse a file whose check read other rows of a source that is here.

    Raises
    ------
    DataError
    """
    known: dict[str, dict[str, object]] = {}
    for source in sources.values():
        if source.checked is None:
            continue
        for name, then in source.checked.said["sources"].items():
            if name not in sources:
                continue
            if name not in known:
                known[name] = content_of(name, found[name], database)
            if then != known[name]:
                raise DataError(
                    source.name, "checked", f"was checked over other rows of source {name!r}, or "
                    f"by another version of DuckDB: {_shown(then)} then, {_shown(known[name])} "
                    f"now; {_ANEW}",
                )  # fmt: skip


def content_of(name: str, columns: Mapping[str, str], database: Database) -> dict[str, object]:
    """Return what identifies the rows of a source by their values, whatever it is read from."""
    query = render("register/content_hash", source=f"main.{quote(name)}")
    n_rows, content = database.rows(query)[0]
    listed = [list(item) for item in columns.items()]
    return {"columns": listed, "rows": n_rows, "content_hash": str(content)}


def file_hashes(source: Source) -> list[dict[str, object]]:
    """Return name, size and hash of the files of a source, in the order of their paths."""
    found = []
    for path in source.files():
        facts = path.stat()
        digest = _digest(path, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
        found.append({"name": path.name, "bytes": facts.st_size, "sha256": digest})
    return found


@lru_cache(maxsize=256)
def _digest(path: Path, n_bytes: int, modified: int, changed: int) -> str:  # noqa: ARG001 - keys
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _shown(content: Mapping[str, Any]) -> str:
    return f"{content['rows']:,} rows of content {content['content_hash'][:12]}"
