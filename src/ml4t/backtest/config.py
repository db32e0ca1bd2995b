"""BacktestConfig: how a run is executed; valid once built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml4t.backtest.core.identity import user_identity
from ml4t.backtest.core.levels import LevelPolicy, Trigger
from ml4t.backtest.core.owners import OURS
from ml4t.backtest.core.parts import attributes
from ml4t.backtest.core.shown import FUNCTIONS, shown
from ml4t.backtest.core.terms import Instruments
from ml4t.backtest.errors import ConfigError, did_you_mean, require_columns, require_number
from ml4t.backtest.execution.account.currencies import Currencies
from ml4t.backtest.execution.account.rules import Account, CashAccount, MarginAccount
from ml4t.backtest.execution.costs.basis_points import BasisPointCommission, BasisPointSlippage
from ml4t.backtest.execution.costs.contract import Commission, Slippage
from ml4t.backtest.execution.costs.financing import Financing
from ml4t.backtest.execution.market_rules import MarketRules
from ml4t.backtest.execution.policy import ActionPolicy, ExecutionPolicy

if TYPE_CHECKING:
    from ml4t.backtest.execution.hand_loop.broker import SimulationBroker

    # Under this name the engine, which knows no part of execution, takes one.
    Broker = SimulationBroker

DEFAULT_CAPITAL = 100_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestConfig:
    """Costs, account and rules of execution of a run.

    Attributes
    ----------
    commission : Commission
        10 basis points of the traded value by default.
    slippage : Slippage
        5 basis points of the price by default.
    impact : Slippage or None
        What trading moves the price by, on top of slippage; none by default.
    financing : Financing
        Interest on cash and debt, fees on borrowed shares; none by default.
    account : CashAccount or MarginAccount
        A cash account by default: it never borrows, and reserves costs.
    execution : ExecutionPolicy
        When orders fill and in which sizes; at the next open by default.
    levels : LevelPolicy
        How protective levels of rules are based and act.
    actions : ActionPolicy
        What corporate actions and the end of a membership do.
    market : MarketRules
        What the exchange lets be traded; by default anything.
    currencies : Currencies
        The account's own, and what it does with others; by default all assets are in one.
    initial_capital : float or None
        Account currency, above 0. The engine's own argument wins; 100,000 where neither says it.
    """

    commission: Commission = field(default_factory=lambda: BasisPointCommission(10))
    slippage: Slippage = field(default_factory=lambda: BasisPointSlippage(5))
    impact: Slippage | None = None
    financing: Financing = field(default_factory=Financing)
    account: Account = field(default_factory=CashAccount)
    execution: ExecutionPolicy = field(default_factory=ExecutionPolicy)
    levels: LevelPolicy = field(default_factory=LevelPolicy)
    actions: ActionPolicy = field(default_factory=ActionPolicy)
    market: MarketRules = field(default_factory=MarketRules)
    currencies: Currencies = field(default_factory=Currencies)
    initial_capital: float | None = None

    def __post_init__(self) -> None:
        if self.initial_capital is not None:
            require_number("initial_capital", self.initial_capital, above=0, below=float("inf"))
            object.__setattr__(self, "initial_capital", float(self.initial_capital))
        kinds: dict[str, tuple[type, ...]] = {
            "financing": (Financing,), "account": (CashAccount, MarginAccount),
            "execution": (ExecutionPolicy,), "levels": (LevelPolicy,), "actions": (ActionPolicy,),
            "market": (MarketRules,), "currencies": (Currencies,),
        }  # fmt: skip
        for name, kind in kinds.items():
            if not isinstance(getattr(self, name), kind):
                words = " or ".join(one.__name__ for one in kind)
                raise ConfigError(f"{name} must be of {words}, was {getattr(self, name)!r}")
        if self.currencies.lends and not isinstance(self.account, MarginAccount):
            raise ConfigError(
                "currencies with cash='borrowed' need an account that lends; write account="
                "MarginAccount(), or cash='held'"
            )
        for name, method in (("commission", "charge"), ("slippage", "fill_price"),
                             ("impact", "fill_price")):  # fmt: skip
            model = getattr(self, name)
            is_model = callable(getattr(model, method, None)) and not isinstance(model, type)
            if not is_model and not (name == "impact" and model is None):
                hint = ""
                if isinstance(model, (int, float)):
                    of = "Commission" if name == "commission" else "Slippage"
                    hint = f"; BasisPoint{of}(10) is ten basis points"
                raise ConfigError(f"{name} must have a method {method}(), was {model!r}{hint}")
            if model is not None:
                require_columns(f"features of {name}", getattr(model, "features", None))

    @property
    def fill_policy(self) -> str:
        """When and in which order what fills, as one line for the summary."""
        inside = "stops, limits and targets act inside the bar"
        if self.levels.trigger is Trigger.NEXT_OPEN:
            inside = "a stop or target that a bar touches leaves at the next open"
        elif self.levels.before_orders:
            inside += ", those of rules before the orders of the open"
        if self.levels.target_first:
            inside += "; of a stop and a target in one bar the target"
        market = f"; {self.market.description}" if self.market.description else ""
        return (
            f"{self.execution.description}{market}; exits of rules fill at the next open, before "
            f"what reduces positions, before what increases them; {inside}"
        )

    @property
    def reads_range(self) -> bool:
        """Whether prices of fills are held to the high and the low of their bar."""
        return self.execution.within_range

    @property
    def follows_range(self) -> bool:
        """Whether high and low are read where there are any, to hold an average price to them."""
        return bool(self.execution.timing.features)

    @property
    def features(self) -> tuple[str, ...]:
        """Columns of ``signals`` or ``market`` that costs and timing name."""
        names = [*self.commission.features, *self.slippage.features]
        names += self.impact.features if self.impact is not None else ()
        names += self.execution.timing.features
        return tuple(dict.fromkeys(names))

    @property
    def own_features(self) -> tuple[str, ...]:
        """Columns of ``signals`` that execution and actions read without anyone naming them."""
        names = ["volume"] if self.execution.participation is not None else []
        return (*names, *(["is_member"] if self.actions.exit_on_membership_end else []))

    def why_open(self, terms: Instruments) -> str:
        """Return what of the settings needs an open, and how to do without; empty: nothing."""
        timing, account = self.execution.timing, self.account
        if timing.fills_at_open:
            return (
                f"{timing.description}; add the column, or fill at closes: config=BacktestConfig("
                "execution=ExecutionPolicy(timing=NextClose())), in a run file timing = "
                '"NextClose" in [execution]'
            )
        if isinstance(account, MarginAccount) and account.may_call(terms):
            return (
                "a margin call trades at the next open; add the column, or have none: account="
                "MarginAccount(maintenance_margin=0), and no maintenance_margin in 'assets'"
            )
        if self.actions.exit_on_membership_end:
            return (
                "exit_on_membership_end=True sells at the next open; add the column, or leave it "
                "out: a rebalance sells what is no member"
            )
        return ""

    @classmethod
    def preset(cls, name: str, **settings: object) -> BacktestConfig:
        """Return the settings of a preset, some of them replaced.

        Parameters
        ----------
        name : str
            ``"default"``, ``"realistic"``; ``"vectorbt"``, ``"backtrader"``, ``"zipline"``: the
            fills of those packages, with their default costs; ``"us_equities"``, ``"china_a"``,
            ``"hong_kong"``, ``"india"``, ``"cme_futures"``, ``"crypto_perpetual"``: costs, account
            and rules of a market.
        **settings
            Fields of this class, such as ``commission=``.

        Raises
        ------
        ConfigError
            There is no such preset or field.

        Examples
        --------
        >>> from ml4t.backtest import BacktestConfig
        >>> BacktestConfig.preset("zipline").execution.whole_shares
        True
        """
        from ml4t.backtest.presets import settings_of

        chosen = {**settings_of(name), **settings}
        known = [one.name for one in fields(cls)]
        for field_name in chosen:
            if field_name not in known:
                raise ConfigError(
                    f"a configuration has no {field_name!r}{did_you_mean(field_name, known)}"
                )
        return cls(**chosen)  # type: ignore[arg-type]

    def describe(self) -> str:
        """Return every setting, one line each, as text."""
        return "\n".join(f"{name} = {value!r}" for name, value in _lines(self.to_dict()))

    def to_dict(self) -> dict[str, object]:
        """Return the settings as plain values; a capital that is not said here is left out."""
        return {
            one.name: _plain(getattr(self, one.name))
            for one in fields(self)
            if one.name != "initial_capital" or self.initial_capital is not None
        }

    def recorded(self) -> dict[str, object]:
        """Return the settings for the `runs` table, where capital has a column of its own.

        So a run has one identity, wherever its capital was said.
        """
        return {name: one for name, one in self.to_dict().items() if name != "initial_capital"}


def run_settings(
    broker: SimulationBroker | None, initial_capital: float | None, config: BacktestConfig | None
) -> tuple[float, BacktestConfig]:
    """Return capital, in account currency, and configuration of a run; `broker` stands for both.

    Raises
    ------
    ConfigError
        `broker` is none, or contradicts what is given beside it; the capital is no number above 0.
    """
    if config is not None and not isinstance(config, BacktestConfig):
        raise ConfigError(f"config must be a BacktestConfig, was {config!r}")
    said = initial_capital
    if said is None and config is not None:
        said = config.initial_capital
    if broker is None:
        capital = DEFAULT_CAPITAL if said is None else said
        require_number("initial_capital", capital, above=0, below=float("inf"))
        return float(capital), config if config is not None else BacktestConfig()
    from ml4t.backtest.execution.hand_loop.broker import SimulationBroker

    if not isinstance(broker, SimulationBroker):
        raise ConfigError(
            f"broker must be a SimulationBroker, was {type(broker).__name__}; all settings but "
            "the broker are given by keyword"
        )
    if config is None:
        config = BacktestConfig(commission=broker.commission, slippage=broker.slippage)
    capital = broker.initial_cash if said is None else said
    pairs: tuple[tuple[str, object, object], ...] = (
        ("initial_capital", capital, broker.initial_cash),
        ("commission of config", config.commission, broker.commission),
        ("slippage of config", config.slippage, broker.slippage),
    )
    for name, given, own in pairs:
        if given != own:
            raise ConfigError(f"{name} was {given!r} and the broker's {own!r}; give it once")
    return broker.initial_cash, config


def _lines(settings: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield f"{prefix}{name}", value["kind"]
            rest = {key: one for key, one in value.items() if key != "kind"}
            yield from _lines(rest, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _plain(value: object) -> object:
    """Return a setting as JSON would hold it; a class of settings becomes its kind and fields.

    Of a user's own class all attributes are shown, and a hash of its code and of all that it holds.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, np.generic):
        return value.item()  # NumPy's number is the number
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    kind = {"kind": type(value).__name__}
    if not type(value).__module__.startswith(OURS):
        code = user_identity(value)
        if code is None or isinstance(value, FUNCTIONS):
            return shown(value)
        said = attributes(value)
        plain = {n: one for n, one in said.items() if type(one) in (bool, int, float, str)}
        rest = {n: shown(one, (id(value),)) for n, one in said.items() if n not in plain}
        return {**kind, **plain, **rest, "code": code}
    names = (
        [one.name for one in fields(value)]
        if is_dataclass(value)
        else [name for name in attributes(value) if not name.startswith("_")]
    )
    return {**kind, **{name: _plain(getattr(value, name)) for name in names}}
