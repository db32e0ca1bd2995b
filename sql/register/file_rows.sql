-- grain:  one row
-- reads:  the footers of :files
-- params: :files
-- How many rows files have, without a look at them.
select sum(num_rows)::bigint as n_rows
from parquet_file_metadata(:files)
