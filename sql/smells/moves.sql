-- grain:  one row per (t, sid) of :values
-- reads:  :values
-- params: :target, :part
-- The moves of the bars around each, as standard scores of their ranks within :part: ranks, since
-- one bad price makes a correlation of its own. A neighbour that has no bar has no move: frames by
-- range find the bar of that very number, or none. b3 is three bars before, a1 the next.
create or replace temp table :target as
with

moves as (
    select
        t,
        sid,
        'return' as move,
        __return as value
    from :values
    union all
    select
        t,
        sid,
        'volume' as move,
        __volume_move as value
    from :values
    union all
    select
        t,
        sid,
        'range' as move,
        __range_move as value
    from :values
),

ranked as (
    select
        *,
        rank() over by_value + (
            count(*) over (
                partition by move, :part
                order by value
                range between current row and current row
            ) - 1
        ) / 2 as place
    from moves
    where isfinite(value)
    window by_value as (partition by move, :part order by value)
),

scored as (
    select
        t,
        sid,
        move,
        (place - avg(place) over of_part)
        / nullif(stddev_pop(place) over of_part, 0) as score
    from ranked
    window of_part as (partition by move, :part)
),

wide as (
    select
        t,
        sid,
        any_value(score) filter (where move = 'return') as r,
        any_value(score) filter (where move = 'volume') as v,
        any_value(score) filter (where move = 'range') as g
    from scored
    group by t, sid
)

select
    t,
    sid,
    r as return_0,
    v as volume_0,
    g as range_0,
    any_value(r) over before_3 as return_b3,
    any_value(r) over before_2 as return_b2,
    any_value(r) over before_1 as return_b1,
    any_value(r) over after_1 as return_a1,
    any_value(r) over after_2 as return_a2,
    any_value(r) over after_3 as return_a3,
    any_value(v) over before_1 as volume_b1,
    any_value(v) over after_1 as volume_a1,
    any_value(g) over before_1 as range_b1,
    any_value(g) over after_1 as range_a1
from wide
window
    before_3 as (
        partition by sid
        order by t
        range between 3 preceding and 3 preceding
    ),
    before_2 as (
        partition by sid
        order by t
        range between 2 preceding and 2 preceding
    ),
    before_1 as (
        partition by sid
        order by t
        range between 1 preceding and 1 preceding
    ),
    after_1 as (
        partition by sid
        order by t
        range between 1 following and 1 following
    ),
    after_2 as (
        partition by sid
        order by t
        range between 2 following and 2 following
    ),
    after_3 as (
        partition by sid
        order by t
        range between 3 following and 3 following
    )
