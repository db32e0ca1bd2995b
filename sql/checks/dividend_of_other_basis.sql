-- grain:  one row per row to look at
-- reads:  :source, stage.action_prices
-- params: none
-- On the date of a split the price fell by what the dividend would be per share on its other side:
-- better by a hundredth of the price at the least.
select source.*
from :source as source
semi join stage.action_prices as quotes
    on
        source.asset_id = quotes.asset_id
        and source.ex_date = quotes.ex_date
        and source.kind = 'dividend'
        and source.value > 0
        and quotes.ratio <> 1
        and quotes.other_move < quotes.split_move - 0.01
