"""The run file: one TOML document that says what `ml4t-backtest run` is to run.

Steps: parse -> `catalog_of` (sources: `runfile_sources`) -> `engine_of` (strategy, risk, settings).
Names are checked before anything is read; a relative path starts at the folder of the run file::

    [sources.prices]                 # a table per source; its name is the role ...
    path = "prices/*.parquet"        # a path, glob, folder, URL, or a list of them

    [sources.fundamentals]           # ... unless role says otherwise
    role = "features"                # prices, features, context, universe, actions, assets, borrow,
                                     # benchmark, risk_free
    path = "fundamentals.parquet"
    available_at = "published_at"    # or: lag = "1 day"
    max_age = "90 days"
    on_bad_rows = "drop"             # or "raise", the default
                                     # of intraday prices also: stamp = "open"
    columns = { asset_id = "gvkey_iid" }  # our name first; the usual names are found without

    [sources.calendar]               # sessions: of an exchange, or a path to a table of one's own
    exchange = "XNYS"                # needs the extra `calendars`

    [sources.universe]
    path = "reference.db"            # DuckDB, SQLite, Excel: table = which one of the file
    table = "members"
    null_values = ["NA", "-"]        # of CSV, JSON, Excel, SQLite: texts that mean missing
    # asset_id = "filename"          # each file of path is one asset; "folder": each folder
    # field = "close"                # its columns are assets, and their values closes
    # adjusted = "Adj Close"         # of prices: trades at it; or true, false

    [sources.bars]                   # all that a function of ml4t.backtest.vendors reads, actions
    vendor = "lean_zip"              # too; instead of [sources.prices]
    path = "Data"                    # its first argument; the others by name
    resolution = "daily"

    [strategy]
    kind = "TopN"
    n = 25                           # or a share, as 0.1 for the best decile, or "all"
    by = "ml_score"                  # also: where, when, weight, every, offset, within, ascending
    when = "vix <= 30"
    every = "month_end"              # or a number of bars
    min_trade = 500                  # account currency: smaller changes are not made
    band = 0.005                     # fraction of equity by which a position may be off its target

    # or: kind = "SQLStrategy", query = "select timestamp, asset_id, weight from ...", every,
    # offset, when, min_trade, band, and in a table [strategy.ranking] what makes `ranked`

    [[risk]]                         # one per rule, in the order that breaks ties
    rule = "StopLoss"                # any rule of ml4t.backtest.risk
    fraction = 0.05                  # its arguments by name; a schedule is a list of pairs

    [[risk]]
    rule = "AllOf"                   # AnyOf and AllOf hold rules of their own
    rules = [
        { rule = "TimeBasedExit", max_bars = 20 },
        { rule = "SignalExit", condition = "ml_score < 0" },
    ]

    [[limit]]                        # one per limit, applied in this order
    limit = "MaxGroupWeight"         # any limit of ml4t.backtest.risk
    fraction = 0.3
    group = "sector"

    [run]
    initial_capital = 1_000_000      # account currency; the preset's, else 100_000, if left out
    periods_per_year = 252           # bars of a year; counted if left out
    sessions_per_year = "crypto"     # or a number; the calendar's if left out
    start = 2015-01-02               # first day of the run; data before it warms what looks back
    end = "2019-12-31"               # last day; also a time: all data if left out
    benchmark = "SPY"                # or "equal_weight", "universe"; the source of that name
    risk_free = 0.02                 # a year; or the source of that name
    evidence = ["vix", "sector"]     # columns for the table `evidence` at every order, or "all"
    store = "runs"                   # the folder of a RunStore, to which the run is added
    tags = ["rotation"]              # by which it is found there
    preset = "realistic"             # what the tables below start from; "default" if left out
    slippage_bps = 5                 # short for [slippage] of basis points; also commission_bps
    threads = 4                      # as for Catalog; also memory_limit = "4GB"
    timezone = "America/New_York"    # as for Catalog
    cache = "prepared"               # as for Catalog: a folder that keeps what runs have read

    [commission]                     # also: slippage, impact, financing, account, levels, actions
    kind = "PerShareCommission"      # a class of ml4t.backtest, and its arguments by name
    per_share = 0.005
    minimum = 1.0

    [account]
    kind = "MarginAccount"
    initial_margin = 0.5

    [execution]
    timing = "NextClose"             # or { kind = "VolumeWeighted", vwap = "vwap" }
    whole_shares = true
    participation = 0.1              # "none" stands for None

Only prices and ``[strategy]`` are required; what is left out has the default that
it has in Python, or the preset's value. A table of the preset's own kind, or without a kind,
changes only what it names; another kind starts from the defaults of that class.
``ml4t-backtest preset NAME`` prints all tables of a preset.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from ml4t.backtest.config import BacktestConfig
from ml4t.backtest.core.ranking import Ranking
from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.sources.source import is_there
from ml4t.backtest.engine import BacktestEngine
from ml4t.backtest.errors import ConfigError, require_path
from ml4t.backtest.risk import RiskManager
from ml4t.backtest.runfile_sources import register_sources
from ml4t.backtest.runfile_tables import (
    LIMITS,
    RULES,
    SETTINGS,
    Family,
    TomlTable,
    arguments_of,
    build,
    require_known,
    require_type,
    subtable,
    take,
)
from ml4t.backtest.strategies.sql import SQLStrategy
from ml4t.backtest.strategies.top_n import TopN
from ml4t.backtest.strategy.base import Strategy

FILE_TABLES = ("sources", "strategy", "risk", "limit", "run", *SETTINGS)
RUN_KEYS: dict[str, type] = {
    "initial_capital": float,
    "periods_per_year": float,
    "sessions_per_year": float,
    "start": date,
    "end": date,
    "benchmark": str,
    "risk_free": float,
    "evidence": list,
    "store": str,
    "tags": list,
    "preset": str,
    "commission_bps": float,
    "slippage_bps": float,
    "threads": int,
    "memory_limit": str,
    "timezone": str,
    "cache": str,
}
ENGINE_KEYS = (
    "initial_capital", "periods_per_year", "sessions_per_year", "start", "end", "benchmark",
    "risk_free", "evidence", "tags",
)  # fmt: skip
# Keys whose value may be words: an asset class, "all".
OR_WORDS = ("sessions_per_year", "evidence")
# Keys of [run] that stand for a table: its name, and the class of which they give basis_points.
SHORTHANDS = {
    "commission_bps": ("commission", "BasisPointCommission"),
    "slippage_bps": ("slippage", "BasisPointSlippage"),
}
STRATEGIES = ("SQLStrategy", "TopN")


def catalog_of(path: str | Path) -> Catalog:
    """Register the sources of a run file.

    Returns
    -------
    Catalog

    Raises
    ------
    ConfigError
        The file cannot be read, or names something that does not exist.
    DataError
        A source cannot be read.
    """
    path = require_path("path", path, "that of a run file")
    document = _document(path)
    return register_sources(document, _run(document), path.parent)


def engine_of(path: str | Path, *, cache: Path | None = None) -> BacktestEngine:
    """Build the engine that a run file describes, ready to run.

    Parameters
    ----------
    cache : Path, optional
        In place of that of the file.

    Returns
    -------
    BacktestEngine

    Raises
    ------
    ConfigError
        The file cannot be read, names something that does not exist, or a value is outside
        what it may be.
    DataError
        A source cannot be read.
    """
    path = require_path("path", path, "that of a run file")
    document = _document(path)
    run = _run(document)
    if cache is not None:
        run = {**run, "cache": str(cache.absolute())}
    strategy = _strategy(document)
    manager = RiskManager(_list(document, "risk", RULES), _list(document, "limit", LIMITS))
    config = _config(document, run)
    return BacktestEngine(
        register_sources(document, run, path.parent),
        strategy,
        risk_manager=manager,
        config=config,
        **_chosen(run, *ENGINE_KEYS),
        store=_store(run, path.parent),
    )


def _store(run: TomlTable, folder: Path) -> Path | None:
    """Return the folder of the store that `[run]` names."""
    if "store" not in run:
        return None
    given = require_path("[run] store", run["store"], "the folder of a store")
    return folder.absolute() / given


def _document(path: Path) -> TomlTable:
    if not is_there(path) or not path.is_file():
        raise ConfigError(f"there is no run file at '{path}'")
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"run file '{path}' is no TOML: {error}") from error
    require_known(document, FILE_TABLES, "the run file", "table")
    return document


def _run(document: TomlTable) -> TomlTable:
    run = subtable(document, "run")
    require_known(run, RUN_KEYS, "[run]")
    return {
        name: value
        if name in OR_WORDS and isinstance(value, str)
        else require_type(RUN_KEYS[name], value, f"[run] {name}")
        for name, value in run.items()
    }


def _chosen(table: TomlTable, *names: str) -> dict[str, Any]:
    return {name: table[name] for name in names if name in table}


@dataclass(frozen=True, slots=True, kw_only=True)
class _QueryTable:
    """What a table of kind SQLStrategy says beside its ranking."""

    query: str
    every: int | str = 1
    offset: int = 0
    when: str | None = None
    min_trade: float = 0.0
    band: float = 0.0


def _strategy(document: TomlTable) -> Strategy:
    if "strategy" not in document:
        raise ConfigError("the run file has no table [strategy]")
    given = dict(subtable(document, "strategy"))
    kind = take(given, "kind", STRATEGIES, "[strategy]")
    if kind == "SQLStrategy":
        ranking = None
        if "ranking" in given:
            table = subtable(given, "ranking")
            ranking = Ranking(**arguments_of(Ranking, table, "[strategy.ranking]"))
            del given["ranking"]
        said = arguments_of(_QueryTable, given, f"[strategy] of kind {kind}")
        return SQLStrategy(ranking=ranking, **said)
    return TopN(**arguments_of(Ranking, given, f"[strategy] of kind {kind}"))


def _list(document: TomlTable, name: str, family: Family) -> list[Any]:
    """Return what a list of tables describes, in its order."""
    tables = document.get(name, [])
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        raise ConfigError(
            f"{name} must be a list of tables, was {tables!r}; write [[{name}]] over each {name}"
        )
    return [build(family, one, f"[[{name}]] number {i}") for i, one in enumerate(tables, start=1)]


def _config(document: TomlTable, run: TomlTable) -> BacktestConfig:
    """Return the preset with what the tables change."""
    tables = {name: subtable(document, name) for name in SETTINGS if name in document}
    places = {name: f"[{name}]" for name in tables}
    for key, (name, kind) in SHORTHANDS.items():
        if key not in run:
            continue
        if name in tables:
            raise ConfigError(f"[run] {key} and [{name}] say the same; keep one of them")
        tables[name] = {"kind": kind, "basis_points": run[key]}
        places[name] = f"[run] {key}"
    config = BacktestConfig.preset(run.get("preset", "default"))
    changes = {
        name: build(SETTINGS[name], table, places[name], getattr(config, name))
        for name, table in tables.items()
    }
    return replace(config, **changes)
