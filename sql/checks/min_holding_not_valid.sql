-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- Sessions are counted; NULL is the market's own rule.
-- Not "not isfinite(...)": pyarrow and polars leave NaN out of a file's statistics, and DuckDB
-- takes the condition to be false of a row group whose other values are all one number.
select *
from :source
where
    min_holding < 0
    or case
        when isfinite(min_holding) then min_holding <> floor(min_holding)
        else min_holding is not null
    end
