-- grain:  one row per asset_id
-- reads:  :source
-- params: :columns
-- What is known of an asset today.
select :columns
from :source
qualify row_number() over (
    partition by asset_id
    order by available_at desc
) = 1
