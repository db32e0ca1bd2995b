"""Certified: what the file of an audited run has beside its own tables, in a schema of its own.

`audit.certificate` writes it. Here it is read, copied along, and said in one line.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sql_files import comment, quote, read, rows_of, schema_of, table_of
from ml4t.backtest.results.interchange import Queried

AUDIT_SCHEMA, CERTIFICATE = "audit", "certificate"
CLEAN, NOT_CLEAN = "clean", "not clean"
# Its columns, all of them texts: name, and what it means.
CERTIFIED = {
    "form": "what the certificate is, and its version",
    "run_id": "of the run",
    "title": "what the audit found, in one line",
    "verdict": "clean: nothing was proved wrong; not clean: look at `differences`, `fill_checks`",
    "asked": "what the audit was asked for, as JSON: the arguments of BacktestEngine.audit",
    "versions": "of the package, of what decides its numbers, and of Python, as JSON",
    "sources": "what identifies the content of each source, as JSON",
    "unseen": "what no audit sees, as JSON",
    "tables": "SHA-256 of what each other table of the file holds, as JSON",
    "made_at": "when it was made, UTC",
    "sha256": "of all the columns before",
    "public_key": "of Ed25519, 32 bytes in hex; NULL: not signed",
    "signature": "by that key, over sha256, 64 bytes in hex; NULL: not signed",
}


def key_fingerprint(public_key: str) -> str:
    """Return by what a public key in hex is called: 16 hex digits of its SHA-256."""
    return sha256(bytes.fromhex(public_key)).hexdigest()[:16]


def write_audit(writer: Database, tables: Mapping[str, Any]) -> None:
    """Make the tables of an audit, which are Arrow's, in the database that a session uses."""
    writer.execute(schema_of(AUDIT_SCHEMA))
    for name, rows in tables.items():
        write_table(writer, name, rows)


def write_table(writer: Database, name: str, rows: Any) -> None:
    """Make one more of them."""
    staged = f"__audit_{name}"
    writer.register(staged, rows)
    try:
        writer.execute(table_of(f"{AUDIT_SCHEMA}.{quote(name)}", rows_of(quote(staged))))
    finally:
        writer.unregister(staged)
    if name == CERTIFICATE:
        for column, text in CERTIFIED.items():
            writer.execute(comment(name, column, text, schema=AUDIT_SCHEMA))


def audit_tables_of(database: Database) -> dict[str, Any]:
    """Return the tables of its audit that a run which was opened brought along."""
    names = [name for (name,) in database.rows(read("certificate/opened"))]
    return {name: database.arrow(rows_of(f"{AUDIT_SCHEMA}.{quote(name)}")) for name in names}


def certificate_of(run: Queried) -> dict[str, Any] | None:
    """Return the certificate of a run; None: it has none, or of another form."""
    if (CERTIFICATE,) not in run.sql(read("certificate/opened")).fetchall():
        return None
    rows = run.sql(rows_of(f"{AUDIT_SCHEMA}.{CERTIFICATE}"))
    found = rows.fetchall()
    if len(found) != 1 or not {*CERTIFIED} <= {*rows.columns}:
        return None
    return dict(zip(rows.columns, found[0], strict=True))


def certificate_lines(run: Queried) -> list[str]:
    """Say what an audit of the run found, and who signed that; nothing where there is none."""
    found = certificate_of(run)
    return [] if found is None else [f"Audited: {found['title']}; {signed_by(found)}"]


def signed_by(certificate: Mapping[str, Any]) -> str:
    """Return who signed a certificate, as far as it says so itself."""
    public_key = certificate["public_key"]
    if not public_key:
        return "not signed"
    try:
        return f"signed, by its own word, with key {key_fingerprint(public_key)}"
    except ValueError:
        return "signed with what is no key"
