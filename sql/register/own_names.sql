-- grain:  one row per name of a column
-- reads:  the footers of :files
-- params: :files
-- Columns as they are called in the files, upper and lower case as there.
select distinct name
from parquet_schema(:files)
