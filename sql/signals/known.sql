-- grain:  one row per (asset_id, available_at)
-- reads:  :source
-- params: :target, :columns, :available, :filter
-- One clock: a row is known from its timestamp on, or a lag later.
create or replace view :target as
select
    asset_id,
    :available as available_at,
    :columns
from :source
where :filter
