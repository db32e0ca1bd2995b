-- grain:  one row per interval of an asset, as it was told
-- reads:  :universe
-- params: :available, :told
-- Membership as of what was known: rows of one asset and start_date are revisions of an interval,
-- each of which counts from when it is known until the next one is.
create or replace table stage.memberships as
with

revisions as (
    select
        asset_id,
        start_date,
        end_date,
        :available as known_from,
        lead(:available) over (
            partition by asset_id, start_date
            order by :available asc, :told asc
        ) as revised_at
    from :universe
    where :available is not null
),

-- What is NULL is left out by greatest and least.
told as (
    select
        asset_id,
        greatest(start_date, known_from) as start_date,
        least(end_date, revised_at) as end_date
    from revisions
)

select * from told
where end_date is null or start_date < end_date
