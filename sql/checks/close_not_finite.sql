-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- NaN sorts above every number in DuckDB: unguarded it would pass every range test.
select *
from :source
where not isfinite(close)
