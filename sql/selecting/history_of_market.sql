-- grain:  one row per timestamp
-- reads:  :market
-- params: :said, :market
-- A condition on bars as a query by itself, of which it is proved that it reads no later bar.
select
    timestamp,
    :said as history
from :market
