-- grain:  one row
-- reads:  main.prices, stage.timeline
-- params: $first_t, $last_t
-- How many assets have a bar in the period of a run.
select count(distinct prices.asset_id) as n_assets
from main.prices as prices
where
    prices.timestamp between (
        select timestamp from stage.timeline
        where t = $first_t
    ) and (
        select timestamp from stage.timeline
        where t = $last_t
    )
