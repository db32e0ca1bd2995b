-- grain:  one row per offending position
-- reads:  :rows
-- params: none
-- The account never owes shares.
select
    timestamp,
    asset_id,
    quantity || ' shares in an account that cannot be short' as what
from :rows
where quantity < 0
