-- grain:  one row per (asset_id, available_at)
-- reads:  :source
-- params: :target, :columns, :available, :told, :filter
-- Two clocks. What is known at a time is the newest period, at its newest revision. A row
-- changes that state only if no later period was known before it; a late restatement of an
-- older period does not, so it is left out here and a plain as-of join does the rest.
create or replace table :target as
with

revisions as (
    select
        asset_id,
        :available as available_at,
        timestamp as __period,
        :told as __told,
        :columns
    from :source
    where :filter
),

state_changes as (
    select *
    from revisions
    qualify
        __period >= max(__period)
            over (
                partition by asset_id
                order by available_at asc, __period asc
                rows between unbounded preceding and current row
            )
        -- Two periods published at once: the newer is the state, as it was told last.
        and row_number() over (
            partition by asset_id, available_at
            order by __period desc, __told desc
        ) = 1
)

select * exclude (__period, __told) from state_changes
