-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- Account currency per unit of price and quantity: at 0 a position would have no value.
-- Not "not isfinite(...)": pyarrow and polars leave NaN out of a file's statistics, and DuckDB
-- takes the condition to be false of a row group whose other values are all one number.
select *
from :source
where
    multiplier <= 0
    or case when isfinite(multiplier) then false else multiplier is not null end
