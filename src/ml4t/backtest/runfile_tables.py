"""Tables of the run file: settings, rules and limits, built by the fields of their classes.

A table picks its class by one key (`kind`, `rule` or `limit`); its other keys are fields of that
class, checked against the types that the class declares. So a class that these modules export can
be named in a run file, without a line here that knows of it. `settings_text` is the way back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from datetime import date
from enum import StrEnum
from types import ModuleType, NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import ml4t.backtest.execution as execution
import ml4t.backtest.risk as risk
from ml4t.backtest.config import BacktestConfig
from ml4t.backtest.core.aliases import spelled
from ml4t.backtest.core.levels import LevelPolicy
from ml4t.backtest.errors import ConfigError, did_you_mean
from ml4t.backtest.execution.timing import FillTiming

TomlTable = Mapping[str, Any]

# TOML has no null: this word stands for None where a field may be None and is no text.
NONE = "none"
WORDS: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    date: "a date, or a time, such as 2020-01-31",
    list: "a list",
    dict: "a table",
}
# What stands for a type beside itself.
_ALLOWED: dict[type, tuple[type, ...]] = {float: (int, float), date: (date, str)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Classes of which a table picks one.

    Attributes
    ----------
    key : str
        The key that names the class; not needed where there is but one.
    classes : mapping of str to type
    is_optional : bool
        Whether there may be none: ``kind = "none"``.
    """

    key: str = "kind"
    classes: Mapping[str, type[Any]]
    is_optional: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """What the key may be."""
        return (*self.classes, *([NONE] if self.is_optional else []))


def _exported(module: ModuleType, is_member: Callable[[type], bool]) -> dict[str, type[Any]]:
    """Return the classes that a module exports and a table can fill, by name."""
    found = [getattr(module, name) for name in module.__all__]
    return {
        kind.__name__: kind
        for kind in found
        if isinstance(kind, type) and is_dataclass(kind) and is_member(kind)
    }


def _one(kind: type) -> Family:
    return Family(classes={kind.__name__: kind})


MOVES_PRICES = _exported(execution, lambda kind: hasattr(kind, "fill_price"))
# By the names of the fields of `BacktestConfig`.
SETTINGS: dict[str, Family] = {
    "commission": Family(classes=_exported(execution, lambda kind: hasattr(kind, "charge"))),
    "slippage": Family(classes=MOVES_PRICES),
    "impact": Family(classes=MOVES_PRICES, is_optional=True),
    "financing": _one(execution.Financing),
    "account": Family(
        classes={kind.__name__: kind for kind in (execution.CashAccount, execution.MarginAccount)}
    ),
    "execution": _one(execution.ExecutionPolicy),
    "levels": _one(LevelPolicy),
    "actions": _one(execution.ActionPolicy),
    "market": _one(execution.MarketRules),
    "currencies": _one(execution.Currencies),
}
RULES = Family(key="rule", classes=_exported(risk, lambda kind: issubclass(kind, risk.RiskRule)))
LIMITS = Family(key="limit", classes=_exported(risk, lambda kind: issubclass(kind, risk.Limit)))
TIMINGS = Family(classes=_exported(execution, lambda kind: issubclass(kind, FillTiming)))
# Fields that hold an object of one of these types hold a table in the run file.
NESTED: dict[type, Family] = {
    risk.RiskRule: RULES, FillTiming: TIMINGS, execution.Commission: SETTINGS["commission"],
    execution.CurrencyRates: _one(execution.CurrencyRates),
}  # fmt: skip


def build(family: Family, table: TomlTable, where: str, base: object = None) -> Any:
    """Return the object that a table describes.

    Parameters
    ----------
    family : Family
    table : mapping
    where : str
        The place in the file, for messages.
    base : object, optional
        What is in force without the table. A table of the same class, or without a class, changes
        the fields that it names and leaves the others; one of another class starts anew.

    Raises
    ------
    ConfigError
        A name is unknown, a field is missing, or a value is outside what it may be.
    """
    given = dict(table)
    if len(family.names) == 1:
        given = {family.key: family.names[0], **given}
    elif base is not None:
        given = {family.key: type(base).__name__, **given}
    chosen = take(given, family.key, family.names, where)
    if chosen == NONE:
        require_known(given, (), where)
        return None
    kind = family.classes[chosen]
    if len(family.names) > 1:
        where = f"{where} {chosen}"
    is_change = type(base) is kind
    arguments = arguments_of(kind, given, where, is_partial=is_change)
    try:
        return replace(base, **arguments) if is_change else kind(**arguments)  # type: ignore[type-var]
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {error}") from error


def arguments_of(
    kind: type[Any], given: TomlTable, where: str, *, is_partial: bool = False
) -> dict[str, Any]:
    """Check a table against the fields of a dataclass; return it as keyword arguments."""
    known = {field.name: field for field in fields(kind) if field.init}
    given = spelled(kind, given)
    require_known(given, known, where)
    for name, field in known.items():
        is_required = field.default is MISSING and field.default_factory is MISSING
        if is_required and name not in given and not is_partial:
            raise ConfigError(f"{where} has no {name}")
    hints = get_type_hints(kind)
    return {name: _value(hints[name], value, f"{where} {name}") for name, value in given.items()}


def subtable(document: TomlTable, name: str, where: str | None = None) -> TomlTable:
    """Return the table of a name, empty where there is none; refuse what is no table."""
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise ConfigError(f"{where or f'[{name}]'} must be a table, was {table!r}")
    return table


def take(given: dict[str, Any], key: str, known: Iterable[str], where: str) -> str:
    """Take `key` out of a table and return it, one of `known`."""
    known = sorted(known)
    if key not in given:
        raise ConfigError(f"{where} has no {key}; known: {', '.join(known)}")
    chosen = given.pop(key)
    if chosen not in known:
        hint = did_you_mean(str(chosen), known)
        raise ConfigError(f"{where} has the unknown {key} {chosen!r}{hint}")
    return str(chosen)


def require_known(table: TomlTable, known: Iterable[str], where: str, word: str = "key") -> None:
    """Refuse a key that is not among `known`."""
    known = list(known)
    for name in table:
        if name not in known:
            raise ConfigError(f"{where} has the unknown {word} {name!r}{did_you_mean(name, known)}")


def require_type(kind: type, value: Any, where: str) -> Any:
    """Return `value`; refuse one of another type (a bool is no number, an int may be a float)."""
    allowed = _ALLOWED.get(kind, (kind,))
    if not isinstance(value, allowed) or (isinstance(value, bool) and kind is not bool):
        raise ConfigError(f"{where} must be {WORDS[kind]}, was {value!r}")
    return value


def _value(hint: Any, value: Any, where: str) -> Any:
    """Return a TOML value as the type that a field declares."""
    choices = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if choices[0] is int and type(value) in choices:
        return value  # a number, a share or words, which the class knows
    # What a field takes beside the type that TOML has is None, or a function.
    kinds = [one for one in choices if one is not NoneType and get_origin(one) is not Callable]
    # A number or a list, such as an amount, or amounts by date.
    alike = [one for one in kinds if (get_origin(one) is tuple) == isinstance(value, list)]
    kind = (alike or kinds)[0]
    if NoneType in choices and kind is not str and value == NONE:
        return None
    if kind in NESTED:
        table = {NESTED[kind].key: value} if isinstance(value, str) else value
        return build(NESTED[kind], require_type(dict, table, where), where)
    if get_origin(kind) in (tuple, Sequence):
        return _items(get_args(kind), require_type(list, value, where), where)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return require_type(str, value, where)  # the class knows its words
    return require_type(kind, value, where)


def _items(kinds: tuple[Any, ...], values: list[Any], where: str) -> tuple[Any, ...]:
    """Return a list as a tuple: of the given types, or of any number of the first."""
    is_open = len(kinds) == 1 or kinds[1] is Ellipsis
    if not is_open and len(values) != len(kinds):
        raise ConfigError(f"{where} must be a list of {len(kinds)}, was {values!r}")
    wanted = [kinds[0]] * len(values) if is_open else kinds
    pairs = enumerate(zip(wanted, values, strict=True), start=1)
    return tuple(_value(kind, value, f"{where} number {i}") for i, (kind, value) in pairs)


# -- the way back -----------------------------------------------------------------------


def settings_text(config: BacktestConfig) -> str:
    """Return every setting as the tables of a run file, which give the same settings back."""
    capital = config.initial_capital
    run = [] if capital is None else [f"[run]\ninitial_capital = {_text(capital)}"]
    tables = (
        "\n".join([f"[{name}]", *_lines(getattr(config, name), family)])
        for name, family in SETTINGS.items()
    )
    return "\n\n".join((*run, *tables))


def _lines(setting: object, family: Family) -> list[str]:
    kind = NONE if setting is None else type(setting).__name__
    lines = [f"kind = {_text(kind)}"] if len(family.names) > 1 else []
    if is_dataclass(setting):
        lines += [f"{one.name} = {_text(getattr(setting, one.name))}" for one in fields(setting)]
    return lines


def _text(value: object) -> str:
    if value is None:
        return _text(NONE)
    if isinstance(value, str | bool):
        return json.dumps(value)
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_text, value))}]"
    if is_dataclass(value):
        inside = _lines(value, TIMINGS)
        return f"{{ {', '.join(inside)} }}" if len(inside) > 1 else _text(type(value).__name__)
    return repr(value)
