-- grain:  one row per cut and table of the run that differs
-- reads:  :differences
-- params: :other
-- What differs in the run itself, the first first: of its sources something else is told.
select
    bar,
    place,
    "column",
    asset_id,
    whole_value,
    :other
from :differences
where place not in ('signals', 'market')
order by
    bar asc,
    place asc,
    cut asc
