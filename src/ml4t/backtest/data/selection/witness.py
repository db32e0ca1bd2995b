"""Witness: what strategies that choose in SQL have read at their decision bars, as arrays.

The rows stand in tables of the session while an era is ranked, and are taken out of them then: to
ask the sources once more after a run would take as long as to rank.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.batch import NOTHING_CONSIDERED, Considered
from ml4t.backtest.core.selecting import Asked
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.selection.cross_section import JoinedBars
from ml4t.backtest.data.sources.schema import as_filled, is_numeric
from ml4t.backtest.data.sql_files import quote, rows_of

_WORDS = re.compile(r"\w+")


def spoken_words(asked: Asked) -> frozenset[str]:
    """Return the words of what a strategy asks, in lower case; columns are among them."""
    query = asked.query
    ranking = asked.ranking if query is None else query.schedule
    texts = [] if query is None else [query.text]
    if ranking is not None:
        texts += [str(one) for one in (ranking.by, ranking.where, ranking.when, ranking.weight)]
    return words_in(texts)


def words_in(*texts: Iterable[str]) -> frozenset[str]:
    """Return the words of texts, in lower case."""
    every = (text for some in texts for text in some)
    return frozenset(word.lower() for text in every for word in _WORDS.findall(text))


class Witness:
    """Takes the columns that were joined at decision bars.

    Parameters
    ----------
    kinds : mapping of str to str
        Types of the columns of ``signals``.
    n_assets : int
    database : Database
        Session that has the tables.

    Attributes
    ----------
    considered : Considered
        What was taken last.
    """

    def __init__(self, kinds: Mapping[str, str], n_assets: int, database: Database) -> None:
        self._kinds, self._n_assets, self._database = kinds, n_assets, database
        self.considered = NOTHING_CONSIDERED

    def take(self, rows: JoinedBars, decision_ts: Sequence[int]) -> None:
        """Take the rows at decision bars, before other tables take the place of theirs."""
        ts = np.array(decision_ts, dtype=np.int64)
        place = np.zeros(int(ts[-1]) + 1, dtype=np.int64)  # of a bar's first asset
        place[ts] = np.arange(len(ts)) * self._n_assets
        found: dict[str, NDArray[np.generic]] = {}
        for table, names in rows.tables:
            wanted = [name for name in names if name in self._kinds]
            if not wanted:
                continue
            items = ", ".join(["t", "sid", *map(self._item, wanted)])
            values = self._database.numpy(rows_of(table, items))
            at = place[values["t"]] + values["sid"]
            for name in wanted:
                is_number = is_numeric(self._kinds[name])
                shape = (len(ts), self._n_assets)
                dense: NDArray[np.generic] = (
                    np.full(shape, np.nan) if is_number else np.full(shape, None, dtype=object)
                )
                dense.reshape(-1)[at] = values[name]
                found[name] = dense
        self.considered = Considered(ts=ts, columns=found)

    def _item(self, name: str) -> str:
        """Return how a column is read: numbers and flags as DOUBLE, all else as its text."""
        column, kind = quote(name), self._kinds[name]
        return (
            f"{as_filled(column, kind) if is_numeric(kind) else f'{column}::varchar'} as {column}"
        )
