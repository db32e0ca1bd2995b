"""The metrics of many runs at once, and one ranking for many plans: what each alone would be."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from effort import examples, long, some
from many_trials import bits, metrics_of, returns_of
from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    BasisPointCommission,
    Catalog,
    MarginAccount,
    Ranking,
    SQLStrategy,
    TopN,
)
from ml4t.backtest.data.asof.bar_tables import market_rows
from ml4t.backtest.data.selection.ranking import (
    RankingPlan,
    go_together,
    plan_ranking,
    rank,
    rank_each,
    widest_of,
)
from ml4t.backtest.data.stream.shared import groups_of
from ml4t.backtest.results.report.view import View
from ml4t.backtest.running import run_once
from ml4t.backtest.sweep.rounds import Detail, Ground, Round
from ml4t.backtest.sweep.stitched import metrics_of_returns
from universes import make_universe

N_BARS, N_ASSETS = 11, 4
IDS: dict[str, Callable[[int], Any]] = {
    "texts": lambda i: "DCBA"[i],
    "numbers": lambda i: 10 - 3 * i,
    "uuids": lambda i: UUID(int=(i * 0x9E3779B97F4A7C15) % 2**128),
}
CLOCKS: dict[str, Callable[[list[datetime]], pl.Series]] = {
    "dates": lambda times: pl.Series([one.date() for one in times]),
    "microseconds": lambda times: pl.Series(times, dtype=pl.Datetime("us")),
    "nanoseconds": lambda times: pl.Series(times, dtype=pl.Datetime("ns")),
    "zoned": lambda times: pl.Series(times).dt.replace_time_zone("America/New_York"),
}


def catalog(clock: str = "dates", ids: str = "texts", n_bars: int = N_BARS) -> Catalog:
    """Prices that rise and fall, in the order of no id, with no bar of one asset now and then."""
    pick = np.random.default_rng(3)
    cells = [(t, i) for t in range(n_bars) for i in range(N_ASSETS) if (t + i) % 7 or t == 0]
    closes = 50 + 10 * pick.random(len(cells)) + [0.3 * t for t, _ in cells]
    times = [datetime(2024, 3, 4) + timedelta(days=t) for t, _ in cells]
    found = [IDS[ids](i) for _, i in cells]
    frame = pl.DataFrame(
        {
            "timestamp": CLOCKS[clock](times),
            "asset_id": pl.Series(list(map(str, found)) if ids == "uuids" else found),
            "open": closes * 1.001, "close": closes,
            "volume": pick.integers(1_000, 9_000, len(cells)).astype(float),
        }
    )  # fmt: skip
    zone = "America/New_York" if clock == "zoned" else "UTC"
    data = Catalog(threads=1, timezone=zone)
    if ids == "uuids":
        return data.register("prices", as_uuids(frame))
    return data.register("prices", frame)


def as_uuids(frame: pl.DataFrame) -> Any:
    import duckdb

    return duckdb.sql("select * replace (asset_id::uuid as asset_id) from frame").to_arrow_table()


def engines(data: Catalog, first: Any) -> dict[int, BacktestEngine]:
    """Runs that trade, hold and compare themselves with more, with less, and with nothing."""
    charged = BacktestConfig(commission=BasisPointCommission(7.3))
    short = BacktestConfig(account=MarginAccount(), commission=BasisPointCommission(3.1))
    both = SQLStrategy(
        "select timestamp, asset_id, if(rank <= 2, 0.4, -0.3) as weight from ranked",
        ranking=Ranking(n=4, by="close", every=2),
    )
    made: list[dict[str, Any]] = [
        {"strategy": TopN(2, by="-close"), "config": charged, "benchmark": first},
        {"strategy": TopN(1, by="close", where="close > 1000")},  # nothing to buy
        {"strategy": both, "config": short, "risk_free": 0.03},
        {"strategy": TopN(1, by="close", every=N_BARS)},  # bought at the end, held at no bar
        {"strategy": TopN(3, by="volume", every=3), "benchmark": "equal_weight"},
        {"strategy": TopN(1, by="close", when="timestamp is null"), "benchmark": first},
        {"strategy": TopN(1, by="open"), "sessions_per_year": 200, "initial_capital": 12_345.6},
    ]
    return {i: BacktestEngine(data, **one) for i, one in enumerate(made)}


def rows_of(data: Catalog, some: dict[int, BacktestEngine]) -> dict[int, dict[str, Any]]:
    """Have runs made side by side; return the metrics and returns of each."""
    tried = Round(Ground(data, (None, None)), some, Detail.RETURNS).run()
    assert [one.error for one in tried] == [None] * len(tried)
    return {one.number: one.row.to_pylist()[0] for one in tried if one.row is not None}


def differing(row: dict[str, Any], alone: Any) -> list[str]:
    """Return in what a row is not what a run by itself says, to the last bit."""
    metrics = metrics_of(alone)
    found = dict(zip(metrics, bits([[row[name] for name in metrics]])[0], strict=True))
    lists = (row[name] for name in ("timestamps", "sessions", "bar_returns", "excess_returns"))
    names = [name for name, value in metrics.items() if found[name] != value]
    is_equal = bits(zip(*lists, strict=True)) == returns_of(alone)
    return names if is_equal else [*names, "returns"]


CASES = [
    ("nanoseconds", "uuids"), ("dates", "texts"), ("zoned", "texts"), ("microseconds", "numbers")
]  # fmt: skip


@pytest.mark.parametrize(("clock", "ids"), some(CASES, 2))
def test_metrics_of_many_runs_are_those_of_each(clock: str, ids: str) -> None:
    data = catalog(clock, ids)
    first = sorted(IDS[ids](i) for i in range(N_ASSETS))[1]
    first = str(first) if ids == "uuids" else first
    alone = {i: run_once(one) for i, one in engines(data, first).items()}
    assert alone[0].metrics["n_fills"] > 5
    assert (alone[1].metrics["n_fills"], alone[3].metrics["n_trades"]) == (0, 0)
    for part in (list(alone), [2]):
        some = {i: one for i, one in engines(data, first).items() if i in part}
        for i, row in rows_of(data, some).items():
            assert differing(row, alone[i]) == [], (part, i)


def test_one_bar_is_enough() -> None:
    data = catalog(n_bars=1)
    alone = {i: run_once(one) for i, one in engines(data, "A").items()}
    for i, row in rows_of(data, engines(data, "A")).items():
        assert differing(row, alone[i]) == [], i


@long
def test_few_rows_of_many_runs_add_up_in_the_order_of_each() -> None:
    """A database that joins by how many rows there are turns a join round where there are few."""
    data = catalog(n_bars=30)

    def made() -> dict[int, BacktestEngine]:
        some = {}
        for i in range(24):
            config = BacktestConfig(commission=BasisPointCommission(3.7 + i / 7))
            where = "close > 64" if i in (3, 17) else "close > 1000"
            some[i] = BacktestEngine(
                data, TopN(3, by="close", where=where, every=3), config=config, risk_free=0.01
            )
        return some

    alone = {i: run_once(one) for i, one in made().items() if i in (3, 16, 17)}
    assert 3 < alone[3].metrics["n_fills"] < 24
    for part in (range(24), [3], [3, 16, 17]):
        rows = rows_of(data, {i: one for i, one in made().items() if i in part})
        assert {i: differing(rows[i], one) for i, one in alone.items() if i in rows} == {
            i: [] for i in alone if i in rows
        }  # fmt: skip


CHANGES = {
    "trading_metrics": ("coalesce(sum(commission), 0) as commission", "0.0 as commission"),
    "return_metrics": ("stddev_samp", "stddev_pop"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_view_that_says_something_else_is_noticed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = catalog()
    alone = metrics_of(run_once(engines(data, "A")[0]))
    old, new = CHANGES[name]
    inner = View.query.fget  # type: ignore[attr-defined]

    def changed(self: View) -> str:
        text: str = inner(self)
        assert self.name != name or old in text
        return text.replace(old, new) if self.name == name else text

    monkeypatch.setattr(View, "query", property(changed))
    row = rows_of(data, {0: engines(data, "A")[0]})[0]
    assert [key for key in alone if bits([[row[key]]])[0][0] != alone[key]]


# -- one ranking for many plans ----------------------------------------------------------------


def plans(seed: int, data: Catalog) -> list[RankingPlan]:
    pick, prepared = random.Random(f"plans {seed}"), data.prepare()
    base = Ranking(
        n=1, by=pick.choice(["score", "round(score)", "-atr", "score / (vix - 20)"]),
        where=pick.choice([None, "atr is not null", "score > 0.5", "score > 1 and close > 60"]),
        when=pick.choice([None, "vix <= 25"]), ascending=pick.random() < 0.4,
    )  # fmt: skip
    begin_t = pick.choice([0, 0, 3])
    found = []
    for _ in range(pick.randint(2, 5)):
        every = pick.choice([1, 2, 3, 7])
        offset = pick.randrange(every)
        one = replace(base, n=pick.choice([1, 2, 3, 6, 9]), every=every, offset=offset)
        found.append(plan_ranking(one, prepared, begin_t=begin_t))
    return found


def told(selections: dict[int, Any]) -> dict[int, Any]:
    return {
        t: (one.sids.tolist(), one.scores.tolist(), one.weights.tolist(), one.shortage, one.kind)
        for t, one in selections.items()
    }


def universe_catalog(seed: int) -> tuple[Catalog, int]:
    universe = make_universe(seed, n_bars=24, p_gap=0.2, tied_scores=seed % 2 == 0)
    data = Catalog(threads=1).register("prices", universe.prices)
    data.register("features", universe.features).register("context", universe.context)
    return data, 23


@pytest.mark.parametrize("seed", range(examples(2)))
def test_parts_of_the_widest_ranking_are_the_rankings_alone(seed: int) -> None:
    data, last_t = universe_catalog(seed)
    n_short = 0
    for which in range(4):
        found = plans(10 * seed + which, data)
        database = data.prepare().database.cursor()
        market = market_rows(database)
        first_t = found[0].begin_t
        widest = widest_of(found, last_t)
        for start, end in ((first_t, 11), (12, last_t)):
            parts = rank_each(widest, found, market, database, start, end)
            for plan, part in zip(found, parts, strict=True):
                alone = told(rank(plan, market, database, start, end))
                assert told(part) == alone
                n_short += sum(bool(one[3]) for one in alone.values())
    assert n_short or seed > 1  # a draw may have none, the first two have some


def test_rankings_go_together_that_differ_in_how_many_and_when_alone() -> None:
    data, _ = universe_catalog(1)
    base = Ranking(n=2, by="score", every=2)
    first = plan_ranking(base, data.prepare())
    same: list[dict[str, Any]] = [{"n": 5}, {"every": 3}, {"offset": 1}, {"band": 0.1}]
    other: list[dict[str, Any]] = [
        {"by": "atr"}, {"where": "atr > 0"}, {"when": "vix > 1"}, {"ascending": True},
        {"weight": "0.1 / rank"}, {"n": 0.5}, {"within": "atr > 3"},
    ]  # fmt: skip
    for changes, is_same in [*((one, True) for one in same), *((one, False) for one in other)]:
        plan = plan_ranking(replace(base, **changes), data.prepare())
        assert go_together(first, plan) is go_together(plan, first) is is_same, changes
        assert len(groups_of([first, None, plan, first])) == 2 - is_same


# -- returns alone -----------------------------------------------------------------------------


def test_metrics_of_returns_do_not_depend_on_the_returns_beside_them() -> None:
    pick = np.random.default_rng(4)
    facts = {
        "initial_capital": 1e5, "periods_per_year": None, "sessions_per_year": None,
        "bars_per_session": None, "sessions_from": None,
    }  # fmt: skip
    times = [datetime(2024, 3, 4) + timedelta(days=t) for t in range(40)]
    made = {
        number: pa.table(
            {
                "run_number": pa.array([number] * 40, pa.int64()),
                "timestamp": pa.array(times, pa.timestamp("us")),
                "session": pa.array([one.date() for one in times]),
                "bar_return": pick.normal(0, 0.02, 40), "excess": pick.normal(0, 0.02, 40),
            }
        )
        for number in range(12)
    }  # fmt: skip

    def metrics(*numbers: int) -> list[tuple[Any, ...]]:
        given = pa.concat_tables([made[number] for number in numbers])
        found = metrics_of_returns(given, facts, "UTC").drop_columns("run_number")
        return bits(zip(*(column.to_pylist() for column in found.columns), strict=True))

    together = metrics(*range(12))
    assert [metrics(number)[0] for number in (0, 5, 11)] == [together[i] for i in (0, 5, 11)]
    assert metrics(7, 3) == [together[3], together[7]]
