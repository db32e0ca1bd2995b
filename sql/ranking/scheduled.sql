-- grain:  one row
-- reads:  :scheduled, :market
-- params: :counts
-- How often each part of a condition on the market was true at the bars of a schedule.
with

-- The bare columns, so that a condition finds the market's names and no others.
bars as (
    select
        t,
        timestamp
    from :scheduled
)

select
    count(*) as n_rows,
    :counts
from bars
inner join :market as market on bars.t = market.t
