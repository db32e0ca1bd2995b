-- grain:  one row
-- reads:  report.daily_returns, report.monthly_returns, report.yearly_returns
-- params: none
-- The best and the worst day, month and year, by trading dates; the first and the last month and
-- year may be cut. up_days and up_months: the share of those that gained among those that moved.
-- longest_up_streak and longest_down_streak: days in a row that gained (lost); a day of exactly
-- zero ends both (quantstats 0.0.86). gain_to_pain: sum of the monthly returns / -sum of those below
-- 0 (Schwager 2012, Hedge fund market wizards); NULL where no month lost. quantstats takes days
-- unless it is told otherwise, which is omega - 1, and adds the days of a month up, uncompounded.
with

-- Among days of one sign in a row both numbers grow alike.
numbered as (
    select
        sign("return") as side,
        row_number() over (order by session asc)
        - row_number() over (partition by sign("return") order by session asc) as streak
    from report.daily_returns
),

streaks as (
    select
        side,
        count(*) as n_days
    from numbered
    group by side, streak
),

longest as (
    select
        coalesce(max(n_days) filter (where side > 0), 0) as up,
        coalesce(max(n_days) filter (where side < 0), 0) as down
    from streaks
),

days as (
    select
        max("return") as best,
        min("return") as worst,
        count(*) filter (where "return" > 0) as n_up,
        count(*) filter (where "return" <> 0) as n_moved
    from report.daily_returns
),

months as (
    select
        max("return") as best,
        min("return") as worst,
        count(*) filter (where "return" > 0) as n_up,
        count(*) filter (where "return" <> 0) as n_moved,
        sum("return" order by month) as made,
        -sum("return" order by month) filter (where "return" < 0) as lost
    from report.monthly_returns
),

years as (
    select
        max("return") as best,
        min("return") as worst
    from report.yearly_returns
)

select
    days.best as best_day,
    days.worst as worst_day,
    months.best as best_month,
    months.worst as worst_month,
    years.best as best_year,
    years.worst as worst_year,
    case when days.n_moved > 0 then days.n_up / days.n_moved end as up_days,
    case when months.n_moved > 0 then months.n_up / months.n_moved end as up_months,
    longest.up as longest_up_streak,
    longest.down as longest_down_streak,
    case when months.lost > 0 then months.made / months.lost end as gain_to_pain
from days
cross join months
cross join years
cross join longest
