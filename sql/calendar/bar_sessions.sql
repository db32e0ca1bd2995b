-- grain:  one row per bar
-- reads:  stage.timeline, stage.sessions
-- params: :is_intraday
-- The session that a bar is in: of intraday bars the one in whose hours it ends, which may have
-- opened on the day before; else the day of the bar.
create or replace table stage.bar_sessions as
with

bars as (
    select
        t,
        timestamp
    from stage.timeline
    where timestamp is not null
),

hours as (
    select
        session,
        opens,
        closes
    from stage.sessions
    where
        is_open
        and opens is not null
        and closes is not null
)

select
    bars.t,
    bars.timestamp,
    :is_intraday as is_intraday,
    case
        when :is_intraday and bars.timestamp <= hours.closes then hours.session
        else bars.timestamp::date
    end as session
from bars
asof left join hours on bars.timestamp > hours.opens
