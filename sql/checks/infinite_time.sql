-- grain:  one row per offending row
-- reads:  :source
-- params: :is_infinite
-- DuckDB and pandas have times beyond every calendar. A row there is no bar, and would be
-- known either always or never.
select *
from :source
where :is_infinite
