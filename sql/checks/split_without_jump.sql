-- grain:  one row per offending row
-- reads:  :source, stage.action_prices
-- params: :at_ratio
-- The price stayed where it was while each share became more than four, or less than a quarter:
-- no price moves by so much on the very day. Smaller ones are a warning.
select source.*
from :source as source
semi join stage.action_prices as quotes
    on
        source.asset_id = quotes.asset_id
        and source.ex_date = quotes.ex_date
        and source.kind = 'split'
        and quotes.size > ln(4) + :at_ratio
        and quotes.move < quotes.size / 4
