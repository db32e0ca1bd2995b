-- grain:  one row per decision bar
-- reads:  temp.decisions, temp.market
-- params: :columns
-- What `market` means in a query.
select :columns
from temp.decisions as decisions
inner join temp.market as market on decisions.t = market.t
