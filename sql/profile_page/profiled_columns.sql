-- grain:  one row per column of a source
-- reads:  columns, coverage, drift, dispersion
-- params: none
-- What is missing in each column, and the worst period of each: its lowest coverage, its largest
-- PSI; alike_share are the bars at which all assets have one value.
with

known as (
    select
        source,
        column_name,
        min(coverage) as lowest_coverage
    from coverage
    group by source, column_name
),

moved as (
    select
        source,
        column_name,
        max(psi) as largest_psi
    from drift
    group by source, column_name
),

spread as (
    select
        source,
        column_name,
        sum(n_bars_alike) / nullif(sum(n_bars), 0) as alike_share
    from dispersion
    group by source, column_name
)

select
    "columns".source,
    "columns".column_name,
    "columns".column_type,
    "columns".n_rows,
    "columns".null_share,
    "columns".n_not_finite,
    "columns".n_distinct,
    known.lowest_coverage,
    moved.largest_psi,
    spread.alike_share,
    "columns".first_known,
    "columns".last_known
from "columns"
left join known
    on "columns".source = known.source and "columns".column_name = known.column_name
left join moved
    on "columns".source = moved.source and "columns".column_name = moved.column_name
left join spread
    on "columns".source = spread.source and "columns".column_name = spread.column_name
order by "columns".source asc, "columns".column_name asc
