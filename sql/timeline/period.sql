-- grain:  one row
-- reads:  stage.timeline
-- params: :starts, :ends are conditions on a bar's timestamp
-- The first bar that a run may begin at, and the last that it may end with; NULL: there is none.
select
    min(t) filter (where :starts) as first_t,
    max(t) filter (where :ends) as last_t
from stage.timeline
where timestamp is not null
