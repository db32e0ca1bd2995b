-- grain:  one row per (asset_id, available_at)
-- reads:  :known
-- params: :tick, :columns
-- What became known, in the order in which a provider bisects it.
select
    asset_id::varchar as asset_id,
    :tick as tick,
    :columns
from :known
where isfinite(available_at)
order by asset_id asc, available_at asc
