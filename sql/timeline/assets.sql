-- grain:  one row per asset of prices
-- reads:  main.prices
-- params: none
-- Surrogate numbers follow the order of asset_id, so a tie broken by sid is broken by asset_id.
create or replace table stage.assets as
with

assets as (
    select distinct asset_id
    from main.prices
    where asset_id is not null
)

select
    (row_number() over (order by asset_id asc) - 1)::integer as sid,
    asset_id
from assets
