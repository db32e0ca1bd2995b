"""Keeper: what a catalog does with a store of prepared data, from its first source to its runs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import time_ns
from typing import Any

from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.prepared_store.answers import Answers
from ml4t.backtest.data.prepared_store.digests import files_text, is_settled
from ml4t.backtest.data.prepared_store.remembering import RememberingDatabase
from ml4t.backtest.data.prepared_store.store import PreparedStore
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.errors import ConfigError


class Keeper:
    """Has a catalog's database remember, and its answers kept.

    Parameters
    ----------
    store : PreparedStore

    Attributes
    ----------
    must_keep : bool
        What cannot be kept is an error; else a warning, once.
    """

    _database: RememberingDatabase

    def __init__(self, store: PreparedStore) -> None:
        self.store = store
        self._answers: list[Answers] = []
        self._files: dict[str, str | None] = {}
        self.must_keep = self._has_said = False

    def another(self) -> Keeper:
        """Return one for another catalog, over the same store."""
        return Keeper(self.store)

    def connect(self, settings: Mapping[str, Any]) -> RememberingDatabase:
        """Return the database of a catalog that has no sources yet."""
        for answers in self._answers:
            answers.close()
        self._answers, self._files = [self.store.registered()], {}
        self._database = RememberingDatabase(self._answers[0], **settings)
        return self._database

    def attach(self, source: Source) -> None:
        """Have the database depend on a source that is being attached; rows in memory tell it."""
        if source.is_files or isinstance(source.given, str):
            text = files_text(source)
            self._files[source.name] = text
            self._database.depends_on(source.name, text)

    def enter(self, sources: Mapping[str, Source]) -> None:
        """Find from now on what is kept of these sources together."""
        database = self._database
        if database.chain is None:
            self._say_unkept()
            return
        paths = {name: source.paths() for name, source in sources.items()}
        told: dict[str, Any] = {
            "paths": paths,
            "files": {name: text for name, text in self._files.items() if name in sources},
            "made": datetime.now(UTC).isoformat(),
        }
        answers = self.store.of_sources(database.chain, told)
        if not answers.folder.is_dir():
            self.store.drop_stale(told)
        self._answers.append(answers)
        database.move_to(answers)

    def keep(self, sources: Mapping[str, Source], prepared: Prepared) -> None:
        """Add what was read since the last time to the store, and hold it to its limits."""
        if self._database.chain is None:
            return
        if not all(map(self._stands, sources.values())):
            for answers in self._answers:
                answers.forget()
            return
        about = {"n_bars": prepared.n_bars, "n_assets": prepared.n_assets}
        try:
            self.store.make()
            n_bytes = sum(answers.add(about) for answers in self._answers)
        except OSError as error:
            for answers in self._answers:
                answers.forget()
            self._say(f"prepared data could not be kept in '{self.store.path}': {error}")
            return
        if n_bytes:
            self.store.keep_limits()

    def _stands(self, source: Source) -> bool:
        """Say whether the files of a source are those that were read, and stay to be told."""
        text = self._files.get(source.name)
        return text is None or (files_text(source) == text and is_settled(text, time_ns()))

    def _say_unkept(self) -> None:
        reasons = dict.fromkeys(one.removeprefix("__") for one in self._database.reasons)
        self._say(
            f"prepared data are not kept: whether {', '.join(map(repr, reasons))} has changed "
            "cannot be told; of files and tables in memory it can: write it to a Parquet file"
        )

    def _say(self, message: str) -> None:
        """Say what cannot be kept.

        Raises
        ------
        ConfigError
            It must be.
        """
        if self.must_keep:
            raise ConfigError(message)
        if not self._has_said:
            self._has_said = True
            warnings.warn(f"{message}; runs go on without", stacklevel=2)


def keeper_of(cache: str | Path | PreparedStore) -> Keeper:
    """Return the keeper of a store, or of a folder that is one or may be."""
    return Keeper(cache if isinstance(cache, PreparedStore) else PreparedStore(cache))
