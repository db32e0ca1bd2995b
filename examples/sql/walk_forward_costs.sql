-- grain:  one row
-- reads:  fills, equity
-- params: none
-- What trading cost in a mean year of 365.25 days, as a part of mean equity.
with

account as (
    select
        avg(equity) as mean_equity,
        (max(timestamp)::date - min(timestamp)::date) / 365.25 as years
    from equity
),

paid as (
    select coalesce(sum(commission + tax + fee + slippage + impact), 0) as costs
    from fills
)

select paid.costs / account.mean_equity / account.years as share_of_equity
from paid
cross join account
