"""SQL that writes, attaches, sets or reads what it should not: refused in every place, not run."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml4t.backtest import Catalog, Ranking
from ml4t.backtest.core.selecting import Query
from ml4t.backtest.data.selection.query_plan import plan_query
from ml4t.backtest.data.selection.ranking import plan_ranking
from ml4t.backtest.errors import ConfigError, DataError, ExpressionError
from ml4t.backtest.synthetic import make_market

OURS = (ConfigError, DataError, ExpressionError)
# {folder} is one in which nothing may appear.
REFUSED = [
    "with d as (delete from prices returning *) select timestamp, asset_id, 1.0 as weight from d",
    "with d as (insert into prices select * from prices returning *) select * from d",
    "with d as (update prices set close = 1 returning *) select asset_id, 1 as weight from d",
    "copy (select 1) to '{folder}/x.csv'",
    "copy prices to '{folder}/x.parquet'",
    "export database '{folder}/e'",
    "attach '{folder}/x.db' as x",
    "detach memory",
    "create table t as select 1 as a",
    "create or replace view prices as select 1 as a",
    "drop view prices",
    "update prices set close = 1",
    "set threads = 1",
    "reset threads",
    "pragma database_list",
    "call pragma_version()",
    "install httpfs",
    "load json",
    "begin",
    "vacuum",
    "checkpoint",
    "use memory",
    "select timestamp, asset_id, 1.0 as weight from signals; drop view prices",
]
READING = [
    "select timestamp, asset_id, 1.0 as weight from '{file}'",
    "select timestamp, asset_id, 1.0 as weight from read_csv('{file}')",
    "select timestamp, asset_id, (select content from read_text('{file}')) as weight from signals",
    "select timestamp, asset_id, (select count(*) from glob('/*')) as weight from signals",
    "select timestamp, asset_id, g.* as weight from signals, duckdb_settings() as g",
    "select timestamp, asset_id, 1.0 as weight from query('select * from signals')",
    "select timestamp, asset_id, nextval('s') as weight from signals",
    "select timestamp, asset_id, getvariable('x') as weight from signals",
]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    folder = make_market(tmp_path_factory.mktemp("refused"), n_assets=3, n_bars=20)
    found = Catalog().register("prices", f"{folder}/prices.parquet")
    return found.register("context", f"{folder}/context.parquet")


def said(text: str, folder: Path) -> str:
    secret = folder.parent / "secret.csv"
    secret.write_text("timestamp,asset_id,content\n")
    return text.format(folder=folder, file=secret)


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("text", [*REFUSED, *READING])
def test_a_strategy_cannot_say_it(text: str, catalog: Catalog, empty: Path) -> None:
    prepared, query = catalog.prepare(), said(text, empty)
    before = catalog.sql("select count(*), sum(close) from prices").fetchall()
    with pytest.raises(OURS):
        plan_query(Query(text=query), prepared)
    for one in (
        Ranking(n=1, by=query), Ranking(n=1, by=f"({query})"),
        Ranking(n=1, by="close", where=f"exists ({query})"),
        Ranking(n=1, by="close", when=f"({query}) is null"),
        Ranking(n=1, by=f"sum(({query})) over (partition by asset_id order by timestamp)"),
        Ranking(n=1, by="close", when=f"lag(({query})) over (order by timestamp) is null"),
    ):  # fmt: skip
        with pytest.raises(OURS):
            plan_ranking(one, prepared)
    assert catalog.sql("select count(*), sum(close) from prices").fetchall() == before
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize("text", REFUSED)
def test_no_source_and_no_look_at_a_catalog_can_say_it(
    text: str, catalog: Catalog, empty: Path
) -> None:
    query = said(text, empty)
    with pytest.raises(Exception, match=r"\w") as told:
        catalog.sql(query).fetchall()
    # DuckDB itself refuses what has the form of a query and writes.
    assert isinstance(told.value, OURS) or type(told.value).__module__.endswith("duckdb")
    with pytest.raises(OURS):
        Catalog().register("features", query)
    assert list(empty.iterdir()) == []
