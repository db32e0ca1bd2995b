"""Every case of the suite with zoned bars, printed as JSON; `test_zones` runs it under some TZ.

Bars at 02:00, 14:00 and 20:00 UTC of four days, so that in Kolkata and New York some of them
fall on the day after or before. Arguments: a folder to save into, and seeds of drawn cases.
"""

import json
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
from typer.testing import CliRunner

import zoned_money
from ml4t.backtest import BacktestEngine, BacktestResult, Catalog, SQLStrategy, Strategy, TopN
from ml4t.backtest.cli import app
from ml4t.backtest.data import PolarsDataFeed
from ml4t.backtest.data.feature_provider import CallableFeatureProvider

TIMES = [
    datetime(2024, 1, 2, hour, tzinfo=UTC) + timedelta(days=day)
    for day in range(4)
    for hour in (2, 14, 20)
]
PRICES = pl.DataFrame(
    {
        "timestamp": TIMES,
        "asset_id": ["A"] * 12,
        "open": [100.0 + i for i in range(12)],
        "high": [100.5 + i for i in range(12)],
        "low": [99.5 + i for i in range(12)],
        "close": [100.0 + i for i in range(12)],
    }
)
SINCE_4 = pl.DataFrame(
    {"asset_id": ["A"], "start_date": [date(2024, 1, 4)], "end_date": [None]},
    schema_overrides={"end_date": pl.Date},
)
SPLIT_ON_4 = {
    "asset_id": ["A", "A"],
    "ex_date": [date(2024, 1, 4)] * 2,
    "kind": ["split", "dividend"],
    "value": [2.0, 1.0],
}
LATE_SCORES = {
    "timestamp": [date(2024, 1, day) for day in (2, 3, 4)],
    "asset_id": ["A"] * 3,
    "score": [1.0, 2.0, 3.0],
}


class DayOrder(Strategy):
    """Rests limits that are never reached for the day, and notes times and what rests."""

    features = ()

    def __init__(self) -> None:
        self._seen: list[str] = []

    def on_market_event(self, event, context=None):
        n_resting = len(self.open_orders("A"))
        seen_at = event.signals.get("seen_at")
        self._seen.append(f"{event.timestamp.isoformat()} {seen_at} {n_resting}")
        self.buy("A", 1, limit=1.0, tif="day")


def catalog(**sources: object) -> Catalog:
    made = Catalog().register("prices", PRICES)
    for role, source in sources.items():
        made.register(role, source, lag="1 day" if role == "features" else None)
    return made


def facts(result: BacktestResult) -> dict[str, object]:
    tables = ("orders", "fills", "equity", "positions", "trades", "cash_flows", "selections")
    return {
        "run_id": result.sql("select run_id from runs").fetchall(),
        "metrics": dict(result),
        "days": result.sql(
            "select timestamp::date, hour(timestamp), timestamp::varchar from equity order by 1, 2"
        ).fetchall(),
        **{
            name: result.sql(f"select * exclude run_id from {name} order by all").fetchall()
            for name in tables
        },
    }


def runs() -> dict[str, BacktestResult]:
    held, noted = TopN(1, by="close"), DayOrder()
    seen = {"timestamp": TIMES, "asset_id": ["A"] * 12, "seen_at": TIMES}
    computed = CallableFeatureProvider(
        lambda asset_id, timestamp: {"hour": float(timestamp.hour), "at": timestamp.isoformat()}
    )
    strategies = {
        "universe": (catalog(universe=SINCE_4), held),
        "actions": (catalog(actions=SPLIT_ON_4), TopN(1, by="close")),
        "lagged dates": (catalog(features=LATE_SCORES), TopN(1, by="score", where="score >= 2")),
        "date in when": (catalog(), TopN(1, by="close", when="timestamp >= date '2024-01-04'")),
        "date in where": (catalog(), TopN(1, by="close", where="timestamp >= date '2024-01-04'")),
        "query": (
            catalog(),
            SQLStrategy(
                "select timestamp, asset_id, 1.0 as weight from signals "
                "where timestamp >= date '2024-01-04'"
            ),
        ),
        "day orders": (Catalog().register("prices", PRICES).register("features", seen), noted),
        "computed": (PolarsDataFeed(PRICES, feature_provider=computed), DayOrder()),
    }
    made = {name: BacktestEngine(*given).run() for name, given in strategies.items()}
    context = {moment: {"vix": float(i)} for i, moment in enumerate(TIMES)}
    engine = BacktestEngine(catalog(), TopN(1, by="close", when="vix >= 4"), context_data=context)
    made["context"] = engine.run()
    sys.stdout.write(json.dumps(noted._seen) + "\n")
    return made


def main(folder: Path) -> None:
    made = runs()
    shown: dict[str, object] = {name: facts(result) for name, result in made.items()}
    for name in ("run.duckdb", "run"):
        opened = BacktestResult.open(made["universe"].save(folder / name))
        shown[name] = [facts(opened), opened.summary(), repr(opened)]
    sources = catalog(universe=SINCE_4, actions=SPLIT_ON_4)
    shown["catalog.sql"] = sources.sql(
        "select timestamp, timestamp::date, timestamp::varchar, hour(timestamp), "
        "date_trunc('day', timestamp), timestamp >= date '2024-01-04' from signals order by 1"
    ).fetchall()
    shown["describe"] = sources.describe()
    strategy = TopN(1, by="close")
    for moment in (TIMES[7], "2024-01-04 14:00", datetime(2024, 1, 4, 14)):
        shown[f"preview {moment}"] = sources.preview(strategy, moment).fetchall()
    question = "select timestamp, timestamp::date as day, hour(timestamp) from fills order by 1"
    saved = str(folder / "run.duckdb")
    for call in (["query", saved, "--sql", question, "--json"], ["summary", saved]):
        shown[f"cli {call[0]}"] = CliRunner().invoke(app, call).output
    sys.stdout.write(json.dumps(shown, default=str, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    zoned_money.main([int(seed) for seed in sys.argv[2:]])
