-- grain:  one row per bar at which the condition is true
-- reads:  main.market, stage.timeline
-- params: :said
-- The bars at which a condition is true that reads earlier bars too.
with

told as (
    select
        timestamp,
        :said as is_true
    from main.market
)

select timeline.t
from told
inner join stage.timeline as timeline on told.timestamp = timeline.timestamp
where told.is_true
