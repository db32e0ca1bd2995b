-- grain:  one row per (asset_id, ex_date, kind)
-- reads:  raw_prices
-- params: none
-- The engine pays dividends per share held before a split of the same day. On the eight days
-- that have both, the vendor's are per share after it: only so does adjusted_close come out.
create or replace table actions as
with

-- On one day the vendor's price and dividend are of shares after a split that it does not have: a
-- holder of KSU at 93.75 would be paid 181.
mended as (
    select
        asset_id,
        timestamp,
        dividend,
        case
            when asset_id = 'KSU' and timestamp = date '2000-07-13' then 0.5
            else split
        end as split
    from raw_prices
),

dividends as (
    select
        asset_id,
        timestamp as ex_date,
        'dividend' as kind,
        dividend * split as value
    from mended
    where dividend > 0
),

splits as (
    select
        asset_id,
        timestamp as ex_date,
        'split' as kind,
        split as value
    from mended
    where split <> 1
),

actions as (
    select * from dividends
    union all
    select * from splits
)

select * from actions
order by ex_date asc, asset_id asc, kind asc
