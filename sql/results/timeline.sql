-- grain:  one row per bar
-- reads:  staged_timeline
-- params: :timestamp rebuilds the bars' own type from microseconds
-- The result keeps its own small copies, so that it outlives the catalog.
create table stage.timeline as
select
    t::integer as t,
    :timestamp as timestamp,
    date '1970-01-01' + session::integer as session
from staged_timeline
