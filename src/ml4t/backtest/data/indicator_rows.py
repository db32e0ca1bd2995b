"""Indicator rows: what the indicators are made of, as relations that a query reads.

1. `Rows.of` is a source as a run will see it; `Rows.bars` is one value a bar made of its prices.
2. `moments` and `smoothed` roll over such values; `Rows.cross_section` has all assets of a bar.

A relation is a name or a query in brackets. None is run here: an indicator is one query, which
the catalog can attach again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ml4t.backtest.data.asof.views import Known
from ml4t.backtest.data.sources.checks import checked_rows, dropping
from ml4t.backtest.data.sources.roles import ROLES
from ml4t.backtest.data.sources.roles.check import DUPLICATE_KEYS
from ml4t.backtest.data.sources.roles.spec import RoleSpec
from ml4t.backtest.data.sources.schema import is_numeric
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import (
    all_of,
    columns,
    join,
    literal,
    only_if,
    quote,
    render,
    rows_of,
)
from ml4t.backtest.errors import ConfigError, did_you_mean

KEYS_AND_CLOCK = ("timestamp", "asset_id", "available_at")


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a catalog's sources.

    Attributes
    ----------
    sources : mapping
        By name.
    found : mapping
        Columns of each source's view, with types.
    """

    sources: Mapping[str, Source]
    found: Mapping[str, Mapping[str, str]]

    def of(self, name: str) -> str:
        """Return the rows of a source that a run will see."""
        source, relation = self.sources[name], f"main.{quote(name)}"
        if not source.drop_bad_rows:
            return relation
        theirs = self.found[name]
        numbered = checked_rows(source, theirs, "numbered")
        selects = [
            rows_of(f"({check.query(numbered)})", "__row_id")
            for check in dropping(source, theirs)
            if check is not DUPLICATE_KEYS
        ]
        kept = render(
            "indicators/kept",
            source=relation,
            checks=all_of(selects),
            # Rows that contradict each other under one key, of those that the others left.
            duplicates=DUPLICATE_KEYS.query(checked_rows(source, theirs, "sound")),
        )
        return f"({kept})"

    def prices(self) -> str:
        """Return the prices that a run will see.

        Raises
        ------
        ConfigError
            None are registered.
        """
        if "prices" not in self.sources:
            raise ConfigError("no prices are registered; call catalog.register('prices', ...)")
        return self.of("prices")

    def bars(self, statement: str, **places: str) -> str:
        """Return what a statement makes of the prices, such as one value a bar."""
        return f"({render(statement, prices=self.prices(), **places)})"

    def cross_section(self, column: str, by: str | None) -> str:
        """Return a column's values, and those of the column that groups them, at every bar.

        Raises
        ------
        ConfigError
            No source has them, or `column` is no number.
        """
        prices = self.prices()
        owner = self._owner(column, [spec for spec in ROLES.values() if spec.has_values])
        kind = self.found[owner][column]
        if not is_numeric(kind):
            raise ConfigError(f"column {column!r} of {owner!r} is {kind}; it must be a number")
        wanted = {owner: [column]}
        grouping = [spec for spec in ROLES.values() if spec.has_groups]
        grouped = None if by is None else (self._owner(by, grouping), by)
        if grouped is not None and grouped != (owner, column):
            wanted.setdefault(grouped[0], []).append(grouped[1])
        known = {
            name: self._known(self.sources[name], tuple(names))
            for name, names in wanted.items()
            if self.sources[name].is_known_as_of
        }
        joins = [
            join(
                "asof left",
                rows.relation,
                quote(name),
                f"prices.asset_id = {quote(name)}.asset_id "
                f"and prices.timestamp >= {quote(name)}.available_at",
            )
            for name, rows in known.items()
        ]
        joins += [
            join("left", self.of(name), quote(name), f"prices.asset_id = {quote(name)}.asset_id")
            for name in wanted
            if self.sources[name].spec.is_per_asset and name not in known
        ]
        rows = render(
            "indicators/cross_section",
            prices=prices,
            value=_item(owner, column, known),
            # Without groups, all are of one.
            group_value="true" if grouped is None else _item(*grouped, known),
            joins="\n".join(joins),
        )
        return f"({rows})"

    def _owner(self, column: str, roles: list[RoleSpec]) -> str:
        """Return the name of the source that has a column."""
        owners = {
            name: source
            for source, names in self.found.items()
            if self.sources[source].spec in roles
            for name in names
            if name not in KEYS_AND_CLOCK
        }
        if column not in owners:
            raise ConfigError(
                f"no source of {' or '.join(role.name for role in roles)} registered so far has a "
                f"column {column!r}{did_you_mean(str(column), owners)}"
            )
        return owners[column]

    def _known(self, source: Source, names: tuple[str, ...]) -> Known:
        """Return columns of a source by the time they became known."""
        has_clock = source.available_at is not None or source.lag is not None
        has_clock = has_clock and source.spec.is_clocked  # else a row is of no period
        available = "timestamp" + (f" + {literal(source.lag)}::interval" if source.lag else "")
        available = available if source.available_at is None else "available_at"
        told = {"told": available} if has_clock else {}
        statement = render(
            "signals/known_revisions" if has_clock else "signals/known",
            target="known",
            source=self.of(source.name),
            available=available,
            columns=columns(names),
            filter="asset_id is not null",
            **told,
        )
        # The rows behind ``signals``, without the view or table that the statement puts them in.
        _, _, query = statement.partition(" as\n")
        return Known(
            source=source.name,
            relation=f"({query})",
            types={name: self.found[source.name][name] for name in names},
            max_age=source.max_age,
        )


def moments(inputs: str, n: int) -> str:
    """Return mean and deviation of the last `n` values of a relation."""
    return f"({render('indicators/moments', inputs=inputs, n=str(n))})"


def smoothed(inputs: str, n: int, *, weight: str, first: int = 1) -> str:
    """Return the smoothed values of a relation, the seed made of `n` from the `first` on."""
    places = {"inputs": inputs, "n": str(n), "first": str(first), "weight": weight}
    return f"({render('indicators/smoothed', **places)})"


def _item(source: str, column: str, known: Mapping[str, Known]) -> str:
    """Return a column as it was known at the bar, NULL where it is too old."""
    item = f"{quote(source)}.{quote(column)}"
    if source not in known:
        return item
    is_fresh = known[source].is_fresh("prices.timestamp", f"{quote(source)}.available_at")
    return only_if(is_fresh, item)
