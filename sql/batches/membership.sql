-- grain:  one row per membership interval of an asset of prices
-- reads:  stage.memberships, stage.assets, :first_bars
-- params: none
-- Intervals by bar number: from first_t to before end_t (NULL = still in), which is start_date
-- inclusive and end_date exclusive.
with

first_bars as (
    select *
    from (:first_bars)
)

select
    assets.sid,
    starts.t as first_t,
    ends.t as end_t
from stage.memberships as universe
inner join stage.assets as assets on universe.asset_id = assets.asset_id
inner join first_bars as starts on universe.start_date = starts.moment
left join first_bars as ends on universe.end_date = ends.moment
where starts.t is not null
