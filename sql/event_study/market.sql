-- grain:  one row per bar
-- reads:  :prices, stage.timeline
-- params: :target
-- formula: growth[t] = growth[t - 1] * (1 + mean over the assets of their return since their own
--          bar before), 1 at the first bar
-- All assets, equally weighted at every bar: what an event is compared with.
create or replace temp table :target as
with

changed as (
    select
        t,
        close * adjustment / lag(close * adjustment) over (partition by sid order by t)
        - 1 as change,
        sid
    from :prices
),

means as (
    select
        t,
        avg(change order by sid) as change
    from changed
    group by t
)

select
    timeline.t,
    product(1 + coalesce(means.change, 0)) over (order by timeline.t) as growth
from stage.timeline as timeline
left join means on timeline.t = means.t
