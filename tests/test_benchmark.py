"""What a run is compared with: benchmarks, the risk-free rate, and the metrics of both."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest

from conftest import SHARED_DATA
from effort import each_value
from ml4t.backtest import (
    ActionPolicy,
    BacktestConfig,
    BacktestEngine,
    BacktestResult,
    BasisPointCommission,
    BasisPointSlippage,
    Catalog,
    ConfigError,
    DataError,
    ExecutionPolicy,
    Strategy,
    ThisClose,
    TopN,
)
from ml4t.backtest.runfile import engine_of
from test_real_prices import ACTIONS, DAILY, MISSES

N = 80
DAYS = [date(2024, 1, 1) + timedelta(days=i) for i in range(N)]
ASSETS = ("A", "B", "C", "D")


def walks(seed: int = 3) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    paths = 50 * np.exp(np.cumsum(random.normal(0.001, 0.02, (N, len(ASSETS))), axis=0))
    return pl.DataFrame(
        [
            {"timestamp": day, "asset_id": asset, "open": paths[t, i], "close": paths[t, i]}
            for t, day in enumerate(DAYS)
            for i, asset in enumerate(ASSETS)
        ]
    )


PRICES = walks()
FREE = BacktestConfig(
    commission=BasisPointCommission(0),
    slippage=BasisPointSlippage(0),
    execution=ExecutionPolicy(timing=ThisClose()),
    actions=ActionPolicy(reinvest_dividends=True, delisting_return=-0.3),
)


class Hold(Strategy):
    """Puts all of the account into one asset at the first bar."""

    def __init__(self, asset_id: str) -> None:
        self.asset_id = asset_id

    def decide(self, batch: Any, broker: Any) -> None:
        if batch.t == 0:
            self.order_target_percent(self.asset_id, 1.0)


def values(result: BacktestResult) -> list[float]:
    return [
        row[0] for row in result.sql("select value from benchmark order by timestamp").fetchall()
    ]


def equity(result: BacktestResult) -> list[float]:
    return [row[0] for row in result.sql("select equity from equity order by timestamp").fetchall()]


def catalog(prices: pl.DataFrame = PRICES, **sources: Any) -> Catalog:
    data = Catalog(threads=1).register("prices", prices)
    for role, source in sources.items():
        data.register(role, source)
    return data


def top(data: Catalog, **settings: Any) -> BacktestResult:
    return BacktestEngine(data, TopN(2, by="close", every=7), **settings).run()


# -- benchmarks ------------------------------------------------------------------------------

CASES: dict[str, list[tuple[Any, ...]]] = {
    "none": [],
    "dividends": [("A", 10, "dividend", 1.0, None), ("A", 0, "dividend", 9.0, None),
                  ("A", 40, "dividend", 0.5, None), ("B", 20, "dividend", 5.0, None)],
    "a split, and a dividend on its day": [("A", 30, "dividend", 2.0, None),
                                           ("A", 30, "split", 2.0, None)],
    "a rename": [("A", 30, "rename", None, "E"), ("E", 50, "dividend", 1.0, None),
                 ("E", 55, "split", 3.0, None)],
    "a dividend and a split on the day of a rename": [
        ("A", 30, "dividend", 1.0, None), ("A", 30, "split", 0.5, None),
        ("A", 30, "rename", None, "E")],
    "a delisting": [("A", 30, "delisting", 20.0, None)],
    "a delisting without a price": [("A", 30, "delisting", None, None),
                                    ("A", 29, "dividend", 1.0, None)],
    "a rename, then a delisting": [("A", 30, "rename", None, "E"),
                                   ("E", 60, "delisting", 0.0, None)],
}  # fmt: skip


def with_actions(rows: list[tuple[Any, ...]]) -> Catalog:
    """Register prices and actions; what is renamed or gone has bars no more."""
    prices = PRICES
    for asset, t, kind, _, new in rows:
        at = pl.col("timestamp") >= DAYS[t]
        if kind == "rename":
            name = pl.when((pl.col("asset_id") == asset) & at).then(pl.lit(new))
            prices = prices.with_columns(asset_id=name.otherwise("asset_id"))
        elif kind == "delisting":
            prices = prices.filter((pl.col("asset_id") != asset) | ~at)
    if not rows:
        return catalog(prices)
    frame = pl.DataFrame(
        [
            {
                "asset_id": asset,
                "ex_date": DAYS[t],
                "kind": kind,
                "value": value,
                "new_asset_id": new,
            }
            for asset, t, kind, value, new in rows
        ],
        schema_overrides={"value": pl.Float64, "new_asset_id": pl.String},
    )
    return catalog(prices, actions=frame)


@each_value
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("start", [0, 5])
def test_an_asset_is_a_run_that_holds_it_without_costs(case: str, start: int) -> None:
    data = with_actions(CASES[case])
    result = BacktestEngine(data, Hold("A"), config=FREE, benchmark="A").run(start=DAYS[start])
    assert values(result) == pytest.approx(equity(result), rel=1e-9)
    assert len(values(result)) == N - start
    assert result["beta"] == pytest.approx(1)
    assert result["tracking_error"] == pytest.approx(0, abs=1e-9)
    assert result["excess_return"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("last", [20, 21, 25, N - 1])
def test_a_dividend_without_a_bar_counts_at_its_ex_date_whatever_comes(last: int) -> None:
    def of_b(at: int) -> pl.Expr:
        return (pl.col("asset_id") == "B") & (pl.col("timestamp") == DAYS[at])

    # B has no bar at its first two ex-dates; after the third it has none any more.
    prices = PRICES.filter(~of_b(19), ~of_b(20), pl.col("timestamp") <= DAYS[last])
    prices = prices.filter((pl.col("asset_id") != "B") | (pl.col("timestamp") < DAYS[24]))
    dividends = {19: 2.0, 20: 3.0, 24: 1.0, 25: 4.0}
    known = {t: value for t, value in dividends.items() if t <= last}
    rows: list[dict[str, Any]] = [
        {"asset_id": "B", "ex_date": DAYS[t], "kind": "dividend", "value": value}
        for t, value in known.items()
    ]
    data = catalog(prices, actions=pl.DataFrame(rows))
    found = values(top(data, benchmark="B"))
    close = dict(PRICES.filter(pl.col("asset_id") == "B").select("timestamp", "close").iter_rows())
    worth, expected, cash = 100_000.0, [], 0.0
    held, base = close[DAYS[0]], close[DAYS[0]]
    for t in range(last + 1):
        has_bar = t < 24 and t not in (19, 20)
        own = close[DAYS[t]] if has_bar else held
        cash += known.get(t, 0.0)
        worth *= (own + cash) / base
        held, base = own, own + cash
        if has_bar:
            cash, base = 0.0, own
        expected.append(worth)
    assert found == pytest.approx(expected, rel=1e-12)


def test_equal_weight_is_the_mean_of_returns_since_each_assets_own_bar_before() -> None:
    holes = PRICES.filter(pl.int_range(pl.len()) % 9 != 4)
    result = top(catalog(holes), benchmark="equal_weight")
    rows = holes.to_pandas().sort_values(["asset_id", "timestamp"])
    rows["made"] = rows.groupby("asset_id")["close"].pct_change()
    expected = 100_000 * (1 + rows.groupby("timestamp")["made"].mean().fillna(0)).cumprod()
    np.testing.assert_allclose(values(result), expected, rtol=1e-12)


def test_the_universe_is_that_of_the_close_before() -> None:
    members = pl.DataFrame(
        {"asset_id": ["A", "B", "B", "C"], "start_date": [DAYS[i] for i in (0, 10, 30, 20)],
         "end_date": [DAYS[40], DAYS[20], None, None]}
    )  # fmt: skip
    result = top(catalog(universe=members), benchmark="universe")
    wide = PRICES.to_pandas().pivot(index="timestamp", columns="asset_id", values="close")
    is_in = pd.DataFrame(False, index=wide.index, columns=wide.columns)
    for asset, start, end in members.iter_rows():
        stop = N if end is None else DAYS.index(end)
        is_in.iloc[DAYS.index(start) : stop, wide.columns.get_loc(asset)] = True
    made = wide.pct_change().where(is_in.shift(fill_value=False)).mean(axis=1).fillna(0)
    np.testing.assert_allclose(values(result), 100_000 * (1 + made).cumprod(), rtol=1e-12)


def test_a_source_is_as_of_each_bar_and_part_of_context() -> None:
    index = {"timestamp": DAYS[::5], "close": [100.0 + i for i in range(len(DAYS[::5]))]}
    data = catalog(benchmark=index)
    found = values(top(data))
    assert found == [pytest.approx(100_000 * (100 + t // 5) / 100) for t in range(N)]
    assert data.sql("select max(benchmark_close) from market").fetchall() == [(115.0,)]
    assert values(top(data, benchmark="A")) != found  # what is asked for goes first


# -- metrics ---------------------------------------------------------------------------------


def plain(result: BacktestResult, rates: Any = 0.0) -> dict[str, float]:
    """The metrics in ten lines of NumPy."""
    r = np.diff(equity(result), prepend=100_000) / np.concatenate([[100_000], equity(result)[:-1]])
    b = np.diff(values(result), prepend=100_000) / np.concatenate([[100_000], values(result)[:-1]])
    f, year = (1 + np.asarray(rates)) ** (1 / result["bars_per_year"]) - 1, result["bars_per_year"]
    worth = np.cumprod(1 + b)
    beta = np.cov(r - f, b - f)[0, 1] / np.var(b - f, ddof=1)
    return {
        "beta": beta, "alpha": year * ((r - f).mean() - beta * (b - f).mean()),
        "correlation": np.corrcoef(r, b)[0, 1], "tracking_error": (r - b).std(ddof=1) * year**0.5,
        "information_ratio": (r - b).mean() / (r - b).std(ddof=1) * year**0.5,
        "up_capture": r[b > 0].mean() / b[b > 0].mean(),
        "down_capture": r[b < 0].mean() / b[b < 0].mean(),
        "sharpe": (r - f).mean() / (r - f).std(ddof=1) * year**0.5,
        "sortino": (r - f).mean() / (np.minimum(r - f, 0) ** 2).mean() ** 0.5 * year**0.5,
        "benchmark_sharpe": (b - f).mean() / (b - f).std(ddof=1) * year**0.5,
        "benchmark_volatility": b.std(ddof=1) * year**0.5,
        "benchmark_return": np.prod(1 + b) - 1, "excess_return": np.prod(1 + r) - np.prod(1 + b),
        "benchmark_max_drawdown": (worth / np.maximum.accumulate(worth)).min() - 1,
    }  # fmt: skip


@pytest.mark.parametrize("rate", [None, 0.05, "source"])
def test_every_metric_equals_its_plain_computation(rate: Any) -> None:
    rates = np.where(np.arange(N) < 30, 0.02, 0.06)
    known = {"risk_free": {"timestamp": DAYS, "rate": rates.tolist()}} if rate == "source" else {}
    said = rate if rate != "source" else None
    result = top(catalog(**known), benchmark="B", risk_free=said, periods_per_year=252)
    used = np.concatenate([rates[:1], rates[:-1]]) if rate == "source" else rate or 0.0
    expected = plain(result, used)
    assert {name: result[name] for name in expected} == pytest.approx(expected, rel=1e-9)


def test_a_rate_alone_moves_sharpe_and_sortino_and_leaves_the_benchmark_empty() -> None:
    without, result = top(catalog()), top(catalog(), risk_free=0.05)
    assert result["sharpe"] < without["sharpe"]
    assert result["sortino"] < without["sortino"]
    assert result["beta"] is result["benchmark_return"] is None
    assert result.sql("select distinct risk_free_rate, value from benchmark").fetchall() == [
        (0.05, None)
    ]
    assert without.sql("select * from benchmark").fetchall() == []


def test_a_benchmark_is_in_the_summary_and_in_the_identity() -> None:
    result = top(catalog(), benchmark="B", risk_free=0.05)
    assert "Information ratio" in result.summary()
    assert "Benchmark: B, bought at the first close and held" in result.summary()
    assert "Information ratio" not in top(catalog()).summary()
    ids = {
        top(catalog(), benchmark=one).sql("from runs").fetchall()[0][0] for one in ("A", "B", None)
    }
    assert len(ids) == 3


def test_the_statements_of_a_benchmark_are_explained() -> None:
    engine = BacktestEngine(catalog(), TopN(1, by="close"), benchmark="A")
    assert "benchmark/closes.sql" in [one.file for one in engine.explain()]


def test_a_run_file_names_both(tmp_path: Path) -> None:
    PRICES.write_parquet(tmp_path / "prices.parquet")
    pl.DataFrame({"timestamp": DAYS, "rate": 0.03}).write_parquet(tmp_path / "rates.parquet")
    text = '[sources.prices]\npath = "prices.parquet"\n[strategy]\nkind = "TopN"\nn = 1\n'
    text += 'by = "close"\n[run]\nbenchmark = "equal_weight"\n'
    file = tmp_path / "run.toml"
    file.write_text(text + "risk_free = 0.02\n")
    result = engine_of(file).run()
    assert result["benchmark_return"] is not None
    file.write_text(text + '[sources.risk_free]\npath = "rates.parquet"\n')
    assert engine_of(file).run().sql("select max(risk_free_rate) from benchmark").fetchall() == [
        (0.03,)
    ]


# -- what cannot be ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"benchmark": "AA"}, "benchmark: there is no asset 'AA' in prices; did you mean 'A'"),
        ({"benchmark": "universe"}, "needs a membership; register a 'universe' source"),
        ({"benchmark": "benchmark"}, "needs a source; register a 'benchmark' source"),
        ({"benchmark": PRICES}, "must be an asset_id, 'equal_weight' or 'universe', was"),
        ({"benchmark": True}, "must be an asset_id, 'equal_weight' or 'universe', was True"),
        ({"risk_free": 5}, "must be an annual fraction, 0.05 for 5%, was 5; register rates"),
        ({"risk_free": "5%"}, "must be an annual fraction, 0.05 for 5%, was '5%'"),
    ],
)  # fmt: skip
def test_what_is_no_benchmark_or_rate_is_refused(settings: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=f"(?s){message}"):
        top(catalog(), **settings)


def test_what_begins_after_the_run_is_refused_with_its_first_bar() -> None:
    late = PRICES.filter((pl.col("asset_id") != "A") | (pl.col("timestamp") >= DAYS[9]))
    way = "2024-01-01; start the run at 2024-01-10"
    with pytest.raises(ConfigError, match=f"benchmark 'A' has no bar at the first bar {way}"):
        top(catalog(late), benchmark="A")
    index = {"timestamp": DAYS[9:], "close": [10.0] * (N - 9)}
    with pytest.raises(
        ConfigError, match=f"source 'benchmark' has no value at the first bar {way}"
    ):
        top(catalog(benchmark=index))
    rates = {"timestamp": DAYS[9:], "rate": [0.01] * (N - 9)}
    with pytest.raises(
        ConfigError, match=f"source 'risk_free' has no value at the first bar {way}"
    ):
        top(catalog(risk_free=rates))


@pytest.mark.parametrize(
    ("role", "column", "value", "rule"),
    [("risk_free", "rate", 5.25, "rate_not_valid"), ("risk_free", "rate", None, "rate_not_valid"),
     ("benchmark", "close", 0.0, "close_not_positive"),
     ("benchmark", "close", None, "close_missing")],
)  # fmt: skip
def test_rows_that_cannot_be_are_refused(role: Any, column: str, value: Any, rule: str) -> None:
    rows = {"timestamp": DAYS, column: [0.02, value, *[0.02] * (N - 2)]}
    with pytest.raises(DataError, match=rule):
        top(catalog(**{role: rows}))


# -- real prices -------------------------------------------------------------------------------


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="the real market data is not there")
def test_baskets_of_real_stocks_make_what_their_adjusted_closes_say() -> None:
    daily = f"(from {DAILY} where asset_id not in {MISSES})"
    members = f"from '{SHARED_DATA}/sp500_membership.parquet'"
    data = catalog(f"select timestamp, asset_id, open, close from {daily}",
                   actions=ACTIONS.replace(DAILY, daily), universe=members)  # fmt: skip
    found = {
        name: BacktestEngine(data, TopN(1, by="close", every=50), benchmark=name).run(
            start="2005-01-01", end="2006-12-31"
        )
        for name in ("equal_weight", "universe", "AAPL")
    }
    made = f"""
        with changes as (
            select timestamp, asset_id, lag(timestamp) over by_bar as before,
                adjusted_close / lag(adjusted_close) over by_bar - 1 as made
            from {daily} where year(timestamp) in (2005, 2006)
            window by_bar as (partition by asset_id order by timestamp)
        )
        select avg(made) from changes
        where timestamp > '2005-01-03' and WHICH group by timestamp order by timestamp
    """
    is_member = f"""exists (
        from ({members}) m where m.asset_id = changes.asset_id and start_date <= before
        and (end_date is null or before < end_date))"""
    which = {"equal_weight": "true", "universe": is_member, "AAPL": "asset_id = 'AAPL'"}
    for name, result in found.items():
        steps = np.array(duckdb.sql(made.replace("WHICH", which[name])).fetchall())[:, 0]
        assert result["n_bars"] == len(steps) + 1 == 503
        expected = 100_000 * np.cumprod([1, *(1 + steps)])
        np.testing.assert_allclose(values(result), expected, rtol=2e-5)


def test_a_table_where_one_value_belongs_is_named_by_its_class() -> None:
    table = pl.Series([0.01] * 500)
    for given in ({"benchmark": table}, {"risk_free": table}):
        with pytest.raises(ConfigError, match="was a Series; register") as caught:
            BacktestEngine(Catalog(), TopN(1, by="close"), **given)
        assert "\n" not in str(caught.value)
