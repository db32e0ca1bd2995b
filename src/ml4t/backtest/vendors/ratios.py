"""Ratios: what a split was before a file rounded it."""

from __future__ import annotations

from fractions import Fraction

# Splits are of small numbers: 7 for 1, 3 for 2, 1 for 20.
_LARGEST_PART = 20


def simple_ratio(ratio: float, tolerance: float) -> float:
    """Return the ratio of small whole numbers that a rounded one stands for, else itself.

    Parameters
    ----------
    ratio : float
        New shares per old one.
    tolerance : float
        Relative error of the file's digits.
    """
    if not 0 < ratio < float("inf"):
        return ratio
    larger = max(ratio, 1 / ratio)
    simple = Fraction(larger).limit_denominator(_LARGEST_PART)
    if abs(simple / Fraction(larger) - 1) > tolerance:
        return ratio
    return float(simple if ratio >= 1 else 1 / simple)
