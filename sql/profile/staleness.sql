-- grain:  one row per period, and one with period NULL for all of them
-- reads:  :at_bars
-- params: :source, :period
-- formula: age = bar - time at which its row became known, in bars of the market and in days;
--          unmatched_share = bars before any row; too_old_share = bars whose row is past max_age
-- Ages are those of all matches, of the too old too. Prices are known at their own bars.
select
    :source as source,
    date_trunc(:period, timestamp)::date as period,
    count(*) as n_bars,
    1 - count(*) filter (where is_matched) / nullif(count(*), 0) as unmatched_share,
    count(*) filter (where is_matched and not is_fresh)
    / nullif(count(*), 0) as too_old_share,
    min(age_bars) as min_age_bars,
    quantile_disc(age_bars, 0.5) as median_age_bars,
    quantile_disc(age_bars, 0.95) as q95_age_bars,
    max(age_bars) as max_age_bars,
    quantile_disc(age_days, 0.5) as median_age_days,
    quantile_disc(age_days, 0.95) as q95_age_days,
    max(age_days) as max_age_days
from :at_bars
group by grouping sets ((), (date_trunc(:period, timestamp)::date))
having count(*) > 0
