-- grain:  one row per asset
-- reads:  main.borrow, main.assets
-- params: none
-- Contracts on which a fee would be charged as if they were borrowed shares.
select
    assets.asset_id,
    assets.multiplier,
    max(borrow.fee) as fee
from main.assets as assets
inner join main.borrow as borrow on assets.asset_id = borrow.asset_id
where assets.multiplier <> 1 and borrow.fee <> 0
group by assets.asset_id, assets.multiplier
order by assets.asset_id asc
