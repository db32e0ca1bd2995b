"""Since when what a decision read was known: against a few lines of plain Python, on random sources
with clocks of all kinds, and where a join takes a row too early."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

import duckdb
import polars as pl
import pytest

from effort import some
from ml4t.backtest import (
    BacktestEngine,
    BacktestResult,
    Catalog,
    ConfigError,
    Strategy,
    TopN,
    check_fills,
)
from ml4t.backtest.core.batch import Batch
from ml4t.backtest.data.asof import known_at
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sql_files import Sql, render
from ml4t.backtest.strategy.broker import StrategyBroker

ASSETS = ("A", "B", "C")
START, N_DAYS = date(2024, 1, 1), 24
KINDS: Mapping[str, pl.DataType] = {
    "DATE": pl.Date(), "TIMESTAMP": pl.Datetime("us"), "TIMESTAMP_NS": pl.Datetime("ns"),
    "TIMESTAMP WITH TIME ZONE": pl.Datetime("us", "America/New_York"),
}  # fmt: skip


class Told(NamedTuple):
    """A row of a source: its period, and when it was told; days from `START`."""

    asset: str | None
    period: int
    told: int
    value: float | None


class Drawn(NamedTuple):
    """A source, how it is registered, and what each of its rows counts from."""

    rows: list[Told]
    options: dict[str, Any]
    lag: int = 0
    max_age: int | None = None

    @property
    def name(self) -> str:
        return str(self.options.get("name", self.options["role"]))

    def known_at(self, row: Told) -> int:
        return row.told if "available_at" in self.options else row.period + self.lag


def day(i: int) -> datetime:
    return datetime.combine(START + timedelta(days=i), time())


def frame(rows: Sequence[Told], column: str, kind: pl.DataType, *, told: bool) -> pl.DataFrame:
    found = pl.DataFrame({
        "timestamp": [day(row.period) for row in rows], "asset_id": [row.asset for row in rows],
        column: pl.Series([row.value for row in rows], dtype=pl.Float64),
        "told": [day(row.told) for row in rows],
    })  # fmt: skip
    found = found.with_columns(as_kind(pl.col("timestamp"), kind), as_kind(pl.col("told"), kind))
    found = found if told else found.drop("told")
    return found if any(row.asset for row in rows) else found.drop("asset_id")


def as_kind(times: pl.Expr, kind: pl.DataType) -> pl.Expr:
    if isinstance(kind, pl.Datetime) and kind.time_zone:
        return times.dt.replace_time_zone(kind.time_zone)
    return times.cast(kind)


def draw_source(pick: random.Random, role: str, name: str, *, zoned: bool) -> Drawn:
    assets = ASSETS if role == "features" else (None,)
    rows: dict[tuple[Any, ...], Told] = {}
    for _ in range(pick.randint(3, 40)):
        period = pick.randrange(-4, N_DAYS)
        told = period + pick.choice([0, 0, 1, 2, 7])
        value = pick.choice([None, 1.0, 2.0, 3.0])
        row = Told(pick.choice(assets), period, told, value)
        rows[row.asset, row.period, row.told] = row
    options: dict[str, Any] = {"role": role} if role == name else {"role": role, "name": name}
    lag = max_age = None
    if pick.random() < 0.5:
        options["available_at"] = "told"
    else:
        rows = {key[:2]: row for key, row in rows.items()}
        lag = pick.choice([None, 0, 1, 3])
    if lag is not None:
        options["lag"] = f"{lag} days"
    if pick.random() < 0.3 and not zoned:
        max_age = pick.randint(1, 6)
        options["max_age"] = f"{max_age} days"
    return Drawn(list(rows.values()), options, lag or 0, max_age)


def bars_of(pick: random.Random) -> list[tuple[int, str]]:
    days = sorted(pick.sample(range(N_DAYS), 14))
    found = [(t, asset) for t in days for asset in ASSETS if pick.random() < 0.8]
    return found or [(days[0], "A")]


def prices(bars: Sequence[tuple[int, str]], kind: pl.DataType) -> pl.DataFrame:
    closes = [50.0 + (7 * i) % 11 for i in range(len(bars))]
    found = pl.DataFrame({
        "timestamp": [day(t) for t, _ in bars], "asset_id": [asset for _, asset in bars],
        "open": closes, "close": closes,
    })  # fmt: skip
    return found.with_columns(as_kind(pl.col("timestamp"), kind))


def newest(source: Drawn, asset: str | None, bar: int) -> int | None:
    """When the newest revision of the newest period that is known became known."""
    known = [row for row in source.rows if row.asset == asset and source.known_at(row) <= bar]
    if not known:
        return None
    period = max(row.period for row in known)
    found = max(source.known_at(row) for row in known if row.period == period)
    return None if source.max_age is not None and bar - found > source.max_age else found


def all_chosen(catalog: Catalog) -> BacktestResult:
    return BacktestEngine(catalog, TopN("all", by="close")).run()


def read(catalog: Catalog, result: BacktestResult) -> dict[tuple[str, int, str | None], int | None]:
    audit = check_fills(result, catalog)
    rows = audit.sql("select source, bar, asset_id, available_at, is_known from decision_inputs")
    found = {}
    for source, bar, asset, known, is_known in rows.fetchall():
        assert is_known
        found[source, number(bar), asset] = None if known is None else number(known)
    assert failed(audit) == set()
    return found


def number(moment: date) -> int:
    if isinstance(moment, datetime) and moment.tzinfo is not None:
        moment = moment.astimezone(UTC) - timedelta(hours=5)
    return (date(moment.year, moment.month, moment.day) - START).days


def failed(audit: Any) -> set[str]:
    return {
        name for (name,) in
        audit.sql('select "check" from fill_checks where n_failed > 0').fetchall()
    }  # fmt: skip


@pytest.mark.parametrize("seed", some(range(200), 2))
def test_each_input_has_the_time_at_which_it_became_known(seed: int) -> None:
    pick = random.Random(f"inputs {seed}")
    kind = KINDS[pick.choice(list(KINDS))]
    zoned = isinstance(kind, pl.Datetime) and kind.time_zone is not None
    bars = bars_of(pick)
    catalog = Catalog(threads=1, timezone="America/New_York" if zoned else "UTC")
    catalog.register("prices", prices(bars, kind))
    sources = [draw_source(pick, "features", "features", zoned=zoned)]
    sources += [draw_source(pick, "features", "more", zoned=zoned)] * pick.choice([0, 1])
    sources += [draw_source(pick, "context", "context", zoned=zoned)] * pick.choice([0, 1])
    for source in sources:
        of_dates = pl.Date() if not zoned and pick.random() < 0.3 else kind
        rows = frame(
            source.rows, f"of_{source.name}", of_dates, told="available_at" in source.options
        )
        options = {key: value for key, value in source.options.items() if key != "role"}
        catalog.register(source.options["role"], rows, **options)
    result, expected = all_chosen(catalog), {}
    # Where an asset has no bar it is sold.
    decided = {
        (number(bar), asset) for bar, asset in result.sql(
            "select timestamp, asset_id from selections union select created_at, asset_id "
            "from orders"
        ).fetchall()
    }  # fmt: skip
    assert decided >= set(bars)
    for source in sources:
        if source.options["role"] == "context":
            for t in {t for t, _ in decided}:
                expected[source.name, t, None] = newest(source, None, t)
        else:
            for t, asset in decided:
                expected[source.name, t, asset] = newest(source, asset, t)
    assert read(catalog, result) == expected


@pytest.mark.parametrize("seed", some(range(100), 1))
def test_a_member_is_known_since_it_was_told_and_had_begun(seed: int) -> None:
    pick = random.Random(f"members {seed}")
    bars, has_clock, lag = bars_of(pick), pick.random() < 0.5, pick.choice([0, 2])
    rows: dict[tuple[Any, ...], tuple[str, int, int | None, int]] = {}
    for _ in range(8):
        start = pick.randrange(N_DAYS - 4)
        end = None if pick.random() < 0.3 else start + pick.randint(1, 9)
        one = (pick.choice(ASSETS), start, end, start + pick.randrange(-3, 6))
        rows[(one[0], one[1], one[3]) if has_clock else one[:2]] = one
    universe = pl.DataFrame({
        "asset_id": [row[0] for row in rows.values()],
        "start_date": [day(row[1]) for row in rows.values()],
        "end_date": [None if row[2] is None else day(row[2]) for row in rows.values()],
        "told": [day(row[3]) for row in rows.values()],
    }, schema_overrides={"end_date": pl.Datetime("us")})  # fmt: skip
    catalog = Catalog(threads=1).register("prices", prices(bars, pl.Date()))
    if has_clock:
        catalog.register("universe", universe, available_at="told")
    else:
        options = {"lag": f"{lag} days"} if lag else {}
        catalog.register("universe", universe.drop("told"), **options)
    result = BacktestEngine(catalog, BuysAll()).run()
    expected = {}
    for t, asset in bars:
        newest_told: dict[int, tuple[int | None, int]] = {}
        for member, start, end, told in sorted(rows.values(), key=lambda row: row[3]):
            if member == asset and has_clock and told <= t and start <= t:
                newest_told[start] = (end, max(start, told))
            elif member == asset and not has_clock and start + lag <= t:
                newest_told[start] = (None if end is None else end + lag, start + lag)
        since = [known for end, known in newest_told.values() if end is None or t < end]
        expected["universe", t, asset] = max(since) if since else None
    assert read(catalog, result) == expected


class BuysAll(Strategy):
    """Orders a share of every asset at every bar, member or not."""

    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        for asset, close in zip(broker.assets, batch.close, strict=True):
            if close == close:
                self.buy(asset, 1.0)


# -- a row that is joined too early --------------------------------------------------------


def sourced() -> Catalog:
    bars = [(t, asset) for t in range(12) for asset in ASSETS]
    rows = [Told(asset, t, t + 1, float(10 * t + i)) for t in range(11)
            for i, asset in enumerate(ASSETS)]  # fmt: skip
    weekly = [Told(asset, 3 * t, 3 * t + 2, float(t)) for t in range(4) for asset in ASSETS]
    vix = [Told(None, t, t, 20.0 + t) for t in range(12)]
    catalog = Catalog(threads=1).register("prices", prices(bars, pl.Datetime("us")))
    catalog.register("features", of("score", rows, told=True), available_at="told")
    catalog.register("features", of("value", weekly), name="weekly", lag="2 days")
    catalog.register("context", of("vix", vix))
    members = {"asset_id": list(ASSETS), "start_date": [day(0)] * 3, "end_date": [None] * 3}
    ends = {"end_date": pl.Datetime("us")}
    return catalog.register("universe", pl.DataFrame(members, schema_overrides=ends))


def of(column: str, rows: Sequence[Told], *, told: bool = False) -> pl.DataFrame:
    return frame(rows, column, pl.Datetime("us"), told=told)


STAGED = "create or replace {} as select * replace ({} - interval 1 day as {}) from ({})"


def moved_table(database: Database, name: str, time: str) -> None:
    database.execute(STAGED.format(f"table {name}", time, time, f"select * from {name}"))


def moved_view(database: Database, name: str) -> None:
    database.execute(
        f"create or replace view {name} as select asset_id, timestamp + interval 1 day "
        "as available_at, value from main.weekly"
    )


def later_market(database: Database) -> None:
    database.execute(
        "create or replace view main.market as select timeline.timestamp, context.vix "
        "from stage.timeline as timeline left join main.context as context "
        "on context.timestamp = timeline.timestamp + interval 1 day"
    )


EARLY: dict[str, Callable[[Database], None]] = {
    "features": lambda database: moved_table(database, 'stage."features asset"', "available_at"),
    "weekly": lambda database: moved_view(database, 'stage."weekly asset"'),
    "context": later_market,
    "universe": lambda database: database.execute(
        "create or replace view stage.memberships as select asset_id, start_date - interval 1 day "
        "as start_date, end_date from main.universe"
    ),
}


@pytest.mark.parametrize("source", EARLY)
def test_rows_that_are_joined_before_they_are_known_are_found(source: str) -> None:
    catalog = sourced()
    EARLY[source](catalog.prepare().database)
    audit = check_fills(all_chosen(catalog), catalog)
    assert failed(audit) == {"input_not_known"}
    assert not audit.is_clean
    rows = audit.sql("select source, n_not_known > 0 from inputs order by all").fetchall()
    assert {name for name, is_wrong in rows if is_wrong} == {source}
    assert len(rows) == 4


def with_next(name: str, **places: str) -> Sql:
    """As `render`, of an as-of join that sees a day ahead."""
    text = render(name, **places)
    return Sql(text.replace("rest.timestamp >=", "rest.timestamp + interval 1 day >="))


def test_a_join_that_takes_the_next_row_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = sourced()
    result = all_chosen(catalog)
    assert failed(check_fills(result, catalog)) == set()
    monkeypatch.setattr(known_at, "render", with_next)
    audit = check_fills(result, catalog)
    assert failed(audit) == {"input_not_known"}
    ((what, bar, asset),) = audit.sql(
        "select what, bar, asset_id from fill_checks where n_failed > 0"
    ).fetchall()
    assert (bar, asset) == (day(0), "A")
    assert what == "features shows a row that is known since 2024-01-02 00:00:00"


def test_ages_of_what_was_read_are_told_by_source() -> None:
    catalog = sourced()
    audit = check_fills(all_chosen(catalog), catalog)
    assert audit.inputs.fetchall() == [
        ("context", 12, 0, 0, 0.0, 0.0, 0.0), ("features", 36, 3, 0, 0.0, 0.0, 0.0),
        ("universe", 36, 0, 0, 0.0, 5.5, 11.0), ("weekly", 36, 6, 0, 0.0, 1.0, 2.0),
    ]  # fmt: skip


def test_prices_alone_leave_nothing_to_ask() -> None:
    catalog = Catalog(threads=1)
    catalog.register("prices", prices([(0, "A"), (1, "A"), (2, "B")], pl.Date()))
    audit = check_fills(all_chosen(catalog), catalog)
    assert audit.decision_inputs.fetchall() == []
    assert audit.sql(
        "select n_checked, n_failed from fill_checks where \"check\" = 'input_not_known'"
    ).fetchall() == [(0, 0)]


def test_an_audit_keeps_the_inputs_with_the_run(tmp_path: Any) -> None:
    audit = BacktestEngine(sourced(), TopN(1, by="score")).audit(cuts=1)
    audit.save(tmp_path / "run.duckdb")
    kept = BacktestResult.open(tmp_path / "run.duckdb").sql(
        "select count(*), count(*) filter (where available_at <= bar), bool_and(is_known) "
        "from audit.decision_inputs where available_at is not null"
    )
    n_rows, n_before, all_known = kept.fetchall()[0]
    assert (
        n_rows
        == n_before
        == audit.sql("select sum(n_inputs - n_missing) from inputs").fetchall()[0][0]
    )
    assert all_known


# -- what the run wrote down ---------------------------------------------------------------


def test_a_value_that_the_run_wrote_down_is_held_to_its_source(tmp_path: Any) -> None:
    strategy, file = TopN(2, by="score", when="vix > 0", every=3), tmp_path / "run.duckdb"
    BacktestEngine(sourced(), strategy, evidence=("score", "vix", "close")).run().save(file)
    catalog = sourced()
    assert failed(check_fills(BacktestResult.open(file), catalog)) == set()
    for column, says in (
        ("score", "the run read score as 73.0; by features it was 72.0"),
        ("vix", "the run read vix as 29.0; by context it was 28.0"),
        ("close", "the run read close as 57.0; by prices it was 56.0"),
    ):
        set_to = (
            "update evidence set value = value {} where name = '{}' and timestamp = "
            "timestamp '2024-01-09' and coalesce(asset_id, 'C') = 'C'"
        )
        with duckdb.connect(str(file)) as connection:
            assert connection.execute(set_to.format("+ 1", column)).fetchall() == [(1,)]
        audit = check_fills(BacktestResult.open(file), catalog)
        assert failed(audit) == {"other_evidence"}
        assert audit.sql("select what from fill_checks where n_failed = 1").fetchall() == [(says,)]
        with duckdb.connect(str(file)) as connection:
            connection.execute(set_to.format("- 1", column))


def test_a_run_that_read_the_next_row_is_found_by_what_it_wrote_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    catalog = sourced()
    with monkeypatch.context() as patched:
        patched.setattr(known_at, "render", with_next)
        result = BacktestEngine(catalog, TopN(2, by="value")).run()
    audit = check_fills(result, catalog)
    assert failed(audit) == {"other_evidence"}
    assert audit.sql("select bool_and(is_known) from decision_inputs").fetchall() == [(True,)]


def test_a_bar_tells_since_when_each_value_is_known() -> None:
    catalog = sourced()
    assert catalog.known_at("2024-01-06", "B") == [
        {"source": "features", "available_at": day(5), "score": 41.0},
        {"source": "weekly", "available_at": day(5), "value": 1.0},
        {"source": "context", "available_at": day(5), "vix": 25.0},
        {"source": "universe", "available_at": day(0)},
    ]
    assert catalog.known_at(day(0), "B")[:2] == [
        {"source": "features", "available_at": None, "score": None},
        {"source": "weekly", "available_at": None, "value": None},
    ]


@pytest.mark.parametrize(
    ("bar", "asset"), [("2024-01-30", "B"), ("2024-01-06", "Z"), ("soon", "B"), ("2024-01-06", 3)]
)
def test_where_there_is_no_bar_nothing_is_known(bar: str, asset: object) -> None:
    with pytest.raises(ConfigError, match=f"prices have no bar of {asset!r} at {bar}"):
        sourced().known_at(bar, asset)
