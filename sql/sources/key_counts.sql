-- grain:  one row
-- reads:  :source
-- params: none
-- Counts rows and distinct (timestamp, asset_id) keys. A bitmap over small integers is 5 to
-- 10 times faster than grouping by the keys, which the check itself does once this differs.
with

times as (
    select
        timestamp,
        row_number() over () - 1 as i
    from (select distinct timestamp from :source)
),

assets as (
    select
        asset_id,
        row_number() over () - 1 as j
    from (select distinct asset_id from :source)
),

size as (
    select greatest(count(*), 1)::bigint as n_assets from assets
),

cells as (
    select (times.i * (select n_assets from size) + assets.j)::bigint as cell
    from :source as source
    inner join times on source.timestamp = times.timestamp
    inner join assets on source.asset_id = assets.asset_id
)

select
    count(*) as n_rows,
    bit_count(bitstring_agg(cell, 0, :n_cells)) as n_keys
from cells
