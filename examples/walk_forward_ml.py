"""A walk through real years with a model: trained on the past, scored, traded, queried.

Run it with ``python examples/walk_forward_ml.py [DATA_FOLDER [OUT_FOLDER]]``; left out, the data
is looked for in ``../shared/data`` and the output goes to ``out/walk_forward_ml``, both from the
checkout's root. It needs scikit-learn: ``pip install 'ml4t-backtest-duckdb[examples]'``. The SQL
is in ``examples/sql``.

Steps: `prepare` (inputs, labels, samples, and the engine's sources, in SQL) -> `walk_forward` (a
model per test year -> scores) -> `write_scores` (Parquet with ``available_at``) -> `run_scores`
-> `require_known` -> the tables below, and the run saved.

What may be known when:

- **Inputs** are twelve momentum, reversal, volatility and volume figures of prices adjusted for
  splits forward only, each ranked among the members of its day. Every window ends at its bar.
- **Labels** are ten-bar returns with dividends from the *next* bar's close on, ranked likewise.
- **Purging.** The model of a year learns from the three years before. A label counts only if its
  window ended, and five whole bars passed, before the year's first bar; the gap is measured on
  the rows that the model was given, and asserted.
- **Scores** are known the day after their bar (`available_at`). So a score of Monday's close
  decides at Tuesday's close and trades at Wednesday's open.

What the figures are, and are not:

- Nothing was tuned: inputs, model, horizon and rules were set before the first run, and stayed.
- The model is set against momentum under the same clock, rules and costs, and against all members
  in equal weights.
- Training takes every fifth bar (labels overlap) to keep the whole run short.
- The companies are those of the index of 2021 (survivors), for all three alike; data errors of
  the vendor are in it (see ``sp500_momentum.py``).
- t values over one walk are no proof: years are few, and stocks move together.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from ml4t.backtest import (
    ActionPolicy,
    BacktestConfig,
    BacktestEngine,
    BacktestResult,
    Catalog,
    TopN,
)
from ml4t.backtest.risk import RiskManager, TimeBasedExit, VolatilityScaledStopLoss

ROOT = Path(__file__).resolve().parents[1]
SQL = Path(__file__).resolve().parent / "sql"
DATA = ROOT.parent / "shared" / "data"
OUT = ROOT / "out" / "walk_forward_ml"
FILES = ("sp500_daily", "sp500_membership")
TOP = 25
INPUTS = (
    "momentum_12_1", "momentum_6_1", "return_1_month", "return_1_week", "volatility",
    "volatility_trend", "price_range", "best_day", "below_high", "volume_trend", "volume_shock",
    "illiquidity",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """What is walked; the engine trades the test years.

    Parameters
    ----------
    first_year, last_year : int
        Test years, both included.
    train_years : int
        Years before a test year that its model learns from.
    horizon : int
        Bars that a label spans.
    embargo : int
        Whole bars between the end of the last label and the first bar of the test year.
    sample_every : int
        A training row is taken on one bar out of so many.
    n_assets : int, optional
        Only the first so many companies by `asset_id` that were ever members; all if None.
    """

    first_year: int = 2004
    last_year: int = 2015
    train_years: int = 3
    horizon: int = 10
    embargo: int = 5
    sample_every: int = 5
    n_assets: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """One test year, measured on the rows that the model was given.

    `label_end` is the last bar that any training label looked at, `gap` the number of whole bars
    between it and `test_start`; `n_train` and `n_test` count rows.
    """

    year: int
    train_start: date
    label_end: date
    test_start: date
    gap: int
    n_train: int
    n_test: int


def main() -> int:
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA
    out = Path(sys.argv[2]) if len(sys.argv) > 2 else OUT
    missing = [name for name in FILES if not (data / f"{name}.parquet").is_file()]
    if missing:
        print(
            f"no {missing[0]}.parquet in '{data}'; pass the folder that holds "
            f"{', '.join(f'{name}.parquet' for name in FILES)}",
            file=sys.stderr,
        )
        return 2
    walk_years(data, out, Walk())
    return 0


def walk_years(data: Path, out: Path, walk: Walk) -> tuple[list[Fold], dict[str, BacktestResult]]:
    """Prepare, train, score, trade and print; return the folds and the runs by name."""
    out.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as database:
        prepare(data, out, walk, database)
        folds, predictions = walk_forward(walk, database)
        print_folds(folds)
        database.register("model_predictions", predictions)
        momentum = (
            "select timestamp, asset_id, momentum_12_1 as score from samples "
            f"where year(timestamp) >= {walk.first_year}"
        )
        runs = {}
        for name, made in (("model", "from model_predictions"), ("momentum", momentum)):
            write_scores(made, out / f"{name}_scores.parquet", database)
            runs[name] = run_scores(data, out, f"{name}_scores")
            require_known(runs[name], database)
            print_information(name, walk, database)
    runs["members"] = run_members(data, out)
    print_runs(runs)
    print_years(runs)
    print_exits(runs["model"])
    print(f"\nsaved to {runs['model'].save(out / 'run.duckdb')}")
    return folds, runs


def prepare(data: Path, out: Path, walk: Walk, database: duckdb.DuckDBPyConnection) -> None:
    """Make samples in `database`, and the engine's sources of the test years as Parquet."""
    database.read_parquet(str(data / "sp500_membership.parquet")).create_view("raw_members")
    members = "select distinct asset_id from raw_members semi join daily using (asset_id)"
    limit = "" if walk.n_assets is None else f"order by asset_id limit {walk.n_assets}"
    database.read_parquet(str(data / "sp500_daily.parquet")).create_view("daily")
    # A year more than the first model learns from: the longest input looks back over twelve months.
    database.execute(
        f"create view raw_prices as select * from daily semi join ({members} {limit}) "
        f"using (asset_id) where year(timestamp) "
        f"between {walk.first_year - walk.train_years - 2} and {walk.last_year}"
    )
    database.execute(sql("walk_forward_inputs"))
    database.execute(sql("walk_forward_labels"), {"horizon": walk.horizon})
    database.execute(sql("walk_forward_samples"))
    for table, day in (("prices", "timestamp"), ("actions", "ex_date"), ("features", "timestamp")):
        database.execute(sql(f"sp500_{table}"))
        tested = database.table(table).filter(f"year({day}) >= {walk.first_year}")
        tested.write_parquet(str(out / f"{table}.parquet"))


def walk_forward(walk: Walk, database: duckdb.DuckDBPyConnection) -> tuple[list[Fold], pa.Table]:
    """Train a model for each test year and score the year with it.

    Returns
    -------
    tuple
        The folds, and the predictions: timestamp, asset_id, score.

    Raises
    ------
    AssertionError
        A training label reaches into the embargo or the test year.
    """
    days = database.sql("select distinct timestamp from raw_prices order by timestamp").fetchnumpy()
    folds, predictions = [], []
    for year in range(walk.first_year, walk.last_year + 1):
        train = database.execute(
            sql("walk_forward_training"),
            {
                "test_year": year,
                "train_years": walk.train_years,
                "embargo": walk.embargo,
                "sample_every": walk.sample_every,
            },
        ).fetchnumpy()
        test = database.execute(sql("walk_forward_test"), {"test_year": year}).fetchnumpy()
        fold = measure(year, train, test, days["timestamp"])
        assert fold.label_end < fold.test_start, f"a label of {year} ends at {fold.label_end}"
        assert fold.gap >= walk.embargo, f"{fold.gap} bars before {year}, embargo {walk.embargo}"
        folds.append(fold)
        # One thread: small fits lose more time waiting for each other's threads than they win.
        with threadpool_limits(1):
            model = new_model().fit(matrix(train), train["label"])
            score = model.predict(matrix(test))
        predictions.append(
            pa.table({"timestamp": test["timestamp"], "asset_id": test["asset_id"], "score": score})
        )
    return folds, pa.concat_tables(predictions)


def new_model() -> HistGradientBoostingRegressor:
    """Return the model of every fold, unfitted."""
    return HistGradientBoostingRegressor(
        max_iter=150,
        learning_rate=0.05,
        max_leaf_nodes=15,
        min_samples_leaf=200,
        l2_regularization=1.0,
        # Stopping early validates on rows drawn at random, whose labels overlap the training rows'.
        early_stopping=False,
        random_state=7,
    )


def measure(
    year: int, train: dict[str, np.ndarray], test: dict[str, np.ndarray], days: np.ndarray
) -> Fold:
    """Return what the rows themselves say: no bar number of the SQL is trusted here."""
    label_end, test_start = train["label_end"].max(), test["timestamp"].min()
    between = (days > label_end) & (days < test_start)
    return Fold(
        year=year,
        train_start=as_date(train["timestamp"].min()),
        label_end=as_date(label_end),
        test_start=as_date(test_start),
        gap=int(between.sum()),
        n_train=len(train["timestamp"]),
        n_test=len(test["timestamp"]),
    )


def matrix(rows: dict[str, np.ndarray]) -> np.ndarray:
    """Return the inputs, one row per sample; what is missing is NaN, which the model knows."""
    return np.column_stack([np.ma.filled(rows[name], np.nan) for name in INPUTS])


def as_date(timestamp: np.datetime64) -> date:
    """Return the day of a NumPy timestamp."""
    day: date = timestamp.astype("datetime64[D]").item()
    return day


def write_scores(predictions: str, path: Path, database: duckdb.DuckDBPyConnection) -> None:
    """Write the scores of a query to Parquet, with the day on which each became known."""
    database.execute(f"create or replace view predictions as {predictions}")
    database.execute(sql("walk_forward_scores"))
    database.table("scores").write_parquet(str(path))


def run_scores(data: Path, out: Path, scores: str) -> BacktestResult:
    """Hold the 25 members with the highest score, looked at every fifth bar, under two rules."""
    strategy = TopN(TOP, by="score", where="atr_20 is not null", every=5)
    rules = RiskManager(
        [
            VolatilityScaledStopLoss(volatility_key="atr_20", atr_multiplier=3.0),
            TimeBasedExit(max_bars=63),
        ]
    )
    return run(new_catalog(data, out, scores), strategy, rules)


def run_members(data: Path, out: Path) -> BacktestResult:
    """Hold every member that has a score in equal weights, set back every 21 bars."""
    equal = "1.0 / count(*) over (partition by timestamp)"
    strategy = TopN(1_000, by="score", where="atr_20 is not null", weight=equal, every=21)
    return run(new_catalog(data, out, "model_scores"), strategy, None)


def new_catalog(data: Path, out: Path, scores: str) -> Catalog:
    """Register the sources of the test years: a close knows its ATR, not yet its score."""
    catalog = Catalog()
    catalog.register("prices", out / "prices.parquet")
    catalog.register("actions", out / "actions.parquet")
    catalog.register("universe", data / "sp500_membership.parquet")
    catalog.register("features", out / "features.parquet", name="ranges", max_age="7 days")
    catalog.register(
        "features", out / f"{scores}.parquet", available_at="available_at", max_age="7 days"
    )
    return catalog


def run(catalog: Catalog, strategy: TopN, rules: RiskManager | None) -> BacktestResult:
    """Run a strategy at default costs."""
    config = BacktestConfig(actions=ActionPolicy(exit_on_membership_end=True))
    return BacktestEngine(
        catalog, strategy, risk_manager=rules, initial_capital=1_000_000, config=config
    ).run()


def require_known(result: BacktestResult, database: duckdb.DuckDBPyConnection) -> None:
    """Hold what was ranked against the scores that were known at its bar."""
    database.register("selections", result.selections.to_arrow_table())
    unknown = database.execute(sql("walk_forward_unknown_scores")).fetchall()
    assert not unknown, f"{len(unknown)} ranks are not of the newest known score: {unknown[:3]}"


def print_folds(folds: list[Fold]) -> None:
    """Print a line per test year."""
    print(
        f"{'Test':<6}{'Trained from':>14}{'Last label':>13}{'Test from':>13}{'Gap':>5}"
        f"{'Rows':>9}{'Scored':>9}"
    )
    for fold in folds:
        print(
            f"{fold.year:<6}{fold.train_start!s:>14}{fold.label_end!s:>13}{fold.test_start!s:>13}"
            f"{fold.gap:>5}{fold.n_train:>9,}{fold.n_test:>9,}"
        )


def print_information(name: str, walk: Walk, database: duckdb.DuckDBPyConnection) -> None:
    """Print what the scores of `write_scores` foretold, a line per year."""
    print(f"\nForesight of {name} over {walk.horizon} bars, before costs")
    print(f"{'Year':<6}{'IC':>9}{'t':>7}{'IC > 0':>9}{f'Top {TOP} - all':>14}{'Bars':>7}")
    rows = database.execute(
        sql("walk_forward_information"), {"horizon": walk.horizon, "top_n": TOP}
    ).fetchall()
    for year, coefficient, t, positive, excess, n_bars in rows:
        print(
            f"{year or 'all':<6}{coefficient:>9.4f}{t:>7.2f}{positive:>9.1%}{excess:>14.3%}"
            f"{n_bars:>7,}"
        )


def print_runs(runs: dict[str, BacktestResult]) -> None:
    """Print the runs side by side; turnover counts both sides."""
    print(f"\n{'After costs':<20}" + "".join(f"{name:>16}" for name in runs))
    rows = (
        ("Final value", "final_value", ",.0f"),
        ("CAGR", "cagr", ".2%"),
        ("Volatility", "volatility", ".2%"),
        ("Sharpe", "sharpe", ".2f"),
        ("Max drawdown", "max_drawdown", ".2%"),
        ("Exposure, mean", "exposure", ".2%"),
        ("Turnover per year", "turnover", ".1f"),
        ("Costs", "costs", ",.0f"),
        ("Dividends", "dividends", ",.0f"),
        ("Closed trades", "n_trades", ",d"),
    )
    for label, metric, text in rows:
        values = (format(result[metric], text) for result in runs.values())
        print(f"{label:<20}" + "".join(f"{value:>16}" for value in values))
    shares = (result.sql(sql("walk_forward_costs")).fetchall()[0][0] for result in runs.values())
    print(f"{'Costs of a year':<20}" + "".join(f"{share:>16.2%}" for share in shares))
    gap = runs["model"]["cagr"] - runs["members"]["cagr"]
    verdict = "beat" if gap > 0 else "did not beat"
    print(f"\nThe model {verdict} holding every member: {gap:+.2%} a year after costs")


def print_years(runs: dict[str, BacktestResult]) -> None:
    """Print a line per year with each run's return."""
    print(f"\n{'Year':<20}" + "".join(f"{name:>16}" for name in runs))
    tables = [result.sql(sql("sp500_yearly_returns")).fetchall() for result in runs.values()]
    for years in zip(*tables, strict=True):
        print(f"{years[0][0]:<20}" + "".join(f"{year[2]:>16.2%}" for year in years))


def print_exits(result: BacktestResult) -> None:
    """Print what each exit rule closed and made, net of costs."""
    print(f"\n{'Exit of model':<28}{'Trades':>8}{'P&L':>16}{'Bars held':>11}")
    for rule, n_trades, pnl, _, bars in result.exits.fetchall():
        print(f"{rule:<28}{n_trades:>8,}{pnl:>16,.2f}{bars:>11.1f}")


def sql(name: str) -> str:
    """Return a statement of ``examples/sql``."""
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
