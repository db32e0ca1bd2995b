"""Monthly rebalancing: on each month's first bar, the five best assets at weights by rank.

Run it with ``python examples/patterns/monthly_rebalancing.py``. A callback sees all assets of a
close at once and names the whole portfolio; what is held and not named is closed. In SQL the
calendar is a column of the context, and a recipe gives the weights.
"""

from shared import require_equal_trades, show

from ml4t.backtest import BacktestEngine, Catalog, Ranking, SQLStrategy, Strategy, recipes
from ml4t.backtest.scenarios import make_scenario

N = 5


class Monthly(Strategy):
    """Rebalance when the month of the bar is a new one."""

    def __init__(self):
        super().__init__()
        self.last_month = None

    def on_timestamp_batch(self, events, broker, portfolio):
        """Rank, weigh and rebalance."""
        month = (events[0].timestamp.year, events[0].timestamp.month)
        if month == self.last_month:
            return
        self.last_month = month
        # Sorting is stable: equal predictions stay in asset order, as in SQL.
        best = sorted(events, key=lambda event: -event.signals["prediction"])[:N]
        places = range(N, 0, -1)
        weights = {e.asset_id: p / sum(places) for e, p in zip(best, places, strict=True)}
        # Without prices a weight is one of equity at the next open, where it fills.
        self.rebalance_to_weights(weights)


CALENDAR = """
    with bars as (select distinct timestamp from prices)
    select
        timestamp,
        date_trunc('month', timestamp)
            is distinct from lag(date_trunc('month', timestamp)) over (order by timestamp)
            as is_new_month
    from bars
"""
IN_SQL = SQLStrategy(
    recipes.rank_weighted(), ranking=Ranking(n=N, by="prediction", when="is_new_month")
)


def main():
    catalog = Catalog().register("prices", make_scenario("trending", n_assets=30, seed=7).data)
    catalog.register("context", CALENDAR)
    callback = BacktestEngine(catalog, Monthly()).run()
    in_sql = BacktestEngine(catalog, IN_SQL).run()
    show("callback", callback)
    show("SQL", in_sql)
    require_equal_trades(callback, in_sql)


if __name__ == "__main__":
    main()
