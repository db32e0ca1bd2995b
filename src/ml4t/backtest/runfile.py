"""The run file: one TOML document that says what `ml4t-backtest run` is to run.

Steps: parse -> `catalog_of` (sources) -> `engine_of` (strategy, risk, costs, account). Names
are checked before anything is read; a relative path starts at the folder of the run file::

    [sources.prices]                 # a table per source; its name is the role ...
    path = "prices/*.parquet"        # a path, glob, folder, URL, or a list of them

    [sources.fundamentals]           # ... unless role says otherwise
    role = "features"                # prices, features, context, universe
    path = "fundamentals.parquet"
    available_at = "published_at"    # or: lag = "1 day"
    max_age = "90 days"
    on_bad_rows = "drop"             # or "raise", the default

    [strategy]
    kind = "TopN"
    n = 25
    by = "ml_score"                  # also: where, when, weight, every, offset, within, ascending
    when = "vix <= 30"

    [[risk]]                         # one per rule, in the order that breaks ties
    rule = "StopLoss"                # any rule of ml4t.backtest.risk
    fraction = 0.05                  # its arguments by name; a schedule is a list of pairs

    [run]
    initial_capital = 1_000_000      # account currency
    commission_bps = 10              # of the traded value
    slippage_bps = 5                 # of the price

    [account]
    reserve_costs = true
    overdraft = 0.0

Only ``[sources.prices]`` and ``[strategy]`` are required; what is left out has the default that
it has in Python.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

import ml4t.backtest.risk as risk_rules
from ml4t.backtest.config import BacktestConfig
from ml4t.backtest.core.ranking import Ranking
from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.sources import ROLES
from ml4t.backtest.engine import BacktestEngine
from ml4t.backtest.errors import ConfigError, did_you_mean
from ml4t.backtest.execution import BasisPointCommission, BasisPointSlippage, CashAccount
from ml4t.backtest.risk import RiskManager, RiskRule
from ml4t.backtest.strategies.top_n import TopN

Table = Mapping[str, Any]

TABLES = ("sources", "strategy", "risk", "run", "account")
SOURCE_KEYS = ("path", "role", "available_at", "lag", "max_age", "on_bad_rows")
RUN_KEYS = ("initial_capital", "commission_bps", "slippage_bps")
STRATEGIES = ("TopN",)
RULES: dict[str, type[RiskRule]] = {
    kind.__name__: kind
    for kind in vars(risk_rules).values()
    if isinstance(kind, type) and issubclass(kind, RiskRule) and is_dataclass(kind)
}
# Types of a field by its hint; a hint that is not here is left to the class to judge.
HINTS: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "str": (str,),
    "str | None": (str,),
}
WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


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
    return _catalog(_document(Path(path)), Path(path).parent)


def engine_of(path: str | Path) -> BacktestEngine:
    """Build the engine that a run file describes, ready to run.

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
    document = _document(Path(path))
    strategy = _strategy(document)
    rules = RiskManager([_rule(table, i) for i, table in enumerate(_risk_tables(document), 1)])
    run = _table(document, "run")
    _require_known(run, RUN_KEYS, "[run]")
    numbers = {name: _typed(value, (int, float), f"[run] {name}") for name, value in run.items()}
    costs: dict[str, Any] = {}
    if "commission_bps" in numbers:
        costs["commission"] = BasisPointCommission(numbers["commission_bps"])
    if "slippage_bps" in numbers:
        costs["slippage"] = BasisPointSlippage(numbers["slippage_bps"])
    account = CashAccount(**_arguments(CashAccount, _table(document, "account"), "[account]"))
    return BacktestEngine(
        _catalog(document, Path(path).parent),
        strategy,
        risk_manager=rules,
        config=BacktestConfig(account=account, **costs),
        **{name: numbers[name] for name in ("initial_capital",) if name in numbers},
    )


def _document(path: Path) -> Table:
    if not path.is_file():
        raise ConfigError(f"there is no run file at '{path}'")
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"run file '{path}' is no TOML: {error}") from error
    _require_known(document, TABLES, "the run file", "table")
    return document


def _catalog(document: Table, folder: Path) -> Catalog:
    sources = _table(document, "sources")
    if "prices" not in sources:
        raise ConfigError("the run file has no table [sources.prices]")
    catalog = Catalog()
    for name in sources:
        where = f"[sources.{name}]"
        source = _table(sources, name, where)
        _require_known(source, SOURCE_KEYS, where)
        if "path" not in source:
            raise ConfigError(f"{where} has no path")
        role = source.get("role", name)
        if role not in ROLES:
            hint = did_you_mean(str(role), ROLES)
            raise ConfigError(f"{where} has the unknown role {role!r}{hint}")
        options = {
            key: _typed(value, (str,), f"{where} {key}")
            for key, value in source.items()
            if key not in ("path", "role")
        }
        paths = _paths(source["path"], folder, where)
        catalog.register(role, paths, name=None if name == role else name, **options)
    return catalog


def _paths(given: object, folder: Path, where: str) -> str | list[str]:
    if isinstance(given, list):
        return [_path(one, folder, where) for one in given]
    return _path(given, folder, where)


def _path(given: object, folder: Path, where: str) -> str:
    text = str(_typed(given, (str,), f"{where} path"))
    # An absolute path stays as it is: joining it to a folder leaves the folder out.
    return text if "://" in text else str(folder.absolute() / text)


def _strategy(document: Table) -> TopN:
    if "strategy" not in document:
        raise ConfigError("the run file has no table [strategy]")
    given = dict(_table(document, "strategy"))
    kind = _choice(given, "kind", STRATEGIES, "[strategy]")
    return TopN(**_arguments(Ranking, given, f"[strategy] of kind {kind}"))


def _risk_tables(document: Table) -> list[Table]:
    tables = document.get("risk", [])
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        raise ConfigError("risk must be a list of tables: write [[risk]] over each rule")
    return tables


def _rule(table: Table, number: int) -> RiskRule:
    given = dict(table)
    name = _choice(given, "rule", RULES, f"[[risk]] number {number}")
    where = f"[[risk]] {name}"
    arguments = _arguments(RULES[name], given, where)
    try:
        return RULES[name](**arguments)
    except (TypeError, ValueError) as error:  # such as a schedule that is no list of pairs
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{where} cannot be built from {arguments}: {error}") from error


def _choice(given: dict[str, Any], key: str, known: Iterable[str], where: str) -> str:
    """Take `key` out of a table and return it, one of `known`."""
    known = sorted(known)
    if key not in given:
        raise ConfigError(f"{where} has no {key}; known: {', '.join(known)}")
    chosen = given.pop(key)
    if chosen not in known:
        hint = did_you_mean(str(chosen), known)
        raise ConfigError(f"{where} has the unknown {key} {chosen!r}{hint}")
    return str(chosen)


def _arguments(kind: Any, given: Table, where: str) -> dict[str, Any]:
    """Check a table against the fields of a dataclass; return it as keyword arguments."""
    known = {field.name: field for field in fields(kind)}
    _require_known(given, known, where)
    for name, field in known.items():
        is_required = field.default is MISSING and field.default_factory is MISSING
        if is_required and name not in given:
            raise ConfigError(f"{where} has no {name}")
    return {
        name: _typed(_tuples(value), HINTS.get(str(known[name].type)), f"{where} {name}")
        for name, value in given.items()
    }


def _table(document: Table, name: str, where: str | None = None) -> Table:
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise ConfigError(f"{where or name} must be a table, was {table!r}")
    return table


def _require_known(table: Table, known: Iterable[str], where: str, word: str = "key") -> None:
    known = list(known)
    for name in table:
        if name not in known:
            raise ConfigError(f"{where} has the unknown {word} {name!r}{did_you_mean(name, known)}")


def _typed(value: Any, kinds: tuple[type, ...] | None, what: str) -> Any:
    """Return `value`; refuse one of another type (a bool is no number here)."""
    if kinds is None:
        return value
    is_stray_bool = isinstance(value, bool) and bool not in kinds
    if is_stray_bool or not isinstance(value, kinds):
        raise ConfigError(f"{what} must be {WORDS[kinds[-1]]}, was {value!r}")
    return value


def _tuples(value: object) -> object:
    return tuple(_tuples(one) for one in value) if isinstance(value, list) else value
