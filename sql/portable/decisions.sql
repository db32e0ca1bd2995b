-- grain:  one row per decision bar
-- reads:  :market, the bars of the schedule with what is known of the market
-- params: :condition
-- As in ranking/decisions.sql: a condition that is NULL is not true.
select market.*
from :market as market
where coalesce((:condition), false)
