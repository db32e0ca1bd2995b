-- grain:  one row per offending row
-- reads:  :source
-- params: :initial
-- A fraction of exposure. Above the initial margin, every entry would be a margin call.
-- Not "not isfinite(...)": pyarrow and polars leave NaN out of a file's statistics, and DuckDB
-- takes the condition to be false of a row group whose other values are all one number.
select *
from :source
where
    maintenance_margin <= 0
    or maintenance_margin > 1
    -- NaN is above 1, but not by the statistics of a file that leave it out.
    or case
        when isfinite(maintenance_margin) then false
        else maintenance_margin is not null
    end
    or coalesce(maintenance_margin > :initial, false)
