"""RuleActivity: what a run has to say of one of its rules."""

from __future__ import annotations

from typing import NamedTuple


class RuleActivity(NamedTuple):
    """How often a rule of a run was asked, and acted.

    Attributes
    ----------
    name : str
    evaluated : int
        Positions times closes at which it was asked; 0 where what it reads never had a value.
    fired : int
        Times a level of it was touched, or it asked for an exit that stood.
    """

    name: str
    evaluated: int
    fired: int
