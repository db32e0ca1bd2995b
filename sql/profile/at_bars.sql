-- grain:  one row per bar of :bars
-- reads:  :rows, :bars
-- params: :target, :columns, :is_fresh
-- The as-of match of each bar: the newest row known there, and how old it is. NULL where none is
-- known, or where it is too old for max_age.
create or replace temp table :target as
with

known as (
    select *
    from :rows
    where t is not null and sid is not null
),

matched as (
    select
        bars.t,
        bars.sid,
        bars.timestamp,
        known.t is not null as is_matched,
        coalesce(known.t is not null and :is_fresh, false) as is_fresh,
        bars.t - known.t as age_bars,
        (epoch(bars.timestamp) - epoch(known.available_at)) / 86400 as age_days,
        known.* exclude (t, sid, available_at)
    from :bars as bars
    asof left join known
        on bars.sid = known.sid and bars.timestamp >= known.available_at
)

select
    t,
    sid,
    timestamp,
    is_matched,
    is_fresh,
    age_bars,
    age_days,
    :columns
from matched
