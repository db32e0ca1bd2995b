-- grain:  one row
-- reads:  trades
-- params: none
-- Over closed lot parts, long and short alike, net of commission, tax, fees and borrow fees, with the
-- dividends of their time. A trade of exactly zero is neither win nor loss.
with

closed as (
    select *
    from main.trades
    where exit_timestamp is not null
)

select
    count(*) as n_trades,
    (
        select count(*) from main.trades
        where exit_timestamp is null
    ) as n_open_lots,
    case
        when count(*) filter (where pnl <> 0) > 0
            then count(*) filter (where pnl > 0) / count(*) filter (where pnl <> 0)
    end as hit_rate,
    case
        when sum(pnl) filter (where pnl < 0) < 0
            then
                coalesce(sum(pnl) filter (where pnl > 0), 0)
                / -sum(pnl) filter (where pnl < 0)
    end as profit_factor,
    avg(pnl) filter (where pnl > 0) as average_win,
    avg(pnl) filter (where pnl < 0) as average_loss,
    avg(bars_held) as average_bars_held
from closed
