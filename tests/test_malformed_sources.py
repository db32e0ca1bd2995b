"""Malformed sources: every column of every role is given every kind of wrong column.

What is refused names source and column or rule; the rest of the table says what it means.
"""

from __future__ import annotations

import math
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from effort import share
from malformed import INF
from ml4t.backtest import BacktestEngine, BacktestError, Catalog, TopN

DAYS = [date(2024, 1, day) for day in (2, 3, 4)]
ROLES: dict[str, dict[str, list[Any]]] = {
    "prices": {
        "timestamp": DAYS, "asset_id": ["A"] * 3, "open": [10.0] * 3, "high": [11.0] * 3,
        "low": [9.0] * 3, "close": [10.0] * 3, "volume": [100.0] * 3,
    },
    "features": {"timestamp": DAYS, "asset_id": ["A"] * 3, "available_at": DAYS,
                 "score": [1.0] * 3},
    "context": {"timestamp": DAYS, "available_at": DAYS, "vix": [20.0] * 3},
    "universe": {"asset_id": ["A"], "start_date": DAYS[:1], "end_date": DAYS[2:]},
    "actions": {"asset_id": ["A"], "ex_date": DAYS[1:2], "kind": ["dividend"], "value": [0.1],
                "pay_date": DAYS[2:]},
    "assets": {"asset_id": ["A"], "lot_size": [1.0], "tick_size": [0.01], "multiplier": [1.0],
               "initial_margin": [0.5], "maintenance_margin": [0.25], "min_holding": [1],
               "max_order": [100.0], "sector": ["tech"],
               "short_initial_margin": [0.5], "short_maintenance_margin": [0.3],
               "instrument": ["future"], "contract_initial_margin": [10.0],
               "contract_maintenance_margin": [0.1], "expiry": [date(2030, 1, 1)],
               "final_settlement": [9.0]},
    "rolls": {"timestamp": DAYS[:1], "asset_id": ["A"], "new_asset_id": ["B"]},
    "borrow": {"timestamp": DAYS, "asset_id": ["A"] * 3, "fee": [0.01] * 3,
               "available": [True] * 3, "shares": [1_000.0] * 3},
}  # fmt: skip
WRONG: dict[str, object] = {
    "NULL": None, "NaN": math.nan, "infinity": INF, "-1": -1.0, "0": 0.0, "a word": "xyzzy",
    "a flag": True, "a list": [1.0], "a struct": {"x": 1}, "a timedelta": timedelta(days=1),
    "a date": date(2024, 1, 2), "a Decimal": Decimal("0.5"), "bytes": b"x",
}  # fmt: skip
# What a wrong column may say: whatever a user's own column holds, and what is optional or missing.
DATES = {"a date"}
MEANS: dict[tuple[str, str], set[str]] = {
    # A price, a volume or a term that is a number.
    ("prices", "asset_id"): {"-1", "0", "infinity", "a word", "a Decimal", "NaN"},
    ("prices", "low"): {"a Decimal"},
    ("features", "timestamp"): DATES,
    ("features", "asset_id"): {"NULL"},
    ("features", "available_at"): DATES,
    ("context", "timestamp"): DATES,
    ("context", "available_at"): DATES,
    ("actions", "asset_id"): {"a word"},  # of an asset that is not in the run
    ("actions", "ex_date"): DATES,
    ("prices", "volume"): {"0", "NULL", "a Decimal"},
    ("universe", "start_date"): DATES,
    ("universe", "end_date"): {"NULL", "a date"},
    ("actions", "value"): {"0", "a Decimal"},
    ("actions", "pay_date"): {"NULL"},
    ("assets", "lot_size"): {"NULL", "0", "a Decimal"},
    ("assets", "tick_size"): {"NULL", "0", "a Decimal"},
    ("assets", "multiplier"): {"NULL", "a Decimal"},
    ("assets", "initial_margin"): {"NULL", "a Decimal"},
    ("assets", "maintenance_margin"): {"NULL", "a Decimal"},
    ("assets", "min_holding"): {"NULL", "0"},
    ("assets", "max_order"): {"NULL", "a Decimal"},
    ("assets", "short_initial_margin"): {"NULL", "a Decimal"},
    ("assets", "short_maintenance_margin"): {"NULL", "a Decimal"},
    ("assets", "instrument"): {"NULL"},
    ("assets", "contract_initial_margin"): {"NULL", "a Decimal"},
    ("assets", "contract_maintenance_margin"): {"NULL", "a Decimal"},
    ("assets", "expiry"): {"NULL"},
    ("assets", "final_settlement"): {"NULL", "a Decimal"},
    ("rolls", "timestamp"): set(),
    ("rolls", "asset_id"): {"a word"},  # of another asset: nothing is said of those of the run
    ("rolls", "new_asset_id"): set(),
    ("borrow", "asset_id"): {"a word"},  # of another asset: nothing is said of those of the run
    ("borrow", "fee"): {"0", "a Decimal"},
    ("borrow", "available"): {"a flag", "NULL"},
    ("borrow", "shares"): {"NULL", "0", "a Decimal"},
}
OWN = {("features", "score"), ("context", "vix"), ("assets", "sector")}
EACH = [(role, column) for role, columns in ROLES.items() for column in columns]


def said(role: str, column: str, value: object) -> str:
    """What becomes of a run with one column of a source filled with a value."""
    rows = {**ROLES[role], column: [value] * len(next(iter(ROLES[role].values())))}
    catalog = Catalog(threads=1)
    try:
        for other in dict.fromkeys(("prices", role)):
            catalog.register(other, rows if other == role else ROLES[other])  # type: ignore[arg-type]
        BacktestEngine(catalog, TopN(1, by="close")).run()
    except BacktestError as error:
        text = str(error)
        where = getattr(error, "rule", "")
        is_clear = f"'{role}'" in text and (column in text or column.split("_")[0] in where)
        return "refused" if is_clear or getattr(error, "n_rows", 0) else f"unclear: {text}"
    except Exception as error:
        return f"raw: {type(error).__name__}: {error}"
    return "accepted"


@pytest.mark.parametrize(("role", "column"), EACH)
def test_a_malformed_column_is_refused_in_words_or_means_something(role: str, column: str) -> None:
    wrong = share([*WRONG.items()], EACH.index((role, column)), 6)
    found = {label: said(role, column, value) for label, value in wrong}
    accepted = {label for label, one in found.items() if one == "accepted"}

    assert {k: v for k, v in found.items() if v.startswith(("raw", "unclear"))} == {}
    if (role, column) not in OWN:
        assert accepted <= MEANS.get((role, column), set())


@pytest.mark.parametrize(("role", "column"), EACH)
def test_a_required_column_that_is_missing_is_named(role: str, column: str) -> None:
    from ml4t.backtest.data.sources.roles import ROLES as SPECS

    rows = {name: values for name, values in ROLES[role].items() if name != column}
    catalog = Catalog(threads=1)
    if role != "prices":
        catalog.register("prices", ROLES["prices"])
    if column in SPECS[role].required:
        with pytest.raises(BacktestError, match=f"'{role}' has no column '{column}'"):
            catalog.register(role, rows)  # type: ignore[arg-type]
    else:
        catalog.register(role, rows)  # type: ignore[arg-type]
        assert catalog.describe()[-1]["source"] == role
