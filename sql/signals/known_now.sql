-- grain:  one row per (asset_id, :period)
-- reads:  :source
-- params: :columns, :period, :known_from
-- What is known today: of each period its last revision, as if it had been the first.
select
    asset_id,
    :columns,
    :known_from as available_at
from :source
qualify row_number() over (
    partition by asset_id, :period
    order by available_at desc
) = 1
