-- grain:  one row per row to look at
-- reads:  :source, stage.action_prices
-- params: none
-- The dividends between two bars are a fifth of the price or more, and the price moved rather as
-- if there had been none.
select source.*
from :source as source
semi join stage.action_prices as quotes
    on
        source.asset_id = quotes.asset_id
        and source.ex_date = quotes.ex_date
        and source.kind = 'dividend'
        and source.value > 0
        and quotes.share >= 0.2
        and quotes.cum_move < quotes.split_move
