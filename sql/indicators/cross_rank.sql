-- grain:  one row per (timestamp, asset_id) of prices
-- reads:  :cross_section
-- params: :made
-- The rank among the assets (of one group) at a timestamp, as a share of their number: 1 the
-- highest value, ties at the mean of their ranks. It takes no sums of floats, so it is exact.
with

ranked as (
    select
        timestamp,
        asset_id,
        is_ranked,
        rank() over (
            partition by timestamp, group_value, is_ranked
            order by value
        ) as lowest_rank,
        count(*) over (
            partition by timestamp, group_value, is_ranked, value
        ) as n_tied,
        count(*) over (
            partition by timestamp, group_value, is_ranked
        ) as n_assets
    from :cross_section
)

select
    timestamp,
    asset_id,
    case
        when is_ranked then (lowest_rank + (n_tied - 1) / 2) / n_assets
    end as :made
from ranked
