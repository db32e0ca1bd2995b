-- grain:  one row per row of a frame in memory
-- reads:  nothing
-- params: :target, :columns, :literals, :names, :is_any
-- In a script only: rows that a run registers as they are, each value as the text of its type.
create or replace temp table :target as
with

given (:names) as (
    values
    :literals
)

select :columns
from given
where :is_any
