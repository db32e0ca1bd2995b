-- grain:  one row per row of the query
-- reads:  the query
-- params: :query, :clock
-- A query with the time at which each of its rows is known behind its columns.
select
    *,
    :clock as "__known_at"
from (
    :query
) as rows_of_query
