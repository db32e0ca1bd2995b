-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- Prices are multiples of the tick size; 0 or NULL is any price.
-- Not "not isfinite(...)": pyarrow and polars leave NaN out of a file's statistics, and DuckDB
-- takes the condition to be false of a row group whose other values are all one number.
select *
from :source
where
    tick_size < 0
    or case when isfinite(tick_size) then false else tick_size is not null end
