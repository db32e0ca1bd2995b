"""Contenders: the trials of a sweep that can be ranked, and how they did in halves of the bars.

1. Trials that did not fail and have a Sharpe ratio are ranked (``sql/sweep/contenders.sql``).
2. Bars are cut into blocks by whoever asks; sums per block (``block_sums.sql``), of every set of
   blocks of either half of them (``half_sums.sql``), make every Sharpe ratio without a look back at
   the returns.
3. The ratios of a half and the other one are a query (``half_sharpes.sql``), computed anew wherever
   they are read: kept, they would be a number for every split and trial.
"""

from __future__ import annotations

from typing import NamedTuple

from ml4t.backtest.core.tolerances import UNSPREAD
from ml4t.backtest.data.database import Database, TempTable
from ml4t.backtest.data.sql_files import Sql, drop_of, read, render
from ml4t.backtest.errors import ConfigError

# Fewer than this many have no deviation in a half.
BARS_OF_A_RATIO = 2


class Halves(NamedTuple):
    """Ways to part the bars into two halves, and the Sharpe ratios of all trials in both.

    Attributes
    ----------
    halvings : TempTable
    half_sums : TempTable
    sharpes : Sql
        A query over both: one row per halving and trial.
    """

    halvings: TempTable
    half_sums: TempTable
    sharpes: Sql

    @property
    def tables(self) -> tuple[TempTable, TempTable]:
        """What the query reads."""
        return self.halvings, self.half_sums


def has_returns(session: Database) -> bool:
    """Return whether the sweep kept the returns of its trials."""
    found: bool = session.rows(read("sweep/kept_returns"))[0][0]
    return found


def contenders_of(session: Database) -> TempTable:
    """Make the table of the trials that can be ranked."""
    return session.make_table("contenders", "sweep/contenders")


def require_contenders(session: Database) -> TempTable:
    """Make the table of the trials that can be ranked; there are two or more.

    Raises
    ------
    ConfigError
        There are fewer, or the sweep kept no returns.
    """
    if not has_returns(session):
        raise ConfigError(
            "the sweep kept the metrics of its trials alone, and this is of their returns per bar; "
            "run it again so that it keeps them"
        )
    contenders = contenders_of(session)
    ((n_tried, n_failed, n_ranked),) = session.rows(
        render("sweep/contender_counts", contenders=contenders)
    )
    if n_ranked < 2:
        n_flat = n_tried - n_failed - n_ranked
        failed = f"; {n_failed:,} failed" if n_failed else ""
        flat = f"; {n_flat:,} had no returns that differ, as without a trade" if n_flat else ""
        raise ConfigError(
            f"to choose one trial takes two or more with a Sharpe ratio, and {n_ranked} of "
            f"{n_tried:,} have one{failed}{flat}"
        )
    return contenders


def halve(session: Database, contenders: TempTable, bars: TempTable, n_blocks: int) -> Halves:
    """Return all ways to part blocks of bars into two halves, and the Sharpe ratios in them.

    Parameters
    ----------
    bars : TempTable
        The block of each bar, from 0.
    n_blocks : int
        Even.
    """
    half = {"n_half": n_blocks // 2}
    sums = session.make_table("block_sums", "sweep/block_sums", contenders=contenders, bars=bars)
    half_sums = session.make_table("half_sums", "sweep/half_sums", half, block_sums=sums)
    session.execute(drop_of("table", sums))
    halvings = session.make_table("halvings", "sweep/halvings", half)
    sharpes = render(
        "sweep/half_sharpes", halvings=halvings, half_sums=half_sums, unspread=repr(UNSPREAD)
    )
    return Halves(halvings, half_sums, sharpes)
