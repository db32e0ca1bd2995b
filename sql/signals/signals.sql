-- grain:  one row per (timestamp, asset_id) of prices
-- reads:  main.prices, the known rows of every features source
-- params: :columns, :joins
-- Every column that a strategy or rule may name, as it was known at the bar.
create or replace view main.signals as
select :columns
from main.prices as prices
:joins
