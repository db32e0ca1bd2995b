-- grain:  one row per period
-- reads:  :at_bars
-- params: :source, :column_name, :value, :period
-- formula: coverage = bars at which the column is known and not NULL / bars of the assets
select
    :source as source,
    :column_name as column_name,
    date_trunc(:period, timestamp)::date as period,
    count(*) as n_bars,
    count(:value) as n_known,
    count(:value) / count(*) as coverage
from :at_bars
group by period
