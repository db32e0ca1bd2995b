-- grain:  one row per row of :parts
-- reads:  :parts
-- params: :target, :sorted_by
-- What was found of every column, source by source.
create or replace temp table :target as
select *
from (:parts)
order by :sorted_by
