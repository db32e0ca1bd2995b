-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- How many shares can be borrowed in all; NULL is any number.
-- Not "not isfinite(...)": pyarrow and polars leave NaN out of a file's statistics, and DuckDB
-- takes the condition to be false of a row group whose other values are all one number.
select *
from :source
where
    shares < 0
    or case when isfinite(shares) then false else shares is not null end
