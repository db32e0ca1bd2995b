-- grain:  one row
-- reads:  stage.sessions
-- params: none
-- By how many days a week begins before Monday: by one where Sundays trade as Mondays do and
-- Saturdays do not, as in Riyadh.
select
    (
        count(*) filter (where isodow(session) = 7)
        > 0.5 * count(*) filter (where isodow(session) = 1)
        and count(*) filter (where isodow(session) = 6)
        < 0.5 * count(*) filter (where isodow(session) = 1)
    )::integer as shift
from stage.sessions
where is_open
