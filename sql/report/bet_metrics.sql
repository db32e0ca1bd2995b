-- grain:  one row
-- reads:  trades
-- params: none
-- Closed lot parts taken as bets, net of their costs. expectancy: mean P&L, account currency, those
-- of zero included. payoff_ratio: mean return of the winners / -mean return of the losers.
-- kelly: p - (1 - p) / payoff_ratio, p the share of winners among those that won or lost (Kelly
-- 1956, A new interpretation of information rate): the share of the capital to stake on one such
-- bet at a time; negative: none. quantstats 0.0.86 has the formula over returns per bar instead.
-- sqn: sqrt(n) * mean / sd of the P&L (Tharp 2008, Definitive guide to position sizing, with the
-- P&L for his multiples of the risk, n not capped; backtesting 0.6.6 the same).
-- longest_win_streak, longest_loss_streak: closed in a row, in the order of exits; zero ends both.
with

closed as (
    select
        trade_id,
        pnl,
        "return",
        sign(pnl) as side
    from main.trades
    where exit_timestamp is not null
),

-- Among trades of one sign in a row both numbers grow alike.
numbered as (
    select
        side,
        row_number() over (order by trade_id asc)
        - row_number() over (partition by side order by trade_id asc) as streak
    from closed
),

streaks as (
    select
        side,
        count(*) as n_trades
    from numbered
    group by side, streak
),

longest as (
    select
        coalesce(max(n_trades) filter (where side > 0), 0) as wins,
        coalesce(max(n_trades) filter (where side < 0), 0) as losses
    from streaks
),

bets as (
    select
        count(*) as n_trades,
        avg(pnl order by trade_id) as expectancy,
        max(pnl) filter (where pnl > 0) as largest_win,
        min(pnl) filter (where pnl < 0) as largest_loss,
        -- All alike but for rounding is no spread to divide by.
        case
            when round((max(pnl) - min(pnl)) / max(abs(pnl)), 12) > 0
                then stddev_samp(pnl order by trade_id)
        end as deviation,
        avg("return" order by trade_id) filter (where pnl > 0) as average_gain,
        -avg("return" order by trade_id) filter (where pnl < 0) as average_fall,
        case
            when count(*) filter (where pnl <> 0) > 0
                then count(*) filter (where pnl > 0) / count(*) filter (where pnl <> 0)
        end as win_share
    from closed
),

ratios as (
    select
        *,
        case when average_fall > 0 then average_gain / average_fall end as payoff_ratio
    from bets
)

select
    ratios.expectancy,
    ratios.largest_win,
    ratios.largest_loss,
    ratios.payoff_ratio,
    case
        when ratios.payoff_ratio > 0
            then ratios.win_share - (1 - ratios.win_share) / ratios.payoff_ratio
    end as kelly,
    case
        when ratios.deviation > 0
            then sqrt(ratios.n_trades) * ratios.expectancy / ratios.deviation
    end as sqn,
    longest.wins as longest_win_streak,
    longest.losses as longest_loss_streak
from ratios
cross join longest
