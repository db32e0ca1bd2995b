-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- The most shares of one order; NULL is any number.
-- Not "not isfinite(...)": pyarrow and polars leave NaN out of a file's statistics, and DuckDB
-- takes the condition to be false of a row group whose other values are all one number.
select *
from :source
where
    max_order <= 0
    or case when isfinite(max_order) then false else max_order is not null end
