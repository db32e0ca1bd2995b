-- grain:  one row per offending row
-- reads:  :source
-- params: :day, :price, :said
-- What is no future ends by a delisting, and what has no end is not settled.
-- Not "not isfinite(...)": pyarrow and polars leave NaN out of a file's statistics, and DuckDB
-- takes the condition to be false of a row group whose other values are all one number.
select *
from :source
where
    coalesce(not isfinite(:day), false)
    or (:day is not null and coalesce(:said, 'share') <> 'future')
    or case when isfinite(:price) then :day is null else :price is not null end
