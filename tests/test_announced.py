"""Memberships, sectors and actions that were announced at a time of their own: what a bar sees of
them, against a few lines of plain Python."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

import polars as pl
import pytest

from effort import some
from ml4t.backtest import BacktestEngine, Catalog, ConfigError, DataError, Ranking, Strategy, TopN
from ml4t.backtest.core.batch import Batch
from ml4t.backtest.data.cut.cut_bar import CutBar
from ml4t.backtest.data.cut.cut_catalog import CutCatalog
from ml4t.backtest.data.cut.delayed_catalog import DelayedCatalog
from ml4t.backtest.risk import MaxGroupWeight, RiskManager
from ml4t.backtest.strategy.broker import StrategyBroker
from test_asof import ASSETS, by_ranking, by_run
from test_delays import known_later

START, N_DAYS = date(2024, 1, 1), 20
DAYS = [START + timedelta(days=i) for i in range(N_DAYS)]


class Told(NamedTuple):
    """A membership, as it was told on a day; `sector` of a row of assets."""

    asset: str
    start: int
    end: int | None
    known: int
    sector: str = ""


def prices(bars: Sequence[tuple[int, str]]) -> pl.DataFrame:
    draw = random.Random(len(bars))
    closes = [50 + 20 * draw.random() for _ in bars]
    return pl.DataFrame(
        {
            "timestamp": [DAYS[t] for t, _ in bars], "asset_id": [asset for _, asset in bars],
            "open": closes, "close": closes,
        }
    )  # fmt: skip


def memberships(rows: Sequence[Told], *, clock: bool = True) -> pl.DataFrame:
    found = pl.DataFrame(
        {
            "asset_id": [row.asset for row in rows],
            "start_date": [START + timedelta(days=row.start) for row in rows],
            "end_date": [
                None if row.end is None else START + timedelta(days=row.end) for row in rows
            ],
            "told": [START + timedelta(days=row.known) for row in rows],
        },
        schema_overrides={"end_date": pl.Date},
    )
    return found if clock else found.drop("told")


def sectors(rows: Sequence[Told]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "asset_id": [row.asset for row in rows], "sector": [row.sector for row in rows],
            "told": [START + timedelta(days=row.known) for row in rows],
        }
    )  # fmt: skip


def is_member(rows: Sequence[Told], asset: str, bar: int) -> bool:
    """Whether the last that was told of some interval by a bar says that the asset is in."""
    known = [row for row in rows if row.asset == asset and row.known <= bar]
    newest = {row.start: row for row in sorted(known, key=lambda row: row.known)}
    return any(row.start <= bar and (row.end is None or bar < row.end) for row in newest.values())


def sector_of(rows: Sequence[Told], asset: str, bar: int) -> str | None:
    known = [row for row in rows if row.asset == asset and row.known <= bar]
    return max(known, key=lambda row: row.known).sector if known else None


def drawn(pick: random.Random) -> tuple[list[tuple[int, str]], list[Told]]:
    days = sorted(pick.sample(range(3, N_DAYS), 10))
    bars = [(t, asset) for t in days for asset in ASSETS if pick.random() < 0.8]
    rows = {}
    for _ in range(10):
        start = pick.randrange(N_DAYS - 4)
        end = None if pick.random() < 0.3 else start + pick.randrange(9)
        row = Told(
            pick.choice(ASSETS), start, end, start + pick.randrange(-3, 6), pick.choice("xyz")
        )
        rows[row.asset, row.start, row.known] = row
    # One row of assets at a time.
    return bars, list({(row.asset, row.known): row for row in rows.values()}.values())


@pytest.mark.parametrize("seed", some(range(60), 4))
def test_a_bar_sees_what_was_told_by_then(seed: int) -> None:
    pick = random.Random(f"announced {seed}")
    bars, rows = drawn(pick)
    catalog = Catalog(threads=1).register("prices", prices(bars))
    catalog.register("universe", memberships(rows), available_at="told")
    catalog.register("assets", sectors(rows), available_at="told")
    days = sorted({t for t, _ in bars})
    for delay in (None, pick.choice(["1 bar", "2 bars", "1 day", "3 days"])):
        told = rows
        if delay is not None:
            later = [(row, known_later(row.known, delay, days)) for row in rows]
            # Rows that are known at once are told in the order in which they were.
            later.sort(key=lambda one: one[0].known)
            told = [row._replace(known=at) for row, at in later if at is not None]
        for source, column in (("universe", "is_member"), ("assets", "sector")):
            found = catalog if delay is None else DelayedCatalog(catalog, source, delay)
            seen = found.sql(f"select timestamp, asset_id, {column} from signals").fetchall()
            by_bar = {((day - START).days, asset): value for day, asset, value in seen}
            if source == "assets":
                newest = {(row.asset, row.known): row for row in told}
                assert by_bar == {
                    (t, asset): sector_of(list(newest.values()), asset, t) for t, asset in bars
                }
                continue
            expected = {(t, asset): is_member(told, asset, t) for t, asset in bars}
            assert by_bar == expected
            for cells in (len(ASSETS), 1 << 19):
                assert by_run(found, bars, "is_member", cells=cells) == expected
                ranked = by_ranking(found, bars, "close", cells=cells)
                assert {key: score is not None for key, score in ranked.items()} == expected


@pytest.mark.parametrize("seed", some(range(40), 2))
def test_a_lag_moves_both_ends_of_a_membership(seed: int) -> None:
    pick = random.Random(f"lag {seed}")
    bars, rows = drawn(pick)
    catalog = Catalog(threads=1).register("prices", prices(bars))
    catalog.register("universe", memberships(rows, clock=False), lag="2 days")
    told = [
        row._replace(start=row.start + 2, end=None if row.end is None else row.end + 2, known=-9)
        for row in rows
    ]
    seen = catalog.sql("select timestamp, asset_id, is_member from signals").fetchall()
    for day, asset, value in seen:
        mine = [row for row in told if row.asset == asset]
        expected = any(is_member([row], asset, (day - START).days) for row in mine)
        assert value is expected, (day, asset)


@pytest.mark.parametrize("seed", some(range(30), 1))
def test_what_was_announced_is_no_alarm_of_an_audit(seed: int) -> None:
    pick = random.Random(f"audit {seed}")
    bars, rows = drawn(pick)
    catalog = Catalog(threads=1).register("prices", prices(bars))
    catalog.register("universe", memberships(rows), available_at="told")
    lots = sectors(rows).with_columns(lot_size=pl.lit(7.0))
    catalog.register("assets", lots, available_at="told")
    actions = pl.DataFrame(
        {
            "asset_id": [ASSETS[0], ASSETS[1]], "ex_date": [DAYS[8], DAYS[11]],
            "kind": ["dividend"] * 2, "value": [0.5, 0.25], "told": [DAYS[12], DAYS[2]],
        }
    )  # fmt: skip
    catalog.register("actions", actions, available_at="told")
    strategy = TopN(2, by="close", where="sector is not null and is_member")
    audit = BacktestEngine(catalog, strategy).audit(2, seed=seed)
    assert audit.differences.fetchall() == []
    clocks = {row[0]: row[2] for row in audit.sources.fetchall()}
    assert clocks == {
        "prices": "timestamp", "universe": "available_at", "assets": "available_at",
        "actions": "least(ex_date, available_at)",
    }  # fmt: skip
    assert audit.result.sql("select count(*) from orders where filled_quantity % 7 <> 0"
                            ).fetchall() == [(0,)]  # fmt: skip


def few() -> Catalog:
    return Catalog().register("prices", prices([(t, asset) for t in range(8) for asset in "AB"]))


class Holds(Strategy):
    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        if batch.t == 0:
            self.buy("A", 10)


def actions(known: int) -> dict[str, Any]:
    return {
        "asset_id": ["A"], "ex_date": [DAYS[4]], "kind": ["dividend"], "value": [1.0],
        "available_at": [DAYS[known]],
    }  # fmt: skip


def test_an_action_applies_at_its_ex_date_whoever_knew() -> None:
    """The price falls by it then; one that was told late is said."""
    paid = []
    for known in (2, 6):
        catalog = few().register("actions", actions(known))
        assert catalog.describe()[1]["known_at"] == "ex_date, announced at available_at"
        run = BacktestEngine(catalog, Holds()).run()
        paid += run.sql(
            "select timestamp, amount from cash_flows where kind = 'dividend'"
        ).fetchall()
        warned = [one["rule"] for one in catalog.validate().warnings]
        assert ("known_after_ex_date" in warned) is (known == 6)
    assert paid == [(DAYS[4], 10.0)] * 2


def test_a_query_of_an_audit_sees_actions_that_were_announced() -> None:
    """That the dividend of tomorrow is known today is no look-ahead where it was told before."""
    query = (
        "select timestamp, asset_id, (select count(*) from actions where "
        "actions.ex_date > prices.timestamp) as coming from prices"
    )
    seen = f"select timestamp, coming from signals where timestamp <= '{DAYS[3]}' order by all"
    for known, is_same in ((0, True), (6, False)):
        catalog = few().register("actions", actions(known)).register("features", query)
        cut = CutCatalog(catalog, CutBar(3, str(DAYS[3]), "DATE", is_day=True))
        rows = [one.sql(seen).fetchall() for one in (catalog, cut)]
        assert (rows[0] == rows[1]) is is_same, known


def test_assets_have_one_set_of_terms_and_no_group_of_a_limit_that_changes() -> None:
    rows = {"asset_id": ["A", "A", "B"], "sector": ["x", "y", "y"], "available_at": DAYS[:3]}
    with pytest.raises(DataError, match=r"has rows of one asset with other terms.*2 rows"):
        few().register("assets", {**rows, "lot_size": [1.0, 2.0, 1.0]}).validate()
    manager = RiskManager(limits=[MaxGroupWeight(0.5, group="sector")])
    engine = BacktestEngine(
        few().register("assets", rows), TopN(1, by="close"), risk_manager=manager
    )
    with pytest.raises(ConfigError, match="groups by 'sector', which changes with available_at"):
        engine.run()


def test_what_reads_sectors_and_memberships_reads_them_as_told() -> None:
    rows = {
        "asset_id": ["A", "A", "B"], "sector": ["x", "y", "y"],
        "available_at": [DAYS[0], DAYS[3], DAYS[5]],
    }  # fmt: skip
    catalog = few().register("assets", rows).indicators.cross_rank("close", by="sector")
    ranks = "select count(*) filter (where close_rank_by_sector < 1) from signals where timestamp "
    counts = [catalog.sql(f"{ranks} {when} '{DAYS[5]}'").fetchall() for when in ("<", ">=")]
    # Alone in its sector, each is the first; together one of them is the second at each bar.
    assert counts == [[(0,)], [(3,)]]
    with pytest.raises(DataError, match="has rows that are known later than they count"):
        catalog.selection_sql(Ranking(n=1, by="close", where="sector = 'y'"), "duckdb")


def test_what_a_role_cannot_tell_is_refused() -> None:
    rows = {"asset_id": ["A"], "start_date": [DAYS[0]], "end_date": [None]}
    with pytest.raises(ConfigError, match="universe takes no max_age"):
        few().register("universe", rows, max_age="1 day")
    with pytest.raises(ConfigError, match="assets take no lag or max_age"):
        few().register("assets", rows, lag="1 day")
    twice = {
        "asset_id": ["A", "A"], "start_date": [DAYS[0]] * 2, "end_date": [DAYS[2], DAYS[5]],
        "available_at": [DAYS[0]] * 2,
    }  # fmt: skip
    with pytest.raises(DataError, match="told_at_once, 2 rows"):
        few().register("universe", twice).validate()
    late = {**rows, "available_at": [DAYS[9]]}
    with pytest.raises(DataError, match="becomes known only after the last bar"):
        few().register("universe", late).validate()
