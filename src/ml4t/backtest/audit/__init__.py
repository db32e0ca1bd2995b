"""Audits: whether a run knew what it could not know.

1. `cuts` chooses bars at which the sources of a run are cut.
2. `truncation` runs over what was known at each, and `comparing` finds what differs before it.
   `exhaustive` takes every bar as a cut for what SQL computes.
3. `fill_checks` holds the fills of a run against their bars, in SQL.
4. `auditing` does all that is asked, and `audit.Audit` is what was found, as tables.
5. `certificate` writes a run with its audit and what both were made of, which `signing` signs, and
   `verifying` holds a file to it.
6. `checking` holds a file to the function that makes it, beside any run.
"""

from typing import TYPE_CHECKING

from ml4t.backtest.lazy import names_of

if TYPE_CHECKING:
    from ml4t.backtest.audit.checking import FeatureCheck, check_features
    from ml4t.backtest.audit.verifying import Verification, verify

__all__ = ["FeatureCheck", "check_features", "Verification", "verify"]

__getattr__, __dir__ = names_of(
    __name__,
    {"checking": ("FeatureCheck", "check_features"), "verifying": ("Verification", "verify")},
)
