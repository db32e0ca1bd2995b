-- grain:  one row
-- reads:  equity, fills
-- params: none
-- Turnover is the smaller of bought and sold value over mean equity, per year of 365.25 days.
-- Exposure is the mean share of equity that is invested.
with

account as (
    select
        avg(equity) as mean_equity,
        avg(gross_exposure / equity) as exposure,
        avg(n_positions) as mean_positions,
        (epoch_us(max(timestamp)) - epoch_us(min(timestamp)))
        / (365.25 * 86400 * 1e6) as years
    from equity
),

traded as (
    select
        count(*) as n_fills,
        coalesce(sum(quantity * price) filter (where quantity > 0), 0) as bought,
        coalesce(-sum(quantity * price) filter (where quantity < 0), 0) as sold,
        coalesce(sum(commission), 0) as commission,
        coalesce(sum(slippage), 0) as slippage
    from fills
)

select
    case
        when account.years > 0
            then least(traded.bought, traded.sold) / account.mean_equity / account.years
    end as turnover,
    account.exposure,
    account.mean_positions,
    traded.n_fills,
    traded.commission,
    traded.slippage,
    traded.commission + traded.slippage as costs
from account
cross join traded
