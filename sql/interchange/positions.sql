-- grain:  one row per session and asset held at its last bar
-- reads:  positions, equity
-- params: none
with

closes as (
    select
        session,
        max(timestamp) as timestamp
    from equity
    group by session
)

select
    closes.session,
    positions.asset_id,
    positions.value
from closes
inner join positions on closes.timestamp = positions.timestamp
order by closes.session asc, positions.asset_id asc
