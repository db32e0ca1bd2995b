-- grain:  one row
-- reads:  :source
-- params: none
-- A sum of row hashes does not depend on row order or on the number of threads.
select
    count(*) as n_rows,
    sum(hash(source) % 1000000007) as content_hash
from :source as source
