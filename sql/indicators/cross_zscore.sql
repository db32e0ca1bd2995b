-- grain:  one row per (timestamp, asset_id) of prices
-- reads:  :cross_section
-- params: :made
-- How many population standard deviations a value is above the mean of the assets (of one group)
-- at a timestamp. Values that are all the same, one alone among them, have no spread: NULL.
with

bars as materialized (
    select *
    from :cross_section
),

-- Lists in the order of asset_id: avg() adds up in the order in which threads deliver, and its
-- last digits would differ between two runs.
groups as (
    select
        timestamp,
        group_value,
        list(value order by asset_id) as group_values
    from bars
    where is_ranked
    group by timestamp, group_value
),

spreads as (
    select
        timestamp,
        group_value,
        list_avg(group_values) as mean,
        case
            when list_max(group_values) > list_min(group_values)
                then list_stddev_pop(group_values)
        end as deviation
    from groups
)

select
    bars.timestamp,
    bars.asset_id,
    case
        when bars.is_ranked
            then (bars.value - spreads.mean) / nullif(spreads.deviation, 0)
    end as :made
from bars
left join spreads
    on
        bars.timestamp = spreads.timestamp
        and bars.group_value = spreads.group_value
