-- grain:  one row per bar of :bars
-- reads:  :bars, :matched, stage.assets
-- params: :target, :columns
-- What a run reads of a source at the bars, NULL where nothing is known.
create or replace temp table :target as
select
    bars.timestamp,
    assets.asset_id,
    :columns
from :bars as bars
inner join stage.assets as assets on bars.sid = assets.sid
left join :matched as matched on bars.t = matched.t and bars.sid = matched.sid
