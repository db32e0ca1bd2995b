-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- A fraction of exposure: 50 would be a percentage, 0 a position without any capital.
-- Not "not isfinite(...)": pyarrow and polars leave NaN out of a file's statistics, and DuckDB
-- takes the condition to be false of a row group whose other values are all one number.
select *
from :source
where
    short_initial_margin <= 0
    or short_initial_margin > 1
    -- NaN is above 1, but not by the statistics of a file that leave it out.
    or case
        when isfinite(short_initial_margin) then false
        else short_initial_margin is not null
    end
