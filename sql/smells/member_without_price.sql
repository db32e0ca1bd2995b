-- grain:  one row, where members have no prices
-- reads:  :source, stage.assets, stage.timeline
-- params: $least_share
-- They cannot be chosen, so that a run over the members is one over those that data is left of.
with

ends as (
    select
        min(timestamp)::date as first_day,
        max(timestamp)::date as last_day
    from stage.timeline
),

members as (
    select distinct universe.asset_id
    from :source as universe
    cross join ends
    where
        universe.start_date::date <= ends.last_day
        and coalesce(universe.end_date::date > ends.first_day, true)
),

missing as (
    select members.asset_id
    from members
    anti join stage.assets as assets on members.asset_id = assets.asset_id
)

select
    'asset_id' as column_name,
    count(*) as n_rows,
    count(*) / (select count(*) from members) as value,
    'no prices of ' || array_to_string(
        list(asset_id::varchar order by asset_id asc)[:5], ', '
    ) as sample
from missing
having count(*) > $least_share * (select count(*) from members)
