"""BacktestConfig: how a run is executed; valid once built."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, is_dataclass

from ml4t.backtest.execution.account import CashAccount
from ml4t.backtest.execution.costs import (
    BasisPointCommission,
    BasisPointSlippage,
    Commission,
    Slippage,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestConfig:
    """Costs and account rules of a run.

    Attributes
    ----------
    commission : Commission
        10 basis points of the traded value by default.
    slippage : Slippage
        5 basis points of the price by default.
    account : CashAccount
        Never borrows, reserves costs.
    """

    commission: Commission = field(default_factory=lambda: BasisPointCommission(10))
    slippage: Slippage = field(default_factory=lambda: BasisPointSlippage(5))
    account: CashAccount = field(default_factory=CashAccount)

    def to_dict(self) -> dict[str, object]:
        """Return the settings as plain values, for the `runs` table."""
        return {
            "commission": {"kind": type(self.commission).__name__, **_fields(self.commission)},
            "slippage": {"kind": type(self.slippage).__name__, **_fields(self.slippage)},
            "account": {"kind": type(self.account).__name__, **asdict(self.account)},
        }


def _fields(model: object) -> dict[str, object]:
    names = (
        [f.name for f in fields(model)] if is_dataclass(model) else getattr(model, "__dict__", ())
    )
    return {name: getattr(model, name) for name in names}
