-- grain:  one row per bar of :bars
-- reads:  :bars, :memberships, stage.assets
-- params: :target
-- Since when an asset is known to be a member, NULL where it is none.
create or replace temp table :target as
select
    bars.timestamp,
    assets.asset_id,
    max(memberships.start_date) as __known_at
from :bars as bars
inner join stage.assets as assets on bars.sid = assets.sid
left join :memberships as memberships
    on
        assets.asset_id = memberships.asset_id
        and bars.timestamp >= memberships.start_date
        and (
            memberships.end_date is null
            or bars.timestamp < memberships.end_date
        )
group by bars.timestamp, assets.asset_id
