"""A catalog says of every column what is proved of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from ml4t.backtest import BacktestEngine, Catalog, TopN
from ml4t.backtest.data.computed.known_sources import KnownSources
from ml4t.backtest.synthetic import make_market

OF_ASSET = "over (partition by asset_id order by timestamp)"


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_market(tmp_path_factory.mktemp("prove"), n_assets=4, n_bars=40)
    # That a query reads and no source is.
    shutil.copy(folder / "prices.parquet", folder / "other.parquet")
    return folder


def verdicts(catalog: Catalog) -> dict[str, str]:
    return {f"{one.source}.{one.column}": one.verdict for one in catalog.prove()}


def features_of(sources: KnownSources) -> pl.DataFrame:
    return sources.prices.pl().select("timestamp", "asset_id", made=pl.col("close") * 2)


def base(market: Path) -> Catalog:
    return Catalog().register("prices", f"{market}/prices.parquet")


def test_each_kind_of_column_has_its_verdict(market: Path) -> None:
    other = f"'{market}/other.parquet'"
    catalog = base(market).register(
        "features",
        f"select timestamp, asset_id, lag(close) {OF_ASSET} as before, lead(close) {OF_ASSET} as "
        f"after, close - open as own, random() as chance from {other}",
    )
    catalog.register("features", features_of, name="made")
    catalog.validate()  # which locks the session that reads files
    found = verdicts(catalog)
    assert found["prices.close"] == "given"
    assert found["features.before"] == "causal"
    assert found["features.after"] == "leaks"
    assert found["features.own"] == "local"
    assert found["features.chance"] == "unproved"
    assert {kind for name, kind in found.items() if name.startswith("made.")} == {"computed"}
    told = {one.column: one for one in catalog.prove()}["after"]
    assert told.what == f"lead(close) {OF_ASSET}"
    assert "later" in told.why
    assert "lag" in told.instead
    by_source = {one["source"]: one["verdicts"] for one in catalog.describe()}
    assert by_source["features"] == {"causal": 1, "leaks": 1, "local": 1, "unproved": 1}


def test_what_is_made_of_a_leak_leaks(market: Path) -> None:
    catalog = base(market)
    catalog.register(
        "features", f"select timestamp, asset_id, lead(close) {OF_ASSET} as x from prices"
    )
    query = (
        "select timestamp, asset_id, x * 2 as y, close as z from features join prices using (all)"
    )
    query = query.replace("using (all)", "using (timestamp, asset_id)")
    catalog.register("features", query, name="second")
    found = {f"{one.source}.{one.column}": one for one in catalog.prove()}
    assert found["second.y"].verdict == "leaks"
    assert found["second.y"].what == "features.x"
    assert found["second.z"].verdict == "local"


@pytest.mark.parametrize(
    ("clock", "verdict"),
    [({}, "leaks"), ({"lag": "1 day"}, "causal"), ({"lag": "23 hours"}, "leaks")],
)
def test_the_clock_of_a_source_is_that_of_its_rows(
    clock: dict[str, str], verdict: str, market: Path
) -> None:
    query = (
        "select p.timestamp, p.asset_id, n.close as next from prices p join prices n on "
        "n.asset_id = p.asset_id and n.timestamp = p.timestamp + interval '1 day'"
    )
    catalog = base(market).register("features", query, name="features", **clock)  # type: ignore[arg-type]
    assert verdicts(catalog)["features.next"] == verdict


def test_rows_of_a_source_that_is_known_later_are_not_read_at_once(market: Path) -> None:
    late = f"select timestamp, asset_id, close as late from '{market}/prices.parquet'"
    for on, verdict in (
        ("late.timestamp = p.timestamp", "leaks"),
        ("late.timestamp + interval '2 days' <= p.timestamp", "causal"),
    ):
        catalog = base(market).register("features", late, name="late", lag="2 days")
        catalog.register(
            "features",
            f"select p.timestamp, p.asset_id, max(late.late) as seen from prices p join late on "
            f"late.asset_id = p.asset_id and {on} group by all",
        )
        assert verdicts(catalog)["features.seen"] == verdict


def test_an_audit_counts_what_is_proved(market: Path) -> None:
    query = f"select timestamp, asset_id, lag(close) {OF_ASSET} as x from prices"
    catalog = base(market).register("features", query)
    audit = BacktestEngine(catalog, TopN(1, by="x")).audit(1)
    assert "columns: 1 proved, 5 given" in audit.title
    assert ("features", "x", "causal") in audit.sql(
        'select source, "column", verdict from columns'
    ).fetchall()


def test_a_run_and_a_description_warn_of_columns_that_leak(market: Path) -> None:
    after = (
        f"select timestamp, asset_id, lead(close) {OF_ASSET} as after from '{market}/other.parquet'"
    )
    ahead = "lead(vix) over (order by timestamp) as next_vix"
    vix = f"select timestamp, {ahead} from '{market}/context.parquet'"
    catalog = base(market).register("features", after).register("context", vix)
    warned = {one["source"]: one["warnings"] for one in catalog.describe()}
    assert warned["prices"] == []
    (text,) = warned["features"]
    assert text.startswith("has the column 'after', which leaks: lead(close) over (partition by")
    # Rows of the market are of no asset.
    assert warned["context"][0].endswith("write lag(..., 1) over (order by timestamp)")
    engine = BacktestEngine(catalog, TopN(2, by="after"))
    ((found,),) = engine.run().sql("select warnings from runs").fetchall()
    rows = {(one["source"], one["rule"]): one["rows"] for one in json.loads(found)}
    assert rows == {("features", "leaks"): None, ("context", "leaks"): None}
    assert text in str(engine.run().summary())
    before = after.replace("lead", "lag")
    quiet = BacktestEngine(base(market).register("features", before), TopN(2, by="after")).run()
    assert quiet.sql("select warnings from runs").fetchall() == [("[]",)]


def test_a_week_that_is_joined_before_it_is_over_is_told_as_what_it_is(market: Path) -> None:
    rows = f"'{market}/other.parquet'"
    weeks = (
        "with w as (select date_trunc('week', timestamp) as week, asset_id, max(close) as high "
        f"from {rows} group by all) select p.timestamp, p.asset_id, w.high as weekly from {rows} "
        "as p join w on w.asset_id = p.asset_id and w.week = date_trunc('week', p.timestamp)"
    )
    (told,) = [one for one in base(market).register("features", weeks).prove()
               if one.column == "weekly"]  # fmt: skip
    assert told.verdict == "leaks"
    assert told.what.startswith("max(")
    assert told.why.startswith("aggregates over rows of later times")
    assert "the end of the group as timestamp" in told.instead
    over = weeks.replace("p.timestamp)", "p.timestamp) - interval '7 days'")
    assert verdicts(base(market).register("features", over))["features.weekly"] == "causal"


def test_indicators_of_the_package_are_causal_over_prices_that_do_not_leak(market: Path) -> None:
    def verdicts(prices: str) -> list[tuple[str, str]]:
        catalog = Catalog().register("prices", prices)
        catalog.indicators.sma(3).indicators.rsi(5).indicators.zscore(4)
        return [(one.column, one.verdict) for one in catalog.prove() if one.source != "prices"]

    names = ["sma_3", "rsi_5", "zscore_4"]
    assert verdicts(f"{market}/prices.parquet") == [(name, "causal") for name in names]
    ahead = f"lead(close, 1, close) {OF_ASSET} as close"
    leaking = f"select timestamp, asset_id, {ahead} from '{market}/prices.parquet'"
    # Of prices that leak nothing is proved.
    assert {kind for _, kind in verdicts(leaking)} <= {"leaks", "unproved"}


def test_what_becomes_of_a_list_of_all_times_is_not_known(market: Path) -> None:
    lists = f"""
        select asset_id, list(timestamp order by timestamp) as times,
            list(close order by timestamp) as closes
        from '{market}/prices.parquet' group by asset_id
    """
    taken_apart = f"""
        select unnest(times) as timestamp, asset_id, unnest(closes) as taken from ({lists})
    """
    whole = f"""
        select timestamp, asset_id, list_avg(closes) as mean
        from '{market}/prices.parquet' join ({lists}) using (asset_id)
    """
    for query, verdict in ((taken_apart, "unproved"), (whole, "leaks")):
        catalog = base(market).register("features", query, name="made")
        (found,) = (one for one in catalog.prove() if one.source == "made")
        assert found.verdict == verdict, found
