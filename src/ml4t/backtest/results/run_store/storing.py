"""Storing: the store that a run goes into once it has ended, judged before it begins."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ml4t.backtest.errors import ConfigError, ResultError

if TYPE_CHECKING:
    from ml4t.backtest.results.result import BacktestResult
    from ml4t.backtest.results.run_store.store import RunStore

    StoreLike = RunStore | str | Path


@dataclass(frozen=True, slots=True)
class Storing:
    """Where runs go, and the tags that they get there.

    Attributes
    ----------
    store : RunStore, str, Path or None
        A folder is made a store when a run begins.
    tags : iterable of str or None

    Raises
    ------
    ConfigError
        The one is no store, or the others are no tags.
    """

    store: StoreLike | None = None
    tags: Iterable[str] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.store, str | Path | None) and not _is_store(self.store):
            raise ConfigError(
                f"store must be a RunStore or its folder, was {self.store!r}; write store='my_runs'"
            )
        if self.tags is not None:
            from ml4t.backtest.results.run_store.folder import require_tags

            object.__setattr__(self, "tags", require_tags(self.tags))

    def adder(
        self, store: StoreLike | None, tags: Iterable[str] | None
    ) -> Callable[[BacktestResult], None] | None:
        """Open the store that is given, else this one; return what adds a run to it.

        Raises
        ------
        ConfigError
            There are tags and no store.
        ResultError
            It is no store, and cannot be made one.
        """
        given = Storing(store, tags)
        place = self.store if store is None else given.store
        words = self.tags if tags is None else given.tags
        if place is None:
            if words:
                raise ConfigError(
                    f"tags, {list(words)!r}, are those of a run in a store; name it: "
                    "store='my_runs'"
                )
            return None
        from ml4t.backtest.results.run_store.store import RunStore

        opened = place if isinstance(place, RunStore) else RunStore(place)
        return partial(_add, opened, tuple(words or ()))


def _is_store(given: object) -> bool:
    from ml4t.backtest.results.run_store.store import RunStore

    return isinstance(given, RunStore)


def _add(store: RunStore, tags: tuple[str, ...], result: BacktestResult) -> None:
    """Add a run; what could not be added is not lost."""
    try:
        store.add(result, tags=tags)
    except ResultError as error:
        raise ResultError(f"{error}; the run is the `result` of this error", result) from error
