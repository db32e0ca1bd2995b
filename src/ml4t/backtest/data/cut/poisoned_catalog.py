"""PoisonedCatalog: the sources of another catalog, whose rows after a bar stay and lie."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.cut.clocks import known_since
from ml4t.backtest.data.cut.cut_bar import CutBar
from ml4t.backtest.data.cut.cut_catalog import CutCatalog
from ml4t.backtest.data.cut.inputs import RowsUntil
from ml4t.backtest.data.sources.naming import AVAILABLE_AT, USUAL, key_of
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import (
    Sql,
    columns,
    only_if,
    quote,
    render,
    rows_of,
    table_of,
)

# What an asset is called by, in sources and in files.
ASSET_KEYS = {"asset_id", *USUAL["asset_id"]}
# Roles whose rows say when something happens: later ones are left out.
_EVENTS = frozenset({"actions", "assets", "universe"})
# Roles of which any value may be missing.
_MAY_LACK = frozenset({"features", "context"})
# Columns of the statement beside those of the source.
_OWN = "__is_later, __drawn, __factor"
_FLOATS = ("DOUBLE", "FLOAT")
_TEXTS = ("VARCHAR", "ENUM", "UUID", "BLOB")


class PoisonedCatalog(CutCatalog):
    """A catalog over what another knew at a bar, and over later rows that say something else.

    Keys and times stay, so that there are as many rows, assets and bars; values are those of other
    later rows, numbers times a factor from 0.4 to 2.5, and of features and context some are
    missing. Later actions, and what of memberships is later, are left out as by `CutCatalog`.

    Parameters
    ----------
    base : Catalog
    bar : CutBar
    seed : int
        Of the draw.
    """

    def __init__(self, base: Catalog, bar: CutBar, seed: int) -> None:
        self._seed = seed
        super().__init__(base, bar)

    def _until(self) -> RowsUntil:
        def rows(relation: str, kinds: Mapping[str, str], time: str, items: str) -> Sql:
            # A text of a file may be the name of an asset, under whatever name.
            keys = [name for name, kind in kinds.items() if _is_key(name, kind, has_texts=True)]
            return self._poisoned(relation, kinds, keys, time, items)

        return rows

    def _known(self, source: Source, select: Sql, columns: Collection[str]) -> Sql:
        clock = known_since(source)
        if not clock or source.role in _EVENTS:
            return super()._known(source, select, columns)
        kinds = self._database.schema(select)
        own = source.spec.key  # such as the pair of a rate
        keys = [name for name, kind in kinds.items() if name in own or _is_key(name, kind)]
        query = self._poisoned(
            f"({select})", kinds, keys, clock, "*", may_lack=source.role in _MAY_LACK
        )
        # A view would draw again whenever it is read.
        target = f"stage.{quote(f'{source.name} poisoned')}"
        self._database.execute(table_of(target, query))
        return rows_of(target)

    def _poisoned(
        self,
        relation: str,
        kinds: Mapping[str, str],
        keys: list[str],
        time: str,
        items: str,
        *,
        may_lack: bool = False,
    ) -> Sql:
        """Return the query of items of a relation, whose later rows lie."""
        own = f"({rows_of(relation, items)})"
        names = [name for name in kinds if name not in keys]
        lies = ", ".join(_lies(names, kinds, may_lack=may_lack))
        return render(
            "audit/poisoned",
            relation=own, time=time, until=self._bar.sql,
            keys=columns(keys), seed=str(self._seed),
            ordered=", ".join(f"{one} asc" for one in ("__drawn", *map(quote, keys))),
            columns=f"* exclude ({_OWN})" + (f" replace ({lies})" if lies else ""),
        )  # fmt: skip


def _lies(names: list[str], kinds: Mapping[str, str], *, may_lack: bool) -> Iterator[str]:
    """Yield the items of columns that say something else in later rows."""
    for i, name in enumerate(names):
        column = quote(name)
        other = f"lead({column}, 1, {column}) over others"
        if kinds[name] in _FLOATS:
            other = f"({other} * __factor)::{kinds[name]}"
        if may_lack:
            other = only_if(f"(__drawn // {7 + i}) % 5 > 0", other)
        yield f"if(__is_later, {other}, {column}) as {column}"


def _is_key(name: str, kind: str, *, has_texts: bool = False) -> bool:
    """Say whether a column says of which asset or time a row is."""
    key = key_of(name)
    is_time = kind.startswith(("DATE", "TIME")) or key == AVAILABLE_AT
    is_asset = key in ASSET_KEYS or key.endswith("_id")
    return is_time or is_asset or (has_texts and kind.startswith(_TEXTS))
