-- grain:  one row per row of :bars
-- reads:  :bars, :known
-- params: :items
-- What is the same at every bar of an asset, such as its sector.
select
    bars.*,
    :items
from :bars as bars
left join :known as __known on bars.sid = __known.asset_id
