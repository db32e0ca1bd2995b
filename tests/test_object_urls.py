"""URLs that are refused before anybody is asked, and the package that asks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ml4t.backtest import Catalog, ConfigError, DataError, PreparedStore, ResultError, RunStore


@pytest.mark.parametrize("package", ["obstore", "fsspec"])
def test_a_package_that_is_missing_is_named_with_its_extra(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if package == "fsspec":
        pytest.importorskip("obstore")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=rf"needs {package}: pip install '.*\[s3\]'"):
        Catalog().register("prices", "s3://data/prices.parquet")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("gs://data/prices.parquet", "is at gs://data, and s3://, https:// and http:// are read"),
        ("https://me:hush@example.org/p.parquet", "is at a URL of https://example.org with a user"),
        ("https://example.org/p.parquet?sign=hush", "https://example.org with a user, a query"),
        ("https://example.org/p.parquet#hush", "https://example.org with a user, a query"),
        ("s3://hush:hush@data/prices.parquet", "is at a URL of s3://data with a user"),
        ("https://example.org/*.parquet", "a web server lists no files; pass a list of their URLs"),
    ],
)
def test_a_url_that_results_could_not_keep_or_nobody_reads_is_refused(url: str, said: str) -> None:
    with pytest.raises(DataError) as caught:
        Catalog().register("prices", url)
    assert said in str(caught.value)
    assert "hush" not in str(caught.value)
    assert caught.value.rule == "readable"


def test_what_is_refused_leaves_its_name_free() -> None:
    catalog = Catalog()
    with pytest.raises(DataError):
        catalog.register("prices", "gs://data/prices.parquet")
    rows = {"timestamp": ["2024-01-02"], "asset_id": ["A"], "close": [1.0]}
    assert catalog.register("prices", rows).sql("select close from prices").fetchall() == [(1.0,)]


@pytest.mark.parametrize("url", ["s3://data/kept", Path("s3://data/kept"), "gs://data/kept"])
@pytest.mark.parametrize("make", [PreparedStore, RunStore])
def test_nothing_is_kept_at_a_url(
    make: Callable[[object], object], url: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor in a folder here that is called as the URL is."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ConfigError, ResultError), match="of a URL; name a folder of this machine"):
        make(url)
    assert list(tmp_path.iterdir()) == []


def test_a_url_that_was_made_a_path_is_told_to_be_a_text() -> None:
    with pytest.raises(DataError, match="a URL as a text and no Path"):
        Catalog().register("prices", Path("s3://data/prices.parquet"))
