-- grain:  one row per column, form, move and lag
-- reads:  :parts
-- params: :target, $least_bars
-- How each column goes with the moves of the bars before, at and after it.
create or replace temp table :target as
select *
from (:parts)
order by source asc, column_name asc, form asc, move asc, lag asc
