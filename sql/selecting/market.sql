-- grain:  one row per decision bar
-- reads:  :decisions, :market
-- params: :columns
-- What `market` means in a query.
select :columns
from :decisions as decisions
inner join :market as market on decisions.t = market.t
