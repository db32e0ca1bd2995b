-- grain:  one row per bar
-- reads:  stage.timeline, main.prices
-- params: none
-- How many rows of prices there are up to each bar.
select
    timeline.t,
    timeline.timestamp::varchar as text,
    sum(count(*)) over (order by timeline.t asc)::bigint as n_rows
from stage.timeline as timeline
inner join main.prices as prices on timeline.timestamp = prices.timestamp
group by timeline.t, timeline.timestamp
order by timeline.t asc
