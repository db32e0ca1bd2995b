-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- No bar could be in such a session.
select *
from :source
where closes <= opens
