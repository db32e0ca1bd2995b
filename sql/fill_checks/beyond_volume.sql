-- grain:  one row per offending bar of an asset
-- reads:  :rows
-- params: $whole, $participation
-- All fills of an asset in a bar together are no more than the share of its volume.
select
    timestamp,
    asset_id,
    sum(abs(quantity)) || ' shares of a volume of '
    || coalesce(max(bar_volume)::varchar, 'nothing') as what
from :rows
group by timestamp, asset_id
having
    sum(abs(quantity))
    > coalesce(if(isnan(max(bar_volume)), 0, max(bar_volume)), 0)
    * $participation * (1 + $whole)
