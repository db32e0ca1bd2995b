-- grain:  one row per distinct timestamp of prices; a NULL timestamp keeps a row of its own
-- reads:  main.prices
-- params: none
-- The bars of a run, numbered in time order.
create or replace table stage.timeline as
with

bars as (
    select distinct timestamp
    from main.prices
)

select
    (row_number() over (order by timestamp asc nulls last) - 1)::integer as t,
    timestamp
from bars
