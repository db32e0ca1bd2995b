"""Stability: whether DuckDB's functions say the same of the same arguments, at every call."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sql_files import read

# Consistent to the catalog, yet not the same in every run: the clock, samples, and sketches
# that depend on the order of rows; or several rows from one.
REFUSED = {
    "approx_quantile": "depends on the order of rows",
    "approx_top_k": "depends on the order of rows",
    "current_localtime": "reads the clock",
    "current_localtimestamp": "reads the clock",
    "generate_subscripts": "makes several rows of one",
    "getvariable": "reads a setting of the session",
    "reservoir_quantile": "draws a sample",
    "unnest": "makes several rows of one",
    "version": "tells of DuckDB",
}
# The same of a form: by how many arguments it has.
REFUSED_FORMS = {
    ("age", 1): "reads the clock where it has one argument (subtract the two times instead)",
}
# The same in every run, and no value of one row: a query may have them.
_MULTIPLYING = ("generate_subscripts", "unnest")
# What DuckDB's catalog says of the others that are refused.
_UNSTABLE = {
    "CONSISTENT_WITHIN_QUERY": "reads the clock or the session",
    "VOLATILE": "gives another value at every call",
}
# How many arguments each function is called with; of one called by a dot both ways to count.
Calls = Mapping[str, Collection[int]]


class Overload(NamedTuple):
    """What DuckDB says of one form of a function."""

    kind: str
    stability: str
    is_internal: bool
    n_parameters: int
    takes_more: bool

    def takes(self, number: int) -> bool:
        """Say whether it takes so many arguments."""
        return number == self.n_parameters or (self.takes_more and number > self.n_parameters)


def unstable_calls(calls: Calls, database: Database) -> dict[str, str]:
    """Return the functions whose value depends on more than their arguments, and why.

    Those that DuckDB does not know are not among them: they are none of its functions, as
    operators and casts.
    """
    found = {}
    for name, overloads in overloads_of(calls, database).items():
        for number in sorted(calls[name]):
            why = why_unstable(name, number, fitting_of(number, overloads))
            if why is not None and name not in _MULTIPLYING:
                found[name] = why
    return found


def overloads_of(calls: Calls, database: Database) -> dict[str, list[Overload]]:
    """Return all forms of the functions that are called; nothing of those DuckDB does not know."""
    found: dict[str, list[Overload]] = {}
    for name, *facts in database.rows(read("user_sql/functions"), {"names": sorted(calls)}):
        found.setdefault(name, []).append(Overload(*facts))
    return found


def fitting_of(number: int, overloads: list[Overload]) -> list[Overload]:
    """Return the forms that take so many arguments; all where none does."""
    return [one for one in overloads if one.takes(number)] or overloads


def why_unstable(name: str, number: int, fitting: list[Overload]) -> str | None:
    """Return why a form of a function is no value of its arguments; None where it is one."""
    why = REFUSED.get(name) or REFUSED_FORMS.get((name, number))
    kinds = [one.stability for one in fitting if one.stability != "CONSISTENT"]
    return why or (_UNSTABLE.get(kinds[0], _UNSTABLE["VOLATILE"]) if kinds else None)
