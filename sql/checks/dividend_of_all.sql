-- grain:  one row per offending row
-- reads:  :source, stage.action_prices
-- params: none
-- With the dividends since the last bar it pays all that a share was worth, or more.
select source.*
from :source as source
semi join stage.action_prices as quotes
    on
        source.asset_id = quotes.asset_id
        and source.ex_date = quotes.ex_date
        and source.kind = 'dividend'
        and source.value > 0
        and quotes.paid >= quotes.last_close
