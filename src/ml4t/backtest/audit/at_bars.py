"""AtBars: what columns are at their bars, beside what they were known to be.

A column at a bar is computed from what was known at that bar. One statement does so for many bars:
it joins them with a query of each, which DuckDB takes apart from the others. Where it cannot, there
is a statement for each bar, and where the query cannot be written out, a catalog.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from ml4t.backtest.audit.comparing import differs_sql, items_of
from ml4t.backtest.audit.stages import SqlStage
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.cut.cut_bar import FOREVER, CutBar
from ml4t.backtest.data.cut.cut_catalog import CutCatalog
from ml4t.backtest.data.cut.each_catalog import EachCatalog
from ml4t.backtest.data.sql_files import quote, render, rows_of

_FLOATS = ("DOUBLE", "FLOAT")


class Bars(NamedTuple):
    """Bars that are asked about together.

    Attributes
    ----------
    ts : tuple of int
        Their numbers, ascending.
    texts : tuple of str
    since : str
        The bar with which the history of all of them begins.
    """

    ts: tuple[int, ...]
    texts: tuple[str, ...]
    since: str = FOREVER


class First(NamedTuple):
    """The first bar at which a column differs, and the first asset there.

    Attributes
    ----------
    bar : str
    asset_id : str or None
    whole, known : str or None
        The value over everything, and as it was known.
    """

    bar: str
    asset_id: str | None
    whole: str | None
    known: str | None


class Differing(NamedTuple):
    """Where a column is something else than it was known to be.

    Attributes
    ----------
    bars : tuple of str
    n_rows : int
    first : First or None
        None: it differs nowhere.
    """

    bars: tuple[str, ...] = ()
    n_rows: int = 0
    first: First | None = None


class AtBars:
    """The columns of a stage as they were known at their bars, beside what they are.

    Parameters
    ----------
    stage : SqlStage
    whole : Prepared
        Over everything.
    each : EachCatalog
    """

    def __init__(self, stage: SqlStage, whole: Prepared, each: EachCatalog) -> None:
        self._stage, self._of_all, self._each = stage, whole, each
        self._database = database = each.prepare().database
        database.register("__of_whole", whole.database.sql(stage.whole).to_arrow_table())
        self._whole = database.make_table(
            "whole_at_bars", "audit/table", columns="*", source="__of_whole"
        )
        database.unregister("__of_whole")
        largest = ", ".join(
            f"max(abs({quote(name)})) filter (where isfinite({quote(name)})) as {quote(name)}"
            for name, kind in stage.columns.items() if kind in _FLOATS
        )  # fmt: skip
        self._largest = rows_of(database.make_table(
            "largest_at_bars", "audit/table", columns=largest or "1", source=self._whole
        ))  # fmt: skip

    @cached_property
    def _query(self) -> str:
        """Their query at a bar; a ConfigError: it cannot be written out."""
        return self._each.at_bar(self._stage.at_bar)

    def together(self, bars: Bars, names: Sequence[str]) -> dict[str, Differing]:
        """Compare columns at some bars, all in one statement."""
        self._tell(bars.texts[-1], bars.since)
        rows = self._query.replace(self._each.bar.sql, "__bars.__bar")
        return self._compared(render("audit/each_bar", rows=f"lateral ({rows}\n)"), bars, names)

    def one_by_one(self, bars: Bars, names: Sequence[str]) -> dict[str, Differing]:
        """Compare columns at some bars, each by a statement of its own."""
        found = dict[str, Differing]()
        for t, text in zip(bars.ts, bars.texts, strict=True):
            self._tell(text, bars.since)
            found = added(found, self._compared(self._query, Bars((t,), (text,)), names))
        return found

    def anew(self, bars: Bars, names: Sequence[str]) -> dict[str, Differing]:
        """Compare columns at some bars, for each of which a catalog of its own is made."""
        found, each, view = dict[str, Differing](), self._each, self._stage.place
        for t, text in zip(bars.ts, bars.texts, strict=True):
            bar = CutBar(t, text, each.bar.kind, each.bar.is_day)
            cut = CutCatalog(each.base, bar).prepare()
            items = items_of(self._of_all, cut, view, list(self._stage.columns))
            rows = rows_of(view, items, where=f"timestamp = {bar.sql}")
            self._database.register("__known_at_bar", cut.database.sql(rows).to_arrow_table())
            known = rows_of("__known_at_bar")
            found = added(found, self._compared(known, Bars((t,), (text,)), names))
            self._database.unregister("__known_at_bar")
        return found

    def _tell(self, text: str, since: str) -> None:
        for statement in self._each.bar.telling(text, text, since):
            self._database.execute(statement)

    def _compared(self, known: str, bars: Bars, names: Sequence[str]) -> dict[str, Differing]:
        query = render(
            "audit/each_difference", whole=self._whole, cut=f"({known}\n)",
            items=", ".join(item for name in names for item in self._items_of(name)),
            joined=" and ".join(
                f"whole.{key} is not distinct from cut.{key}" for key in self._stage.keys
            ),
        )  # fmt: skip
        (row,) = self._database.rows(query, {"ts": list(bars.ts)})
        parts = (row[i : i + 3] for i in range(0, len(row), 3))
        return {
            name: Differing(tuple(texts or ()), n_rows, None if first is None else First(*first))
            for name, (texts, n_rows, first) in zip(names, parts, strict=True)
        }

    def _items_of(self, name: str) -> Iterator[str]:
        """Yield the bars and the number of rows at which a column differs, and the first."""
        keys = [f"coalesce(whole.{key}, cut.{key})" for key in self._stage.keys]
        texts = [f"{key}::varchar" for key in keys] + ["null"] * (2 - len(keys))
        if name:
            differs = differs_sql(name, self._stage.columns[name], self._largest)
            differs = f"whole.__is_there and cut.__is_there and {differs}"
            values = [f"{side}.{quote(name)}::varchar" for side in ("whole", "cut")]
        else:
            differs = "whole.__is_there is null or cut.__is_there is null"
            values = [f"if({side}.__is_there, {texts[0]}, null)" for side in ("whole", "cut")]
        only = f"filter (where {differs})"
        yield f"list(distinct {texts[0]}) {only}"
        yield f"count(*) {only}"
        yield f"arg_min([{', '.join(texts + values)}], ({', '.join(keys)})) {only}"


def added(one: Mapping[str, Differing], other: Mapping[str, Differing]) -> dict[str, Differing]:
    """Return what was found at some bars and at later ones."""
    return {
        name: Differing(
            mine.bars + more.bars, mine.n_rows + more.n_rows, mine.first or more.first
        )
        for name, more in other.items()
        for mine in [one.get(name, Differing())]
    }  # fmt: skip
