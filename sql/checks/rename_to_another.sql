-- grain:  one row per offending row
-- reads:  :source, stage.action_prices
-- params: none
-- The new name went on at a price of its own, at most half or at least twice the old one's: two
-- assets, and one share of the one is no share of the other.
select source.*
from :source as source
semi join stage.action_prices as quotes
    on
        source.asset_id = quotes.asset_id
        and source.ex_date = quotes.ex_date
        and source.kind = 'rename'
        and source.new_asset_id = quotes.new_asset_id
        and quotes.rename_move >= ln(2)
        and quotes.new_move < quotes.rename_move / 4
