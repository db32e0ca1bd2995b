"""Store: the result tables, written in one transaction at the end of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import numpy as np

from ml4t.backtest.core.axes import Axes
from ml4t.backtest.core.terms import Instruments
from ml4t.backtest.data.database import UTC, Database
from ml4t.backtest.data.sql_files import read, render
from ml4t.backtest.results.recorder import Staged

TABLES = ("runs", "orders", "fills", "trades", "positions", "equity", "decisions",
          "selections", "cash_flows", "signals")  # fmt: skip
# Microseconds (nanoseconds for TIMESTAMP_NS) back to the bars' own type.
_REBUILT = {
    "DATE": "make_timestamp(tick)::date",
    "TIMESTAMP": "make_timestamp(tick)",
    "TIMESTAMP_S": "make_timestamp(tick)::timestamp_s",
    "TIMESTAMP_MS": "make_timestamp(tick)::timestamp_ms",
    "TIMESTAMP_NS": "make_timestamp_ns(tick)",
    "TIMESTAMP WITH TIME ZONE": "make_timestamptz(tick)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What the `runs` table says of a run; mappings are stored as JSON."""

    started_at: datetime
    finished_at: datetime
    initial_capital: float
    fill_policy: str
    configuration: Mapping[str, object]
    sources: list[dict[str, object]]
    rows_dropped: Mapping[str, object]
    versions: Mapping[str, str]
    activity: list[dict[str, object]]
    misses: list[dict[str, object]]
    periods_per_year: float | None
    warnings: list[dict[str, object]]

    @property
    def run_id(self) -> str:
        """Twelve hex digits over configuration, sources and versions: equal inputs, equal id."""
        facts = [self.initial_capital, self.configuration, self.sources, self.versions]
        return sha256(_json(_alike(facts)).encode()).hexdigest()[:12]


def open_store(timezone: str = UTC) -> Database:
    """Return an empty database for the tables of one run, in the zone of that run."""
    # One thread: a float sum over the tables must not depend on how many there are.
    return Database(threads=1, timezone=timezone)


def store(
    staged: Staged, axes: Axes, terms: Instruments, facts: RunFacts, database: Database
) -> None:
    """Write a run's tables into an empty database, all or none, and lock it."""
    database.execute("create schema stage")
    database.execute("begin")
    staged = {
        "staged_timeline": {
            "t": np.arange(len(axes.timestamps)),
            "tick": axes.timestamps,
            "session": axes.sessions,
        },
        "staged_assets": {
            "sid": np.arange(len(axes.asset_ids)),
            "asset_id": axes.asset_ids,
            "multiplier": terms.multiplier,
        },
        **staged,
    }
    for name, columns in staged.items():
        database.register(name, columns)
    rebuilt = _REBUILT[axes.timestamp_type]
    database.execute(render("results/timeline", timestamp=rebuilt))
    database.execute(render("results/assets", type=axes.asset_type))
    parameters = {"run_id": facts.run_id, "initial_capital": facts.initial_capital}
    database.execute(
        read("results/runs"),
        {
            **parameters,
            "started_at": facts.started_at,
            "finished_at": facts.finished_at,
            "fill_policy": facts.fill_policy,
            "configuration": _json(facts.configuration),
            "sources": _json(facts.sources),
            "rows_dropped": _json(facts.rows_dropped),
            "versions": _json(facts.versions),
            "activity": _json(facts.activity),
            "misses": _json(facts.misses),
            "periods_per_year": facts.periods_per_year,
            "warnings": _json(facts.warnings),
            "n_assets": len(axes.asset_ids),
            "n_bars": len(axes.timestamps),
        },
    )
    for table in TABLES[1:]:
        statement = read(f"results/{table}")
        used = {name: value for name, value in parameters.items() if f"${name}" in statement}
        database.execute(statement, used)
    for name in staged:
        database.unregister(name)
    database.execute("commit")
    database.execute("drop schema stage cascade")
    database.lock()


def _alike(value: object) -> object:
    """Return a value with 10.0 as 10, which are one setting: 10 basis points are 10.0 of them."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {key: _alike(one) for key, one in value.items()}
    return [_alike(one) for one in value] if isinstance(value, (list, tuple)) else value


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)
