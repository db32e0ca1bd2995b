"""The summary: what is printed of costs, settings, and rules and limits that did nothing."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from ml4t.backtest import (
    ActionPolicy,
    BacktestConfig,
    BacktestEngine,
    BacktestResult,
    Catalog,
    ExecutionPolicy,
    Financing,
    FixedSlippage,
    MarginAccount,
    NextClose,
    PerShareCommission,
    TieredCommission,
    TopN,
)
from ml4t.backtest.risk import (
    MaxDrawdown,
    MaxWeight,
    RiskManager,
    StopLoss,
    TakeProfit,
    TimeBasedExit,
)

CONFIG = BacktestConfig(
    commission=PerShareCommission(0.01, minimum=1.0),
    impact=FixedSlippage(0.1),
    financing=Financing(credit_rate=0.02),
    account=MarginAccount(initial_margin=0.6),
    execution=ExecutionPolicy(timing=NextClose(), whole_shares=True, participation=0.5),
    actions=ActionPolicy(reinvest_dividends=True),
)


def run(
    manager: RiskManager | None = None, config: BacktestConfig = CONFIG, *, where: str = "true"
) -> BacktestResult:
    """Hold one asset from the second bar on; it rises by 1 a day from 10."""
    n = 10
    closes = [10.0 + i for i in range(n)]
    prices = {
        "timestamp": [date(2024, 1, 1) + timedelta(days=i) for i in range(n)],
        "asset_id": ["A"] * n,
        **dict.fromkeys(("open", "high", "low", "close"), closes),
        "volume": [1e6] * n,
    }
    catalog = Catalog(threads=1).register("prices", prices)
    strategy = TopN(1, by="close", where=where)
    return BacktestEngine(catalog, strategy, risk_manager=manager, config=config).run()


def lines(result: BacktestResult) -> list[str]:
    return result.summary().splitlines()


def test_the_fill_policy_in_force_is_printed() -> None:
    policy = (
        "Fill policy: orders decided at a close fill at the next close; whole shares; "
        "at most 50.00% of a bar's volume; exits of rules fill at the next open, before what "
        "reduces positions, before what increases them; stops, limits and targets act inside the "
        "bar"
    )
    assert policy in lines(run())


def test_every_setting_is_printed_with_all_its_fields() -> None:
    shown = lines(run())
    for line in (
        "Strategy: TopN(1, by='close', where='true')",
        "Account: MarginAccount(initial_margin=0.6, maintenance_margin=0.25, "
        "short_initial_margin=none, short_maintenance_margin=none, shortfall='scale')",
        "Commission: PerShareCommission(cap=none, minimum=1.0, per_share=0.01)",
        "Slippage: BasisPointSlippage(basis_points=5)",
        "Impact: FixedSlippage(amount=0.1)",
        "Financing: Financing(accrual='overnight', borrow_rate=0.0, credit_rate=0.02, "
        "day_count='actual/365', debit_rate=0.0)",
        "Actions: ActionPolicy(delisting_return=0.0, dividends_move_levels=True, "
        "exit_on_membership_end=False, reinvest_dividends=True)",
    ):
        assert line in shown
    assert [line for line in shown if line.startswith("Execution: ") and "NextClose()" in line]
    assert [line for line in shown if line.startswith("Levels: LevelPolicy(base='fill', ")]


def test_a_list_of_tiers_is_printed_as_python_would_write_it() -> None:
    config = BacktestConfig(commission=TieredCommission(((0, 10), (1_000, 5))))
    shown = "Commission: TieredCommission(tiers=((0.0, 10.0), (1000.0, 5.0)))"
    assert shown in lines(run(config=config))


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Commission", "commission"),
        ("Taxes", "tax"),
        ("Fees passed on", "fee"),
        ("Slippage", "slippage"),
        ("Market impact", "impact"),
        ("Borrow fees", "borrow"),
        ("Costs in all", "costs"),
        ("Dividends", "dividends"),
        ("Interest", "interest"),
    ],
)
def test_each_cost_and_flow_has_a_line(label: str, name: str) -> None:
    result = run()
    shown = [line for line in lines(result) if line.startswith(f"{label}  ")]
    assert [line.split()[-1] for line in shown] == [f"{result[name]:,.2f}"]


def test_rules_and_limits_show_how_often_they_were_asked_and_acted() -> None:
    """Bought at a little over 11.1 at bar 1: the target is near 13.3, and bar 4 opens at 14."""
    manager = RiskManager([StopLoss(0.5), TakeProfit(0.2)], [MaxWeight(0.4), MaxDrawdown(0.9)])
    result = run(manager)
    shown = lines(result)
    head = shown.index(f"{'Rule or limit':<28}{'evaluated':>12}{'fired':>9}")
    rows = [line.split(maxsplit=3) for line in shown[head + 1 : head + 5]]
    assert [row[0] for row in rows] == ["StopLoss", "TakeProfit", "MaxWeight", "MaxDrawdown"]
    assert rows[0][3] == "StopLoss(fraction=0.5, priority=100)"
    assert rows[2][3] == "MaxWeight(fraction=0.4)"
    fired = result.sql(
        "select rule, count(*) from decisions where rule = 'TakeProfit' group by rule"
    ).fetchall()
    assert [(row[0], int(row[2])) for row in rows if row[0] == "TakeProfit"] == fired
    assert fired[0][1] > 0
    assert shown[head + 5 :] == [
        f"Never fired: StopLoss, evaluated {rows[0][1]} times",
        f"Never fired: MaxDrawdown, evaluated {rows[3][1]} times",
    ]


def test_a_rule_that_no_position_ever_met_was_never_evaluated() -> None:
    result = run(RiskManager([TimeBasedExit(3), TimeBasedExit(5)]), where="close < 0")
    assert lines(result)[-2:] == [
        "Never evaluated: TimeBasedExit",
        "Never evaluated: TimeBasedExit#2",
    ]


def test_a_run_without_rules_and_limits_has_no_lines_for_them() -> None:
    assert not [line for line in lines(run()) if line.startswith(("Rule", "Never"))]


def test_a_saved_run_has_the_same_summary(tmp_path: Path) -> None:
    result = run(RiskManager([StopLoss(0.5)]))
    for name in ("run.duckdb", "run"):
        assert BacktestResult.open(result.save(tmp_path / name)).summary() == result.summary()
