"""Settings: whole numbers of whatever kind, and lists that are no texts, in every place alike."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pytest

from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    CashAccount,
    Catalog,
    ConfigError,
    Ranking,
    SignalError,
    SQLStrategy,
    Strategy,
    TieredCommission,
    TopN,
)
from ml4t.backtest.data.feeds.feed import PolarsDataFeed
from ml4t.backtest.risk import (
    Limit,
    MaxDrawdown,
    MaxPositions,
    MaxVaR,
    RiskManager,
    RiskRule,
    SignalExit,
    StopLoss,
    TimeBasedExit,
)
from ml4t.backtest.scenarios import make_scenario
from ml4t.backtest.strategies import FixedSizer, Rule, SignalStrategy, TopNRotationStrategy

DAYS = [date(2024, 1, day) for day in (2, 3, 4)]
PRICES = {"timestamp": DAYS, "asset_id": ["A"] * 3, "open": [1.0] * 3, "close": [1.0, 2.0, 3.0]}

# What takes a whole number, and how it shows that it has it.
WHOLE: dict[str, tuple[Callable[[Any], object], int]] = {
    "Ranking.n": (lambda n: Ranking(n=n, by="close").n, 3),
    "Ranking.every": (lambda n: Ranking(n=1, by="close", every=n).every, 3),
    "Ranking.offset": (lambda n: Ranking(n=1, by="close", every=5, offset=n).offset, 3),
    "TopN.n": (lambda n: TopN(n, by="close").ranking().n, 3),
    "SQLStrategy.every": (lambda n: SQLStrategy("select 1", every=n).query().every, 3),
    "SQLStrategy.offset": (
        lambda n: SQLStrategy("select 1", every=5, offset=n).query().offset, 3,
    ),
    "TimeBasedExit.max_bars": (lambda n: TimeBasedExit(n).max_bars, 3),
    "Rule.max_bars": (lambda n: int(repr(Rule.max_bars(n))[-2]), 3),
    "MaxPositions.n": (lambda n: MaxPositions(n).n, 3),
    "MaxDrawdown.resume_after": (lambda n: MaxDrawdown(0.1, resume_after=n).resume_after, 3),
    "MaxVaR.window": (lambda n: MaxVaR(0.1, window=n).window, 3),
    "CashAccount.settlement": (lambda n: CashAccount(settlement=n).settlement, 3),
    "TopNRotationStrategy": (lambda n: TopNRotationStrategy(n).n_positions, 3),
    "make_scenario": (lambda n: len(make_scenario("bull", n_bars=n).context), 3),
    "indicators": (
        lambda n: Catalog().register("prices", PRICES).indicators.sma(n)
        and Catalog().register("prices", PRICES).indicators.sma(n).sql(
            "select count(*) from signals"
        ).fetchall()[0][0],
        3,
    ),
    "Catalog.threads": (lambda n: Catalog(threads=n) and int(n), 3),
}  # fmt: skip


@pytest.mark.parametrize("kind", [int, np.int64, np.int32, np.uint8])
@pytest.mark.parametrize("place", WHOLE)
def test_numpy_integers_are_whole_numbers(place: str, kind: type) -> None:
    make, n = WHOLE[place]
    shown = make(kind(n))
    assert (shown, type(shown)) == (n, int)


@pytest.mark.parametrize("value", [3.0, "3", True, np.float64(3), None, [3], np.bool_(True)])
@pytest.mark.parametrize("place", [p for p in WHOLE if p.split(".")[-1] not in ("threads",)])
def test_what_is_no_whole_number_is_refused(place: str, value: object) -> None:
    make, _ = WHOLE[place]
    if value is None and place == "MaxDrawdown.resume_after":
        assert make(None) is None  # it never resumes
        return
    is_word = isinstance(value, str) and place.endswith(".every")  # such as "month_end"
    must = "every was '3'; known: month_end" if is_word else "must be a whole number.*, was"
    with pytest.raises(ConfigError, match=must):
        make(value)


# -- lists of names ---------------------------------------------------------------------------


class Reads(Strategy):
    """Declares what it reads as it is told."""

    def __init__(self, features: object) -> None:
        self.features = features  # type: ignore[assignment]

    def decide(self, batch: Any, broker: Any) -> None:
        """Do nothing."""


class ReadingRule(RiskRule):
    features = "ml"  # type: ignore[assignment]


class ReadingLimit(Limit):
    features = "ml"  # type: ignore[assignment]


class GroupingLimit(Limit):
    groups = "sector"  # type: ignore[assignment]


class ReadingSizer(FixedSizer):
    features = "ml"  # type: ignore[assignment]


class ReadingCosts:
    features = "ml"

    def charge(self, quote: Any) -> Any:
        """Charge nothing."""
        return 0 * quote.value

    def fill_price(self, quote: Any) -> Any:
        """Move nothing."""
        return quote.price


def engine(strategy: Strategy) -> BacktestEngine:
    return BacktestEngine(Catalog().register("prices", PRICES), strategy)


NAMES: dict[str, Callable[[], object]] = {
    "strategy": lambda: engine(Reads("ml")),
    "rule": lambda: RiskManager([ReadingRule()]),
    "rule of SQL": lambda: SignalExit("a > 1", features="ml"),  # type: ignore[arg-type]
    "limit": lambda: RiskManager(limits=[ReadingLimit()]),
    "groups of a limit": lambda: RiskManager(limits=[GroupingLimit()]),
    "sizer of rules": lambda: SignalStrategy([Rule.max_bars(1)], position_sizer=ReadingSizer(1)),
    "sizer of a query": lambda: SQLStrategy("select 1", position_sizer=ReadingSizer(1)),
    "commission": lambda: BacktestConfig(commission=ReadingCosts()),  # type: ignore[arg-type]
    "slippage": lambda: BacktestConfig(slippage=ReadingCosts()),  # type: ignore[arg-type]
    "impact": lambda: BacktestConfig(impact=ReadingCosts()),  # type: ignore[arg-type]
    "feed": lambda: PolarsDataFeed("x.parquet", signal_columns="ml"),
}


@pytest.mark.parametrize("place", NAMES)
def test_one_text_where_names_are_meant_is_not_taken_apart(place: str) -> None:
    with pytest.raises(ConfigError, match=r"must be a list of column names, was '(ml|sector)'"):
        NAMES[place]()


@pytest.mark.parametrize("features", [("a", 5), ["a", ""], (None,), None, {"a"}, 5])
def test_features_that_are_no_names_are_refused(features: object) -> None:
    with pytest.raises(ConfigError, match=r"Reads\.features must be"):
        engine(Reads(features))


def test_a_list_of_features_is_as_good_as_a_tuple() -> None:
    assert engine(Reads(["close"])).run()["final_value"] == 100_000


# -- other lists ------------------------------------------------------------------------------


@pytest.mark.parametrize("rules", [None, 5, "stop", {"a": 1}, StopLoss, StopLoss(0.1)])
def test_rules_and_limits_come_in_a_list(rules: Any) -> None:
    with pytest.raises(ConfigError, match="rules must be a list of rules"):
        RiskManager(rules)
    with pytest.raises(ConfigError, match="limits must be a list of limits"):
        RiskManager(limits=rules)


@pytest.mark.parametrize(
    ("tiers", "message"),
    [
        (None, "tiers must be a list of"),
        (5, "tiers must be a list of"),
        ("ab", "tiers must be a list of"),
        ({0: 1}, "tiers must be a list of"),
        ((0, 10), r"a tier must be a \(start, basis_points\) pair, was 0"),
        (((0, 10, 5),), r"a tier must be a \(start, basis_points\) pair"),
        ((("0", 10),), "start of a tier must be a number"),
        (((0, None),), "basis_points of a tier must be a number"),
        ((), "tiers must start at 0"),
    ],
)
def test_tiers_are_pairs_of_numbers(tiers: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TieredCommission(tiers)


def test_tiers_as_lists_are_the_same_tiers() -> None:
    assert TieredCommission([[0, 10], [1000, 5]]) == TieredCommission(  # type: ignore[arg-type]
        ((0.0, 10.0), (1000.0, 5.0))
    )


# -- what decide reads ------------------------------------------------------------------------


class ReadsMore(Strategy):
    """Reads a column that it has not declared."""

    features = ("close",)

    def __init__(self, name: str) -> None:
        self.name = name

    def decide(self, batch: Any, broker: Any) -> None:
        batch.features[self.name]


@pytest.mark.parametrize("name", ["volume", "nothing"])
def test_a_column_that_decide_did_not_declare_is_said_to_be_none_of_its_features(name: str) -> None:
    with pytest.raises(SignalError, match=f"'{name}' is no feature here.*features = ") as error:
        engine(ReadsMore(name)).run()
    assert error.value.name == name
    assert isinstance(error.value, KeyError)


def test_whether_decide_has_a_feature_can_be_asked() -> None:
    seen = []

    class Asks(Strategy):
        features = ("close",)

        def decide(self, batch: Any, broker: Any) -> None:
            seen.append(("volume" in batch.features, batch.features.get("volume")))

    engine(Asks()).run()
    assert seen == [(False, None)] * 3
