-- grain:  one row per reason for which a run did not buy what it chose
-- reads:  decisions, orders
-- params: none
-- Times and assets are texts: a result and a catalog may have them in types of their own.
select
    timestamp::varchar as decided_at,
    asset_id::varchar as asset,
    rule || ' denied it' as why
from decisions
where action = 'deny' and asset_id is not null
union all
select
    created_at::varchar as decided_at,
    asset_id::varchar as asset,
    'order ' || status || ': ' || reason as why
from orders
where
    status in ('denied', 'rejected', 'expired', 'cancelled')
    and created_at is not null
