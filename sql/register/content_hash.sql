-- grain:  one row
-- reads:  :source
-- params: none
-- A sum of row hashes does not depend on row order or on the number of threads; of whole
-- hashes, in whole numbers that hold it: a store keeps runs of equal hashes once.
select
    count(*) as n_rows,
    sum(hash(source)::hugeint) as content_hash
from :source as source
