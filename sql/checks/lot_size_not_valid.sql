-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- Quantities are multiples of the lot size; 0 or NULL is any fraction.
-- Not "not isfinite(...)": pyarrow and polars leave NaN out of a file's statistics, and DuckDB
-- takes the condition to be false of a row group whose other values are all one number.
select *
from :source
where
    lot_size < 0
    or case when isfinite(lot_size) then false else lot_size is not null end
