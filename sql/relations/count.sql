-- grain:  one row
-- reads:  :query
-- params: none
-- How many rows a query has.
select count(*) as n_rows
from (:query)
