-- grain:  one row per (timestamp, asset_id)
-- reads:  main.signals
-- params: :columns
-- What a loop written by hand walks: bar by bar, and in a bar asset by asset.
select :columns
from main.signals
order by timestamp asc, asset_id asc
