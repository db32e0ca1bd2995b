-- grain:  one row
-- reads:  :scored
-- params: :counts, $bars
-- How often each thing that lets a row be ranked was true at some bars, of all rows there.
select
    count(*) as n_rows,
    :counts
from (:scored)
where list_contains($bars::integer[], t)
