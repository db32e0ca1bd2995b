-- grain:  one row, where no asset ends before the data does
-- reads:  main.prices
-- params: $slack_days, $leaving_rate, $least_entries, $least_expected
-- Companies are bought, merge and fail. Where others came in later and none went, or none did
-- although many should have, those that went are missing: prices of survivors.
with

spans as (
    select
        asset_id,
        min(timestamp)::date as first_day,
        max(timestamp)::date as last_day
    from main.prices
    group by asset_id
),

ends as (
    select
        min(first_day) as first_day,
        max(last_day) as last_day
    from spans
),

counted as (
    select
        count(*) as n_assets,
        count(*) filter (
            where spans.last_day < ends.last_day - $slack_days::integer
        ) as n_left,
        count(*) filter (
            where spans.first_day > ends.first_day + $slack_days::integer
        ) as n_entered,
        sum(spans.last_day - spans.first_day) / 365.25 as n_years
    from spans
    cross join ends
)

select
    'asset_id' as column_name,
    n_assets as n_rows,
    n_years * $leaving_rate as value,
    n_assets || ' assets, ' || n_entered || ' begin after the first bar and none '
    || 'ends before the last; over ' || round(n_years)::integer || ' years of assets '
    || round(n_years * $leaving_rate)::integer || ' would be usual' as sample
from counted
where
    n_left = 0
    and (
        n_entered >= $least_entries
        or n_years * $leaving_rate >= $least_expected
    )
