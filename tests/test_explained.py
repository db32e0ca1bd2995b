"""Trades that explain themselves: what was known, how far they went, and who made the money."""

from __future__ import annotations

import math
import re
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from conftest import SHARED_DATA
from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    BacktestResult,
    Catalog,
    ExecutionPolicy,
    NextClose,
    SQLStrategy,
    Strategy,
    TopN,
    risk,
)
from ml4t.backtest.errors import ConfigError, ResultError
from ml4t.backtest.strategies import (
    ConfidenceSizer,
    FixedSizer,
    PercentSizer,
    Rule,
    SignalStrategy,
)
from money import engine_run, in_utc, plain_case, zoned_case

DAYS = [date(2024, 1, day) for day in (2, 3, 4, 5, 8, 9)]
# (open, high, low, close) of A and B at each day.
BARS = {
    "A": [(10, 11, 9, 10), (10, 12, 9.5, 11), (11, 13, 10, 12), (12, 12, 8, 9), (9, 10, 7, 8),
          (8, 9, 8, 8)],
    "B": [(20, 20, 19, 20), (20, 21, 18, 20), (20, 22, 20, 21), (21, 24, 21, 23), (23, 26, 22, 25),
          (25, 25, 24, 24)],
}  # fmt: skip
SCORES = {"A": [2, 2, 1, 1, 1, 1], "B": [1, 1, 2, 2, 2, 2]}


def catalog_of_two() -> Catalog:
    prices = [
        (day, asset, *bar)
        for asset, bars in BARS.items()
        for day, bar in zip(DAYS, bars, strict=True)
    ]
    scores = [
        (day, asset, float(score), score * 10.0 if asset == "A" else None)
        for asset, of in SCORES.items()
        for day, score in zip(DAYS, of, strict=True)
    ]
    catalog = Catalog(threads=1)
    columns = ["timestamp", "asset_id", "open", "high", "low", "close"]
    catalog.register("prices", pl.DataFrame(prices, schema=columns, orient="row"))
    columns = ["timestamp", "asset_id", "score", "extra"]
    catalog.register("features", pl.DataFrame(scores, schema=columns, orient="row"))
    context = {"timestamp": DAYS, "regime": ["calm"] * 3 + ["wild"] * 3, "vix": [10.0] * 6}
    catalog.register("context", pl.DataFrame(context))
    catalog.register("assets", pl.DataFrame({"asset_id": ["A", "B"], "sector": ["tech", "oil"]}))
    return catalog


def run_of(strategy: Strategy | None = None, **settings: object) -> BacktestResult:
    """One of two is held at a time: A, and B from the fourth bar on."""
    chosen = strategy or TopN(1, by="score", when="vix < 20")
    execution = settings.pop("execution", ExecutionPolicy())
    config = BacktestConfig.preset("default", execution=execution)
    return BacktestEngine(catalog_of_two(), chosen, config=config, **settings).run()  # type: ignore[arg-type]


def only_a() -> TopN:
    """Buys A at the second bar, and never decides again."""
    return TopN(1, by="case when asset_id = 'A' then 1 else 0 end", every=6, offset=1)


def rows(result: BacktestResult, query: str) -> list[tuple[object, ...]]:
    return list(result.sql(query).fetchall())


# -- evidence -------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [plain_case, zoned_case])
@pytest.mark.parametrize("seed", range(3))
def test_evidence_is_what_was_known_when_each_order_was_decided(case: object, seed: int) -> None:
    universe, options = case(seed)  # type: ignore[operator]
    names = sorted({name for row in universe.signals.values() for name in row})
    result = engine_run(universe, options, evidence=names)
    ordered = rows(result, "select distinct created_at, asset_id from orders "
                           "where created_at is not null")  # fmt: skip
    expected = {
        (at, asset, name, value)
        for at, asset in ((in_utc(at), asset) for at, asset in ordered)
        if asset in universe.bars[at]
        for name, value in universe.signals.get((at, asset), {}).items()
        if value is not None and math.isfinite(value)
    }
    found = {
        tuple(map(in_utc, row))
        for row in rows(result, "select timestamp, asset_id, name, value from evidence "
                                "where asset_id is not null and isfinite(value)")
        if row[2] in names
    }  # fmt: skip
    assert found == expected
    assert len(found) > 20


def test_a_ranking_leaves_what_it_read_at_entry_and_exit() -> None:
    result = run_of()
    assert rows(result, "select name, count(*) from evidence group by 1 order by 1") == [
        ("score", 4), ("vix", 3),
    ]  # fmt: skip
    entries = "select asset_id, entry_decided_at, entry_rank, entry_signals, entry_tag " \
              "from report.trades_explained order by trade_id limit 1"  # fmt: skip
    assert rows(result, entries) == [("A", DAYS[0], 1, {"score": 2.0, "vix": 10.0}, "rebalance")]
    exits = "select exit_decided_at, exit_rank, exit_signals, days_held, bars_held " \
            "from report.trades_explained where exit_timestamp = '2024-01-05'"  # fmt: skip
    assert (DAYS[2], None, {"score": 1.0, "vix": 10.0}, 2, 2) in rows(result, exits)


def test_columns_that_nobody_reads_are_evidence_when_they_are_named() -> None:
    result = run_of(evidence=["extra", "regime", "sector"])
    known = "select entry_signals, entry_texts from report.trades_explained order by trade_id"
    found = rows(result, known)
    assert found[0] == ({"extra": 20.0, "score": 2.0, "vix": 10.0},
                        {"regime": "calm", "sector": "tech"})  # fmt: skip
    # A missing value has no key.
    assert {"score": 2.0, "vix": 10.0} in [numbers for numbers, _ in found]
    everything = run_of(evidence="all")
    names = {name for (name,) in rows(everything, "select distinct name from evidence")}
    assert names == {
        "open", "high", "low", "close", "score", "extra", "sector", "regime", "vix",
    }  # fmt: skip


def test_a_query_leaves_what_it_read() -> None:
    query = "select timestamp, asset_id, 1.0 as weight from signals where score > 1.5"
    result = run_of(SQLStrategy(query))
    assert rows(result, "select distinct name from evidence") == [("score",)]


def test_a_rule_leaves_what_it_saw_and_its_reason() -> None:
    manager = risk.RiskManager([risk.SignalExit("extra < 15")])
    result = run_of(only_a(),
                    risk_manager=manager)  # fmt: skip
    query = """
        select exit_rule, exit_decided_at, exit_signals['extra'], exit_reason
        from report.trades_explained
        where exit_timestamp is not null
    """
    found = rows(result, query)
    assert [row[:3] for row in found] == [("SignalExit", DAYS[2], 10.0)]
    assert found[0][3]


def test_what_is_named_as_evidence_is_a_column() -> None:
    with pytest.raises(ConfigError, match=r"evidence names 'regim', .* did you mean 'regime'"):
        run_of(evidence=["regim"])
    with pytest.raises(ConfigError, match="list of columns or 'all'"):
        run_of(evidence="regime")
    with pytest.raises(ConfigError, match="names of columns, one was 3"):
        run_of(evidence=[3])


# -- excursions -----------------------------------------------------------------------------
# That they are right with splits, renames, limits and closing orders `test_money` shows.


def test_excursions_are_of_what_was_read() -> None:
    closes = run_of(only_a())
    ranges = run_of(only_a(),
                    evidence=["high", "low"])  # fmt: skip
    query = "select excursions_from, entry_price, mae, mfe from trades, runs"
    # Bought at the second open, 10 and slippage, and held to the end.
    (((name, paid, mae, mfe),), ((wide, same, worst, best),)) = (
        rows(closes, query), rows(ranges, query),
    )  # fmt: skip
    assert (name, wide, paid) == ("close", "high and low", same)
    assert (mae, mfe) == pytest.approx(((8 - paid) / paid, (12 - paid) / paid), abs=1e-12)
    assert (worst, best) == pytest.approx(((7 - paid) / paid, (13 - paid) / paid), abs=1e-12)


def test_nothing_of_the_bar_counts_whose_close_it_was_bought_at() -> None:
    at_close = ExecutionPolicy(timing=NextClose())
    result = run_of(only_a(), evidence=["high", "low"], execution=at_close)
    ((paid, mfe),) = rows(result, "select entry_price, mfe from trades")
    assert mfe == pytest.approx((13 - paid) / paid)  # type: ignore[operator]
    assert paid == pytest.approx(11 * 1.0005)


# -- attribution and stories ------------------------------------------------------------------


def test_each_attribution_adds_up_to_all_of_the_profit() -> None:
    result = run_of(evidence=["regime", "sector", "extra"])
    ((total, n),) = rows(result, "select sum(pnl), count(*) from trades")
    sums = rows(result, "select name, sum(pnl), sum(n_trades) from report.attribution group by 1")
    assert {name for name, _, _ in sums} == {
        "exit_rule", "side", "month", "holding", "regime", "sector", "decile of score",
        "decile of extra", "decile of vix",
    }  # fmt: skip
    assert all((pnl, n_trades) == (pytest.approx(total), n) for _, pnl, n_trades in sums)
    sectors = rows(result, "select value, n_trades from report.attribution where name = 'sector'")
    direct = rows(result, "select case asset_id when 'A' then 'tech' else 'oil' end, count(*) "
                          "from trades group by 1")  # fmt: skip
    assert sorted(sectors) == sorted(direct)


def test_a_saved_run_has_its_evidence(tmp_path: Path) -> None:
    result = run_of(evidence=["regime"])
    result.save(tmp_path / "run.duckdb")
    again = BacktestResult.open(tmp_path / "run.duckdb")
    for table in ("evidence", "report.trades_explained", "report.attribution"):
        assert rows(again, f"from {table}") == rows(result, f"from {table}")
    assert rows(again, "select count(*) from evidence")[0][0] > 0


def test_a_story_says_who_decided_what_was_known_and_what_it_made() -> None:
    result = run_of(evidence=["regime"])
    story = result.explain_trade(0)
    assert story.splitlines()[1:3] == [
        "Entry decided 2024-01-02 by rebalance, rank 1, weight 100.00%",
        "  known: score 2, vix 10, regime calm",
    ]
    assert "closed by rebalance" in story
    assert story._repr_html_().startswith("<pre>Trade 0: long")
    with pytest.raises(ResultError, match="there is no trade 99; the last of the run is "):
        result.explain_trade(99)


# -- what was removed -------------------------------------------------------------------------


def test_what_filters_remove_is_told_with_what_it_would_have_made() -> None:
    catalog = catalog_of_two()
    strategy = TopN(1, by="score", where="extra is not null", every=2)
    found = catalog.removed(strategy).fetchall()
    assert [(row[0], row[1], row[3]) for row in found] == [
        (DAYS[1], "A", None), (DAYS[1], "B", "where: extra is not null"),
        (DAYS[3], "A", None), (DAYS[3], "B", "where: extra is not null"),
        (DAYS[5], "A", None), (DAYS[5], "B", "where: extra is not null"),
    ]  # fmt: skip
    made = [row[4] for row in found]
    assert made[:4] == pytest.approx([9 / 11 - 1, 23 / 20 - 1, 8 / 9 - 1, 24 / 23 - 1])
    assert made[4:] == [None, None]  # nothing comes after the last bar


def test_what_a_limit_denies_is_removed_too() -> None:
    strategy = TopN(2, by="score", every=6, offset=1)
    manager = risk.RiskManager(limits=[risk.MaxPositions(1)])
    result = BacktestEngine(catalog_of_two(), strategy, risk_manager=manager).run()
    found = catalog_of_two().removed(TopN(2, by="score", every=6, offset=1), result).fetchall()
    assert [(row[1], row[3]) for row in found] == [("A", None), ("B", "MaxPositions denied it")]
    with pytest.raises(ConfigError, match="no ranking whose filters, and no rules"):
        catalog_of_two().removed(Strategy())


def test_what_entry_rules_remove_is_told_bar_by_bar() -> None:
    def strategy() -> SignalStrategy:
        return SignalStrategy(
            [Rule.signal_above("score", 1.5), Rule.not_in_position()], [Rule.max_bars(2)],
            position_sizer=PercentSizer(0.4),
        )  # fmt: skip

    def told(result: BacktestResult | None = None) -> list[tuple[object, ...]]:
        found = catalog_of_two().removed(strategy(), result)
        return found.order("asset_id, timestamp").project("reason, forward_return").fetchall()

    rule = 'rule: signals."score" > 1.5'
    held = "held or ordered already, or a rule on the position"
    result = BacktestEngine(catalog_of_two(), strategy()).run()
    entered = result.sql(
        "select created_at, asset_id from orders where quantity > 0 order by all"
    ).fetchall()
    assert entered == [(DAYS[0], "A"), (DAYS[2], "B"), (DAYS[5], "B")]
    reasons = [reason for reason, _ in told(result)]
    assert reasons[:6] == [None, held, rule, rule, rule, rule]
    assert reasons[6:11] == [rule, rule, None, held, "it was leaving"]
    assert str(reasons[11]).startswith("order ")  # there is no bar at which it could fill
    # Rules on the position are known to a run alone.
    assert [reason for reason, _ in told()] == [None] * 2 + [rule] * 6 + [None] * 4
    closes = [bar[3] for asset in "AB" for bar in BARS[asset]]
    made = [None if i % 6 == 5 else closes[i + 1] / closes[i] - 1 for i in range(12)]
    assert [one for _, one in told()] == pytest.approx(made)


def test_a_limit_or_the_sizer_keeps_out_what_entry_rules_let_in() -> None:
    rules = [Rule.signal_above("score", 0.5), Rule.not_in_position()]
    sized = SignalStrategy(rules, position_sizer=ConfidenceSizer(0.4, column="extra"))
    found = catalog_of_two().removed(sized, end=DAYS[0]).project("asset_id, reason").fetchall()
    assert found == [("A", None), ("B", "a column of the sizer is missing")]
    limited = SignalStrategy(rules, position_sizer=FixedSizer(1))
    manager = risk.RiskManager(limits=[risk.MaxPositions(1)])
    result = BacktestEngine(catalog_of_two(), limited, risk_manager=manager).run(end=DAYS[1])
    found = catalog_of_two().removed(limited, result, end=DAYS[0])
    assert found.project("asset_id, reason").fetchall() == [
        ("A", None), ("B", "MaxPositions denied it"),
    ]  # fmt: skip


def test_a_moment_is_read_in_its_zone() -> None:
    universe, options = zoned_case(1)
    result = engine_run(universe, options)
    (at,) = rows(result, "select min(timestamp) from evidence")[0]
    assert isinstance(at, datetime)
    assert in_utc(at) in universe.bars


# -- the page, and real data ------------------------------------------------------------------


def test_the_code_of_the_page_of_trades_runs_as_it_stands(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = (Path(__file__).parents[1] / "docs" / "trades.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for code in re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        exec(compile(code, "trades.md", "exec"), names)
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("Entry decided", "tech", "where: momentum > 1"))


def test_attribution_adds_up_on_real_data() -> None:
    if not SHARED_DATA.is_dir():
        pytest.skip("the real market data is not next to this checkout")
    bars = f"""
        from read_parquet('{SHARED_DATA}/sp500_daily.parquet')
        where timestamp between date '2014-03-01' and date '2014-12-31' and asset_id < 'D'
    """
    catalog = Catalog()
    catalog.register("prices", f"select timestamp, asset_id, open, high, low, close, volume {bars}")
    actions = f"""
        select timestamp as ex_date, asset_id, 'split' as kind, split as value {bars} and split <> 1
        union all
        select timestamp, asset_id, 'dividend', dividend {bars} and dividend > 0 and split = 1
    """
    catalog.register("actions", actions)
    sectors = f"select asset_id, sector from '{SHARED_DATA}/sp500_sectors.parquet'"
    catalog.register("assets", sectors)
    catalog.register(
        "context", f"select timestamp, close as vix from '{SHARED_DATA}/vix_daily.parquet'"
    )
    strategy = TopN(10, by="close * volume", when="vix < 30", every=10)
    manager = risk.RiskManager([risk.TrailingStop(0.05)])
    result = BacktestEngine(catalog, strategy, risk_manager=manager, evidence=["sector"]).run()
    trades = "select sum(pnl), count(*), sum(dividends) from trades"
    ((total, n_trades, dividends),) = rows(result, trades)
    # With what is paid after the last bar equity has all of it.
    due = rows(result, "select sum(amount) from cash_flows where kind = 'dividend'")[0][0]
    gain = result["final_value"] - result["initial_capital"]
    assert total - (dividends - due) == pytest.approx(gain)  # type: ignore[operator]
    sums = rows(result, "select name, sum(pnl), sum(n_trades) from report.attribution group by 1")
    assert {"sector", "exit_rule", "month", "decile of close", "decile of vix"} <= {
        name for name, _, _ in sums
    }
    assert all((pnl, n) == (pytest.approx(total), n_trades) for _, pnl, n in sums)
    assert n_trades > 50  # type: ignore[operator]
    sane = "select count(*) from trades where mae > 0 or mfe < 0 or mae < -0.5 or mfe > 1"
    assert rows(result, sane) == [(0,)]
