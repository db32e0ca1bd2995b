-- grain:  one row per row of :view from a bar on
-- reads:  :view, stage.timeline
-- params: :columns, :known
-- Cells of one of two catalogs that are compared, with the number of the bar in it.
with

cells as (
    select :columns
    from :view
    where :known
)

select
    timeline.t as __t,
    cells.*
from cells
inner join stage.timeline as timeline on cells.timestamp = timeline.timestamp
