-- grain:  one row per offending row
-- reads:  :source
-- params: :own, :own_initial, :needed, :initial
-- A fraction of exposure. Above the initial margin of shorts, every short sale would be a margin
-- call, whether that of shorts is given or that of both sides counts for them.
-- Not "not isfinite(...)": pyarrow and polars leave NaN out of a file's statistics, and DuckDB
-- takes the condition to be false of a row group whose other values are all one number.
select *
from :source
where
    :own <= 0
    or :own > 1
    -- NaN is above 1, but not by the statistics of a file that leave it out.
    or case when isfinite(:own) then false else :own is not null end
    or (
        coalesce(:own, :own_initial) is not null
        and coalesce(:needed > :initial, false)
    )
