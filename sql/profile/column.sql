-- grain:  one row
-- reads:  :rows
-- params: :source, :column_name, :kind, :value, :number, :clock
-- What a column of a source holds. min to std are of finite numbers alone, NULL for other types;
-- q05 to q95 are interpolated between the two nearest values, std is the sample's.
with

cells as (
    select
        :value as value,
        (:number)::double as number,
        :clock as known_at
    from :rows
),

summed as (
    select
        count(*) as n_rows,
        count(*) - count(value) as n_null,
        count(*) filter (where not isfinite(number)) as n_not_finite,
        count(distinct value) as n_distinct,
        min(number) filter (where isfinite(number)) as lowest,
        quantile_cont(number, [0.05, 0.25, 0.5, 0.75, 0.95])
        filter (where isfinite(number)) as q,
        max(number) filter (where isfinite(number)) as highest,
        avg(number) filter (where isfinite(number)) as mean,
        stddev_samp(number) filter (where isfinite(number)) as std,
        min(known_at) filter (where value is not null) as first_known,
        max(known_at) filter (where value is not null) as last_known
    from cells
)

select
    :source as source,
    :column_name as column_name,
    :kind as column_type,
    n_rows,
    n_null,
    n_null / nullif(n_rows, 0) as null_share,
    n_not_finite,
    n_distinct,
    lowest as min,
    q[1] as q05,
    q[2] as q25,
    q[3] as median,
    q[4] as q75,
    q[5] as q95,
    highest as max,
    mean,
    std,
    first_known::varchar as first_known,
    last_known::varchar as last_known
from summed
