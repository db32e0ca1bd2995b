-- grain:  one row per row of a source as it became known
-- reads:  :known, stage.assets, :first_bars
-- params: :target, :sid, :same_asset, :columns
-- The one scan of a source. t is the first bar at which a row is known, NULL after the last bar;
-- sid is NULL for an asset without prices.
create or replace temp table :target as
with

known as materialized (
    select
        asset_id,
        available_at,
        :columns
    from :known
),

first_bars as (
    select *
    from (:first_bars)
)

select
    first_bars.t,
    :sid as sid,
    known.* exclude (asset_id)
from known
left join first_bars on known.available_at = first_bars.moment
left join stage.assets as assets on :same_asset
