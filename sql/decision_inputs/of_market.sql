-- grain:  one row per bar of :times
-- reads:  :times, main.market, :known
-- params: :target, :columns
-- What a run reads of the market at the bars, and since when the newest row is known.
create or replace temp table :target as
select
    times.timestamp,
    null::varchar as asset_id,
    :columns
from :times as times
inner join main.market as market on times.timestamp = market.timestamp
asof left join :known as known on times.timestamp >= known.available_at
