"""The sources of a run file: each table a file or several, an exchange, or what a vendor ships."""

from __future__ import annotations

from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from ml4t.backtest import vendors
from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.sources.adapted import Adapted
from ml4t.backtest.data.sources.roles import ROLES
from ml4t.backtest.data.sources.source import is_remote
from ml4t.backtest.errors import ConfigError, did_you_mean, require_choice, require_path
from ml4t.backtest.runfile_tables import (
    WORDS,
    TomlTable,
    require_known,
    require_type,
    subtable,
    take,
)

SOURCE_KEYS = (
    "path", "exchange", "role", "available_at", "lag", "max_age", "on_bad_rows", "columns",
    "date_format", "stamp", "adjusted",
    "table", "asset_id", "null_values", "field", "checked_by",
)  # fmt: skip
VENDOR = "vendor"
CATALOG_KEYS = ("threads", "memory_limit", "timezone")


def register_sources(document: TomlTable, run: TomlTable, folder: Path) -> Catalog:
    """Return a catalog with all sources of a run file, whose paths start at `folder`."""
    sources = subtable(document, "sources")
    if not any(name == "prices" or _is_of_vendor(table) for name, table in sources.items()):
        raise ConfigError(
            "the run file has no table [sources.prices]; write one with its path, or a table with "
            'a vendor, such as [sources.bars] with vendor = "kibot"'
        )
    settings = {key: run[key] for key in CATALOG_KEYS if key in run}
    if "cache" in run:
        given = require_path("[run] cache", run["cache"], "that of a folder of prepared data")
        settings["cache"] = folder.absolute() / given
    catalog = Catalog(**settings)
    # A calendar is made for the years of the prices.
    for name in sorted(sources, key="calendar".__eq__):
        where = f"[sources.{name}]"
        source = subtable(sources, name, where)
        if _is_of_vendor(source):
            catalog.register_all(_adapted(source, folder, where))
            continue
        require_known(source, SOURCE_KEYS, where)
        if "exchange" in source:
            _add_calendar(catalog, name, source, where)
            continue
        if "path" not in source:
            way = '; write path, or exchange = "XNYS"' if name == "calendar" else ""
            raise ConfigError(f"{where} has no path{way}")
        role = source.get("role", name)
        if str(role) not in ROLES:  # a list is no key to look for
            hint = did_you_mean(str(role), ROLES)
            raise ConfigError(f"{where} has the unknown role {role!r}{hint}")
        options = {
            key: require_type(str, value, f"{where} {key}")
            for key, value in source.items()
            if key not in ("path", "role", "columns", "null_values", "adjusted")
        }
        if "adjusted" in source:
            options["adjusted"] = source["adjusted"]
        if "null_values" in source:
            options["null_values"] = source["null_values"]
        if "columns" in source:
            options["columns"] = subtable(source, "columns", f"{where} columns")
        if "checked_by" in source:
            record = "the file of a record that check_features wrote"
            options["checked_by"] = folder / require_path(
                f"{where} checked_by", source["checked_by"], record
            )
        paths = _paths(source["path"], folder, where)
        catalog.register(role, paths, name=None if name == role else name, **options)
    return catalog


def _is_of_vendor(table: object) -> bool:
    return isinstance(table, dict) and VENDOR in table


def _adapted(source: TomlTable, folder: Path, where: str) -> Adapted:
    """Return what a vendor's function reads: its first argument is `path`, the others by name."""
    given = dict(source)
    name = take(given, VENDOR, vendors.__all__, where)
    read = getattr(vendors, name)
    taken, hints = signature(read).parameters, get_type_hints(read)
    first, *others = taken
    require_known(given, ("path", *others), f"{where} of vendor {name}")
    for key, parameter in taken.items():
        said = "path" if key == first else key
        if parameter.default is Parameter.empty and said not in given:
            raise ConfigError(f"{where} has no {said}; vendors.{name} needs it")
    paths = _paths(given.pop("path"), folder, where)
    options = {
        # What may be given by its place is a file, too.
        key: _path(value, folder, f"{where} {key}")
        if taken[key].kind is not Parameter.KEYWORD_ONLY
        else _option(hints[key], value, f"{where} {key}")
        for key, value in given.items()
    }
    adapted: Adapted = read(paths if isinstance(source["path"], list) else paths[0], **options)
    return adapted


def _option(hint: Any, value: object, where: str) -> object:
    """Return a value that is of a type, or one of the words, that a function declares."""
    choices = get_args(hint) or (hint,)
    if get_origin(hint) is Literal:
        require_choice(where, value, choices)
    elif type(value) not in choices:
        kind = next(one for one in choices if one in WORDS)
        raise ConfigError(f"{where} must be {WORDS[kind]}, was {value!r}")
    return value


def _add_calendar(catalog: Catalog, name: str, source: TomlTable, where: str) -> None:
    """Register the sessions of an exchange by its code."""
    if name != "calendar" or len(source) > 1:
        raise ConfigError(
            f"{where} exchange, {source['exchange']!r}, is for [sources.calendar] alone and stands "
            "there by itself; write path"
        )
    catalog.calendar(require_type(str, source["exchange"], f"{where} exchange"))


def _paths(given: object, folder: Path, where: str) -> list[str]:
    """Return a path, or a list of them, as a list: one text alone could be read as SQL."""
    listed = given if isinstance(given, list) else [given]
    return [_path(one, folder, f"{where} path") for one in listed]


def _path(given: object, folder: Path, where: str) -> str:
    text = str(require_type(str, given, where))
    if not text.strip():  # joined to the folder it would be every file in there
        raise ConfigError(f"{where} must not be blank, was {text!r}")
    # An absolute path stays as it is: joining it to a folder leaves the folder out.
    if is_remote(text):
        return text
    return str(folder.absolute() / require_path(where, text, "that of files"))
