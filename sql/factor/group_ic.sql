-- grain:  one row per decision bar, horizon and group with at least two assets
-- reads:  :pairs, stage.timeline
-- params: :target
-- formula: as factor/ic, among the assets of one group, with the ranks they have there
-- An asset without a group is in none.
create or replace temp table :target as
with

ranked as (
    select
        t,
        horizon,
        group_name,
        sid,
        factor,
        forward_return,
        2 * rank() over by_factor
        + count(*)
            over (
                partition by t, horizon, group_name
                order by factor
                range between current row and current row
            )
        - 1 as x,
        2 * rank() over by_return
        + count(*)
            over (
                partition by t, horizon, group_name
                order by forward_return
                range between current row and current row
            )
        - 1 as y
    from :pairs
    where group_name is not null
    window
        by_factor as (partition by t, horizon, group_name order by factor),
        by_return as (partition by t, horizon, group_name order by forward_return)
),

summed as (
    select
        t,
        horizon,
        group_name,
        count(*) as n_assets,
        avg(forward_return order by sid) as mean_return,
        case
            when min(factor) < max(factor) and min(forward_return) < max(forward_return)
                then corr(factor, forward_return order by sid)
        end as ic,
        (count(*) * sum(x * x) - sum(x) * sum(x))::double as x_spread,
        (count(*) * sum(y * y) - sum(y) * sum(y))::double as y_spread,
        (count(*) * sum(x * y) - sum(x) * sum(y))::double as common
    from ranked
    group by t, horizon, group_name
    having count(*) > 1
)

select
    timeline.timestamp,
    summed.horizon,
    summed.group_name,
    summed.n_assets,
    summed.ic,
    case
        when summed.x_spread > 0 and summed.y_spread > 0
            then summed.common / (sqrt(summed.x_spread) * sqrt(summed.y_spread))
    end as rank_ic,
    summed.mean_return
from summed
inner join stage.timeline as timeline on summed.t = timeline.t
order by summed.horizon asc, summed.group_name asc, summed.t asc
