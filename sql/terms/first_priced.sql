-- grain:  one row per asset with a bar in the run
-- reads:  main.prices, stage.timeline, stage.assets
-- params: $first_t, $last_t
-- From which bar of the run on each asset may be held.
select
    assets.sid,
    min(timeline.t) - $first_t::integer as t
from main.prices as prices
inner join stage.timeline as timeline on prices.timestamp = timeline.timestamp
inner join stage.assets as assets on prices.asset_id = assets.asset_id
where timeline.t between $first_t::integer and $last_t::integer
group by assets.sid
order by assets.sid asc
