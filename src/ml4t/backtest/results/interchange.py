"""Interchange: a run in the shapes that other packages take, and what it would order next.

Frames are of pandas, which is imported when one is asked for and not before. Their rows are
sessions: trading dates, as midnights in UTC, which pyfolio compares with dates that have a zone,
and which quantstats, alphalens and skfolio take as well.
"""

from __future__ import annotations

from typing import Any, Protocol

from ml4t.backtest.data.database import Relation
from ml4t.backtest.data.packages import package
from ml4t.backtest.data.sql_files import read, rows_of
from ml4t.backtest.errors import ResultError
from ml4t.backtest.results.report.views import VIEWS

CASH = "cash"


class Queried(Protocol):
    """What has the tables of a run, or of a profile."""

    def sql(self, query: str) -> Relation:
        """Query them."""
        ...


class Interchange:
    """What `BacktestResult` hands to other packages."""

    def returns(self: Queried) -> Any:
        """Return what each session made: the view `daily_returns`.

        For ``pyfolio.tears.create_full_tear_sheet``, ``quantstats.reports.html``,
        ``skfolio.portfolio.BasePortfolio`` and whatever takes daily returns.

        Returns
        -------
        pandas.Series of float64
            Named ``returns``; a fraction (0.01 is 1%), net of all costs, flows into the account
            none. Of a session it is the equity at its last bar / that of the session before - 1,
            the first against the initial capital: intraday bars compound. NaN from where nothing
            was left of the account.
            Index ``session``: trading dates as midnights in UTC, ascending. A date without a bar is
            not in it, and no 0.

        Raises
        ------
        ConfigError
            pandas is not installed: ``pip install 'ml4t-backtest-duckdb[pandas]'``.

        Examples
        --------
        >>> pyfolio.create_full_tear_sheet(                           # doctest: +SKIP
        ...     result.returns(), result.positions_frame(), result.transactions())
        """
        pandas = package("pandas", extra="pandas")
        rows = self.sql(rows_of(VIEWS["daily_returns"].place)).df()
        values = rows["return"].astype("float64").array
        return pandas.Series(values, index=_sessions(pandas, rows), name="returns")

    def positions_frame(self: Queried) -> Any:
        """Return what was held at the end of each session, in the shape of pyfolio.

        Returns
        -------
        pandas.DataFrame of float64
            A column per asset that was ever held at the end of a session, and ``cash`` as the last.
            Values are quantity * price * multiplier at the session's last bar, account currency,
            negative short, 0 where nothing was held; a row adds up to the equity.
            Index ``session`` as in `returns`.

        Raises
        ------
        ConfigError
            pandas is not installed.
        ResultError
            An asset is called ``cash``, which is the name of that column.
        """
        pandas = package("pandas", extra="pandas")
        held = self.sql(read("interchange/positions")).df()
        if (held["asset_id"] == CASH).any():
            raise ResultError(
                f"an asset is called '{CASH}', as is the column of pyfolio's positions that is no "
                "asset: rename it in the sources; result.positions has the rows as they are"
            )
        cash = self.sql(read("interchange/cash")).df()
        cash.index = _sessions(pandas, cash)
        held["session"] = _sessions(pandas, held)
        wide = held.pivot(index="session", columns="asset_id", values="value")
        frame = wide.reindex(cash.index).fillna(0.0).astype("float64")
        frame.columns = pandas.Index(frame.columns.tolist(), dtype=object)
        frame[CASH] = cash[CASH]
        return frame

    def transactions(self: Queried) -> Any:
        """Return every fill, in the shape of pyfolio.

        Returns
        -------
        pandas.DataFrame
            ``amount`` (shares, positive buys, negative sells), ``price`` (per share, slippage and
            impact included), ``symbol`` and ``sid`` (the asset), ``order_id``, ``commission``,
            ``tax``, ``fee`` (account currency, positive = cost), ``txn_dollars`` (-amount * price *
            multiplier: what it brought, account currency, before all three), ``timestamp`` (the bar
            of the fill). pyfolio multiplies `amount` by `price` itself and knows no multiplier;
            its round trips count whole shares.
            Index ``session``, as in `returns`, in the order in which cash moved: the date of a fill
            in UTC may be another than its session. For how long positions were held within a
            session: ``frame.set_index("timestamp")``.

        Raises
        ------
        ConfigError
            pandas is not installed.
        """
        pandas = package("pandas", extra="pandas")
        rows = self.sql(read("interchange/transactions")).df()
        rows.index = _sessions(pandas, rows)
        return rows.drop(columns="session")

    def scores(self: Queried) -> Any:
        """Return the scores of what the ranking put forward, in the shape of alphalens.

        They are those of the assets that were chosen, and say nothing of the others: for all of
        the cross-section ask the catalog.

        Returns
        -------
        pandas.Series of float64
            Named ``factor``; in the unit of the ranking expression. Index ``date`` (the session, as
            in `returns`) and ``asset``, as ``alphalens.utils.get_clean_factor_and_forward_returns``
            takes it, beside prices by session in UTC and asset. Of several selections in one
            session the last.

        Raises
        ------
        ConfigError
            pandas is not installed.
        """
        pandas = package("pandas", extra="pandas")
        rows = self.sql(read("interchange/scores")).df()
        index = pandas.MultiIndex.from_arrays(
            [_sessions(pandas, rows), rows["asset_id"]], names=["date", "asset"]
        )
        return pandas.Series(rows["score"].array, index=index, name="factor")

    def next_orders(self: Queried) -> Relation:
        """Return what waits for the bar after the last: what the last decision wants, and the rest.

        A run whose data end at a bar says here what a run with more data sends at it: rows with
        `created_at` of the last bar are the orders that the longer run has with that `created_at`.
        Of an ``exit``, an ``order`` and a target sized at the decision the shares are the same; a
        target that is sized when it fills has those that it would have at `reference_price`, and
        other ones at another price. Rows with an earlier `created_at` rest from then.

        Kinds: ``exit`` (of a rule or limit, all or a part of a position, at the next open, whatever
        the timing), ``target`` (what target weights change), ``order`` (a single order, and the
        exits of a bracket that come alive with it, see `parent_id`), ``level`` (a protective price
        of a rule: no order until a bar touches it, and rules may move it at each close).
        What was refused at the last bar is in `orders`, as is what a timing fills at the close at
        which it is decided (`ThisClose`): that waits for nothing. Where orders fill by the close of
        the next bar, what fills inside it first changes what a target still needs. The last bar is
        taken for the end of its session, so that orders good for the day are over with it.

        Returns
        -------
        duckdb.DuckDBPyRelation
            asset_id, kind, created_at, side, quantity, order_type, limit_price, stop_price,
            time_in_force, target_weight, current_quantity, reference_price, reference_at, tag (who
            asked), order_id, parent_id; in the order in which the next bar would meet them. Empty
            for a run saved by a version that did not keep them.

        Examples
        --------
        >>> result.next_orders().filter("kind <> 'level'").df()         # doctest: +SKIP
        """
        return self.sql(read("interchange/next_orders"))


def _sessions(pandas: Any, rows: Any) -> Any:
    """Return the column `session` as midnights in UTC."""
    index = pandas.DatetimeIndex(rows["session"], name="session")
    return index.as_unit("ns").tz_localize("UTC")
