"""A difference is shrunk to the least data that shows it, in files and a script that runs alone."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
from copy import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from effort import long, some
from ml4t.backtest import BacktestEngine, Catalog, ConfigError, Strategy, TopN
from ml4t.backtest.audit.audit import Audit
from ml4t.backtest.audit.reproducing.own_code import OwnCode
from ml4t.backtest.audit.reproducing.shrinking import fewest
from ml4t.backtest.cli import app, looking
from ml4t.backtest.core.batch import Batch
from ml4t.backtest.strategy.broker import StrategyBroker
from ml4t.backtest.synthetic import make_market

OF_ASSET = "partition by asset_id order by timestamp"
PRICES, REPORTS, LEVELS = (
    "'{market}/prices.parquet'",
    "'{market}/eps.parquet'",
    "'{market}/vix.parquet'",
)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_market(tmp_path_factory.mktemp("market"), n_assets=4, n_bars=20)
    rows = pl.read_parquet(folder / "prices.parquet")
    days = rows["timestamp"].unique().sort()
    reported = rows.filter(pl.col("timestamp").is_in(days.gather_every(6).implode()))
    eps = reported.select("timestamp", "asset_id", eps=pl.col("close") / 10)
    eps.write_parquet(folder / "eps.parquet")
    levels = pl.DataFrame({"timestamp": days, "level": [20.0 + i * 7 % 11 for i in range(20)]})
    levels.write_parquet(folder / "vix.parquet")
    return folder


def of_prices(expression: str, rows: str = "prices") -> str:
    return f"select timestamp, asset_id, {expression} as own from {rows}"


FILLED = (
    "select prices.timestamp, prices.asset_id, first_value(eps ignore nulls) over ("
    f"partition by prices.asset_id order by prices.timestamp {{}}) as own from prices "
    f"left join {REPORTS} as reports using (timestamp, asset_id)"
)
AS_OF = (
    "select prices.timestamp, prices.asset_id, eps as own from prices asof left join "
    f"{REPORTS} as reports on prices.asset_id = reports.asset_id "
    "and prices.timestamp {} reports.timestamp"
)
# Role, query with a place, what leaks there and what does not.
LEAKS = {
    "the next close": ("features", of_prices(f"{{}}(close) over ({OF_ASSET})"), "lead", "lag"),
    "a centred mean": (
        "features", of_prices(f"avg(close) over ({OF_ASSET} rows between 2 preceding and {{}})"),
        "2 following", "current row",
    ),
    "a z-score over the whole sample": (
        "features", of_prices("close - avg(close) over ({})"),
        "partition by asset_id", OF_ASSET,
    ),
    "filled from behind": (
        "features", FILLED, "rows between current row and unbounded following",
        "rows unbounded preceding",
    ),
    "a file in the query": (
        "features", of_prices(f"{{}}(close, 2) over ({OF_ASSET})", f"{PRICES} as prices"),
        "lead", "lag",
    ),
    "a forward as-of": ("features", AS_OF, "<=", ">="),
    "a rank of what comes": (
        "features",
        of_prices("rank() over (partition by timestamp order by next)",
                  f"(select *, {{}}(close) over ({OF_ASSET}) as next from prices)"),
        "lead", "lag",
    ),
    "the market's tomorrow": (
        "context", f"select timestamp, {{}}(level, 3) over (order by timestamp) as own "
        f"from {LEVELS}", "lead", "lag",
    ),
}  # fmt: skip


def engine(market: Path, *sources: tuple[str, object, str]) -> BacktestEngine:
    catalog = Catalog().register("prices", market / "prices.parquet")
    for role, source, name in sources:
        catalog.register(role, source, name=name)  # type: ignore[arg-type]
    return BacktestEngine(catalog, TopN(2, by="close", every=7))


def alone(script: Path) -> tuple[int, str]:
    """Exit code and words of a script in a process of its own, from another folder."""
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, cwd="/")
    return done.returncode, done.stdout + done.stderr


def query_of(name: str, market: Path) -> tuple[str, str, str, str]:
    role, query, leak, mended = LEAKS[name]
    return role, query.replace("{market}", str(market)).replace("{}", leak), leak, mended


@pytest.mark.parametrize("name", some(LEAKS, 1))
def test_what_is_left_runs_alone_and_says_when_it_is_mended(
    name: str, market: Path, tmp_path: Path
) -> None:
    role, query, leak, mended = query_of(name, market)
    fixed = (market / "prices.parquet", market / "eps.parquet", market / "vix.parquet")
    before = [file.read_bytes() for file in fixed]
    others = ("features", market / "eps.parquet", "unread")
    found = engine(market, others, (role, query, "own")).audit(2).reproduce(tmp_path / "least")
    assert (found.column, found.cause) == ("own", "own")
    assert found.sources == ("prices", "own")
    assert found.n_assets <= 2
    assert found.n_bars <= 5
    assert found.n_rows <= 10
    assert found.whole != found.known
    files = [
        file for folder in ("all", "known") for file in (found.script.parent / folder).iterdir()
    ]
    assert {file.suffix for file in files} == {".parquet"}
    n_all = sum(len(pl.read_parquet(one)) for one in files if one.parent.name == "all")
    n_known = sum(len(pl.read_parquet(one)) for one in files if one.parent.name == "known")
    assert n_known < n_all == found.n_rows
    text = found.script.read_text("utf-8")
    assert str(market) not in text
    code, said = alone(found.script)
    assert (code, "it differs: it was read from later rows" in said) == (1, True), said
    assert f"with all rows:         {found.whole}" in said
    assert f"with what was known:   {found.known}" in said
    assert text.count(leak) >= 1
    found.script.write_text(text.replace(leak, mended), "utf-8")
    code, said = alone(found.script)
    assert (code, "the same: nothing" in said) == (0, True), said
    assert [file.read_bytes() for file in fixed] == before


@pytest.fixture(scope="module")
def audit(market: Path) -> Audit:
    """Of a source that reads the next close, and of one that is made of it."""
    ahead = f"select timestamp, asset_id, lead(close) over ({OF_ASSET}) as ahead from prices"
    behind = "select timestamp, asset_id, 2 * ahead as twice from first"
    return engine(market, ("features", ahead, "first"), ("features", behind, "second")).audit(1)


def test_a_leak_two_sources_before_is_named_as_the_cause(audit: Audit, tmp_path: Path) -> None:
    found = audit.reproduce(tmp_path, column="twice")
    assert found.column == "twice"
    assert found.cause == "first"
    assert found.sources == ("prices", "first", "second")
    assert "first is where it begins, and prices, second must be there" in str(found)


def test_what_cannot_be_reproduced_is_refused(audit: Audit, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no column 'twize' .* did you mean 'twice'"):
        audit.reproduce(tmp_path / "least", column="twize")
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds something else"):
        audit.reproduce(tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "mine"
    clean = copy(audit)
    clean._leaks = []
    with pytest.raises(ConfigError, match="nothing differs in this audit"):
        clean.reproduce(tmp_path / "least")


@long
def test_the_same_is_found_again(audit: Audit, tmp_path: Path) -> None:
    one, other = (audit.reproduce(tmp_path / name, "twice") for name in ("one", "other"))
    assert one.n_tries == other.n_tries
    files = list((tmp_path / "one").rglob("*.parquet"))
    assert len(files) == 2
    for file in files:
        twin = tmp_path / "other" / file.relative_to(tmp_path / "one")
        assert pl.read_parquet(file).equals(pl.read_parquet(twin))
    again = audit.reproduce(tmp_path / "one", "ahead")
    assert again.sources == ("prices", "first")


@long
def test_later_rows_that_lie_are_written_too(market: Path, tmp_path: Path) -> None:
    _, query, _, _ = query_of("the next close", market)
    audit = engine(market, ("features", query, "own")).audit(1, poison=True)
    audit._leaks = [one for one in audit._leaks if one.is_poisoned]
    found = audit.reproduce(tmp_path)
    assert found.n_rows <= 8
    rows = [pl.read_parquet(tmp_path / side / "prices.parquet") for side in ("all", "known")]
    assert len(rows[0]) == len(rows[1])
    assert not rows[0].equals(rows[1])
    assert (found.column, found.cause) == ("own", "own")


# -- what is the user's own ---------------------------------------------------------------


N_AHEAD = 1


def doubled(value: int) -> int:
    return 2 * value


@long
def test_a_strategy_that_looks_ahead_comes_with_its_text(market: Path, tmp_path: Path) -> None:
    def first_of(rises: np.ndarray, broker: StrategyBroker) -> None:
        best = np.argsort(-np.nan_to_num(rises), kind="stable")[:2]
        broker.order_target_weights({broker.assets[sid]: 0.4 for sid in best.tolist()})

    class Ahead(Strategy):
        def __init__(self, rises: float) -> None:
            self.rises = rises

        def decide(self, batch: Batch, broker: StrategyBroker) -> None:
            more: Any = batch.more
            row = min(more._row + N_AHEAD, more._chunk.n_bars - 1)
            first_of(self.rises * more._chunk.prices["close"][row] / batch.close, broker)

    rows = pl.read_parquet(market / "prices.parquet")
    few = pl.col("timestamp") <= sorted(set(rows["timestamp"]))[5], pl.col("asset_id") != "S0003"
    catalog = Catalog().register("prices", rows.filter(*few))
    audit = BacktestEngine(catalog, Ahead(2.0), initial_capital=5_000.0).audit(1)
    found = audit.reproduce(tmp_path)
    assert found.cause == "the run"
    assert found.place == "waiting"
    assert found.sources == ("prices",)
    assert (found.n_bars, found.n_assets <= 3) == (3, True)
    text = found.script.read_text("utf-8")
    assert "class Ahead(Strategy):" in text
    assert text.index("def first_of(") < text.index("class Ahead(")
    assert str(market) not in text
    assert "test_reproduce" not in text
    code, said = alone(found.script)
    assert (code, "it differs: it was decided by later rows" in said) == (1, True), said
    assert f"with all rows:         {found.whole}" in said
    found.script.write_text(text.replace("+ N_AHEAD", "- N_AHEAD"), "utf-8")
    code, said = alone(found.script)
    assert (code, "the same: nothing was decided" in said) == (0, True), said


def test_code_is_imported_or_written_or_asked_for(tmp_path: Path) -> None:
    kept, table, same = [1, (2, "x")], np.arange(3), doubled

    def inner(value: int) -> int:
        return value * kept[0] + N_AHEAD

    def outer(value: int) -> float:
        return inner(value) + len(table) + math.pi + same.__code__.co_argcount

    own = OwnCode()
    assert own.add(doubled) == "doubled"
    assert own.imports == ["from test_reproduce import doubled"]
    assert own.folders == [str(Path(__file__).resolve().parent)]
    assert own.add(outer) == own.add(outer) == "outer"
    parts = [one.partition("(")[0] for one in own.texts]
    assert sorted(parts) == ["N_AHEAD = 1", "def inner", "def outer", "kept = [1, "]
    assert parts[-1] == "def outer"
    assert parts.index("def inner") > parts.index("kept = [1, ")
    assert "import math" in own.imports
    assert "from test_reproduce import doubled as same" in own.imports
    assert list(own.missing) == ["table"]
    names: dict[str, Any] = {"np": np, "table": table}
    exec("from __future__ import annotations\n" + "\n".join([*own.imports, *own.texts]), names)
    assert names["outer"](4) == outer(4)
    own.add(lambda value: value)
    assert any("has no text of" in why for why in own.missing.values())
    with pytest.raises(TypeError, match="cannot pickle"):
        own.pickled({"lock": threading.Lock()})


@long
def test_a_function_that_makes_a_source_comes_along(market: Path, tmp_path: Path) -> None:
    def ahead(sources: Any) -> pl.DataFrame:
        close = pl.col("close").shift(-N_AHEAD).over("asset_id", order_by="timestamp")
        return sources.prices.pl().select("timestamp", "asset_id", own=close)

    found = engine(market, ("features", ahead, "own")).audit(1).reproduce(tmp_path)
    assert (found.cause, found.n_bars, found.n_rows) == ("own", 2, 2)
    code, said = alone(found.script)
    assert (code, "it differs" in said) == (1, True), said
    text = found.script.read_text("utf-8")
    found.script.write_text(text.replace("shift(-N", "shift(N"), "utf-8")
    assert alone(found.script)[0] == 0


@pytest.mark.parametrize("n", [1, 2, 5, 17, 64])
def test_no_item_that_is_left_can_be_left_out(n: int) -> None:
    needed = {one for one in range(n) if one % 5 == 2 or one == n - 1}
    assert fewest(range(n), lambda some: needed <= set(some)) == tuple(sorted(needed))
    assert fewest(range(n), lambda some: True) == ()
    assert fewest(range(n), lambda some: False) == tuple(range(n))


def test_what_needs_each_of_many_items_is_said_soon() -> None:
    asked: list[int] = []
    everything = tuple(range(253))

    def differs(some: tuple[int, ...]) -> bool:
        asked.append(len(some))
        return some == everything

    assert fewest(everything, differs) == everything
    assert len(asked) < 100


@pytest.mark.parametrize("leaks", [True, False])
def test_the_command_writes_what_differs(
    leaks: bool, audit: Audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = copy(audit)
    if not leaks:
        asked._leaks, asked.is_clean = [], True
    # A run file has files alone, which nobody computes anew.
    found = SimpleNamespace(audit=lambda *_, **__: asked)
    monkeypatch.setattr(looking, "engine_of", lambda _: found)
    command = ["audit", "run.toml", "--reproduce", str(tmp_path / "least")]
    done = CliRunner().invoke(app, [*command, "--json"] if leaks else command)
    assert done.exit_code == int(leaks), done.output
    script = tmp_path / "least" / "reproduce.py"
    assert script.exists() is leaks
    if leaks:
        assert json.loads(done.stdout)["reproducer"]["script"] == str(script)
    else:
        assert "nothing differs, and nothing was written" in done.stdout
