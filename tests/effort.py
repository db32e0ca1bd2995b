"""How hard the drawn tests try: `make audits` draws many times what `make test` does."""

from __future__ import annotations

import os

EFFORT = int(os.environ.get("ML4T_EFFORT", "1"))


def examples(usual: int) -> int:
    """Return how many cases a test draws, of which it draws `usual` in the suite."""
    return usual * EFFORT
