-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- NaN sorts above every number in DuckDB: unguarded it would pass every range test.
-- Not "not isfinite(...)": pyarrow and polars leave NaN out of a file's statistics, and DuckDB
-- takes the condition to be false of a row group whose other values are all one number.
select *
from :source
where case when isfinite(low) then false else low is not null end
