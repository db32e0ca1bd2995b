-- grain:  one row per period with a finite value
-- reads:  :at_bars
-- params: :source, :column_name, :value, :period
-- formula: psi = sum over ten bins of (p - q) * ln(p / q), with q the shares of the period before
--          in the bins between its own deciles, p those of this period in the same bins, each at
--          least 0.0001; NULL for the first period
-- source:  Siddiqi, Credit Risk Scorecards, 2006: below 0.1 little, above 0.25 much has moved
with

cells as (
    select
        date_trunc(:period, timestamp)::date as period,
        (:value)::double as value
    from :at_bars
    where isfinite((:value)::double)
),

told as (
    select
        period,
        count(*) as n_values,
        avg(value) as mean,
        stddev_samp(value) as std,
        quantile_cont(value, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]) as edges
    from cells
    group by period
),

edged as (
    select
        period,
        n_values,
        mean,
        std,
        edges[5] as median,
        edges as own,
        lag(edges) over (order by period) as before,
        lag(n_values) over (order by period) as n_before,
        lag(period) over (order by period) as period_before
    from told
),

-- A bin is how many edges are below a value: comparisons of plain columns run many at a time.
placed as (
    select
        cells.period,
        (cells.value > edged.own[1])::integer + (cells.value > edged.own[2])::integer
        + (cells.value > edged.own[3])::integer + (cells.value > edged.own[4])::integer
        + (cells.value > edged.own[5])::integer + (cells.value > edged.own[6])::integer
        + (cells.value > edged.own[7])::integer + (cells.value > edged.own[8])::integer
        + (cells.value > edged.own[9])::integer as own_bin,
        (cells.value > edged.before[1])::integer
        + (cells.value > edged.before[2])::integer
        + (cells.value > edged.before[3])::integer
        + (cells.value > edged.before[4])::integer
        + (cells.value > edged.before[5])::integer
        + (cells.value > edged.before[6])::integer
        + (cells.value > edged.before[7])::integer
        + (cells.value > edged.before[8])::integer
        + (cells.value > edged.before[9])::integer as bin_before
    from cells
    inner join edged on cells.period = edged.period
),

own_counts as (
    select
        period,
        own_bin as bin,
        count(*) as n
    from placed
    group by period, own_bin
),

later_counts as (
    select
        period,
        bin_before as bin,
        count(*) as n
    from placed
    where bin_before is not null
    group by period, bin_before
),

bins as (
    select unnest(range(10)) as bin
),

shares as (
    select
        edged.period,
        greatest(coalesce(later_counts.n, 0) / edged.n_values, 0.0001) as p,
        greatest(coalesce(own_counts.n, 0) / edged.n_before, 0.0001) as q
    from edged
    cross join bins
    left join later_counts
        on edged.period = later_counts.period and bins.bin = later_counts.bin
    left join own_counts
        on edged.period_before = own_counts.period and bins.bin = own_counts.bin
    where edged.before is not null
),

moved as (
    select
        period,
        sum((p - q) * ln(p / q)) as psi
    from shares
    group by period
)

select
    :source as source,
    :column_name as column_name,
    edged.period,
    edged.n_values,
    edged.mean,
    edged.std,
    edged.median,
    moved.psi
from edged
left join moved on edged.period = moved.period
