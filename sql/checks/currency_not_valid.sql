-- grain:  one row per offending row
-- reads:  :source
-- params: none
select *
from :source
where not coalesce(regexp_full_match(currency::varchar, '[A-Za-z0-9]{2,10}'), true)
