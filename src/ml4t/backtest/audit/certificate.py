"""Certificate: a run, its audit, and what they were made of, in one file that tells of changes.

1. The run is written as `BacktestResult.save` does, the tables of the audit beside it.
2. Every table of the file is hashed as it stands there, and the sources by their content.
3. A row of `audit.certificate` says so, with a hash of its own, which a key of the user signs.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from ml4t.backtest.audit.digests import rows_digest, table_digests
from ml4t.backtest.audit.signing import Signer
from ml4t.backtest.audit.unseen import UNSEEN
from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.computed.checked import file_hashes
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sql_files import quote
from ml4t.backtest.errors import ResultError
from ml4t.backtest.results.certified import (
    CERTIFICATE,
    CERTIFIED,
    CLEAN,
    NOT_CLEAN,
    write_audit,
    write_table,
)
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.results.run_facts import as_json
from ml4t.backtest.version import versions

CERTIFICATE_FORM = "ml4t-backtest/certificate/1"
# What the hash of a certificate is not of: itself, and what is said over it.
_OVER_IT = ("sha256", "public_key", "signature")


class AuditBasis(NamedTuple):
    """What an audit was made of.

    Attributes
    ----------
    asked : mapping of str to object
        The arguments of `BacktestEngine.audit` that repeat it.
    sources : callable
        Returns what identifies the content of each source, see `fingerprints`.
    """

    asked: Mapping[str, object]
    sources: Callable[[], list[dict[str, object]]]


def fingerprints(catalog: Catalog) -> list[dict[str, object]]:
    """Return what identifies each source: SHA-256 of its files, or of its rows."""
    database = catalog.prepare().database
    found = []
    for source in sorted(catalog.sources(), key=lambda one: one.name):
        facts: dict[str, object] = {"name": source.name, "role": source.role}
        if source.is_files and not source.urls:
            facts["files"] = file_hashes(source)
        else:
            columns = catalog.registered(source.name)[0]
            n_rows, digest = rows_digest(database, f"main.{quote(source.name)}", columns)
            facts |= {"rows": n_rows, "sha256": digest}
        found.append(facts)
    return found


def save_certified(
    result: BacktestResult,
    tables: Mapping[str, Any],
    found: tuple[str, bool],
    basis: AuditBasis,
    path: Path,
    key: object = None,
) -> Path:
    """Write a run with its audit and a certificate of both to a file of DuckDB.

    Parameters
    ----------
    tables : mapping of str to Arrow table
        Of the audit.
    found : tuple of str and bool
        Its title, and whether it is clean.
    key : str or Path, optional
        Of PEM, with the private key of Ed25519 that signs.

    Raises
    ------
    ConfigError
        `key` is none; or `cryptography` is not installed.
    ResultError
        As of `BacktestResult.save`; or `path` is no name of a file of DuckDB.
    """
    from ml4t.backtest.results.keeping.saving import FILE_SUFFIXES

    if path.suffix not in FILE_SUFFIXES:
        raise ResultError(
            f"an audit is saved to a file that ends in {' or '.join(FILE_SUFFIXES)}, was '{path}'"
        )
    signer = None if key is None else Signer(key)
    facts = {
        "form": CERTIFICATE_FORM, "run_id": result.run_id, "title": found[0],
        "verdict": CLEAN if found[1] else NOT_CLEAN, "asked": as_json(basis.asked),
        "versions": as_json({**versions(), "python": platform.python_version()}),
        "sources": as_json(basis.sources()), "unseen": as_json(list(UNSEEN)),
    }  # fmt: skip

    def write(writer: Database, name: str) -> None:
        write_audit(writer, tables)
        facts["tables"] = as_json(table_digests(writer, name))
        facts["made_at"] = datetime.now(UTC).isoformat(timespec="seconds")
        write_table(writer, CERTIFICATE, _row(_signed(facts, signer)))

    return result.save_with(path, write)


def certificate_digest(facts: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a certificate: of all that is signed."""
    over = {name: facts[name] for name in CERTIFIED if name not in _OVER_IT}
    return sha256(as_json(over).encode()).hexdigest()


def _signed(facts: Mapping[str, Any], signer: Signer | None) -> dict[str, Any]:
    digest = certificate_digest(facts)
    return {
        **facts,
        "sha256": digest,
        "public_key": None if signer is None else signer.public_key,
        "signature": None if signer is None else signer.sign(digest),
    }


def _row(facts: Mapping[str, Any]) -> Any:
    import pyarrow as pa

    return pa.table({name: pa.array([facts[name]], pa.string()) for name in CERTIFIED})
