-- grain:  one row per row to look at
-- reads:  :source, stage.action_prices
-- params: none
-- The new name begins at half or twice the old one's price, or had bars before.
select source.*
from :source as source
semi join stage.action_prices as quotes
    on
        source.asset_id = quotes.asset_id
        and source.ex_date = quotes.ex_date
        and source.kind = 'rename'
        and source.new_asset_id = quotes.new_asset_id
        and (quotes.new_last_bar is not null or quotes.rename_move >= ln(2))
