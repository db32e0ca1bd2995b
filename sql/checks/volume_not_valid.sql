-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- Volume is a count of shares; NULL is allowed, it says that nobody counted.
-- Not "not isfinite(...)": pyarrow and polars leave NaN out of a file's statistics, and DuckDB
-- takes the condition to be false of a row group whose other values are all one number.
select *
from :source
where
    volume < 0
    or case when isfinite(volume::double) then false else volume is not null end
