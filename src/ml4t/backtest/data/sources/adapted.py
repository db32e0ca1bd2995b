"""Adapted sources: what a reader of a vendor's layout hands to a catalog, and what it changed.

An adapter turns files of a vendor into tables of our roles. Whatever it renames, scales, turns
round or leaves out it writes down as a `Change`; `Catalog.describe` shows them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ml4t.backtest.data.sources.roles import Role

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that was changed between the user's data and the views.

    Attributes
    ----------
    what : str
        In words, with the columns: ``"close: the sign of a bid-ask average dropped"``.
    n_rows : int or None
        Rows that it concerns; None where it concerns a column as such, as a new name does.
    is_warning : bool
        It may be a mistake in the data: a run says it among its warnings.
    """

    what: str
    n_rows: int | None = None
    is_warning: bool = False

    def __str__(self) -> str:
        return self.what if self.n_rows is None else f"{self.what} ({self.n_rows:,} rows)"


@dataclass(frozen=True, slots=True)
class ChangedRows:
    """What the package itself hands to `Catalog.register`: rows, and what it changed in them.

    Attributes
    ----------
    rows : object
        As `Catalog.register` takes it.
    changes : tuple of Change
    """

    rows: object
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptedSource:
    """One table of a vendor's data under our names.

    Attributes
    ----------
    role : str
        As `Catalog.register` takes it.
    rows : pyarrow.Table
        With the columns of the role.
    changes : tuple of Change
        What differs from the vendor's files.
    options : mapping
        Further arguments of `Catalog.register`, such as ``available_at``.
    """

    role: Role
    rows: pa.Table
    changes: tuple[Change, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


class Adapted:
    """What an adapter read: at most one source per role and name, in the order of registration.

    ``catalog.register_all(adapted)`` registers all of it; ``adapted["prices"]`` is one table, to
    look at or to change first.
    """

    def __init__(self, *sources: AdaptedSource) -> None:
        self.sources = sources

    def __repr__(self) -> str:
        """Show each source with its rows and columns, and what was changed."""
        lines = []
        for one in self.sources:
            columns = ", ".join(one.rows.column_names)
            lines.append(f"{one.role}: {one.rows.num_rows:,} rows of {columns}")
            lines += [f"  {change}" for change in one.changes]
        return "\n".join(lines)

    def __iter__(self) -> Iterator[AdaptedSource]:
        return iter(self.sources)

    def __getitem__(self, role: str) -> pa.Table:
        """Return the rows of a role.

        Raises
        ------
        KeyError
            There are none.
        """
        for one in self.sources:
            if one.role == role:
                return one.rows
        raise KeyError(f"{role!r}; there is {', '.join(one.role for one in self.sources)}")
