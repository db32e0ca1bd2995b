"""Commission, tax and fee of a fill, apart in every table and counted once in every sum."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from invariants import check_books
from ml4t.backtest import BacktestResult, PerOrderCommission
from ml4t.backtest.errors import CostError
from ml4t.backtest.execution import Charges, Quote
from scripted import play

FLAT_AT = {"A": [(10.0, 10.0, 10.0, 10.0)] * 2 + [(12.0, 12.0, 12.0, 12.0)] * 3}


@dataclass(frozen=True)
class Stamped:
    """1.50 a fill, 0.1% of what is sold for the state, 0.02 a share for the exchange."""

    features: tuple[str, ...] = ()

    def charge(self, quote: Quote) -> Charges:
        tax = np.where(quote.quantity < 0, 0.001 * quote.value, 0.0)
        return Charges(1.5, tax=tax, fee=0.02 * np.abs(quote.quantity))


def test_commission_tax_and_fee_of_a_fill_stand_apart_and_count_once() -> None:
    script = {0: [lambda s: s.buy("A", 100)], 2: [lambda s: s.sell("A", 40)]}
    result = play(FLAT_AT, script, commission=Stamped())
    columns = "quantity, commission, tax, fee"
    # Bought 100 at 10: 1.50, nothing, 2.00. Sold 40 at 12 (480): 1.50, 0.48, 0.80.
    assert result.sql(f"select {columns} from fills order by fill_id").fetchall() == [
        (100, 1.5, 0, 2), (-40, 1.5, pytest.approx(0.48), pytest.approx(0.8)),
    ]  # fmt: skip
    # Of the 40: 40% of the entry's 1.50 and 2.00, all of the exit's. 80 - 2.10 - 0.48 - 1.60.
    # Of the 60 that are left: 60% of the entry's. 120 - 0.90 - 1.20.
    trades = result.sql(f"select {columns}, pnl from trades order by trade_id").fetchall()
    assert [list(row) for row in trades] == [
        pytest.approx([40, 2.1, 0.48, 1.6, 75.82]), pytest.approx([60, 0.9, 0, 1.2, 117.9]),
    ]  # fmt: skip
    # 10,000 - 1,000 - 3.50 + 480 - 2.78
    assert result.sql("select last(cash order by timestamp) from equity").fetchall() == [
        (pytest.approx(9_473.72),),
    ]
    paid = {name: result[name] for name in ("commission", "tax", "fee", "costs")}
    assert paid == pytest.approx({"commission": 3.0, "tax": 0.48, "fee": 2.8, "costs": 6.28})
    # What the open lots have paid comes off what they are worth: 120 - 0.90 - 1.20.
    query = "select last(unrealized_pnl order by timestamp) from positions"
    assert result.sql(query).fetchall() == [(pytest.approx(117.9),)]


def test_without_levies_tax_and_fee_are_zero() -> None:
    result = play(FLAT_AT, {0: [lambda s: s.buy("A", 100)], 2: [lambda s: s.sell("A", 40)]})
    for table in ("fills", "trades"):
        query = f"select distinct tax, fee from {table}"
        assert result.sql(query).fetchall() == [(0, 0)]


def test_a_run_that_was_saved_without_the_columns_has_paid_neither(tmp_path: Path) -> None:
    script = {0: [lambda s: s.buy("A", 100)], 2: [lambda s: s.sell("A", 40)]}
    play(FLAT_AT, script, commission=PerOrderCommission(2.0)).save(tmp_path / "run")
    for name in ("fills", "trades"):
        file = tmp_path / "run" / f"{name}.parquet"
        pl.read_parquet(file).drop("tax", "fee").write_parquet(file)
    (tmp_path / "run" / "checksums.json").unlink()
    opened = BacktestResult.open(tmp_path / "run")
    assert {name: opened[name] for name in ("commission", "tax", "fee", "costs")} == (
        {"commission": 4.0, "tax": 0.0, "fee": 0.0, "costs": 4.0}
    )
    check_books(opened)


def test_a_part_of_charges_that_is_no_number_is_refused() -> None:
    @dataclass(frozen=True)
    class Wrong:
        features: tuple[str, ...] = ()

        def charge(self, quote: Quote) -> Charges:
            return Charges(1.0, tax=np.full(len(quote.sids), np.nan))

    with pytest.raises(CostError, match="charged nan for a fill"):
        play(FLAT_AT, {0: [lambda s: s.buy("A", 100)]}, commission=Wrong())
