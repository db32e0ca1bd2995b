"""RunFacts: what the `runs` table says of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from operator import itemgetter
from typing import NamedTuple

# Of the tables, whatever version of the package writes them. 1, of files that say none, was before
# `runs.format`, `benchmark` and what its comment calls later.
FORMAT = 2


class RunFacts(NamedTuple):
    """The facts of a run, one field per column; mappings and lists are stored as JSON."""

    started_at: datetime
    finished_at: datetime
    initial_capital: float
    fill_policy: str
    configuration: Mapping[str, object]
    sources: list[dict[str, object]]
    rows_dropped: Mapping[str, object]
    drop_rules: Mapping[str, str]
    versions: Mapping[str, str]
    n_assets: int
    n_bars: int
    activity: list[dict[str, object]]
    misses: list[dict[str, object]]
    selection: Mapping[str, object]
    periods_per_year: float | None
    warnings: list[dict[str, object]]
    sessions_per_year: float | str | None = None
    bars_per_session: float | str | None = None
    sessions_from: float | str | None = None
    excursions_from: str = "close"

    @property
    def format(self) -> int:
        """The form of the tables, see `FORMAT`."""
        return FORMAT

    @property
    def run_id(self) -> str:
        """See `run_id_of`."""
        return run_id_of(self.initial_capital, self.configuration, self.sources, self.versions)


def run_id_of(
    initial_capital: float,
    configuration: Mapping[str, object],
    sources: Sequence[Mapping[str, object]],
    versions: Mapping[str, str],
) -> str:
    """Return twelve hex digits over all that a run is made of: equal inputs, equal id."""
    # In whatever order they were registered.
    in_order = sorted(sources, key=itemgetter("name"))
    facts = [initial_capital, configuration, in_order, versions]
    return sha256(as_json(_alike(facts)).encode()).hexdigest()[:12]


def as_json(value: object) -> str:
    """Return a fact as text; equal facts are equal texts."""
    return json.dumps(value, sort_keys=True, default=str)


def _alike(value: object) -> object:
    """Return a value with 10.0 as 10, which are one setting: 10 basis points are 10.0 of them."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {key: _alike(one) for key, one in value.items()}
    return [_alike(one) for one in value] if isinstance(value, (list, tuple)) else value
