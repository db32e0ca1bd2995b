-- grain:  one row per offending bar
-- reads:  :rows, fills, cash_flows
-- params: $whole, $overdraft
-- The account never borrows for a purchase, its costs included. Interest and fees are charged
-- whether there is cash or not, so that those of the bar do not count.
with

bought as (
    select distinct timestamp
    from fills
    where quantity > 0
),

charged as (
    select
        timestamp,
        sum(amount) as amount
    from cash_flows
    where amount < 0
    group by timestamp
)

select
    equity.timestamp,
    null::varchar as asset_id,
    'cash is ' || equity.cash as what
from :rows as equity
inner join bought on equity.timestamp = bought.timestamp
left join charged on equity.timestamp = charged.timestamp
where
    equity.cash - coalesce(charged.amount, 0)
    < -$overdraft - $whole * abs(equity.equity)
