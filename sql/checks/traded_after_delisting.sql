-- grain:  one row per row to look at
-- reads:  :source, stage.action_prices
-- params: none
-- Its holders are paid out, and it can be bought again: another asset may have its name.
select source.*
from :source as source
semi join stage.action_prices as quotes
    on
        source.asset_id = quotes.asset_id
        and source.ex_date = quotes.ex_date
        and source.kind = 'delisting'
        and quotes.next_bar is not null
