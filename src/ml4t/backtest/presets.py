"""Presets: settings of markets, of how other engines fill, and a realistic set.

What an engine's reproduces, and what not, is counted against the real package in
``docs/parity.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ml4t.backtest.core.levels import LevelBase, LevelPolicy, TrailBy, TrailStart, Trigger
from ml4t.backtest.errors import ConfigError, did_you_mean
from ml4t.backtest.execution.account.rules import CashAccount, MarginAccount, Shortfall
from ml4t.backtest.execution.costs.basis_points import BasisPointCommission, BasisPointSlippage
from ml4t.backtest.execution.costs.commission import PerShareCommission
from ml4t.backtest.execution.costs.financing import Financing
from ml4t.backtest.execution.costs.slippage import VolumeShareSlippage
from ml4t.backtest.execution.policy import (
    ActionPolicy,
    ExecutionPolicy,
    SizedAt,
)
from ml4t.backtest.execution.timing import NextOpen, ThisClose
from ml4t.backtest.market_presets import (
    china_a_shares,
    cme_contracts,
    crypto_perpetuals,
    hong_kong_shares,
    india_shares,
    us_shares,
)

Settings = dict[str, object]
# None of the three engines changes an order or a stop on an ex-date.
UNMOVED = ActionPolicy(dividends_move_levels=False)


def default() -> Settings:
    """Return nothing: every setting has its default."""
    return {}


def realistic() -> Settings:
    """Return a retail margin account that trades whole shares in a finite market.

    Prices need ``volume``. Commission 0.005 a share, at least 1, at most 1% of the trade;
    5 basis points of slippage and volume-share impact; at most a tenth of a bar's volume;
    Regulation T margins; 6% on debt and 1% on borrowed shares a year.
    """
    return {
        "commission": PerShareCommission(0.005, minimum=1.0, cap=0.01),
        "slippage": BasisPointSlippage(5),
        "impact": VolumeShareSlippage(),
        "financing": Financing(debit_rate=0.06, borrow_rate=0.01),
        "account": MarginAccount(),
        "execution": ExecutionPolicy(whole_shares=True, participation=0.1),
    }


def vectorbt() -> Settings:
    """Return how vectorbt 1.2 fills ``from_signals`` and ``from_orders``.

    Signals fill at their own bar's close. Stops count from that close before slippage, act from
    the next bar on and do not slip. Short sales need no cash and their proceeds can be spent; a
    purchase that cash does not cover is filled as far as it goes; an exit by a rule is filled
    whole even so. Its default costs: none.
    """
    return {
        **_free(),
        "account": CashAccount(shortfall=Shortfall.IN_TURN, shorting=True),
        "execution": ExecutionPolicy(timing=ThisClose(), reentry=False),
        "levels": LevelPolicy(
            base=LevelBase.QUOTE,
            trail_start=TrailStart.ENTRY_CLOSE,
            open_first=False,
            slips=False,
            trail_replaces_stop=True,
        ),
        "actions": UNMOVED,
    }


def backtrader() -> Settings:
    """Return how backtrader 1.9.78 fills market orders with exits sent beside them.

    Orders fill at the next open, in whole shares sized at the deciding close. Stop and target
    count from that close; the trail starts at the entry bar's close and follows closes. Of
    several touched in one bar the one sent first fills: stop, target, trail. Rules are no orders:
    their exits are not tested against the cash, as backtrader's are. Its default costs: none.
    """
    return {
        **_free(),
        "account": CashAccount(shortfall=Shortfall.REJECT, shorting=True, checks_submission=True),
        "execution": ExecutionPolicy(
            timing=NextOpen(),
            sized_at=SizedAt.DECISION,
            whole_shares=True,
            rounds_change=True,
            within_range=True,
        ),
        "levels": LevelPolicy(
            base=LevelBase.DECISION_CLOSE,
            trail_start=TrailStart.ENTRY_CLOSE,
            trail_by=TrailBy.CLOSE,
            trail_from_entry=False,
            in_rule_order=True,
            open_first=False,
        ),
        "actions": UNMOVED,
    }


def zipline() -> Settings:
    """Return how a zipline 3.2 algorithm fills that watches its stops itself.

    Orders fill at the next open, in whole shares sized at the deciding close, on unlimited
    credit. A level that a bar's high or low touches is an exit at the next open; in that bar
    nothing else is ordered for the asset. The slippage models of zipline itself fill at the next
    close: for them pass an `execution` whose timing is ``NextClose()``. Its default costs for
    equities: 0.001 a share, and 5 basis points of slippage; its bound of a tenth of a bar's
    volume is left out, for its orders wait where ours would end: pass ``participation=0.1``.
    """
    return {
        "commission": PerShareCommission(0.001),
        "slippage": BasisPointSlippage(5),
        "account": CashAccount(shortfall=Shortfall.NONE, shorting=True),
        "execution": ExecutionPolicy(
            timing=NextOpen(),
            sized_at=SizedAt.DECISION,
            whole_shares=True,
            rounds_change=True,
            whole_tolerance=1e-4,
            reentry=False,
        ),
        "levels": LevelPolicy(
            base=LevelBase.DECISION_CLOSE,
            trail_start=TrailStart.DECISION_CLOSE,
            trigger=Trigger.NEXT_OPEN,
        ),
        "actions": UNMOVED,
    }


def _free() -> Settings:
    """Return no costs, the default of both."""
    return {"commission": BasisPointCommission(0), "slippage": BasisPointSlippage(0)}


PRESETS: Mapping[str, Callable[[], Settings]] = {
    "default": default,
    "realistic": realistic,
    "vectorbt": vectorbt,
    "backtrader": backtrader,
    "zipline": zipline,
    "us_equities": us_shares,
    "china_a": china_a_shares,
    "hong_kong": hong_kong_shares,
    "india": india_shares,
    "cme_futures": cme_contracts,
    "crypto_perpetual": crypto_perpetuals,
}


def settings_of(name: str) -> Settings:
    """Return the settings of a preset.

    Raises
    ------
    ConfigError
        There is no preset of that name.
    """
    if not isinstance(name, str) or name not in PRESETS:
        raise ConfigError(f"there is no preset {name!r}{did_you_mean(str(name), PRESETS)}")
    return PRESETS[name]()
