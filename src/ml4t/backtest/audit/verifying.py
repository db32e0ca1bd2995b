"""Verifying: whether the file of an audited run is what was saved, who signed it, and a replay.

1. Every table must have the hash that the certificate has of it, and the certificate its own.
2. The signature must be over that hash; with a key at hand, by that key.
3. Files of sources that are at hand must be those of then.
4. With an engine the audit is done again as it was asked for, and must find the same.
"""

from __future__ import annotations

import json
import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from ml4t.backtest.audit.certificate import CERTIFICATE_FORM, certificate_digest
from ml4t.backtest.audit.digests import table_digests
from ml4t.backtest.audit.signing import has_signed, public_key_of
from ml4t.backtest.data.database import Database, EngineError
from ml4t.backtest.data.sql_files import quote, rows_of
from ml4t.backtest.errors import BacktestError, ResultError
from ml4t.backtest.results.certified import AUDIT_SCHEMA, CERTIFICATE, CERTIFIED, key_fingerprint
from ml4t.backtest.results.keeping.opening import attached
from ml4t.backtest.results.keeping.paths import usable_path
from ml4t.backtest.results.store import open_store
from ml4t.backtest.version import versions

_CERTIFICATE = f"{AUDIT_SCHEMA}.{CERTIFICATE}"
_RUNS = "main.runs"
# What another run over the same has of its own; sources are compared by their content.
_OF_ITS_OWN = ("run_id", "started_at", "finished_at", "sources", "versions")


class CheckOutcome(StrEnum):
    """What came of a check."""

    HOLDS = "holds"
    FAILS = "fails"
    NOT_CHECKED = "not checked"


class Replayable(Protocol):
    """An engine that repeats an audit."""

    @property
    def audit(self) -> Callable[..., Any]:
        """Returns the audit that is asked for."""


@dataclass(frozen=True, slots=True)
class VerifyCheck:
    """One check of a file: which, what came of it, and what it says."""

    check: str
    outcome: CheckOutcome
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What `verify` found.

    Attributes
    ----------
    path : Path
        The file.
    run_id : str or None
    signed_by : str or None
        Fingerprint of the public key whose signature holds; None: there is none.
    checks : tuple of VerifyCheck
    """

    path: Path
    run_id: str | None
    signed_by: str | None
    checks: tuple[VerifyCheck, ...]

    @property
    def is_valid(self) -> bool:
        """No check failed; what was not checked says why."""
        return all(one.outcome is not CheckOutcome.FAILS for one in self.checks)

    def __str__(self) -> str:
        lines = [f"{one.check}: {one.outcome}: {one.says}" for one in self.checks]
        return "\n".join([*lines, f"{self.path}: {'valid' if self.is_valid else 'NOT valid'}"])


def verify(
    path: str | Path, engine: Replayable | None = None, *, key: str | Path | None = None
) -> Verification:
    """Hold the file of an audited run to its certificate, and repeat the audit.

    Parameters
    ----------
    path : str or Path
        A file that `Audit.save` wrote.
    engine : BacktestEngine, optional
        Of the strategy, settings and sources of the run: the audit is done again as it was asked
        for. What differs, and whether the sources are others, is told.
    key : str or Path, optional
        A file of PEM with the public key of Ed25519 that must have signed.

    Returns
    -------
    Verification

    Raises
    ------
    ConfigError
        `key` is no such file; or `cryptography`, which signatures need, is not installed.
    ResultError
        There is no file of DuckDB at `path`.
    """
    file = usable_path(path, "that of a saved run")
    if not file.is_file():
        raise ResultError(f"there is no file '{file}'")
    known = None if key is None else public_key_of(key)
    try:
        with attached(open_store(), file) as database:
            digests = table_digests(database, "run")
            certificate = _certificate(database, digests)
            recorded = _records(database, _RUNS) if _RUNS in digests else []
    except EngineError as error:
        raise ResultError(f"'{file}' is no saved run: {str(error).splitlines()[0]}") from error
    if certificate is None:
        says = f"there is no {_CERTIFICATE} of the form {CERTIFICATE_FORM}; Audit.save"
        missing = _fails("certificate", f"{says} writes one")
        return Verification(path=file, run_id=None, signed_by=None, checks=(missing,))
    checks = [_of_tables(digests, certificate), _of_certificate(certificate)]
    signature = _of_signature(certificate, known)
    checks += signature
    if any(one.outcome is CheckOutcome.FAILS for one in checks[:2]):
        why = "the file says something else than what was saved"
        checks += [_not_checked("sources", why), _not_checked("replay", why)]
    elif engine is None:
        checks += [
            _of_recorded(certificate, recorded),
            _not_checked("replay", "no engine and no run file were given"),
        ]
    else:
        checks += _replayed(file, certificate, engine)
    is_signed = signature[0].outcome is CheckOutcome.HOLDS
    signed_by = key_fingerprint(certificate["public_key"]) if is_signed else None
    return Verification(
        path=file, run_id=certificate["run_id"], signed_by=signed_by, checks=tuple(checks)
    )


def _holds(check: str, says: str) -> VerifyCheck:
    return VerifyCheck(check, CheckOutcome.HOLDS, says)


def _fails(check: str, says: str) -> VerifyCheck:
    return VerifyCheck(check, CheckOutcome.FAILS, says)


def _not_checked(check: str, says: str) -> VerifyCheck:
    return VerifyCheck(check, CheckOutcome.NOT_CHECKED, says)


def _certificate(database: Database, digests: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the row of a certificate; None: there is none that can be read."""
    rows = _records(database, _CERTIFICATE) if _CERTIFICATE in digests else []
    if len(rows) != 1 or set(rows[0]) != set(CERTIFIED) or rows[0]["form"] != CERTIFICATE_FORM:
        return None
    texts = all(isinstance(one, str | None) for one in rows[0].values())
    return rows[0] if texts else None


def _records(database: Database, name: str) -> list[dict[str, Any]]:
    place = ".".join(map(quote, ("run", *name.split("."))))
    return database.records(rows_of(place))


def _of_tables(digests: Mapping[str, str], certificate: Mapping[str, Any]) -> VerifyCheck:
    now = {name: digest for name, digest in digests.items() if name != _CERTIFICATE}
    changed = _changed(_json(certificate, "tables", {}), now)
    if changed:
        return _fails("tables", f"not what was saved: {', '.join(changed)}")
    return _holds("tables", f"all {len(now)} are what was saved")


def _changed(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return what differs between two mappings by name, and how where one has it alone."""
    found = [name for name in then if name in now and then[name] != now[name]]
    found += [f"{name} (gone)" for name in then if name not in now]
    return sorted(found + [f"{name} (added)" for name in now if name not in then])


def _of_certificate(certificate: Mapping[str, Any]) -> VerifyCheck:
    if certificate_digest(certificate) != certificate["sha256"]:
        says = f"{_CERTIFICATE} was changed: it is not what its hash is of"
        return _fails("certificate", says)
    says = f"{certificate['verdict']}: {certificate['title']} ({certificate['made_at']})"
    return _holds("certificate", says)


def _of_signature(certificate: Mapping[str, Any], known: str | None) -> list[VerifyCheck]:
    public, signature = certificate["public_key"], certificate["signature"]
    if (public is None) is not (signature is None):
        gone = "signature" if signature is None else "public key"
        return [_fails("signature", f"it is half of one: the {gone} is gone")]
    if not public or not signature:
        says = "not signed: whoever changes a table can write the hashes anew"
        unsigned = CheckOutcome.NOT_CHECKED if known is None else CheckOutcome.FAILS
        return [VerifyCheck("signature", unsigned, says)]
    if not has_signed(public, signature, certificate_digest(certificate)):
        says = "it is not by the key of the certificate, or not over this certificate"
        return [_fails("signature", says)]
    signed = _holds("signature", f"by key {key_fingerprint(public)}")
    if known is None:
        says = f"that key {key_fingerprint(public)} is whom you think: give its public half as key"
        return [signed, _not_checked("key", says)]
    if known != public:
        says = (
            f"signed with {key_fingerprint(public)}, and the key given is {key_fingerprint(known)}"
        )
        return [signed, _fails("key", says)]
    return [signed, _holds("key", "it is the key given")]


def _of_recorded(certificate: Mapping[str, Any], recorded: list[dict[str, Any]]) -> VerifyCheck:
    try:
        return _of_files(certificate, recorded)
    except (AttributeError, KeyError, TypeError, ValueError):  # it may be anybody's file
        return _fails("sources", "what the file says of its sources cannot be read")


def _of_files(certificate: Mapping[str, Any], recorded: list[dict[str, Any]]) -> VerifyCheck:
    """Hold the files that the run read to what they were, where they are at hand."""
    from hashlib import file_digest

    paths = {
        one["name"]: [Path(file["path"]) for file in one.get("files", []) if "path" in file]
        for row in recorded for one in _json(row, "sources", [])
    }  # fmt: skip
    changed, away, n_same = [], [], 0
    for one in _json(certificate, "sources", []):
        then, found = [file["sha256"] for file in one.get("files", [])], paths.get(one["name"], [])
        if not then or len(found) != len(then) or not all(path.is_file() for path in found):
            away.append(one["name"])
            continue
        now = []
        for path in found:
            with path.open("rb") as file:
                now.append(file_digest(file, "sha256").hexdigest())
        changed += [one["name"]] if now != then else []
        n_same += now == then
    if changed:
        says = f"not the files of then: {', '.join(changed)}"
        return _fails("sources", says)
    without = f"; not at hand: {', '.join(away)}" if away else ""
    if not n_same:
        return _not_checked("sources", f"no file of one is here{without}")
    return _holds("sources", f"{n_same} are the files of then{without}")


def _replayed(
    file: Path, certificate: Mapping[str, Any], engine: Replayable
) -> Iterator[VerifyCheck]:
    """Repeat an audit, and compare its sources and all its tables."""
    asked = _json(certificate, "asked", {})
    with tempfile.TemporaryDirectory(prefix="ml4t-backtest-") as folder:
        try:
            again = engine.audit(**asked).save(Path(folder) / "run.duckdb")
        except (BacktestError, TypeError) as error:
            says = f"the audit could not be repeated: {str(error).splitlines()[0]}"
            yield _fails("replay", says)
            return
        then, runs_then, _ = _comparable(file)
        now, runs_now, certificate_now = _comparable(again)
    assert certificate_now is not None
    sources_then, sources_now = (
        {one["name"]: one for one in _json(each, "sources", [])}
        for each in (certificate, certificate_now)
    )
    other = _changed(sources_then, sources_now)
    if other:
        yield _fails("sources", f"not those of then: {', '.join(other)}")
    else:
        yield _holds("sources", f"all {len(sources_now)} are those of then")
    changed = _changed(then, now) + [f"runs.{name}" for name in _changed(runs_then, runs_now)]
    with_what = _other_versions(certificate)
    if changed:
        says = f"the audit says something else now: {', '.join(changed)}{with_what}"
        yield _fails("replay", says)
    else:
        says = f"{len(now) + 1} tables are the same when all is done again{with_what}"
        yield _holds("replay", says)


def _comparable(
    file: Path,
) -> tuple[dict[str, str], dict[str, Any], dict[str, Any] | None]:
    """Return the hashes of tables without what each run has of its own, facts, and certificate."""
    with attached(open_store(), file) as database:
        digests = table_digests(database, "run", without=("run_id",))
        certificate = _certificate(database, digests)
        facts = _records(database, _RUNS)[0] if _RUNS in digests else {}
    own = {name: one for name, one in facts.items() if name not in _OF_ITS_OWN}
    return {
        name: one for name, one in digests.items() if name not in (_CERTIFICATE, _RUNS)
    }, own, certificate  # fmt: skip


def _other_versions(certificate: Mapping[str, Any]) -> str:
    now = {**versions(), "python": platform.python_version()}
    then = _json(certificate, "versions", {})
    other = [f"{name} {then.get(name)} then, {now[name]} now" for name in now
             if then.get(name) != now[name]]  # fmt: skip
    return f"; with {', '.join(other)}" if other else ""


def _json(certificate: Mapping[str, Any], name: str, default: Any) -> Any:
    """Return what a column says; the default of one that was changed into something else."""
    try:
        found = json.loads(certificate[name])
    except (TypeError, ValueError):
        return default
    return found if isinstance(found, type(default)) else default
