"""RememberingDatabase: a database that is not asked twice, not in another process either.

What it was told so far is a chain, and an answer belongs to a place in it: the same statements over
the same files have the same answers. So a statement that was run before is answered from a folder,
and what it was to make, such as a view, is put off. DuckDB is started by the first statement that
nobody ran before: what was put off is made then, in order.

1. The chain begins with versions and zone (`digests`). What is seen by every session, such as a
   view, or the files of a source, is a link of it.
2. Temporary tables and registered arrays are a session's own: they have digests by their names, and
   a statement depends on those that its text names.
3. What cannot be told for sure, such as a query that a user registered as a source, has no digest,
   nor has anything after it: it is run as by any `Database`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np

from ml4t.backtest.data.database import UTC, Arrays, Database, TempTable
from ml4t.backtest.data.prepared_store.answers import Answers
from ml4t.backtest.data.prepared_store.digests import (
    digest_of,
    frame_digest,
    parameters_text,
    root_digest,
)
from ml4t.backtest.data.prepared_store.packs import Kept

if TYPE_CHECKING:
    from ml4t.backtest.data.objects.listing import StoredObject

# How a statement begins that only reads.
_READS = re.compile(r"\s*\(*\s*(select|with|from|values|describe)\b", re.IGNORECASE)
# Arrays up to that are given away as copies, which their taker may write to.
_COPIED = 1 << 20


class _Shared:
    """What the sessions of one database have in common."""

    def __init__(self, answers: Answers, settings: dict[str, Any]) -> None:
        self.answers, self.settings = answers, settings
        self.turn = RLock()
        self.chain: str | None = root_digest(settings["timezone"])
        self.reasons: list[str] = []


class RememberingDatabase(Database):
    """A session of a database that keeps what it answers.

    Parameters
    ----------
    answers : Answers
        What was kept, and where more is.
    threads, memory_limit, keeps_order, timezone
        As of `Database`.
    """

    def __init__(
        self,
        answers: Answers,
        *,
        threads: int | None = None,
        memory_limit: str | None = None,
        keeps_order: bool = True,
        timezone: str = UTC,
    ) -> None:
        settings = {
            "threads": threads, "memory_limit": memory_limit, "keeps_order": keeps_order,
            "timezone": timezone,
        }  # fmt: skip
        self._begin(_Shared(answers, settings), None, {})

    def _begin(
        self, shared: _Shared, parent: RememberingDatabase | None, named: dict[str, str | None]
    ) -> None:
        self.timezone, self._listener = shared.settings["timezone"], None
        self._shared, self._parent = shared, parent
        self._named = named
        self._put_off: list[tuple[str, tuple[Any, ...]]] = []
        self._database: Database | None = None
        self._is_making = False

    # -- what is behind it ------------------------------------------------------------

    @property
    def live(self) -> Database:
        """The session of DuckDB, with all that was put off."""
        with self._shared.turn:
            if self._database is None:
                found = self._parent.live.cursor() if self._parent else self._started()
                for method, arguments in self._put_off:
                    getattr(found, method)(*arguments)
                self._put_off, self._database = [], found
            return self._database

    def _started(self) -> Database:
        return Database(**self._shared.settings)

    # What `Database` does with its connection is done with that of the live session.
    @property
    def _connection(self) -> Any:  # type: ignore[override]
        return self.live._connection

    @property
    def _frames(self) -> dict[str, object]:  # type: ignore[override]
        return self.live._frames

    # -- the chain --------------------------------------------------------------------

    @property
    def chain(self) -> str | None:
        """Where the database is in its chain; None: beyond what can be told."""
        return self._shared.chain

    @property
    def reasons(self) -> list[str]:
        """Why nothing is kept any more, as far as it is so."""
        return self._shared.reasons

    def move_to(self, answers: Answers) -> None:
        """Find answers elsewhere from now on, and keep them there."""
        self._shared.answers = answers

    def depends_on(self, what: str, text: str | None) -> None:
        """Have all from now on depend on something besides; None: on what nobody can tell."""
        self._link(None if text is None else digest_of(what, text), what)

    def _link(self, digest: str | None, why: str) -> None:
        shared = self._shared
        with shared.turn:
            if digest is None and shared.chain is not None:
                shared.reasons.append(why)
            shared.chain = digest_of(shared.chain, digest) if shared.chain and digest else None

    def _digest(self, kind: str, text: str, more: str | None = "", *, but: str = "") -> str | None:
        """Return the digest of something that is asked; None: it has none."""
        chain = self._shared.chain
        named = [name for name in self._named if name in text and name != but]
        parts = [self._named[name] for name in named]
        if chain is None or more is None or None in parts:
            return None
        return digest_of(chain, kind, text, more, *named, *map(str, parts))

    # -- statements -------------------------------------------------------------------

    def cursor(self) -> Database:
        """Return a second session, with no table of this one."""
        other = object.__new__(RememberingDatabase)
        frames = {name: one for name, one in self._named.items() if not name.startswith("temp.")}
        other._begin(self._shared, self, frames)
        return other

    def execute(self, statement: str, parameters: Mapping[str, object] | None = None) -> None:
        """Run a statement for its effect, or put it off."""
        digest = self._digest("execute", statement, parameters_text(parameters))
        self._do(digest, "execute", statement, parameters)
        tables = [name for name in self._named if name.startswith("temp.") and name in statement]
        for name in tables:
            self._named[name] = digest
        if not tables:
            untold = [name for name, one in self._named.items() if one is None]
            self._link(digest, next((name for name in untold if name in statement), "a statement"))

    def _make(
        self, table: TempTable, statement: str, parameters: Mapping[str, object] | None
    ) -> None:
        digest = self._digest("table", statement, parameters_text(parameters), but=table)
        self._do(digest, "execute", statement, parameters)
        self._named[table] = digest

    def rows(
        self, query: str, parameters: Mapping[str, object] | None = None
    ) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        if _READS.match(query):
            found = self._ask_for(
                "rows", query, parameters, lambda db: Kept(rows=db.rows(query, parameters))
            )
        else:
            found = self._change(query, parameters)
        return list(found.rows or ())

    def records(
        self, query: str, parameters: Mapping[str, object] | None = None
    ) -> list[dict[str, Any]]:
        """Return all rows of a query as mappings."""

        def ask(database: Database) -> Kept:
            records = database.records(query, parameters)
            names = tuple(records[0]) if records else ()
            return Kept(rows=[tuple(one.values()) for one in records], names=names)

        found = self._ask_for("records", query, parameters, ask)
        return [dict(zip(found.names, row, strict=True)) for row in found.rows or ()]

    def numpy(self, query: str, parameters: Mapping[str, object] | None = None) -> Arrays:
        """Return a query's columns as arrays; of kept ones the large cannot be written to."""
        found = self._ask_for(
            "numpy", query, parameters, lambda db: Kept(arrays=db.numpy(query, parameters))
        )
        return _own(found.arrays or {})

    def schema(self, query: str) -> dict[str, str]:
        """Return the columns of a query with their types."""
        found = self._ask_for(
            "schema", query, None, lambda db: Kept(rows=list(db.schema(query).items()))
        )
        return dict(found.rows or ())

    def columns(
        self, about: Mapping[str, Sequence[object]], make: Callable[[list[str]], Arrays]
    ) -> Arrays:
        """Return arrays; those alone are made that are not kept."""
        answers = self._shared.answers
        digests = {name: self._digest("column", repr(one), "") for name, one in about.items()}
        found = {}
        for name, digest in digests.items():
            kept = None if digest is None or self._is_making else answers.find(digest)
            if kept is not None and kept.arrays is not None:
                found[name] = kept.arrays["values"]
        missing = [name for name in about if name not in found]
        if not missing:
            return found
        made = self._made(lambda: make(missing))
        for name in missing:
            digest = digests[name]
            if digest is not None and not self._is_making:
                answers.keep(digest, Kept(arrays={"values": made[name]}))
        return found | made

    def _made(self, make: Callable[[], Arrays]) -> Arrays:
        """Make arrays; what is asked for them is not kept, since they are."""
        was_making, before = self._is_making, dict(self._named)
        self._is_making = True
        try:
            return make()
        finally:
            self._is_making = was_making
            # Who finds them kept does not make these tables.
            for name, digest in self._named.items():
                if before.get(name) != digest:
                    self._named[name] = None

    def register(self, name: str, source: object) -> None:
        """Make rows in memory readable under `name`."""
        with self._shared.turn:
            self._named[name] = frame_digest(source)
            self._apply("register", name, source)

    def unregister(self, name: str) -> None:
        """Undo `register`."""
        with self._shared.turn:
            self._named.pop(name, None)
            self._apply("unregister", name)

    def serve(self, objects: Iterable[StoredObject]) -> None:
        """Have objects be readable by their URLs, from when DuckDB is started."""
        with self._shared.turn:
            self._apply("serve", objects)

    def lock(self, files: Sequence[str] = ()) -> None:
        """Keep user SQL to some files, from when DuckDB is started."""
        with self._shared.turn:
            self._apply("lock", files)

    def _ask_for(
        self,
        kind: str,
        query: str,
        parameters: Mapping[str, object] | None,
        ask: Callable[[Database], Kept],
    ) -> Kept:
        """Return what is kept of a question, or ask it and keep the answer."""
        digest = self._digest(kind, query, parameters_text(parameters))
        if self._is_making:
            digest = None
        found = self._shared.answers.find(digest) if digest else None
        if found is None:
            found = ask(self.live)
            if digest:
                self._shared.answers.keep(digest, found)
        return found

    def _change(self, query: str, parameters: Mapping[str, object] | None) -> Kept:
        """Run a statement that changes rows and returns how many, or put it off."""
        digest = self._digest("rows", query, parameters_text(parameters))
        found = self._shared.answers.find(digest) if digest else None
        with self._shared.turn:
            if found is not None and self._database is None:
                self._put_off.append(("rows", (query, parameters)))
            else:
                found = Kept(rows=self.live.rows(query, parameters))
                if digest:
                    self._shared.answers.keep(digest, found)
        self._link(digest, "a statement")
        return found

    def _do(self, digest: str | None, method: str, *arguments: Any) -> None:
        """Run a statement for its effect, or put it off if it went well before."""
        answers = self._shared.answers
        with self._shared.turn:
            is_known = digest is not None and not self._is_making
            if self._database is None and is_known and digest and answers.find(digest):
                self._put_off.append((method, arguments))
                return
            database = self.live
        getattr(database, method)(*arguments)
        if is_known and digest:
            answers.keep(digest, Kept())

    def _apply(self, method: str, *arguments: Any) -> None:
        """Do what cannot fail now, or when DuckDB is started."""
        if self._database is None:
            self._put_off.append((method, arguments))
        else:
            getattr(self._database, method)(*arguments)


def _own(arrays: Arrays) -> Arrays:
    """Return arrays of which the small ones may be written to."""
    return {
        name: np.array(values)
        if not values.flags.writeable and values.nbytes <= _COPIED
        else values
        for name, values in arrays.items()
    }
