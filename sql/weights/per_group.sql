-- grain:  one row per (timestamp, asset_id) of ranked with a group
-- reads:  ranked
-- params: :member
-- w = 1 / (g * n), with g the groups of the bar and n the assets of the group.
with

grouped as (
    select
        timestamp,
        asset_id,
        :member as member_of
    from ranked
    where :member is not null
)

select
    timestamp,
    asset_id,
    1.0
    / count(distinct member_of) over (partition by timestamp)
    / count(*) over (partition by timestamp, member_of) as weight
from grouped
