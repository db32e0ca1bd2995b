-- grain:  one row
-- reads:  equity, trades, runs
-- params: none
-- What a run came to, from three tables alone: all metrics would take as long as a short run.
with

ended as (
    select
        max_by(equity, timestamp) as final_equity,
        min(drawdown) as max_drawdown
    from equity
)

select
    ended.final_equity,
    ended.final_equity / runs.initial_capital - 1 as total_return,
    ended.max_drawdown,
    (
        select count(*)
        from trades
        where trades.exit_timestamp is not null
    ) as n_trades
from ended
cross join runs
