-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- An action without an ex-date would never apply.
select *
from :source
where ex_date is null
