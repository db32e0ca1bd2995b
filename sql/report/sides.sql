-- grain:  one row per side: long, short
-- reads:  trades, report.exposures
-- params: none
-- Long and short apart. pnl (account currency) is that of closed trades and of open lots at their
-- mark, net of commission, tax, fee and borrow, dividends included; all else is of closed trades. A trade of
-- exactly zero is neither win nor loss. exposure is the mean over the bars with equity, of equity.
with

sides (side, direction) as (
    values ('long', 1), ('short', -1)
),

traded as (
    select
        sign(quantity) as direction,
        count(*) filter (where exit_timestamp is not null) as n_trades,
        count(*) filter (where exit_timestamp is null) as n_open_lots,
        sum(pnl order by trade_id) as pnl,
        sum(pnl order by trade_id) filter (where exit_timestamp is null) as open_pnl,
        count(*) filter (where exit_timestamp is not null and pnl > 0) as n_wins,
        count(*) filter (where exit_timestamp is not null and pnl < 0) as n_losses,
        sum(pnl order by trade_id)
        filter (where exit_timestamp is not null and pnl > 0) as won,
        -sum(pnl order by trade_id)
        filter (where exit_timestamp is not null and pnl < 0) as lost,
        avg("return" order by trade_id) filter (where exit_timestamp is not null)
            as average_return,
        avg(bars_held) as average_bars_held
    from main.trades
    group by sign(quantity)
),

exposed as (
    select
        avg(long_exposure order by timestamp) as long_exposure,
        avg(short_exposure order by timestamp) as short_exposure
    from report.exposures
)

select
    sides.side,
    coalesce(traded.n_trades, 0) as n_trades,
    coalesce(traded.n_open_lots, 0) as n_open_lots,
    coalesce(traded.pnl, 0) as pnl,
    coalesce(traded.open_pnl, 0) as open_pnl,
    case
        when traded.n_wins + traded.n_losses > 0
            then traded.n_wins / (traded.n_wins + traded.n_losses)
    end as hit_rate,
    case when traded.lost > 0 then coalesce(traded.won, 0) / traded.lost end
        as profit_factor,
    traded.average_return,
    traded.average_bars_held,
    case sides.side
        when 'long' then exposed.long_exposure
        else exposed.short_exposure
    end as exposure
from sides
cross join exposed
left join traded on sides.direction = traded.direction
order by sides.side asc
