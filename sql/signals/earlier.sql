-- grain:  one row per bar without a feature row of its own
-- reads:  :bars, :known, stage.assets, :target
-- params: :target, :columns, :last_columns, :packed, :is_fresh, :first, :last
-- The as-of join for the bars left over. Rows known before the chunk are folded into the last
-- one per asset, so that memory does not grow with the history.
insert into :target
with

rest as (
    select
        bars.t,
        bars.sid,
        bars.timestamp
    from :bars as bars
    anti join :target as matched on bars.t = matched.t and bars.sid = matched.sid
),

known as (
    select
        assets.sid,
        source.*
    from :known as source
    inner join stage.assets as assets on source.asset_id = assets.asset_id
    where source.available_at <= :last
),

inside as (
    select
        sid,
        available_at,
        :columns
    from known
    where available_at > :first
),

folded as (
    select
        sid,
        max(available_at) as available_at,
        -- A struct is never NULL: max_by alone would skip a row whose value is NULL.
        max_by(:packed, available_at) as last_row
    from known
    where available_at <= :first
    group by sid
),

candidates as (
    select *
    from inside
    union all
    select
        sid,
        available_at,
        :last_columns
    from folded
)

select
    rest.t,
    rest.sid,
    :columns
from rest
asof inner join candidates
    on rest.sid = candidates.sid and rest.timestamp >= candidates.available_at
where :is_fresh
