"""Factor diagnostics against alphalens-reloaded, pandas and rows that are worked out by hand."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from conftest import SHARED_DATA
from ml4t.backtest import Catalog, ConfigError, ExpressionError
from ml4t.backtest.data.diagnostics.tables import Tables

START = date(2024, 1, 1)


def day(t: int) -> date:
    return START + timedelta(days=t)


def long(frame: pd.DataFrame, name: str) -> dict[str, list[Any]]:
    """A wide frame without its empty cells, as columns."""
    cells = [(t, a, v) for t, row in frame.iterrows() for a, v in row.items() if v == v]
    return {
        "timestamp": [t for t, _, _ in cells],
        "asset_id": [a for _, a, _ in cells],
        name: [float(v) for _, _, v in cells],
    }


def panel() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Closes and a factor without ties and holes: 30 bars of ten assets."""
    t, i = np.arange(30)[:, None], np.arange(10)[None, :]
    close = 100 + 10 * np.sin(0.7 * t + 1.3 * i) + 0.5 * i + 0.2 * t + ((t * 7 + i * 13) % 11) * 0.3
    factor = ((t // 2 * 5 + i * 7) % 10) + ((t * 3 + i * 11) % 23) * 0.01
    days, names = [day(n) for n in range(30)], [f"A{n}" for n in range(10)]
    return pd.DataFrame(close, days, names), pd.DataFrame(factor, days, names)


def catalog(close: pd.DataFrame, factor: pd.DataFrame, **more: Any) -> Catalog:
    prices = long(close, "close")
    made = Catalog().register("prices", prices)
    made.register("features", long(factor, "mom"))
    made.register(
        "assets",
        {
            "asset_id": list(close.columns),
            "sector": ["odd" if n % 2 else "even" for n in range(len(close.columns))],
        },
    )
    for role, source in more.items():
        made.register(role, source)  # type: ignore[arg-type]
    return made


def rows(found: Tables, query: str) -> list[tuple[Any, ...]]:
    return found.sql(query).fetchall()


def test_figures_are_those_of_alphalens() -> None:
    """alphalens-reloaded 0.5.1, pandas 3.1.1, scipy 1.17.1; quantiles=3, periods=(1, 5).

    It leaves the last five bars out of both horizons, hence `end`, and halves the spread.
    """
    found = catalog(*panel()).factor(
        "mom", horizons=[5, 1], n_quantiles=3, price="close", group="sector", end=day(24)
    )
    ic = found.sql("pivot ic on horizon using first(rank_ic) group by timestamp").fetchall()
    ic = [one[1:] for one in sorted(ic)]
    assert len(ic) == 25
    assert ic[0] == pytest.approx((-0.28484848484848485, 0.0303030303030303), rel=1e-12)
    assert ic[1] == pytest.approx((-0.18787878787878787, 0.05454545454545454), rel=1e-12)
    assert ic[-1] == pytest.approx((0.09090909090909088, -0.19999999999999998), rel=1e-12)
    (one, five) = rows(found, "select mean_rank_ic, std_rank_ic, mean_spread from decay")
    assert one == pytest.approx(
        (-0.004606060606060607, 0.24549369933384414, 2 * -0.0004789896366603595)
    )
    assert five == pytest.approx((0.04048484848484848, 0.183750006507041, 2 * 0.003138339088930315))
    groups = rows(found, "select group_name, mean_rank_ic from groups where horizon = 5")
    assert [name for name, _ in groups] == ["even", "odd"]
    assert [value for _, value in groups] == pytest.approx([0.060, 0.008])
    returns = "select mean_return, excess_return from quantile_returns where horizon = 1 and "
    means = rows(found, f"{returns} quantile = 3 order by timestamp limit 2")
    assert means[0] == pytest.approx((0.0054616930008699605, -0.0004875513057147618))
    assert means[1] == pytest.approx((-0.017501229536374712, -0.024306565182547892))
    spread = rows(found, "select spread from spread where horizon = 5 order by timestamp limit 2")
    assert [value for (value,) in spread] == pytest.approx(
        [2 * -0.017534026588459956, 2 * -0.004935740548826442]
    )
    turned = rows(found, "select turnover from turnover where quantile = 3 order by timestamp")
    assert [value for (value,) in turned[:3]] == [0.0, 1.0, 0.0]
    ranks = rows(found, "select rank_autocorrelation from autocorrelation order by timestamp")
    assert [value for (value,) in ranks[:3]] == pytest.approx([1.0, -0.5151515151515151, 1.0])
    assert np.mean([value for (value,) in ranks]) == pytest.approx(0.24242424242424243)
    assert rows(found, "select count(*) from observations where quantile = 1") == [(200,)]


def random_panel(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Closes with holes and equal returns, a factor with ties, gaps and NaN."""
    rng = np.random.default_rng(seed)
    days, names = [day(n) for n in range(25)], [f"A{n}" for n in range(9)]
    steps = rng.choice([-0.02, -0.01, 0.0, 0.0, 0.01, 0.03], size=(25, 9))
    close = pd.DataFrame(np.round(100 * np.exp(steps.cumsum(axis=0)), 1), days, names)
    factor = pd.DataFrame(rng.integers(0, 6, size=(25, 9)).astype(float), days, names)
    close = close.mask(rng.random((25, 9)) < 0.1)
    return close, factor.mask(rng.random((25, 9)) < 0.1)


@pytest.mark.parametrize("seed", range(3))
def test_figures_are_those_of_pandas_with_ties_and_holes(seed: int) -> None:
    close, factor = random_panel(seed)
    found = catalog(close, factor).factor("mom", horizons=(1, 4), price="close")
    # As of a bar: where a row is missing, the last that was known; none without a bar.
    known = factor.ffill().where(close.notna())
    expected = {}
    for h in (1, 4):
        forward = close.ffill().shift(-h) / close - 1
        forward.iloc[-h:] = np.nan
        for t in close.index:
            pair = pd.DataFrame({"f": known.loc[t], "r": forward.loc[t]}).dropna()
            if len(pair):
                with np.errstate(invalid="ignore"):
                    expected[t, h] = (
                        len(pair),
                        pair.f.corr(pair.r),
                        pair.rank().f.corr(pair.rank().r),
                    )
    got = {(t, h): (n, ic, rank_ic) for t, h, n, ic, rank_ic in rows(found, "select * from ic")}
    assert set(got) == set(expected)
    for key, (n, ic, rank_ic) in expected.items():
        assert got[key][0] == n
        for value, right in zip(got[key][1:], (ic, rank_ic), strict=True):
            assert (value is None and right != right) or value == pytest.approx(right, abs=1e-12)


def test_equal_factors_are_in_one_quantile_as_in_qcut() -> None:
    rng = np.random.default_rng(5)
    days, names = [day(n) for n in range(12)], [f"A{n:02d}" for n in range(11)]
    close = pd.DataFrame(100.0 + rng.random((12, 11)), days, names)
    factor = pd.DataFrame(rng.integers(0, 30, size=(12, 11)).astype(float), days, names)
    found = catalog(close, factor).factor("mom", horizons=(1,), n_quantiles=4, price="close")
    got = dict.fromkeys(days[:-1])
    for t, quantiles in rows(
        found,
        "select timestamp, list(quantile order by asset_id) from observations group by timestamp",
    ):
        got[t] = quantiles
    for t in days[:-1]:
        labels = pd.qcut(factor.loc[t], 4, labels=False, duplicates="raise") + 1
        assert got[t] == labels.tolist()


def test_quantiles_with_all_factors_equal_are_one_and_no_correlation_is_there() -> None:
    close, factor = panel()
    found = catalog(close, factor * 0).factor("mom", horizons=(1,), price="close")
    assert rows(found, "select distinct quantile from observations") == [(1,)]
    assert rows(found, "select distinct ic, rank_ic from ic") == [(None, None)]
    assert rows(found, "select count(*) from spread") == [(0,)]


def two(opens: list[float], closes: list[float]) -> Catalog:
    """One asset with these prices, beside a flat one."""
    n = len(opens)
    return Catalog().register(
        "prices",
        {
            "timestamp": [day(t) for t in range(n)] * 2,
            "asset_id": ["A"] * n + ["B"] * n,
            "open": opens + [50.0] * n,
            "close": closes + [50.0] * n,
        },
    )


def returns_of(found: Tables, asset: str = "A") -> list[float]:
    query = f"select forward_return from observations where asset_id = '{asset}' order by timestamp"
    return [value for (value,) in rows(found, query)]


def test_a_return_begins_after_the_decision() -> None:
    made = two([10.0, 20.0, 30.0, 60.0], [11.0, 22.0, 33.0, 44.0])
    assert returns_of(made.factor("close", horizons=[1])) == pytest.approx([0.5, 1.0])
    assert returns_of(made.factor("close", horizons=[1], price="next_close")) == pytest.approx(
        [0.5, 1 / 3]
    )
    assert returns_of(made.factor("close", horizons=[2], price="close")) == pytest.approx(
        [2.0, 1.0]
    )


def test_splits_and_dividends_are_in_the_returns() -> None:
    made = two([10.0, 5.0, 5.0, 6.0], [10.0, 5.0, 5.5, 6.0]).register(
        "actions",
        {
            "asset_id": ["A", "A"], "ex_date": [day(1), day(3)],
            "kind": ["split", "dividend"], "value": [2.0, 0.6],
        },
    )  # fmt: skip
    # The dividend is reinvested at the close of its day: 6.6 / 6 of a share.
    found = made.factor("close", horizons=[1], price="close")
    assert returns_of(found) == pytest.approx([0.0, 0.1, 6.6 / 5.5 - 1])
    assert returns_of(found, "B") == [0.0, 0.0, 0.0]


def test_what_left_the_data_keeps_its_last_worth() -> None:
    close, factor = panel()
    close.iloc[10:, 3] = np.nan
    delisted = {"asset_id": ["A3"], "ex_date": [day(10)], "kind": ["delisting"], "value": [1.0]}
    plain = catalog(close, factor).factor("mom", horizons=[5], price="close")
    paid = catalog(close, factor, actions=delisted).factor("mom", horizons=[5], price="close")
    assert len(returns_of(plain, "A3")) == 10
    assert returns_of(plain, "A3")[9] == 0.0
    assert returns_of(paid, "A3")[9] == pytest.approx(1 / close.iloc[9, 3] - 1)
    assert returns_of(paid, "A3")[:5] == returns_of(plain, "A3")[:5]


def test_no_value_of_later_rows_is_in_the_factor() -> None:
    close, factor = panel()
    changed = factor.copy()
    changed.iloc[15:] = -changed.iloc[15:]
    query = "select timestamp, asset_id, factor, quantile from observations where timestamp < "
    query += f"'{day(15)}' order by all"
    both = [
        rows(catalog(close, one).factor("mom", horizons=[1], price="close"), query)
        for one in (factor, changed)
    ]
    assert both[0] == both[1]
    assert len(both[0]) == 150
    with pytest.raises(ExpressionError, match="lead"):
        catalog(close, factor).factor("lead(mom) over (order by timestamp)", price="close")


def test_overlap_is_told_by_newey_and_west() -> None:
    found = catalog(*panel()).factor("mom", horizons=[1, 4], price="close", every=2)
    for h, n_lags in ((1, 0), (4, 1)):
        query = f"select rank_ic from ic where horizon = {h} order by timestamp"
        ic = np.array([value for (value,) in rows(found, query)])
        off = ic - ic.mean()
        total = off @ off + sum(
            2 * (1 - lag / (n_lags + 1)) * (off[lag:] @ off[:-lag]) for lag in range(1, n_lags + 1)
        )
        right = ic.mean() / np.sqrt(total) * len(ic)
        query = f"select rank_ic_newey_west_t from decay where horizon = {h}"
        assert rows(found, query) == [(pytest.approx(right),)]


def test_members_alone_are_compared() -> None:
    members = {"asset_id": ["A1", "A2"], "start_date": [day(0)] * 2, "end_date": [None, day(5)]}
    found = catalog(*panel(), universe=members).factor("mom", horizons=[1], price="close")
    counts = rows(found, "select asset_id, count(*) from observations group by all order by all")
    assert counts == [("A1", 29), ("A2", 5)]


def test_an_event_is_when_a_condition_becomes_true() -> None:
    made = two([1.0] * 6, [10.0, 11.0, 12.0, 9.0, 12.0, 15.0])
    found = made.event_study("close > 11.5 and asset_id = 'A'", before=1, after=1)
    paths = rows(found, "select timestamp, bar_offset, cumulative_return from paths order by all")
    assert paths == [
        (day(2), -1, pytest.approx(11 / 12 - 1)), (day(2), 0, 0.0), (day(2), 1, -0.25),
        (day(4), -1, -0.25), (day(4), 0, 0.0), (day(4), 1, 0.25),
    ]  # fmt: skip
    # B is flat: half of what A made is the market's.
    study = rows(found, "select n_events, mean_return, mean_abnormal_return from study")
    assert study[2] == (2, 0.0, 0.0)
    assert rows(found, "select t_stat from study where bar_offset = 0") == [(None,)]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"horizons": []}, r"horizons must be numbers of bars such as \(1, 5\)"),
        ({"horizons": [0]}, "horizons"),
        ({"horizons": [40]}, "a horizon of 40 bars .* prices have 30; leave it out"),
        ({"n_quantiles": 1}, "n_quantiles"),
        ({"price": "open"}, "price must be one of 'next_open', 'next_close', 'close', was 'open'"),
        ({"price": "next_open"}, "prices have no 'open'; pass price='next_close'"),
        ({"by": "momm"}, "momm"),
        ({"by": "nullif(mom, mom)"}, "finite number at no decision bar; catalog.profile"),
    ],
)
def test_what_cannot_be_asked_of_a_factor_is_said(asked: dict[str, Any], message: str) -> None:
    by = asked.pop("by", "mom")
    with pytest.raises((ConfigError, ExpressionError), match=message):
        catalog(*panel()).factor(by, **{"price": "close", **asked})


def test_a_condition_that_never_becomes_true_is_said() -> None:
    with pytest.raises(ConfigError, match="becomes true at no bar"):
        catalog(*panel()).event_study("close < 0")


def test_tables_are_shown_and_cannot_be_changed() -> None:
    found = catalog(*panel()).factor("mom", horizons=[1], price="close")
    html = found._repr_html_()
    assert "<th>mean_rank_ic</th>" in html
    assert "also ic, quantiles" in html
    assert "turnover" in dir(found)
    assert "turnover: share of names" in repr(found)
    with pytest.raises(ConfigError, match="one query that only reads"):
        found.sql("drop table ic")
    with pytest.raises(AttributeError, match="did you mean 'decay'"):
        found.decai  # noqa: B018
    assert rows(found, "select count(*) from ic inner join market using (timestamp)") == [(29,)]


@pytest.mark.skipif(
    not SHARED_DATA.is_dir(), reason="the real market data is not next to this checkout"
)
def test_figures_on_real_prices_are_those_of_pandas() -> None:
    """Of 731 bars of 2013 to 2015 alphalens-reloaded 0.5.1 had the same to 1e-15."""
    made = Catalog().register(
        "prices",
        f"select timestamp, asset_id, adjusted_close as close, close - open as body "
        f"from read_parquet('{SHARED_DATA}/sp500_daily.parquet') where timestamp >= '2015-11-01'",
        adjusted=True,
    )
    decay = made.factor("body", horizons=[5], price="close").decay.df().iloc[0]
    bars = made.sql("select timestamp, asset_id, close, body from signals").df()
    close, body = (
        bars.pivot(index="timestamp", columns="asset_id", values=name) for name in ("close", "body")
    )
    forward = close.ffill().shift(-5) / close - 1
    forward.iloc[-5:] = np.nan
    both = body.where(forward.notna()), forward.where(body.notna())
    ic = both[0].rank(axis=1).corrwith(both[1].rank(axis=1), axis=1).dropna()
    assert decay["n_decisions"] == len(ic) > 30
    assert decay["mean_rank_ic"] == pytest.approx(ic.mean(), abs=1e-13)
    assert decay["std_rank_ic"] == pytest.approx(ic.std(), rel=1e-12)
    plain = both[0].corrwith(both[1], axis=1).mean()
    assert decay["mean_ic"] == pytest.approx(plain, abs=1e-13)
