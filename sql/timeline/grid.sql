-- grain:  one row
-- reads:  stage.timeline, stage.assets
-- params: none
-- How many bars and assets the run has, and whether a bar is at a time of day.
select
    (select count(*) from stage.assets) as n_assets,
    count(*) as n_bars,
    coalesce(
        bool_or(timestamp::timestamp <> timestamp::date::timestamp), false
    ) as is_intraday
from stage.timeline
