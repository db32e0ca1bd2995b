-- grain:  one row per column of numbers and quantile
-- reads:  columns
-- params: none
-- The quantiles of `distributions` as rows: what a picture of a column's distribution draws.
with

quantiles as (
    select
        source,
        column_name,
        unnest(['min', '5 %', '25 %', 'median', '75 %', '95 %', 'max']) as quantile,
        unnest(range(7)) as place,
        unnest(["min", q05, q25, "median", q75, q95, "max"]) as value
    from "columns"
    where "median" is not null
)

select
    concat(source, '.', column_name) as feature,
    quantile,
    value
from quantiles
order by source asc, column_name asc, place asc
