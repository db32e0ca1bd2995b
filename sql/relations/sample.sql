-- grain:  one row per row of :query, at most :n
-- reads:  :query
-- params: :ordering, :n
-- The first rows of a query, for a message; or whether there is any.
select *
from (:query)
:ordering
limit :n
