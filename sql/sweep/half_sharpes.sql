-- grain:  one row per halving and trial
-- reads:  :halvings, :half_sums
-- params: :unspread
-- The Sharpe ratio per bar of each trial in both halves, mean / sd of the excess returns, sd over
-- n - 1, to 12 digits, so that trials which differ by rounding alone are ties. 0 in a half in which
-- a trial has no two returns, or all are alike: it held nothing there, or was at its end.
with

sums as (
    select
        halvings.halving,
        low.trial,
        low.mean,
        low.n + high.n as n,
        low.total + high.total as total,
        low.squares + high.squares as squares,
        low.other_n + high.other_n as other_n,
        low.other_total + high.other_total as other_total,
        low.other_squares + high.other_squares as other_squares
    from :halvings as halvings
    inner join :half_sums as low
        on halvings.low = low.blocks and low.half = 0
    inner join :half_sums as high
        on halvings.high = high.blocks and high.half = 1 and low.trial = high.trial
),

spreads as (
    select
        *,
        squares - total ** 2 / n as spread,
        other_squares - other_total ** 2 / other_n as other_spread
    from sums
)

select
    halving,
    trial,
    case
        when n > 1 and spread > squares * :unspread
            then round((mean + total / n) / sqrt(spread / (n - 1)), 12)
        else 0
    end as first,
    case
        when other_n > 1 and other_spread > other_squares * :unspread
            then
                round(
                    (mean + other_total / other_n)
                    / sqrt(other_spread / (other_n - 1)),
                    12
                )
        else 0
    end as second
from spreads
