"""Roles: what the rows of a source are.

To add a role: a module here with its spec and its checks, the spec in `ROLES`, and the name in
`Role`. To add a check: its file in ``sql/checks``, and a `Check` in the `checks` of the roles that
are held to it. `spec` says what a role is, `check` what a check is.
"""

from __future__ import annotations

from typing import Literal

from ml4t.backtest.data.sources.roles.actions import ACTIONS_ROLE
from ml4t.backtest.data.sources.roles.benchmark import BENCHMARK_ROLE, RISK_FREE_ROLE
from ml4t.backtest.data.sources.roles.calendar import CALENDAR_ROLE, CORRECTIONS_ROLE
from ml4t.backtest.data.sources.roles.features import CONTEXT_ROLE, FEATURES_ROLE
from ml4t.backtest.data.sources.roles.funding import FUNDING_ROLE
from ml4t.backtest.data.sources.roles.fx import FX_ROLE
from ml4t.backtest.data.sources.roles.prices import PRICES_ROLE
from ml4t.backtest.data.sources.roles.rolls import ROLLS_ROLE
from ml4t.backtest.data.sources.roles.spec import RoleSpec
from ml4t.backtest.data.sources.roles.terms import ASSETS_ROLE, BORROW_ROLE
from ml4t.backtest.data.sources.roles.universe import UNIVERSE_ROLE

Role = Literal[
    "prices", "features", "context", "universe", "actions", "assets", "borrow", "calendar",
    "calendar_corrections", "benchmark", "risk_free", "rolls", "funding", "fx",
]  # fmt: skip
ROLES: dict[str, RoleSpec] = {
    spec.name: spec
    for spec in (
        PRICES_ROLE,
        FEATURES_ROLE,
        CONTEXT_ROLE,
        UNIVERSE_ROLE,
        ACTIONS_ROLE,
        ASSETS_ROLE,
        BORROW_ROLE,
        CALENDAR_ROLE,
        CORRECTIONS_ROLE,
        BENCHMARK_ROLE,
        RISK_FREE_ROLE,
        ROLLS_ROLE,
        FUNDING_ROLE,
        FX_ROLE,
    )
}
