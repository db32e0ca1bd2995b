-- grain:  one row per column of numbers
-- reads:  columns
-- params: none
-- Finite numbers alone; q05 to q95 are interpolated between the two nearest values.
select
    source,
    column_name,
    "min",
    q05,
    q25,
    "median",
    q75,
    q95,
    "max",
    mean,
    std
from "columns"
where "median" is not null
order by source asc, column_name asc
