"""A minimum trade and a no-trade band: which changes of targets are made, and which are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    BacktestResult,
    BasisPointSlippage,
    Catalog,
    ConfigError,
    MarginAccount,
    PerOrderCommission,
    Ranking,
    SQLStrategy,
    Strategy,
    TopN,
)
from ml4t.backtest.runfile import engine_of
from ml4t.backtest.strategies import PercentSizer
from scripted import FREE, Row, day, fills, flat, orders, play, price_table

FEE = {"commission": PerOrderCommission(5.0), "slippage": BasisPointSlippage(0)}
WEIGHT = "select timestamp, asset_id, 0.25 as weight from signals"


def run(strategy: Strategy, prices: dict[str, list[Row]], **settings: Any) -> BacktestResult:
    times = [day(t) for t in range(max(map(len, prices.values())))]
    names = ("open", "high", "low", "close")
    catalog = Catalog(threads=1).register("prices", price_table(prices, names, times))
    config = BacktestConfig(**{**FREE, **settings})
    return BacktestEngine(catalog, strategy, initial_capital=10_000, config=config).run()


@pytest.mark.parametrize(
    "strategy",
    [
        lambda **k: TopN(2, by="close", weight="0.25", **k),
        lambda **k: SQLStrategy(WEIGHT, **k),
        lambda **k: SQLStrategy(
            "select timestamp, asset_id, 0.25 as weight from ranked",
            ranking=Ranking(n=2, by="close", **k),
        ),
    ],
    ids=["TopN", "SQLStrategy", "Ranking"],
)
@pytest.mark.parametrize("options", [{"band": 0.01}, {"min_trade": 50}])
def test_at_constant_prices_two_positions_pay_two_fees(
    strategy: Callable[..., Strategy], options: dict[str, float]
) -> None:
    prices = {asset: flat(100, 40) for asset in "AB"}
    assert len(orders(run(strategy(), prices, **FEE))) > 40
    result = run(strategy(**options), prices, **FEE)
    assert [row[:2] for row in fills(result)] == [(1, "A"), (1, "B")]
    ((counts,),) = result.sql("select activity from runs").fetchall()
    assert '"min_trade and band"' in counts
    (line,) = [one for one in result.summary().splitlines() if one.startswith("min_trade and band")]
    evaluated, fired = line.removeprefix("min_trade and band").split()
    assert int(evaluated) - int(fired) == 2


def test_a_band_is_a_fraction_of_equity_and_what_is_beyond_it_goes_to_the_target() -> None:
    """Half in A: at 110 it is 5,500 of 10,500, 2.4% too much; at 130, 6,500 of 11,500, 6.5%."""
    prices: list[Row] = [*flat(100, 2), *flat(110, 2), *flat(130, 3)]
    script = {t: lambda s: s.broker.order_target_weights({"A": 0.5}, band=0.03) for t in range(6)}
    assert fills(play(prices, script)) == [
        (1, "A", 50, 100), (4, "A", pytest.approx(11_500 / 2 / 130 - 50, abs=1e-9), 130)
    ]  # fmt: skip


def test_a_minimum_is_what_the_trade_is_worth_and_exits_are_made_whatever_they_are() -> None:
    """A target of 1% is 100, below the minimum; of 2% it is 200; 10 more are not worth it."""
    weights = {0: {"A": 0.01}, 1: {"A": 0.02}, 2: {"A": 0.025}, 3: {}}
    script = {
        t: lambda s, w=w: s.broker.order_target_weights(w, min_trade=150)
        for t, w in weights.items()
    }
    assert fills(play(flat(10, 6), script)) == [(2, "A", 20, 10), (4, "A", -20, 10)]
    # What is left of a fall is closed although it is worth less.
    fall: list[Row] = [*flat(10, 3), *flat(1, 3)]
    script = {
        0: lambda s: s.broker.order_target_weights({"A": 0.02}, min_trade=150),
        3: lambda s: s.broker.order_target_weights({}, min_trade=150, band=0.5),
    }
    assert fills(play(fall, script)) == [(1, "A", 20, 10), (4, "A", -20, 1)]


def test_a_band_holds_nothing_back_that_opens_or_turns_a_position() -> None:
    weights = {0: {"A": 0.05}, 2: {"A": -0.02}}
    script = {
        t: lambda s, w=w: s.broker.order_target_weights(w, band=0.1) for t, w in weights.items()
    }
    result = play(flat(10, 5), script, account=MarginAccount())
    assert sum(row[2] for row in fills(result)) == pytest.approx(-20)


def test_targets_of_shares_have_them_too() -> None:
    query = "select timestamp, asset_id, case when close > 100 then 52 else 50 end as quantity"
    prices: dict[str, list[Row]] = {"A": [*flat(100, 3), *flat(101, 3)]}
    assert len(fills(run(SQLStrategy(f"{query} from signals"), prices))) == 2
    for options in ({"min_trade": 300.0}, {"band": 0.05}):
        result = run(SQLStrategy(f"{query} from signals", **options), prices)
        assert fills(result) == [(1, "A", 50, 100)]


def test_they_are_in_the_identity_of_a_run() -> None:
    prices = {"A": flat(100, 4)}
    ids = {
        run(TopN(1, by="close", **options), prices).sql("select run_id from runs").fetchall()[0]
        for options in ({}, {"band": 0.01}, {"min_trade": 10.0})
    }
    assert len(ids) == 3


def test_a_run_file_says_them(tmp_path: Path) -> None:
    table = price_table(
        {"A": flat(100, 3)}, ("open", "high", "low", "close"), [day(t) for t in range(3)]
    )
    pl.DataFrame(table).write_parquet(tmp_path / "p.parquet")
    (tmp_path / "run.toml").write_text(
        '[sources.prices]\npath = "p.parquet"\n[strategy]\nkind = "TopN"\nn = 1\nby = "close"\n'
        "min_trade = 500\nband = 0.005\n"
    )
    engine = engine_of(tmp_path / "run.toml")
    assert repr(engine.strategy) == "TopN(1, by='close', min_trade=500.0, band=0.005)"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TopN(1, by="x", band=1.5), "band must be"),
        (lambda: TopN(1, by="x", band=-0.1), "band must be"),
        (lambda: TopN(1, by="x", min_trade=float("nan")), "min_trade must be"),
        (lambda: SQLStrategy(WEIGHT, ranking=Ranking(n=1, by="x"), band=0.1), "stand in the"),
        (lambda: SQLStrategy(WEIGHT, position_sizer=PercentSizer(0.1), band=0.1), "go with a"),
    ],
)
def test_what_they_may_not_be_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_a_strategy_says_them_as_its_broker_does() -> None:
    """Half of 10,000 at 100 is 50 shares; at 102 it is 101 too much, less than 150 and 2%."""
    prices: list[Row] = [*flat(100, 3), *flat(102, 3)]
    for options, n_fills in (({}, 2), ({"min_trade": 150}, 1), ({"band": 0.02}, 1)):
        script = {t: lambda s, o=options: s.order_target_weights({"A": 0.5}, **o) for t in (0, 4)}
        assert len(fills(play(prices, script))) == n_fills, options


def test_a_run_without_orders_says_where_to_look() -> None:
    prices = {"A": flat(100, 5)}
    hint = "catalog.preview(strategy, timestamp)"
    assert hint in run(TopN(1, by="close", when="false"), prices).summary()
    assert hint not in run(TopN(1, by="close"), prices).summary()
