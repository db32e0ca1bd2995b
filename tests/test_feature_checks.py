"""A file is checked to be what a function makes of the past, and a run cites the record of it."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from leaks.baked_in import centred_mean, next_return
from leaks.clean import known_earnings, trailing_mean, walk_forward
from leaks.panel import Feature, panel_catalog, together, write_panel
from ml4t.backtest import BacktestEngine, Catalog, ConfigError, DataError, TopN
from ml4t.backtest.audit import FeatureCheck, check_features
from ml4t.backtest.data.computed.known_sources import KnownSources
from ml4t.backtest.results.page.trust import claims
from ml4t.backtest.runfile import catalog_of

CLEAN = together((trailing_mean, walk_forward, known_earnings))


@pytest.fixture
def panel(tmp_path: Path) -> Path:
    return write_panel(tmp_path, n_assets=6, n_bars=70)


def write(panel: Path, feature: Feature) -> tuple[Catalog, Path]:
    """Write what a function makes, and return the catalog in which it is."""
    catalog = panel_catalog(panel, feature)
    file = panel / "own.parquet"
    rows = catalog.sql("select * from planted").pl()
    rows.sample(fraction=1.0, shuffle=True, seed=3).write_parquet(file)
    return catalog, file


def checked(panel: Path, feature: Feature = CLEAN, cuts: int = 1) -> FeatureCheck:
    return check_features(*_with_name(*write(panel, feature)), cuts=cuts)


def _with_name(catalog: Catalog, file: Path) -> tuple[Catalog, str, Path]:
    return catalog, "planted", file


def test_a_file_that_a_function_makes_of_the_past_is_cited_by_its_run(panel: Path) -> None:
    check = checked(panel, cuts=3)
    assert (check.is_clean, check.findings) == (True, ())
    assert [one["problem"] for one in check.cuts] == [None] * 3
    assert check.record == panel / "own.parquet.check.json"
    catalog = panel_catalog(panel)
    catalog.register("features", panel / "own.parquet", name="planted", checked_by=check.record)
    result = BacktestEngine(catalog, TopN(2, by="trailing_mean", every=10)).run()
    (facts,) = [
        one for one in json.loads(result.sql("select sources from runs").fetchall()[0][0])
        if one["name"] == "planted"
    ]  # fmt: skip
    said = json.loads(check.record.read_text())
    # Hashes that anybody can make.
    data = (panel / "own.parquet").read_bytes()
    assert said["files"] == [
        {"name": "own.parquet", "bytes": len(data), "sha256": sha256(data).hexdigest()}
    ]
    query = "select count(*), sum(hash(prices)::hugeint) from prices"
    n_rows, content = catalog.sql(query).fetchall()[0]
    prices = said["sources"]["prices"]
    assert (prices["rows"], prices["content_hash"]) == (n_rows, str(content))
    assert facts["checked_by"] == {
        "record": "own.parquet.check.json",
        "sha256": sha256(check.record.read_bytes()).hexdigest(),
        "cuts": [one["cut"] for one in said["cuts"]], "sources": ["prices", "reports"],
        "function": said["function"], "made": said["made"], "versions": said["versions"],
    }  # fmt: skip
    function = said["function"]["name"]
    assert function.startswith("leaks.panel.together.<locals>.joined#")
    assert f"Checked: planted is what {function} makes, and of the past alone at 3 cuts" in (
        result.summary()
    )
    assert any(one.text.startswith(f"planted is what {function}") for one in claims(result, None))
    assert catalog.prove()[-1].why == f"record {catalog.describe()[-1]['checked_by']}"
    audit = BacktestEngine(catalog, TopN(2, by="close", every=30)).audit(cuts=1)
    ((said,),) = audit.sql("select input from sources where input is not null").fetchall()
    assert said == f"record own.parquet.check.json: equals {function}, 3 cuts, nothing found"
    assert catalog.describe()[-1]["checked_by"] == (
        f"own.parquet.check.json: equals {function}, 3 cuts, nothing found"
    )


def test_what_a_file_knows_of_later_bars_is_found_and_refused(panel: Path) -> None:
    check = checked(panel, together((next_return, trailing_mean, centred_mean)), cuts=2)
    assert not check.is_clean
    found = {(one["column"], one["cut"]) for one in check.findings}
    cuts = {one["cut"] for one in check.cuts}
    assert found == {(name, cut) for name in ("next_return", "centred_mean") for cut in cuts}
    first = next(one for one in check.findings if one["column"] == "next_return")
    (value,) = pl.read_parquet(panel / "own.parquet").filter(
        pl.col("timestamp") == pl.lit(first["bar"]).str.to_datetime(),
        pl.col("asset_id") == first["asset_id"],
    )["next_return"]  # fmt: skip
    assert (first["bar"], first["whole"], first["known"]) == (first["cut"], str(value), None)
    with pytest.raises(
        DataError, match="was found by its check to know what came later: next_return at"
    ):
        panel_catalog(panel).register("features", panel / "own.parquet", checked_by=check.record)


def test_rows_that_are_there_for_what_came_later_are_found(panel: Path) -> None:
    def winners(sources: KnownSources) -> Any:
        return sources.sql("""
            select timestamp, asset_id, close as own from prices
            where asset_id in (
                select asset_id from prices group by asset_id
                having max_by(close, timestamp) > min_by(close, timestamp)
            )
        """)

    check = checked(panel, winners, cuts=4)
    assert not check.is_clean
    # A column is no finding where only rows are.
    assert {one["column"] for one in check.findings} == {""}


def test_a_file_with_another_value_or_row_or_column_is_not_recorded(panel: Path) -> None:
    catalog, file = write(panel, trailing_mean)
    rows, mean = pl.read_parquet(file), pl.col("trailing_mean")
    larger = pl.when(pl.col("asset_id") == "S0003").then(mean * 1.001).otherwise(mean)
    for changed, message in (
        (rows.with_columns(larger), r"differs in 66 rows, .*S0003: trailing_mean is"),
        (rows.filter(pl.col("asset_id") != "S0002"), "differs in 70 rows, .*a row that one alone"),
        (rows.rename({"trailing_mean": "mean"}), "has columns .*mean, and the function makes"),
    ):
        changed.write_parquet(file)
        with pytest.raises(DataError, match=message):
            check_features(catalog, "planted", file)
    assert not (panel / "own.parquet.check.json").exists()


def test_a_file_that_was_changed_after_its_check_is_refused(panel: Path) -> None:
    check, file = checked(panel, trailing_mean), panel / "own.parquet"
    catalog = panel_catalog(panel).register("features", file, checked_by=check.record)
    catalog.validate()
    moved = file.rename(panel / "moved.parquet")
    panel_catalog(panel).register("features", moved, checked_by=check.record).validate()
    pl.read_parquet(moved).head(100).write_parquet(file)
    with pytest.raises(DataError, match=r"is not the file that 'own\.parquet\.check\.json' is a"):
        catalog.validate()
    with pytest.raises(DataError, match="is not the file that"):
        panel_catalog(panel).register("features", file, checked_by=check.record)


def test_other_rows_of_a_source_than_were_checked_are_refused(panel: Path) -> None:
    check = checked(panel, trailing_mean)
    prices = pl.read_parquet(panel / "prices.parquet")
    options = {"checked_by": check.record}
    for rows in (prices.reverse(), prices.to_pandas()):
        # Of equal values, whatever the order and the form.
        same = Catalog().register("prices", rows)
        same.register("features", panel / "own.parquet", **options).validate()
    other = Catalog().register("prices", prices.with_columns(pl.col("volume") + 1))
    other.register("features", panel / "own.parquet", **options)
    with pytest.raises(DataError, match="was checked over other rows of source 'prices', or by"):
        other.validate()


def test_a_record_of_nothing_that_could_be_tried_is_refused(panel: Path) -> None:
    def late(sources: KnownSources) -> Any:
        rows = trailing_mean(sources)
        if len(rows) < 6 * 70:
            raise ValueError("too few bars")
        return rows

    check = checked(panel, late)
    assert (check.is_clean, check.findings) == (False, ())
    with pytest.raises(DataError, match=r"was tried at no cut by 'own.*ValueError: too few bars"):
        panel_catalog(panel).register("features", panel / "own.parquet", checked_by=check.record)


def test_a_run_file_names_the_record(panel: Path) -> None:
    checked(panel, trailing_mean)
    run = panel / "run.toml"
    run.write_text("""
[sources.prices]
path = "prices.parquet"
[sources.features]
path = "own.parquet"
checked_by = "own.parquet.check.json"
""")
    assert catalog_of(run).describe()[1]["checked_by"].startswith("own.parquet.check.json: equals")


def test_what_is_no_record_and_what_has_none_are_refused(panel: Path, tmp_path: Path) -> None:
    record = checked(panel, trailing_mean).record
    file = panel / "own.parquet"
    other = tmp_path / "other.json"
    other.write_text("{}")
    catalog = panel_catalog(panel)
    for given, options, message in (
        (file, {"checked_by": other}, "is no record of the form"),
        (file, {"checked_by": file}, "is no record of a check"),
        (file, {"checked_by": tmp_path / "no.json"}, "is no record of a check"),
        (pl.read_parquet(file), {"checked_by": record}, "checked_by is of local files"),
        (trailing_mean, {"checked_by": record}, "checked_by is of local files"),
    ):
        with pytest.raises(ConfigError, match=message):
            catalog.register("features", given, name="one", **options)
    with pytest.raises(DataError, match=r"is of role context, and 'own.* is the record of a"):
        catalog.register("context", file, checked_by=record)
    with pytest.raises(ConfigError, match="source 'reports' is made by no function"):
        check_features(catalog, "reports", file)
    with pytest.raises(ConfigError, match="no source 'report'; did you mean 'reports'"):
        check_features(catalog, "report", file)
