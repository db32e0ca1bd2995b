-- grain:  one row per split or dividend of an asset in prices, between its bars
-- reads:  main.actions, main.prices
-- params: none
-- Prices that are adjusted have it in them: applied again it makes money of nothing.
with

spans as (
    select
        asset_id,
        min(timestamp) as first_bar,
        max(timestamp) as last_bar
    from main.prices
    group by asset_id
)

select actions.*
from main.actions as actions
inner join spans
    on
        actions.asset_id = spans.asset_id
        and actions.ex_date > spans.first_bar
        and actions.ex_date <= spans.last_bar
where
    (actions.kind = 'split' and actions.value <> 1)
    or (actions.kind = 'dividend' and actions.value <> 0)
