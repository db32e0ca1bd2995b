-- grain:  one row per (timestamp, asset_id) of ranked
-- reads:  ranked
-- params: none
-- w = (m + 1 - r) / sum(m + 1 - r), with r the rank and m the last rank of the bar.
with

placed as (
    select
        timestamp,
        asset_id,
        max(rank) over (partition by timestamp) + 1 - rank as place
    from ranked
)

select
    timestamp,
    asset_id,
    place / sum(place) over (partition by timestamp) as weight
from placed
