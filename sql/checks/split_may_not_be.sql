-- grain:  one row per row to look at
-- reads:  :source, stage.action_prices
-- params: none
-- The price moved as if there had been no split, or by more than a factor of 2 beside it.
select source.*
from :source as source
semi join stage.action_prices as quotes
    on
        source.asset_id = quotes.asset_id
        and source.ex_date = quotes.ex_date
        and source.kind = 'split'
        and (
            quotes.split_move > ln(2)
            or (quotes.size > ln(1.1) and quotes.move < quotes.split_move)
        )
