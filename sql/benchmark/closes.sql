-- grain:  one row per (t, sid) with a bar in the run
-- reads:  main.prices, stage.timeline, stage.assets
-- params: $first_t, $last_t, $sids is NULL for all assets
-- The closes of which a benchmark is made, asset by asset.
select
    timeline.t - $first_t::integer as t,
    assets.sid,
    prices.close::double as close
from main.prices as prices
inner join stage.timeline as timeline on prices.timestamp = timeline.timestamp
inner join stage.assets as assets on prices.asset_id = assets.asset_id
where
    timeline.t between $first_t and $last_t
    and coalesce(list_contains($sids::integer[], assets.sid), true)
order by assets.sid asc, timeline.t asc
