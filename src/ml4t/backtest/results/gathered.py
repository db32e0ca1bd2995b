"""Gathered: rows that are not a part of one event, made of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.batch import Floats, Ints
from ml4t.backtest.core.journal import AccountAtClose, Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityCurve:
    """What an account was worth at each close; every vector has one entry per bar."""

    t: Ints
    cash: Floats
    equity: Floats
    gross_exposure: Floats
    net_exposure: Floats
    n_positions: Ints


def equity_curve(closes: Sequence[AccountAtClose]) -> list[EquityCurve]:
    """Add up the positions of every close at once: one by one it would cost more than the rest."""
    n_bars = len(closes)
    n_positions = np.array([len(one.held) for one in closes], dtype=np.int64)
    value = np.concatenate([one.value for one in closes]) if n_bars else np.empty(0)
    row = np.repeat(np.arange(n_bars), n_positions)
    # Without any position bincount would count in integers.
    net = np.bincount(row, weights=value, minlength=n_bars).astype(np.float64)
    gross = np.bincount(row, weights=np.abs(value), minlength=n_bars).astype(np.float64)
    cash = np.array([one.cash for one in closes], dtype=np.float64)
    return [
        EquityCurve(
            t=np.array([one.t for one in closes], dtype=np.int64),
            cash=cash,
            equity=cash + net,
            gross_exposure=gross,
            net_exposure=net,
            n_positions=n_positions,
        )
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenFeature:
    """A value that a rule saw when it decided; `decision` counts decisions from 0."""

    decision: int
    name: str
    value: float


def seen_features(decisions: Sequence[Decision]) -> list[SeenFeature]:
    """Return what each decision saw, one by one."""
    return [
        SeenFeature(decision=i, name=name, value=value)
        for i, decision in enumerate(decisions)
        for name, value in decision.features.items()
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was known where orders were decided; one entry per value, sid -1: market-wide."""

    t: Ints
    sid: Ints
    name: NDArray[np.object_]
    value: Floats
    value_text: NDArray[np.object_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Excursions:
    """How far each trade went, as a fraction of its entry price; one entry per trade."""

    mae: Floats
    mfe: Floats
