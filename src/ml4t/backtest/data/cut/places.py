"""Places: where in a query it reads something beside the sources of its catalog."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sql_files import read

# Functions that read no file, and make rows of what is there.
_NO_FILES = frozenset({"unnest", "range", "generate_series", "repeat", "repeat_row", "summary"})


class ReadPlace(NamedTuple):
    """A file, or a function that reads one, in a query.

    Attributes
    ----------
    written : str
        As it stands there.
    start, end : int or None
        Its bytes in the text; None: DuckDB does not say.
    name : str
        By which the rest of the query calls it.
    function : str
        Of a table function its name, in lower case; else empty.
    target : tuple of str
        Of what is no function its schema, empty where none is written, and its name.
    columns : tuple of str
        Names that its columns get there.
    is_sampled : bool
        Not all of its rows are read.
    """

    written: str
    start: int | None
    end: int | None
    name: str
    function: str
    target: tuple[str, str] = ("", "")
    columns: tuple[str, ...] = ()
    is_sampled: bool = False


def taken_apart(query: str, database: Database) -> Mapping[str, Any]:
    """Return a query as DuckDB takes it apart; ``error`` says whether it does not."""
    ((parsed,),) = database.rows(read("audit/parsed"), {"query": query})
    tree: Mapping[str, Any] = json.loads(parsed)
    return tree


def places_in(query: str, tree: Mapping[str, Any], names: Collection[str]) -> list[ReadPlace]:
    """Return what a query reads beside relations of some names, in its order.

    Parameters
    ----------
    query : str
    tree : mapping
        It, taken apart.
    names : collection of str
        Of the sources of its catalog.
    """
    own = frozenset(name.lower() for name in names)
    text, found = query.encode(), list[ReadPlace]()
    for node in sorted(_relations(tree, own, own), key=lambda one: one["query_location"]):
        start, length = node["query_location"], node["query_location_length"]
        if length:
            written = text[start : start + length].decode()
            place = ReadPlace(
                written, start, start + length, _name_of(node), _function_of(node),
                target=(node.get("schema_name", ""), node.get("table_name", "")),
                columns=tuple(node["column_name_alias"]), is_sampled=bool(node["sample"]),
            )  # fmt: skip
        else:
            place = ReadPlace(str(node.get("table_name", "")), None, None, "", "")
        found.append(place)
    return found


def with_others(query: str, instead: Mapping[ReadPlace, str]) -> str:
    """Return a query with something else at some places."""
    text, parts, done = query.encode(), list[bytes](), 0
    for place, other in instead.items():
        parts += [text[done : place.start], other.encode()]
        done = place.end or done
    return b"".join([*parts, text[done:]]).decode()


def _relations(
    node: Any, own: frozenset[str], sources: frozenset[str]
) -> Iterator[Mapping[str, Any]]:
    """Yield what stands behind FROM and JOIN, wherever in a query, and is not cut by itself.

    Parameters
    ----------
    own, sources : frozenset of str
        Names that stand for sources here, or for what WITH names; those of sources alone.
    """
    if isinstance(node, Mapping):
        if node.get("type") in ("BASE_TABLE", "TABLE_FUNCTION") and not _is_own(node, own, sources):
            yield node
        for each in node.get("cte_map", {}).get("map", ()):
            key, query = frozenset({each["key"].lower()}), each["value"]["query_node"]
            is_recursive = query["type"] == "RECURSIVE_CTE_NODE"
            yield from _relations(query, own | key if is_recursive else own, sources)
            own |= key
        for name, one in node.items():
            if name != "cte_map":
                yield from _relations(one, own, sources)
    elif isinstance(node, list):
        for one in node:
            yield from _relations(one, own, sources)


def _is_own(node: Mapping[str, Any], own: Collection[str], sources: Collection[str]) -> bool:
    if node["type"] == "TABLE_FUNCTION":
        return _function_of(node) in _NO_FILES
    # What stands as ``raw.<name>`` is not cut, nor is what WITH names of any schema.
    name, schema = node["table_name"].lower(), node["schema_name"].lower()
    return name in own if not schema else schema == "main" and name in sources


def _function_of(node: Mapping[str, Any]) -> str:
    """Return the name of a table function; empty for what is none."""
    return str(node["function"]["function_name"]).lower() if "function" in node else ""


def _name_of(node: Mapping[str, Any]) -> str:
    """Return the name by which the rest of a query calls a relation."""
    if node["alias"]:
        return str(node["alias"])
    if node["type"] == "TABLE_FUNCTION":
        return _function_of(node)
    return PurePath(node["table_name"]).name.split(".")[0]
