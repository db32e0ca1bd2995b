-- grain:  one row per bar
-- reads:  staged_timeline
-- params: :timestamp rebuilds the bars' own type from microseconds
-- The result keeps its own small copies, so that it outlives the catalog.
create table stage.timeline as
select
    t::integer as t,
    :timestamp as timestamp
from staged_timeline
