-- grain:  one row per row to look at
-- reads:  :source, stage.action_prices
-- params: none
-- Holders are paid more than three times the last close; less, down to nothing, is usual.
select source.*
from :source as source
semi join stage.action_prices as quotes
    on
        source.asset_id = quotes.asset_id
        and source.ex_date = quotes.ex_date
        and source.kind = 'delisting'
        and source.value * quotes.ratio > 3 * quotes.last_close
