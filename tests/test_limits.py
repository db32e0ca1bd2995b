"""Portfolio limits: each formula by hand, what holds after any of them, and the desk's ledger."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml4t.backtest.core.batch import Floats, Ints, Selection
from ml4t.backtest.core.journal import Decision
from ml4t.backtest.core.terms import Instruments
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.risk.limits.account import (
    BreachAction,
    MaxDailyLoss,
    MaxDrawdown,
    MaxVaR,
    VolatilityTarget,
)
from ml4t.backtest.risk.limits.account_state import AccountState
from ml4t.backtest.risk.limits.engine import LimitEngine
from ml4t.backtest.risk.limits.limit import UNRANKED, Cut, Limit, LimitAction, LimitKind, Wish
from ml4t.backtest.risk.limits.weights import (
    MaxGrossExposure,
    MaxGroupWeight,
    MaxNetExposure,
    MaxPositions,
    MaxTurnover,
    MaxWeight,
)

NEAR = 1e-8


def account_of(
    equity: Sequence[float], gross: Sequence[float] | None = None, per_session: int = 1
) -> AccountState:
    """An account with these closes; `gross` as a fraction of equity, 1 where not given."""
    account = AccountState(np.arange(len(equity), dtype=np.int64) // per_session)
    for t, value in enumerate(equity):
        account.record(t, value, value * (1.0 if gross is None else gross[t]))
    return account


def wish_of(
    wanted: Sequence[float],
    current: Sequence[float] | None = None,
    rank: Sequence[int] | None = None,
    *,
    fixed: Sequence[int] = (),
    sectors: Sequence[int] | None = None,
    account: AccountState | None = None,
) -> Wish:
    n = len(wanted)
    is_fixed = np.zeros(n, dtype=bool)
    is_fixed[list(fixed)] = True
    return Wish(
        sids=np.arange(n),
        current=np.array(current if current is not None else [0.0] * n),
        wanted=np.array(wanted, dtype=np.float64),
        rank=np.array(rank if rank is not None else range(n), dtype=np.int64),
        is_fixed=is_fixed,
        account=account if account is not None else account_of([100.0]),
        groups={"sector": np.array(sectors if sectors is not None else [0] * n, dtype=np.int64)},
    )


# -- formulas ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "wanted", "left"),
    [
        (MaxWeight(0.1), [0.2, -0.3, 0.05], [0.1, -0.1, 0.05]),
        (MaxGrossExposure(1.0), [1.0, -0.6, 0.4], [0.5, -0.3, 0.2]),
        # Net 0.6, the long side of 1.0 gives up 0.4.
        (MaxNetExposure(0.2), [0.75, 0.25, -0.4], [0.45, 0.15, -0.4]),
        # Net -0.6.
        (MaxNetExposure(0.2), [0.4, -0.75, -0.25], [0.4, -0.45, -0.15]),
        (MaxNetExposure(0), [0.5, -0.3], [0.3, -0.3]),
    ],
)
def test_a_limit_leaves_these_weights(limit: Limit, wanted: list[float], left: list[float]) -> None:
    assert limit.edit(wish_of(wanted)) == pytest.approx(left, abs=1e-12)


def test_new_entries_beyond_the_limit_lose_their_weight_before_held_ones() -> None:
    wish = wish_of([0.2, 0.2, 0.2, 0.2], current=[0.0, 0.1, 0.0, 0.1], rank=[0, 3, 1, 2])
    assert MaxPositions(3).edit(wish).tolist() == [0.2, 0.2, 0.0, 0.2]
    assert MaxPositions(2).edit(wish).tolist() == [0.0, 0.2, 0.0, 0.2]
    assert MaxPositions(1).edit(wish).tolist() == [0.0, 0.0, 0.0, 0.2]


def test_a_weight_of_zero_is_no_position() -> None:
    wish = wish_of([0.0, 0.2, 0.2])
    assert MaxPositions(2).edit(wish) is wish.wanted


def test_unranked_assets_go_before_ranked_ones() -> None:
    wish = wish_of([0.1, 0.1, 0.1], rank=[UNRANKED, 1, 0])
    assert MaxPositions(2).edit(wish).tolist() == [0.0, 0.1, 0.1]


def test_each_group_is_scaled_by_itself_and_assets_without_one_form_a_group() -> None:
    wish = wish_of([0.4, -0.4, 0.3, 0.5, 0.3], sectors=[0, 0, 1, -1, -1])
    left = MaxGroupWeight(0.4).edit(wish)
    assert left == pytest.approx([0.2, -0.2, 0.3, 0.25, 0.15])


def test_turnover_scales_every_change_alike() -> None:
    # Turnover 0.3 + 0.5 = 0.8; a quarter of each change is left.
    wish = wish_of([0.5, 0.0], current=[0.2, 0.5])
    assert MaxTurnover(0.2).edit(wish) == pytest.approx([0.275, 0.375])


def test_a_fixed_asset_counts_in_the_sum_and_keeps_its_weight() -> None:
    wish = wish_of([0.6, 0.7, -0.1], current=[0.6, 0.0, -0.1], fixed=[0, 2])
    assert MaxGrossExposure(1.0).edit(wish) == pytest.approx([0.6, 0.3, -0.1])
    assert MaxGroupWeight(1.0).edit(wish) == pytest.approx([0.6, 0.3, -0.1])
    assert MaxNetExposure(1.0).edit(wish) == pytest.approx([0.6, 0.5, -0.1])
    assert MaxTurnover(0.2).edit(wish) == pytest.approx([0.6, 0.2, -0.1])
    assert MaxPositions(2).edit(wish) == pytest.approx([0.6, 0.0, -0.1])


def test_weights_that_add_up_to_one_but_for_rounding_are_left_alone() -> None:
    for wanted in ([1 / 49] * 49, [0.04] * 25, [0.1] * 10):
        wish = wish_of(wanted)
        for limit in (MaxGrossExposure(1.0), MaxNetExposure(1.0), MaxTurnover(1.0)):
            assert limit.edit(wish) is wish.wanted


# -- the account's history --------------------------------------------------------------------


def test_unlevered_returns_divide_by_the_exposure_that_earned_them() -> None:
    account = account_of([100, 110, 99, 99, 108.9], gross=[0.5, 2.0, 0.0, 0.5, 0.5])
    # +10% on 0.5; -10% on 2; the bar after no exposure has none; +10% on 0.5.
    assert account.unlevered_returns(9) == pytest.approx([0.2, -0.05, 0.2])
    assert account.unlevered_returns(2) == pytest.approx([-0.05, 0.2])


def test_a_close_restated_after_fills_is_what_the_next_one_is_measured_against() -> None:
    account = AccountState(np.arange(4, dtype=np.int64))
    account.record(0, 100.0, 100.0)
    account.record(1, 110.0, 110.0)
    account.record(1, 105.0, 52.5)  # costs, and half of it sold
    assert account.equities.tolist() == [100, 105]
    assert account.gross_weights.tolist() == [1, 0.5]
    assert account.peak == 110
    account.record(2, 115.5, 0.0)
    assert account.unlevered_returns(9) == pytest.approx([0.1, 0.2])
    assert account.loss_in_session() == pytest.approx(-0.1)


def test_an_account_without_equity_has_no_exposure_weight() -> None:
    account = account_of([100, -5])
    assert account.gross_weights.tolist() == [1, 0]


def test_volatility_target_scales_by_target_over_realized() -> None:
    # Returns +1%, -1%, +1%: sample standard deviation 0.02 / sqrt(3).
    account = account_of([100, 101, 99.99, 100.9899])
    realized = 0.02 / math.sqrt(3) * math.sqrt(252)
    wish = wish_of([0.5, -0.5], account=account)
    left = VolatilityTarget(0.1, window=3).edit(wish)
    assert left == pytest.approx(np.array([0.5, -0.5]) * 0.1 / realized)
    assert VolatilityTarget(0.5, window=3).edit(wish) is wish.wanted
    left = VolatilityTarget(0.5, window=3, max_scale=1.5).edit(wish)
    assert left == pytest.approx([0.75, -0.75])
    assert VolatilityTarget(0.1, window=4).edit(wish) is wish.wanted


def test_volatility_target_without_any_variation_scales_by_the_most() -> None:
    wish = wish_of([0.5], account=account_of([100, 100, 100]))
    assert VolatilityTarget(0.1, window=2, max_scale=2.0).edit(wish).tolist() == [1.0]


def test_value_at_risk_scales_the_gross_exposure() -> None:
    account = account_of([100, 90, 99, 94.05, 98.7525])  # -10%, +10%, -5%, +5%
    # The quantile of 0.25 of -0.1, -0.05, 0.05, 0.1 is a quarter below -0.05: -0.0625.
    wish = wish_of([0.8, -0.4], account=account)
    left = MaxVaR(0.05, confidence=0.75, window=4).edit(wish)
    assert left == pytest.approx([0.8 * 0.8 / 1.2, -0.4 * 0.8 / 1.2])
    assert MaxVaR(0.076, confidence=0.75, window=4).edit(wish) is wish.wanted
    assert MaxVaR(0.01, confidence=0.75, window=5).edit(wish) is wish.wanted
    assert MaxVaR(0.01, confidence=0.2, window=4).edit(wish) is wish.wanted  # a gain


# -- losses -----------------------------------------------------------------------------------


def acts(limit: Limit, equity: Sequence[float], per_session: int = 1) -> list[tuple[Any, ...]]:
    """What a limit does at each close of an account: (t, kind, factor)."""
    run = limit.start()
    account = AccountState(np.arange(len(equity), dtype=np.int64) // per_session)
    found: list[tuple[Any, ...]] = []
    for t, value in enumerate(equity):
        account.record(t, value, value)
        found += [(t, str(act.kind), act.factor) for act in run.at_close(account)]
    return found


def test_drawdown_fires_once_at_exactly_its_fraction_of_the_peak() -> None:
    assert acts(MaxDrawdown(0.2), [90, 100, 81, 80, 70, 120, 90]) == [(3, "halt", 1.0)]


def test_drawdown_resumes_after_its_bars_and_counts_from_there() -> None:
    limit = MaxDrawdown(0.2, "reduce", scale=0.25, resume_after=2)
    equity = [100, 80, 60, 50, 45, 41, 40, 40, 40]
    assert acts(limit, equity) == [
        (1, "reduce", 0.25), (3, "resume", 1.0), (6, "reduce", 0.25), (8, "resume", 1.0),
    ]  # fmt: skip


def test_an_account_without_equity_does_not_resume() -> None:
    limit = MaxDrawdown(0.2, "liquidate", resume_after=1)
    assert acts(limit, [100, -5, -5, 3]) == [(1, "liquidate", 0.0), (3, "resume", 1.0)]


def test_daily_loss_counts_from_the_close_of_the_session_before() -> None:
    limit = MaxDailyLoss(0.1, "liquidate")
    # Two bars a session: 100 100 | 95 89 | 88 81 | 80 72 | 72 72
    equity = [100, 100, 95, 89, 88, 81, 80, 72, 72, 72]
    assert acts(limit, equity, 2) == [
        (3, "liquidate", 0.0), (4, "resume", 1.0), (7, "liquidate", 0.0), (8, "resume", 1.0),
    ]  # fmt: skip


def test_a_session_that_loses_as_much_again_at_its_first_close_renews_the_halt() -> None:
    assert acts(MaxDailyLoss(0.1), [100, 90, 80, 80]) == [
        (1, "halt", 1.0), (2, "resume", 1.0), (2, "halt", 1.0), (3, "resume", 1.0),
    ]  # fmt: skip


def test_the_first_session_counts_from_the_first_close() -> None:
    assert acts(MaxDailyLoss(0.1), [100, 95, 89, 85], 4) == [(2, "halt", 1.0)]


@pytest.mark.parametrize(
    ("action", "left"),
    [
        # Wanted 0.5 -0.5 0.3 -0.2 0.1; current 0.2 -0.2 0.4 0.1 0.
        ("halt", [0.2, -0.2, 0.3, 0.0, 0.0]),
        ("reduce", [0.25, -0.25, 0.15, -0.1, 0.05]),
        ("liquidate", [0.0, 0.0, 0.0, 0.0, 0.0]),
    ],
)
def test_a_brake_edits_weights_while_it_is_on(action: str, left: list[float]) -> None:
    wish = wish_of([0.5, -0.5, 0.3, -0.2, 0.1], current=[0.2, -0.2, 0.4, 0.1, 0.0])
    run = MaxDrawdown(0.1, action, resume_after=1).start()
    assert run.edit(wish) is wish.wanted
    account = AccountState(np.arange(3, dtype=np.int64))
    for t, equity in enumerate([100, 80]):
        account.record(t, equity, equity)
        run.at_close(account)
    assert run.edit(wish) == pytest.approx(left)
    account.record(2, 80, 80)
    run.at_close(account)
    assert run.edit(wish) is wish.wanted


@given(
    st.lists(st.floats(1, 1000), min_size=1, max_size=40),
    st.floats(0.05, 0.9),
    st.one_of(st.none(), st.integers(1, 5)),
)
def test_drawdown_fires_and_resumes_in_turn(
    equity: list[float], fraction: float, resume_after: int | None
) -> None:
    found = acts(MaxDrawdown(fraction, resume_after=resume_after), equity)
    kinds = [kind for _, kind, _ in found]
    assert kinds == ["halt", "resume"] * (len(kinds) // 2) + ["halt"] * (len(kinds) % 2)
    fired_t, peak, is_on = -1, 0.0, False
    for t, value in enumerate(equity):
        here = [kind for at, kind, _ in found if at == t]
        if is_on:
            is_due = resume_after is not None and t - fired_t == resume_after
            assert here == (["resume"] if is_due else [])
            if is_due:
                is_on, peak = False, value
            continue
        peak = max(peak, value)
        loss = (peak - value) / peak
        if abs(loss - fraction) > NEAR:
            assert here == (["halt"] if loss > fraction else [])
        if here:
            is_on, fired_t = True, t


@given(st.lists(st.floats(1, 1000), min_size=1, max_size=40), st.integers(1, 4))
def test_daily_loss_is_on_exactly_within_sessions_that_lost_enough(
    equity: list[float], per_session: int
) -> None:
    # Of a close that resumes and halts the halt counts, which comes last.
    found = {t: kind for t, kind, _ in acts(MaxDailyLoss(0.1), equity, per_session)}
    is_on = False
    for t, value in enumerate(equity):
        first = t - t % per_session
        if t == first and found.get(t) == "resume":
            assert is_on
        is_on = {"halt": True, "resume": False}.get(found.get(t, ""), is_on)
        reference = equity[max(first - 1, 0)]
        losses = [1 - one / reference for one in equity[first : t + 1]]
        if all(abs(loss - 0.1) > NEAR for loss in losses):
            assert is_on == any(loss > 0.1 for loss in losses), (t, value)


def test_a_limit_serves_two_runs_that_know_nothing_of_each_other() -> None:
    limit = MaxDrawdown(0.1)
    assert acts(limit, [100, 50]) == acts(limit, [100, 50]) == [(1, "halt", 1.0)]


# -- what holds after any limit -----------------------------------------------------------------

weight = st.floats(-2, 2).map(lambda x: round(x, 6))
long_weight = st.floats(0, 2).map(lambda x: round(x, 6))


@st.composite
def wishes(draw: st.DrawFn, wanted: Any = weight, current: Any = weight) -> Wish:
    n = draw(st.integers(0, 8))
    several = {"min_size": n, "max_size": n}
    return wish_of(
        draw(st.lists(wanted, **several)),
        draw(st.lists(current, **several)),
        draw(st.permutations(range(n))),
        fixed=draw(st.sets(st.integers(0, n - 1))) if n else (),
        sectors=draw(st.lists(st.integers(-1, 2), **several)),
        account=account_of([100, 110, 90, 120, 60]),
    )


def holds(limit: Limit, wish: Wish, left: Floats) -> bool:
    """Whether weights keep a limit, up to rounding."""
    size = np.abs(left)
    match limit:
        case MaxPositions():
            return int((left != 0).sum()) <= limit.n
        case MaxWeight():
            return bool((size <= limit.fraction + NEAR).all())
        case MaxGroupWeight():
            codes = wish.groups[limit.group]
            return all(size[codes == c].sum() <= limit.fraction + NEAR for c in set(codes))
        case MaxGrossExposure():
            return bool(size.sum() <= limit.fraction + NEAR)
        case MaxNetExposure():
            return bool(abs(left.sum()) <= limit.fraction + NEAR)
        case MaxTurnover():
            return bool(np.abs(left - wish.current).sum() <= limit.fraction + NEAR)
        case MaxVaR():
            returns = wish.account.unlevered_returns(limit.window)
            var = -np.quantile(returns, 1 - limit.confidence)
            return bool(size.sum() * var <= limit.fraction + NEAR)
    raise AssertionError(limit)


bound = st.floats(0.01, 2)
limits = st.one_of(
    st.integers(1, 5).map(MaxPositions),
    bound.map(MaxWeight),
    bound.map(MaxGroupWeight),
    bound.map(MaxGrossExposure),
    bound.map(MaxNetExposure),
    bound.map(MaxTurnover),
    bound.map(lambda x: MaxVaR(x, window=4)),
)


def loose(wish: Wish) -> Wish:
    """The same wish as a rebalance: nothing is fixed."""
    return wish_of(
        wish.wanted.tolist(), wish.current.tolist(), wish.rank.tolist(),
        sectors=wish.groups["sector"].tolist(), account=wish.account,
    )  # fmt: skip


@given(limits, wishes())
def test_a_limit_holds_after_its_edit_and_flips_no_side(limit: Limit, wish: Wish) -> None:
    wish = loose(wish)
    left = limit.edit(wish)
    assert left.shape == wish.wanted.shape
    assert holds(limit, wish, left)
    if isinstance(limit, MaxTurnover):
        low, high = np.minimum(wish.current, wish.wanted), np.maximum(wish.current, wish.wanted)
        assert (left >= low - NEAR).all()
        assert (left <= high + NEAR).all()
    else:
        assert (left * wish.wanted >= 0).all()
        assert (np.abs(left) <= np.abs(wish.wanted)).all()


@given(limits, wishes())
def test_a_wish_within_the_limit_comes_back_as_it_was(limit: Limit, wish: Wish) -> None:
    wish = loose(wish)
    again = wish_of(
        limit.edit(wish).tolist(), wish.current.tolist(), wish.rank.tolist(),
        sectors=wish.groups["sector"].tolist(), account=wish.account,
    )  # fmt: skip
    assert limit.edit(again) is again.wanted


@given(limits, wishes())
def test_a_fixed_asset_keeps_its_weight(limit: Limit, wish: Wish) -> None:
    left = limit.edit(wish)
    fixed = wish.is_fixed
    if not isinstance(limit, MaxWeight):  # the desk puts these back
        assert (left[fixed] == wish.wanted[fixed]).all()
    assert np.isfinite(left).all()


SIX = (
    MaxWeight(0.3), MaxGroupWeight(0.5), MaxGrossExposure(0.9), MaxNetExposure(0.4),
    MaxTurnover(0.6), MaxPositions(3),
)  # fmt: skip


def through(chain: Sequence[Limit], wish: Wish) -> Floats:
    desk, _ = desk_of(chain, n_assets=len(wish.sids), sectors=wish.groups["sector"].tolist())
    desk.account = wish.account
    return desk._apply(wish, wish.current, is_order=False)


@given(wishes(wanted=long_weight, current=st.just(0.0)))
def test_six_limits_in_a_row_all_hold_for_longs_from_flat(wish: Wish) -> None:
    wish = loose(wish)
    left = through(SIX, wish)
    assert all(holds(limit, wish, left) for limit in SIX)


@given(wishes())
def test_limits_that_only_shrink_hold_whatever_follows(wish: Wish) -> None:
    wish = loose(wish)
    chain = [limit for limit in SIX if not isinstance(limit, MaxTurnover)]
    left = through(chain, wish)
    assert all(holds(limit, wish, left) for limit in chain if not isinstance(limit, MaxNetExposure))


@given(wishes())
def test_turnover_last_keeps_what_current_and_wanted_weights_both_keep(wish: Wish) -> None:
    wish = loose(wish)
    chain = (MaxPositions(3), *SIX[:4], MaxTurnover(0.6))
    left = through(chain, wish)
    assert holds(MaxTurnover(0.6), wish, left)
    for limit in SIX[:4]:
        assert holds(limit, wish, left) or not holds(limit, wish, wish.current)


# -- the desk -----------------------------------------------------------------------------------


@dataclass
class Book:
    cash: float
    quantity: Floats
    mark: Floats

    @property
    def held(self) -> Ints:
        return np.flatnonzero(self.quantity)


@dataclass
class Log:
    """A journal that keeps decisions alone."""

    decisions: list[Decision] = field(default_factory=list)

    def record(self, decision: Decision) -> None:
        self.decisions.append(decision)

    def rows(self) -> list[tuple[int, str, str, float]]:
        """Decisions so far, as (sid, rule, action, level); forgotten after the call."""
        rows = [(d.sid, d.rule, d.action, round(d.level, 9)) for d in self.decisions]
        self.decisions.clear()
        return rows


def desk_of(
    chain: Sequence[Limit],
    quantity: Sequence[float] = (),
    *,
    price: float = 10.0,
    equity: float = 1000.0,
    n_assets: int = 4,
    multiplier: float = 1.0,
    lot: float = 0.0,
    sectors: Sequence[int] | None = None,
) -> tuple[LimitEngine, Log]:
    """A desk over `n_assets` at one price, the first of them held; 100 shares are 100%."""
    shares = np.zeros(n_assets)
    shares[: len(quantity)] = quantity
    mark = np.where(shares == 0, np.nan, price)
    book = Book(equity - float(shares.sum()) * price * multiplier, shares, mark)
    instruments = Instruments(
        multiplier=np.full(n_assets, multiplier),
        lot_size=np.full(n_assets, lot),
        tick_size=np.zeros(n_assets),
        initial_margin=np.full(n_assets, np.nan),
        maintenance_margin=np.full(n_assets, np.nan),
        min_holding=np.full(n_assets, np.nan),
        max_order=np.full(n_assets, np.nan),
        short_initial_margin=np.full(n_assets, np.nan),
        short_maintenance_margin=np.full(n_assets, np.nan),
        contract_initial_margin=np.full(n_assets, np.nan),
        contract_maintenance_margin=np.full(n_assets, np.nan),
        instrument=np.zeros(n_assets, dtype=np.int64),
        groups={"sector": np.array(sectors if sectors is not None else [0] * n_assets)},
    )
    log = Log()
    desk = LimitEngine(chain, book, log, instruments, np.arange(9, dtype=np.int64))  # type: ignore[arg-type]
    desk.at_close(0, equity, float(np.abs(shares).sum()) * price * multiplier)
    return desk, log


def selection_of(*pairs: tuple[int, float]) -> Selection:
    sids, weights = zip(*pairs, strict=True) if pairs else ((), ())
    return Selection(
        sids=np.array(sids, dtype=np.int64),
        scores=np.arange(len(sids), 0, -1.0),
        weights=np.array(weights, dtype=np.float64),
    )


def weights_of(selection: Selection) -> dict[int, float]:
    return {
        sid: round(weight, 9)
        for sid, weight in zip(selection.sids.tolist(), selection.weights.tolist(), strict=True)
    }


def test_a_selection_that_no_limit_changes_is_the_same_object() -> None:
    selection = selection_of((2, 0.5), (0, 0.5))
    for chain in ([], [MaxWeight(0.5), MaxGrossExposure(1.0)]):
        desk, log = desk_of(chain, [20])
        assert desk.edit_targets(0, selection) is selection
        assert log.rows() == []


def test_every_weight_that_a_limit_changed_is_a_decision() -> None:
    desk, log = desk_of([MaxWeight(0.3), MaxPositions(2)], [30])
    left = desk.edit_targets(0, selection_of((2, 0.5), (0, 0.4), (3, 0.1)))
    assert weights_of(left) == {2: 0.3, 0: 0.3, 3: 0.0}
    assert left.scores.tolist() == [3, 2, 1]
    seen = dict(log.decisions[0].features)
    assert (log.decisions[0].t, log.decisions[0].reason) == (
        0, "at most 30.00% of equity in one asset",
    )  # fmt: skip
    assert seen == {"wanted": 0.4, "current": 0.3}
    # Asset 0 stays at the 30% that it has, so nothing trades: denied.
    assert log.rows() == [
        (0, "MaxWeight", "deny", 0.3), (2, "MaxWeight", "edit", 0.3),
        (3, "MaxPositions", "deny", 0.0),
    ]  # fmt: skip


def test_a_held_asset_that_a_limit_holds_on_to_joins_the_selection() -> None:
    desk, log = desk_of([MaxTurnover(0.4)], [40, 0, -20])
    left = desk.edit_targets(0, selection_of((1, 0.2)))
    # Changes -0.4, +0.2, +0.2 are halved.
    assert weights_of(left) == {1: 0.1, 0: 0.2, 2: -0.1}
    assert np.isnan(left.scores).tolist() == [False, True, True]
    assert [row[0] for row in log.rows()] == [0, 1, 2]


def test_what_a_halt_denies_is_not_traded_at_all() -> None:
    chain = [MaxDrawdown(0.1), MaxWeight(0.3)]
    desk, _ = desk_of(chain, [16, 16, 32])
    desk.at_close(1, 800.0, 640.0)
    # 0 may not grow; 1 shrinks; 2 may not grow and is cut by the later limit; 3 is not held.
    left = desk.edit_targets(1, selection_of((0, 0.5), (1, 0.1), (2, 0.5), (3, 0.2)))
    assert weights_of(left) == {0: 0.16, 1: 0.1, 2: 0.3, 3: 0.0}
    assert desk.untouched.tolist() == [0]
    desk.edit_targets(1, selection_of((0, 0.1)))
    assert desk.untouched.tolist() == []


def test_decisions_call_the_limits_by_the_names_given() -> None:
    book = Book(1000.0, np.zeros(1), np.array([10.0]))
    log = Log()
    desk = LimitEngine(
        [MaxWeight(0.3), MaxWeight(0.2)], book, log, Instruments.plain(1),
        np.arange(3, dtype=np.int64), names=("MaxWeight", "MaxWeight#2"),
    )  # type: ignore[arg-type]  # fmt: skip
    assert desk.allow(0, 0, 40.0, 10.0) == pytest.approx(20.0)
    assert [row[1] for row in log.rows()] == ["MaxWeight", "MaxWeight#2"]
    assert desk.denied_by == "MaxWeight#2"
    assert desk.allow(0, 0, -5.0, 10.0) == -5.0
    assert desk.denied_by == ""


def test_current_weights_count_the_multiplier() -> None:
    desk, log = desk_of([MaxTurnover(0.1)], [4], multiplier=5.0)
    assert weights_of(desk.edit_targets(0, selection_of((0, 0.4)))) == {0: 0.3}
    assert log.decisions[0].features["current"] == pytest.approx(0.2)


@pytest.mark.parametrize("equity", [0.0, -50.0])
def test_without_equity_every_weight_wanted_is_denied(equity: float) -> None:
    desk, log = desk_of([MaxWeight(0.5)], [10], equity=equity)
    left = desk.edit_targets(0, selection_of((1, 0.2), (0, -0.1), (2, 0.0)))
    assert left.weights.tolist() == [0, 0, 0]
    assert log.rows() == [(1, "limits", "deny", 0.0), (0, "limits", "deny", 0.0)]


def test_a_weight_that_is_not_finite_is_refused() -> None:
    desk, _ = desk_of([MaxWeight(0.5)])
    with pytest.raises(ConfigError, match="a target weight must be finite, was nan for sid 1"):
        desk.edit_targets(0, selection_of((0, 0.5), (1, math.nan)))


@dataclass(frozen=True)
class Broken(Limit):
    """A user's limit that answers with anything."""

    answer: tuple[float, ...]

    def edit(self, wish: Wish) -> Floats:
        del wish
        return np.array(self.answer)


@pytest.mark.parametrize("answer", [(math.nan,), (0.1, 0.1)])
def test_a_limit_that_returns_no_weights_is_named(answer: tuple[float, ...]) -> None:
    desk, _ = desk_of([Broken(answer)])
    with pytest.raises(ConfigError, match="limit Broken must return 1 finite weights, was"):
        desk.edit_targets(0, selection_of((0, 0.5)))


class InPlace(Limit):
    def edit(self, wish: Wish) -> Floats:
        wish.wanted[:] = 0.0
        return wish.wanted


def test_a_limit_cannot_edit_in_place_where_nobody_would_see_it() -> None:
    desk, _ = desk_of([InPlace()])
    with pytest.raises(ValueError, match="read-only"):
        desk.edit_targets(0, selection_of((0, 0.5)))


def test_a_group_that_the_assets_do_not_have_is_refused() -> None:
    with pytest.raises(ConfigError, match="column 'sectr' of source 'assets'; did you mean"):
        desk_of([MaxGroupWeight(0.2, group="sectr")])


@dataclass(frozen=True)
class Calm(Limit):
    """Nothing may be bought where the fear index is above 30."""

    features = ("vix",)

    def edit(self, wish: Wish) -> Floats:
        return np.where(wish.features["vix"] > 30, np.fmin(wish.wanted, wish.current), wish.wanted)


def test_a_limit_of_the_users_own_reads_features() -> None:
    desk, log = desk_of([Calm()], [10])
    desk.at_close(1, 1000.0, 100.0, {"vix": np.array([31.0, np.nan, 29.0, 35.0])})
    left = desk.edit_targets(1, selection_of((0, 0.2), (1, 0.2), (2, 0.2), (3, 0.2)))
    assert weights_of(left) == {0: 0.1, 1: 0.2, 2: 0.2, 3: 0.0}
    assert log.rows() == [(0, "Calm", "deny", 0.1), (3, "Calm", "deny", 0.0)]


# -- discrete orders ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "held", "order", "allowed"),
    [
        (MaxWeight(0.3), [], (1, 20.0), 20.0),
        (MaxWeight(0.3), [], (1, 50.0), 30.0),
        (MaxWeight(0.3), [], (1, -50.0), -30.0),
        (MaxWeight(0.3), [20], (0, 20.0), 10.0),
        # Above the limit already: no more, but less is fine, even if not enough.
        (MaxWeight(0.3), [40], (0, 10.0), 0.0),
        (MaxWeight(0.3), [40], (0, -5.0), -5.0),
        # Through zero: the closing part and what is within the limit.
        (MaxWeight(0.3), [20], (0, -100.0), -50.0),
        # The others do not trade, so the order alone has to fit.
        (MaxGrossExposure(1.0), [50, -20], (2, 60.0), 30.0),
        (MaxGrossExposure(1.0), [90, -30], (2, 60.0), 0.0),
        (MaxGrossExposure(1.0), [90, -30], (1, 10.0), 10.0),
        (MaxGroupWeight(1.0), [50, -20], (2, 60.0), 30.0),
        (MaxNetExposure(0.5), [40], (2, 60.0), 10.0),
        (MaxNetExposure(0.5), [70], (2, -10.0), -10.0),
        (MaxTurnover(0.25), [40], (0, -40.0), -25.0),
        (MaxPositions(1), [40], (1, 10.0), 0.0),
        (MaxPositions(1), [40], (0, 10.0), 10.0),
        (MaxPositions(1), [40, 10, 10], (1, -10.0), -10.0),
    ],
)
def test_an_order_is_cut_to_what_the_limits_leave(
    limit: Limit, held: list[float], order: tuple[int, float], allowed: float
) -> None:
    desk, log = desk_of([limit], held)
    sid, quantity = order
    assert desk.allow(0, sid, quantity, 10.0) == pytest.approx(allowed, abs=1e-9)
    actions = [row[:3] for row in log.rows()]
    action = "edit" if allowed else "deny"
    assert actions == ([] if allowed == quantity else [(sid, limit.name, action)])


def test_an_order_within_the_limits_is_let_through_to_the_last_digit() -> None:
    desk, _ = desk_of([MaxGrossExposure(1.0), VolatilityTarget(0.1, max_scale=3.0)])
    assert desk.allow(0, 1, 0.1 + 0.2, 3.3) == 0.1 + 0.2


def test_orders_of_one_close_count_together() -> None:
    desk, _ = desk_of([MaxGrossExposure(1.0), MaxPositions(2)])
    assert desk.allow(0, 0, 60.0, 10.0) == 60.0
    assert desk.allow(0, 1, 60.0, 10.0) == pytest.approx(40.0)
    assert desk.allow(0, 2, 60.0, 10.0) == 0.0
    # A sale of the same close makes room.
    assert desk.allow(0, 0, -60.0, 10.0) == -60.0
    assert desk.allow(0, 2, 60.0, 10.0) == 60.0
    # Nothing filled: the next close starts from what is held.
    desk.at_close(1, 1000.0, 0.0)
    assert desk.allow(1, 3, 100.0, 10.0) == 100.0


def test_orders_after_a_rebalance_start_from_its_targets() -> None:
    desk, _ = desk_of([MaxGrossExposure(1.0)], [90])
    desk.edit_targets(0, selection_of((1, 0.5)))
    assert desk.allow(0, 2, 80.0, 10.0) == pytest.approx(50.0)


def test_a_cut_order_is_rounded_down_to_the_lot() -> None:
    desk, _ = desk_of([MaxWeight(0.37)], lot=10)
    assert desk.allow(0, 1, 50.0, 10.0) == 30.0
    assert desk.allow(0, 2, -50.0, 10.0) == -30.0
    # A lot that fits but for rounding is a lot.
    desk, _ = desk_of([MaxWeight(0.3)], lot=10)
    assert desk.allow(0, 1, 70.0, 10.0) == 30.0


def test_a_halt_denies_what_adds_and_lets_through_what_closes() -> None:
    desk, log = desk_of([MaxDrawdown(0.1)], [20, -20])
    desk.at_close(1, 800.0, 400.0)
    assert log.rows() == [(-1, "MaxDrawdown", "halt", pytest.approx(math.nan, nan_ok=True))]
    assert [desk.allow(1, 0, 5.0, 10.0), desk.allow(1, 1, -5.0, 10.0)] == [0.0, 0.0]
    assert [desk.allow(1, 2, 5.0, 10.0), desk.allow(1, 0, -5.0, 10.0)] == [0.0, -5.0]
    assert desk.allow(1, 1, 30.0, 10.0) == pytest.approx(20.0)


def test_without_equity_an_order_may_only_close() -> None:
    desk, log = desk_of([MaxWeight(0.5)], [10, -10], equity=-5.0)
    found = [desk.allow(0, 0, 5.0, 10.0), desk.allow(0, 0, -15.0, 10.0)]
    found += [desk.allow(0, 1, 4.0, 10.0), desk.allow(0, 2, 1.0, 10.0)]
    assert found == [0.0, -10.0, 4.0, 0.0]
    assert [row[:3] for row in log.rows()] == [
        (0, "limits", "deny"), (0, "limits", "edit"), (2, "limits", "deny"),
    ]  # fmt: skip


def test_an_order_without_a_price_is_denied() -> None:
    desk, log = desk_of([MaxWeight(0.5)])
    assert desk.allow(0, 0, 5.0, math.nan) == 0.0
    assert log.decisions[0].reason == "no price to weigh the order by"


@given(
    st.lists(limits, min_size=1, max_size=4),
    st.lists(st.integers(-60, 60), min_size=0, max_size=4),
    st.lists(st.tuples(st.integers(0, 3), st.integers(-90, 90)), min_size=1, max_size=5),
)
def test_an_order_is_never_turned_nor_made_larger(
    chain: list[Limit], held: list[int], orders: list[tuple[int, int]]
) -> None:
    desk, _ = desk_of(chain, [float(q) for q in held])
    for sid, quantity in orders:
        allowed = desk.allow(0, sid, float(quantity), 10.0)
        assert 0 <= allowed * np.sign(quantity) <= abs(quantity)


@given(
    limits.filter(lambda one: not isinstance(one, MaxVaR)),
    st.lists(st.tuples(st.integers(0, 3), st.integers(-90, 90)), min_size=1, max_size=5),
)
def test_orders_from_flat_never_break_a_limit_between_them(
    limit: Limit, orders: list[tuple[int, int]]
) -> None:
    desk, _ = desk_of([limit])
    weights = np.zeros(4)
    for sid, quantity in orders:
        was = weights.copy()
        weights[sid] += desk.allow(0, sid, float(quantity), 10.0) / 100.0
        weights[np.abs(weights) < 1e-12] = 0.0
        if isinstance(limit, MaxNetExposure):
            # What closes a position is let through, even if it was the counterweight.
            is_closing = abs(weights[sid]) <= abs(was[sid])
            bound = max(limit.fraction, abs(was.sum()))
            assert is_closing or abs(weights.sum()) <= bound + NEAR
        else:
            assert holds(limit, wish_of([0.0] * 4), weights)


# -- the account at the close -------------------------------------------------------------------


def test_cuts_come_in_the_order_of_the_limits_and_are_told() -> None:
    desk, log = desk_of([MaxDrawdown(0.1, "reduce", 0.4, 1), MaxDailyLoss(0.2, "liquidate")], [20])
    assert desk.at_close(1, 750.0, 100.0) == [
        Cut("MaxDrawdown", 0.4), Cut("MaxDailyLoss", 0.0),
    ]  # fmt: skip
    assert log.decisions[0].features == {"drawdown": 0.25, "equity": 750.0, "peak": 1000.0}
    assert log.decisions[1].features == {"loss": 0.25, "equity": 750.0}
    assert log.rows() == [
        (-1, "MaxDrawdown", "reduce", 0.4), (-1, "MaxDailyLoss", "liquidate", 0.0),
    ]  # fmt: skip
    assert desk.at_close(2, 750.0, 100.0) == []
    assert [row[:3] for row in log.rows()] == [
        (-1, "MaxDrawdown", "resume"), (-1, "MaxDailyLoss", "resume"),
    ]  # fmt: skip


def test_a_liquidation_is_named_at_every_close_that_still_holds_something() -> None:
    desk, log = desk_of([MaxDrawdown(0.1, "liquidate", resume_after=2)], [20])
    cut = Cut("MaxDrawdown", 0.0)
    assert [desk.at_close(t, 800.0, 200.0) for t in (1, 2, 3)] == [[cut], [cut], []]
    assert [row[2] for row in log.rows()] == ["liquidate", "resume"]


def test_nothing_held_is_nothing_to_cut() -> None:
    desk, log = desk_of([MaxDrawdown(0.1, "reduce")])
    assert desk.at_close(1, 800.0, 0.0) == []
    assert [row[2] for row in log.rows()] == ["reduce"]


def test_activity_counts_how_often_a_limit_was_asked_and_acted() -> None:
    desk, _ = desk_of([MaxWeight(0.3), MaxDrawdown(0.1), MaxWeight(0.2)])
    desk.edit_targets(0, selection_of((0, 0.25)))
    desk.at_close(1, 800.0, 0.0)
    desk.edit_targets(1, selection_of((0, 0.1)))
    desk.allow(1, 1, 1.0, 10.0)
    assert desk.activity() == [
        # Two closes and three decisions; it fired once and denied twice.
        ("MaxWeight", 3, 0), ("MaxDrawdown", 5, 3), ("MaxWeight", 3, 1),
    ]  # fmt: skip


# -- settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MaxPositions(0), "n must be a whole number of at least 1, was 0"),
        (lambda: MaxPositions(True), "n must be a whole number of at least 1, was True"),
        (lambda: MaxWeight(0), "fraction must be a number above 0, was 0"),
        (lambda: MaxWeight(math.nan), "fraction must be a number above 0, was nan"),
        (lambda: MaxGroupWeight(-1), "fraction must be"),
        (lambda: MaxGrossExposure("1"), "fraction must be"),  # type: ignore[arg-type]
        (lambda: MaxNetExposure(False), "fraction must be"),
        (lambda: MaxNetExposure(-0.1), "fraction must be"),
        (lambda: MaxTurnover(0), "fraction must be"),
        (lambda: MaxDrawdown(1.0), "fraction must be a number above 0 and below 1, was 1.0"),
        (lambda: MaxDrawdown(0.1, "sell"), "action must be one of 'halt', 'reduce', 'liquidate'"),
        (lambda: MaxDrawdown(0.1, "reduce", scale=1), "scale must be"),
        (
            lambda: MaxDrawdown(0.1, resume_after=0),
            "resume_after must be a whole number of at least 1",
        ),
        (lambda: MaxDailyLoss(0.1, "resume"), "action must be one of"),
        (lambda: VolatilityTarget(0), "annual must be"),
        (lambda: VolatilityTarget(0.1, window=1), "window must be a whole number of at least 2"),
        (lambda: VolatilityTarget(0.1, max_scale=0), "max_scale must be"),
        (lambda: MaxVaR(0.1, confidence=1), "confidence must be"),
        (lambda: LimitAction(kind=LimitKind.REDUCE, factor=math.nan, seen={}), "factor must be"),
    ],
)
def test_a_setting_outside_its_range_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_limits_show_by_their_values() -> None:
    assert repr(MaxDrawdown(0.1, BreachAction.HALT)) == repr(MaxDrawdown(0.1))
    assert repr(MaxGroupWeight(0.2)) == "MaxGroupWeight(fraction=0.2, group='sector')"
