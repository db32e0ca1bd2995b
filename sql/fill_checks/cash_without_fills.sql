-- grain:  one row per offending bar
-- reads:  :rows, fills, cash_flows
-- params: $whole
-- Cash is what was paid in, less what fills took and charged, and what else flowed.
with

settled as (
    select distinct asset_id
    from cash_flows
    where kind = 'variation_margin'
),

moves as (
    select
        timestamp,
        -- Of contracts the notional is neither paid nor received.
        case when asset_id in (from settled) then 0 else -value end
        - commission - coalesce(tax, 0) - coalesce(fee, 0) as amount
    from fills
    union all
    select
        timestamp,
        amount
    from cash_flows
),

at_bars as (
    select
        timestamp,
        sum(amount) as amount,
        sum(abs(amount)) as moved
    from moves
    group by timestamp
),

held as (
    select
        timestamp,
        sum(amount) over running as amount,
        sum(moved) over running as moved
    from at_bars
    window running as (
        order by timestamp asc
    )
)

select
    equity.timestamp,
    null::varchar as asset_id,
    'cash is ' || equity.cash || '; flows and fills leave '
    || coalesce(held.amount, 0) as what
from :rows as equity
asof left join held on equity.timestamp >= held.timestamp
where not coalesce(abs(equity.cash - held.amount) <= $whole * held.moved, false)
