-- grain:  one row per offending row
-- reads:  :source
-- params: :initial, :maintenance, :said
-- Account currency per contract. Above the initial margin, every entry would be a margin call.
-- Not "not isfinite(...)": pyarrow and polars leave NaN out of a file's statistics, and DuckDB
-- takes the condition to be false of a row group whose other values are all one number.
select *
from :source
where
    :initial <= 0
    or :maintenance <= 0
    or case when isfinite(:initial) then false else :initial is not null end
    or case when isfinite(:maintenance) then false else :maintenance is not null end
    or coalesce(:maintenance > :initial, false)
    or (
        coalesce(:initial, :maintenance) is not null
        and coalesce(:said, 'share') = 'share'
    )
