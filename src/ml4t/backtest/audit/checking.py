"""Checking: whether a file is what a function makes of its sources, and of the past alone.

1. The file has the rows that the function makes of all there is, by their values.
2. At some bars the function is called over what was known then, and what differs is a finding.
3. A record says so beside the file, by hashes; `Catalog.register` takes it as ``checked_by``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ml4t.backtest.audit.comparing import Found, different_rows
from ml4t.backtest.audit.cuts import CutPoint, spread_cuts
from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.computed.checked import RECORD_FORM, content_of, file_hashes
from ml4t.backtest.data.cut.clocks import known_since
from ml4t.backtest.data.cut.cut_bar import CutBar
from ml4t.backtest.data.cut.cut_catalog import CutCatalog
from ml4t.backtest.data.sources.schema import KEYS
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import Sql, columns, quote, render, rows_of
from ml4t.backtest.errors import (
    BacktestError,
    ConfigError,
    DataError,
    did_you_mean,
    require_path,
    require_whole,
)
from ml4t.backtest.results.store import open_store
from ml4t.backtest.version import versions

_SIDES = ("whole", "cut")
_ENDING = ".check.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureCheck:
    """What `check_features` found.

    Attributes
    ----------
    record : Path
        The file that says so.
    is_clean : bool
        Nothing was found, and the function could be called over what was known at some cut.
    findings : tuple of dict
        One per cut and column that differs: `cut`, `column` (empty: a row that one alone has),
        `n_rows`, `bar`, `asset_id`, and its value as text, of the `whole` and of what was `known`.
    cuts : tuple of dict
        Each `cut`, and as `problem` why the function could not be called over what was known then.
    """

    record: Path
    is_clean: bool
    findings: tuple[dict[str, object], ...]
    cuts: tuple[dict[str, object], ...]


def check_features(
    catalog: Catalog,
    source: str,
    file: str | Path,
    *,
    cuts: int = 5,
    seed: int = 0,
    record: str | Path | None = None,
) -> FeatureCheck:
    """Check that a file is what a function makes of the past, and write a record of it.

    Parameters
    ----------
    catalog : Catalog
        In which the function is registered, after what it reads.
    source : str
        The name under which it is.
    file : str or Path
        With the rows that the function makes; it is read with the options of the source.
    cuts : int, default 5
        Bars over whose past the function is called anew, one of each as long stretch of bars.
    seed : int, default 0
        Of what is drawn.
    record : str or Path, optional
        Where it is written; ``<file>.check.json`` by default.

    Returns
    -------
    FeatureCheck
        It is written with what was found, too; `Catalog.register` refuses it then.

    Raises
    ------
    ConfigError
        There is no such source, or no function makes it.
    DataError
        The file has other rows than the function makes; nothing is written.
    """
    n_cuts = require_whole("cuts", cuts, least=1)
    path = require_path("file", file, "that of a file with what the function makes")
    target = path.with_name(path.name + _ENDING) if record is None else Path(record)
    until = _until(catalog, source)
    made = until[-1]
    whole = _catalog_of(catalog, until)
    of_file = _catalog_of(catalog, [*until[:-1], made._replace(given=str(path), function=None)])
    _require_equal(whole, of_file, made, path)
    prepared = whole.validate()
    points = spread_cuts(prepared, n_cuts, seed)
    findings, tried = list[dict[str, object]](), list[dict[str, object]]()
    for point in points:
        problem, found = _found_at(point, whole, made)
        tried.append({"cut": point.bar.text, "problem": problem})
        findings += [_as_finding(point, one) for one in found]
    function = made.function
    assert function is not None
    said = {
        "schema": RECORD_FORM, "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "role": made.role, "files": file_hashes(made._replace(given=str(path))),
        "function": function.facts(), "cuts": tried, "findings": findings,
        "sources": {
            name: content_of(name, whole.registered(name)[0], prepared.database)
            for name in function.read
        },
        "versions": versions(),
    }  # fmt: skip
    target.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    could = any(one["problem"] is None for one in tried)
    return FeatureCheck(
        record=target, is_clean=could and not findings, findings=tuple(findings), cuts=tuple(tried)
    )


def _until(catalog: Catalog, name: str) -> list[Source]:
    """Return the sources that a function reads, the prices, and at last the one that it makes."""
    sources = {one.name: one for one in catalog.sources()}
    if name not in sources:
        raise ConfigError(f"there is no source {name!r}{did_you_mean(name, sources)}")
    made = sources[name]
    if made.function is None:
        raise ConfigError(
            f"source {name!r} is made by no function: register the function under that name, after "
            "what it reads, and give the file to check_features"
        )
    if not known_since(made):
        raise ConfigError(f"{made.role} have no clock by which they could be cut")
    read = [sources[one] for one in made.function.read]
    bars = [sources["prices"]] if "prices" in sources and sources["prices"] not in read else []
    return [*read, *(one for one in bars if one is not made), made]


def _catalog_of(catalog: Catalog, sources: list[Source]) -> Catalog:
    found = Catalog(memory_limit=catalog.memory_limit, timezone=catalog.timezone)
    found.take_over(sources)
    return found


def _require_equal(whole: Catalog, of_file: Catalog, made: Source, path: Path) -> None:
    """Refuse a file that has other rows than the function makes.

    Raises
    ------
    DataError
    """
    ours, theirs = (one.registered(made.name)[0] for one in (whole, of_file))
    assert made.function is not None
    if set(ours) != set(theirs):
        raise DataError(
            made.name, "checked", f"is not what {made.function.name} makes: '{path}' has columns "
            f"{', '.join(theirs)}, and the function makes {', '.join(ours)}",
        )  # fmt: skip
    found = next(_different(whole, of_file, made, None), None)
    if found is not None:
        where = f"{found.bar}" + (f", {found.asset_id}" if found.asset_id else "")
        what = found.column or "a row that one alone has"
        raise DataError(
            made.name, "checked", f"is not what {made.function.name} makes: '{path}' differs in "
            f"{found.n_rows:,} rows, the first at {where}: {what} is {found.cut} in the file, and "
            f"{found.whole} by the function",
        )  # fmt: skip


def _found_at(point: CutPoint, whole: Catalog, made: Source) -> tuple[str | None, list[Found]]:
    """Return why the function could not be called over what was known, and what differs."""
    try:
        cut = CutCatalog(whole, point.bar)
        cut.prepare()
        return None, list(_different(whole, cut, made, point.bar))
    except BacktestError as error:
        return f"{type(error).__name__}: {error}", []


def _different(whole: Catalog, other: Catalog, made: Source, bar: CutBar | None) -> Iterator[Found]:
    """Yield what differs between the rows of a source in two catalogs: rows, or else columns."""
    database = open_store(whole.timezone)
    where = "true" if bar is None else f"{known_since(made)} <= {bar.sql}"
    names: list[str] = []
    for side, catalog in zip(_SIDES, (whole, other), strict=True):
        relation = rows_of(f"main.{quote(made.name)}", where=where)
        rows = catalog.prepare().database.sql(relation).to_arrow_table()
        names = names or rows.column_names
        database.register(side, rows)
    keys = [name for name in (*KEYS, "available_at") if name in names]
    lacking = list(different_rows(database, made.name, keys, _of(_SIDES, keys)))
    yield from lacking
    for name in names:
        if name not in keys:
            rows = _shared(keys, [*keys, name]) if lacking else _of(_SIDES, [*keys, name])
            yield from different_rows(database, made.name, keys, rows)


def _of(sides: tuple[str, ...], names: list[str]) -> list[Sql]:
    return [rows_of(side, columns(names)) for side in sides]


def _shared(keys: list[str], names: list[str]) -> list[Sql]:
    """Return the rows of both sides whose keys the other has."""
    same = " and ".join(
        f"mine.{quote(key)} is not distinct from others.{quote(key)}" for key in keys
    )
    return [
        render(
            "audit/shared_rows", rows=side, others=other, columns=columns(names, "mine"),
            same_keys=same,
        )
        for side, other in (_SIDES, _SIDES[::-1])
    ]  # fmt: skip


def _as_finding(point: CutPoint, found: Found) -> dict[str, object]:
    return {
        "cut": point.bar.text, "column": found.column, "n_rows": found.n_rows, "bar": found.bar,
        "asset_id": found.asset_id, "whole": found.whole, "known": found.cut,
    }  # fmt: skip
